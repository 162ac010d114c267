"""What somebody may have meant who misspelt a name."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

_LONGEST = 60
"""Characters of each name that are compared, which takes the square of them."""
_MOST = 1000
"""How many names are compared, so that it takes no time that anybody notices."""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return which of the first 1000 names is near to `name`, if one is."""
    from difflib import get_close_matches  # which few runs need

    folded = {one[:_LONGEST].casefold(): one for one in islice(names, _MOST)}
    near = get_close_matches(name[:_LONGEST].casefold(), folded, 1)
    return folded[near[0]] if near else None
