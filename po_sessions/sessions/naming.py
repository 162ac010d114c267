"""Names of sessions: whether one is free, the first free one, and holding it until a session has it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from po_sessions.errors import Advice, Conflict
from po_sessions.names import NAME_LENGTH, check_session_name
from po_sessions.session import SessionSummary
from po_sessions.storage import SessionStore

UNNAMED = "Session"
"""What a session without a name, or with one that no session may have, is called."""

_NUMBERS = re.compile(r"( [0-9]+)+$")
_LEFT_ALONE = NAME_LENGTH - 20
"""How many characters of a name no number replaces."""


class FreeNames:
    """The names that sessions of one prompt object can still get."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._next: dict[str, int] = {}

    def take(self, base: str) -> str:
        """Return `base`, with the first number that makes it free, cut to the length that names may have."""
        name, number = base, self._next.get(base, 2)
        while name in self._taken:
            end = f" {number}"
            name, number = base[: NAME_LENGTH - len(end)].rstrip() + end, number + 1
        self._taken.add(name)
        self._next[base] = number
        return name


def named(store: SessionStore, po_name: str, name: str) -> SessionSummary | None:
    """Return a session with this name. Raises Unreadable if only one that cannot be read has it."""
    return next(iter(store.list(po_name=po_name, name=name)), None)


def check_free(store: SessionStore, po_name: str, name: str) -> None:
    """Raise InvalidInput if no new session may have this name, Conflict if one has it."""
    if taken := named(store, po_name, check_session_name(name)):
        raise Conflict(
            f"{po_name} has a session named {taken.name!r}: {taken.id}.",
            advice=Advice("name_taken", name=taken.name, po_name=po_name),
        )


@contextmanager
def claimed(store: SessionStore, po_name: str, *names: str) -> Iterator[str]:
    """Hold names, and those that are made of them with numbers, until sessions have them.

    Yields what the prompt object is called now. Raises Busy.
    """
    with store.claim_name(po_name, *{_family(name) for name in names}) as owner:
        yield owner


def free_name(store: SessionStore, po_name: str, base: str) -> str:
    """Return `base`, with a number if it is taken; the caller has claimed it."""
    return FreeNames(store.taken_names(po_name, base[:_LEFT_ALONE].rstrip())).take(base)


def _family(name: str) -> str:
    """Return what a name has in common with those that are made of it with numbers, and with the one it is made of."""
    return _NUMBERS.sub("", _NUMBERS.sub("", name)[:_LEFT_ALONE].rstrip())
