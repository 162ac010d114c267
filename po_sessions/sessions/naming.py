"""Names of sessions: whether one is free, the first free one, and holding it until a session has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from po_sessions.errors import Advice, Conflict
from po_sessions.session import NAME_LENGTH, SessionSummary, check_session_name
from po_sessions.storage import SessionStore

UNNAMED = "Session"
"""What a session without a name, or with one that no session may have, is called."""

_NUMBER_LENGTH = 20
"""The part of a name, at its end, that a number may replace."""


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
def claimed(store: SessionStore, po_name: str, base: str, names: FreeNames | None = None) -> Iterator[tuple[str, str]]:
    """Hold the first free name that begins with `base`; yield the prompt object's name now, and that name.

    `names` are the free ones as far as the caller knows them, for many sessions in a row. Raises Busy.
    """
    while True:
        known = names or FreeNames(
            store.taken_names(store.po_name(po_name), base[: NAME_LENGTH - _NUMBER_LENGTH].rstrip())
        )
        name = known.take(base)
        with store.claim_name(po_name, name) as owner:
            if name not in store.taken_names(owner, name):
                yield owner, name
                return
