"""The ladder from what a user typed to one session.

Exact id, which no name can look like; exact name within the prompt object; unique prefix or suffix of an id, of at
least 4 characters; `@current`, `@previous`, `@last`. Nothing is ever made by a selector that matches nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Protocol, TypeVar

from po_sessions.errors import Advice, AmbiguousSelector, NoCurrent, SessionNotFound
from po_sessions.names import DEFAULT_NAME, is_session_id
from po_sessions.pointers import PointerStore
from po_sessions.session import SessionSummary
from po_sessions.sessions.naming import named
from po_sessions.storage import Maintenance, SessionStore, ability
from po_sessions.text.suggest import nearest

SHORTEST_FRAGMENT = 4
SHORTEST_SHOWN = 6
SHORTEST_TIME = len("143005.123Z")
"""What is shown of the id of something set aside: at least the time of day, in UTC; less could be anything."""


def select(ref: str, storage: SessionStore, pointers: PointerStore, po_name: str | None) -> SessionSummary:
    """Return the one session that `ref` means; names and `@…` are looked up in `po_name`.

    Raises SessionNotFound, AmbiguousSelector; NoCurrent for `@…` without a prompt object or with no such pointer.
    """
    found = _look(ref, storage, pointers, po_name)
    if found is None:
        if maintained := ability(storage, Maintenance):
            maintained.rescan()
        found = _look(ref, storage, pointers, po_name)
    if found is None:
        if po_name is None:
            raise SessionNotFound(ref, advice=Advice("no_po_to_look_in"))
        elsewhere = _elsewhere(ref, storage)
        near = None if elsewhere else nearest(ref, (one.name for one in storage.list(po_name=po_name)))
        advice = Advice("see_sessions", po_name=po_name, elsewhere=elsewhere, near=near)
        raise SessionNotFound(ref, advice=advice)
    return found


def meant(storage: SessionStore, pointers: PointerStore, po_name: str | None) -> SessionSummary:
    """Return the session that is meant where none is named: the current one of `po_name`, else its `Default`.

    Raises NoCurrent.
    """
    if po_name is None:
        raise no_current_po()
    found = current(storage, pointers, po_name) or named(storage, po_name, DEFAULT_NAME)
    if found is None:
        raise NoCurrent(
            f"{po_name} has no current session, and none named {DEFAULT_NAME!r}.",
            advice=Advice("no_current_session", po_name=po_name),
        )
    return found


def current(storage: SessionStore, pointers: PointerStore, po_name: str) -> SessionSummary | None:
    """Return the current session of a prompt object, None if it has none. Raises NoCurrent if that is gone."""
    id = pointers.read().pointer(po_name).current
    return None if id is None else _summary_at(id, "current", storage, po_name)


def _look(ref: str, storage: SessionStore, pointers: PointerStore, po_name: str | None) -> SessionSummary | None:
    for id in (ref, ref.upper(), ref.lower()):  # no new session may have a name that looks like one
        if is_session_id(id):
            return _summary(id, storage)
    if po_name is not None:
        name = unicodedata.normalize("NFC", ref)
        named = list(storage.list(po_name=po_name, name=name))
        if named:
            return _only(ref, named)
    if ref in ("@current", "@previous", "@last"):
        return _pointed(ref, storage, pointers, po_name)
    if len(ref) < SHORTEST_FRAGMENT:
        return None
    return _only(ref, [found for id in storage.find(ref) if (found := _summary(id, storage))])


def _elsewhere(name: str, storage: SessionStore) -> list[tuple[str, str]]:
    """Return which prompt objects have a session with this name, each with its id; at most 3."""
    found = islice(storage.list(name=unicodedata.normalize("NFC", name)), 3)
    return [(one.po_name, one.id) for one in found]


def _pointed(ref: str, storage: SessionStore, pointers: PointerStore, po_name: str | None) -> SessionSummary | None:
    if po_name is None:
        raise no_current_po()
    if ref == "@last":
        return next((one for one in storage.list(po_name=po_name) if one.turn_count), None)
    pointer = pointers.read().pointer(po_name)
    id = pointer.current if ref == "@current" else pointer.previous
    if id is None:
        raise NoCurrent(f"{po_name} has no {ref[1:]} session.", advice=Advice("no_such_pointer", po_name=po_name))
    return _summary_at(id, ref[1:], storage, po_name)


def _summary_at(id: str, which: str, storage: SessionStore, po_name: str) -> SessionSummary:
    """Return the session that a pointer names. Raises NoCurrent if it is gone."""
    found = _summary(id, storage)
    if found is None:
        named = id if is_session_id(id) else repr(id)  # which a file may have as anything
        message = f"The {which} session of {po_name}, {named}, is not there any more."
        raise NoCurrent(message, advice=Advice("pointed_at_nothing", po_name=po_name))
    return found


class SetAside(Protocol):
    """Something in the trash, or a backup."""

    @property
    def id(self) -> str:
        """Its own id."""

    @property
    def session(self) -> SessionSummary:
        """The session that it is of."""


T = TypeVar("T", bound=SetAside)


def set_aside(ref: str, things: Sequence[T], what: str) -> T | None:
    """Return the one that `ref` means, if there is one: its id, its session's id or name, or an end of one of the ids.

    An end has at least 4 characters; `what` they all are called. Raises AmbiguousSelector.
    """
    name, id = unicodedata.normalize("NFC", ref), ref.upper()

    def has_end(one: T) -> bool:
        return any(at.startswith(id) or at.endswith(id) for at in (one.id.upper(), one.session.id.upper()))

    for found in (
        [one for one in things if id == one.id.upper()],
        [one for one in things if id == one.session.id.upper() or name == one.session.name],
        [one for one in things if has_end(one)] if len(ref) >= SHORTEST_FRAGMENT else [],
    ):
        if len(found) > 1:
            raise AmbiguousSelector(
                ref, [f"{one.id}  {one.session.po_name}: {one.session.name}" for one in found], what
            )
        if found:
            return found[0]
    return None


def no_current_po() -> NoCurrent:
    """Return the error for a command that needs a current prompt object."""
    return NoCurrent("There is no current prompt object.", advice=Advice("no_current_po"))


def _summary(id: str, storage: SessionStore) -> SessionSummary | None:
    try:
        return storage.summary(id)
    except SessionNotFound:
        return None


def _only(ref: str, found: list[SessionSummary]) -> SessionSummary | None:
    if len(found) > 1:
        raise AmbiguousSelector(ref, [f"{one.id}  {one.po_name}: {one.name}" for one in found])
    return found[0] if found else None


def short_ids(ids: Iterable[str], shortest: int = SHORTEST_SHOWN) -> dict[str, str]:
    """Return for each id its shortest suffix, of at least `shortest` characters, that no other of these ids has."""
    backwards = sorted(id[::-1] for id in ids)
    shown = {}
    for before, id, after in zip(["", *backwards], backwards, [*backwards[1:], ""], strict=False):
        length = 1 + max(_common(id, before), _common(id, after))
        shown[id[::-1]] = id[: max(length, shortest)][::-1]
    return shown


def _common(one: str, other: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
