"""Files in the trash that are not listed there, as remarks name them."""

from __future__ import annotations

from collections.abc import Sequence

_NAMED = 5
"""How many other files are named."""

NOT_OURS = "that is not po's, so emptying the trash leaves it"


def named(names: Sequence[str]) -> str:
    """Return the first of some names, and how many more there are."""
    return ", ".join(names[:_NAMED]) + f" and {len(names) - _NAMED} more" * (len(names) > _NAMED)
