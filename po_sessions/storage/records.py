"""The records that stores hand out: what a session is without its messages, trash entries, backups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from po_sessions.errors import Advice, Conflict, NotFound
from po_sessions.message import Message
from po_sessions.session import Session, SessionSummary
from po_sessions.storage import archive_ids
from po_sessions.text.suggest import nearest


class HeldTurn(NamedTuple):
    """A session that is held for one turn."""

    session_id: str
    token: int = 0
    """Grows from turn to turn in a store that can tell a late holder by it."""


UNDONE_AT = "undone_at"
"""The key of undone messages in the trash: how many messages stand before them."""


class SessionStat(NamedTuple):
    """What a store knows of a session without its messages, read anew."""

    summary: SessionSummary
    size: int | None
    """In bytes, as it is stored; None if the store does not know."""
    version: int
    pinned: bool
    """Whether its key `pinned` says anything but no."""
    active_at: str
    """The newest time in its record: of its making, of its last turn, of a message that had to be read."""
    whole: bool = True
    """False if its last write was cut, so that its last turn may be lost."""


class TrashEntry(NamedTuple):
    """One thing in the trash."""

    id: str
    """As in `entry_ids`."""
    trashed_at: str
    session: SessionSummary
    undone_at: int | None = None
    """For undone messages, how many stand before them; None for a whole session."""
    damage: str | None = None
    """A sentence that says why it cannot be read whole, if it cannot; its counts are then not known."""

    @property
    def kind(self) -> str:
        """`deleted` or `undone`."""
        return "deleted" if self.undone_at is None else "undone"


def entry(id: str, session: Session) -> TrashEntry:
    """Return what is known of a session that lies in the trash as `id`."""
    undone_at = session.extra.get(UNDONE_AT)
    return TrashEntry(id, archive_ids.time_of(id), session.summary(), undone_at if type(undone_at) is int else None)


def cut_apart(session: Session, start: int, end: int) -> tuple[Session, Session]:
    """Return the messages from `start` on, before `end`, as what goes to the trash, and the session without them."""
    before, gone, behind = session.history[:start], session.history[start:end], session.history[end:]
    spent = session.summary().spent
    return (
        replace(session, history=gone, extra={**session.extra, UNDONE_AT: start}),
        replace(session, history=(*before, *behind), spent=spent),
    )


def with_undone(session: Session, entry: TrashEntry, messages: Sequence[Message]) -> Session:
    """Return a session with its undone messages at the end again. Raises Conflict if it has moved on since."""
    if session.message_count != entry.undone_at:
        raise Conflict(
            f"{session.name!r} has {session.message_count} messages, and these came after the first {entry.undone_at}."
        )
    return replace(session, history=(*session.history, *messages))


def without_undone(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return a session's other keys, without the one that would make it undone messages."""
    return {key: value for key, value in extra.items() if key != UNDONE_AT}


def not_in_trash(id: str, names: Iterable[str] = ()) -> NotFound:
    """Return the error for an entry that is not in the trash; `names` are those of the sessions that are."""
    return NotFound(f"Nothing in the trash matches {id!r}.", advice=Advice("see_trash", near=nearest(id, names)))


def id_taken(id: str) -> Conflict:
    """Return the error for a session whose id another one has."""
    return Conflict(f"There is a session with the id {id}.", advice=Advice("id_taken", session_id=id))


@dataclass(frozen=True, slots=True)
class Backup:
    """One earlier copy of a session."""

    id: str
    """As in `entry_ids`."""
    session: SessionSummary
    """The session as it was."""
    size: int
    """In bytes."""

    @property
    def made_at(self) -> str:
        """When it was made."""
        return archive_ids.time_of(self.id)


def no_backup(id: str, names: Iterable[str] = ()) -> NotFound:
    """Return the error for a backup that is not there; `names` are those of the sessions that have some."""
    return NotFound(f"No backup matches {id!r}.", advice=Advice("see_backups", near=nearest(id, names)))
