"""The memory store: the same rules without files, for tests and for one-off use as a library."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice

from po_sessions.changes import End, check_kept, check_writable, with_header
from po_sessions.errors import Advice, Busy, SessionNotFound
from po_sessions.message import Message
from po_sessions.names import check_po_name
from po_sessions.session import Session, SessionSummary
from po_sessions.storage import OnGap, archive_ids
from po_sessions.storage.files import codec
from po_sessions.storage.records import (
    UNDONE_AT,
    Backup,
    HeldTurn,
    SessionStat,
    TrashEntry,
    cut_apart,
    entry,
    id_taken,
    no_backup,
    not_in_trash,
    with_undone,
)
from po_sessions.text.times import timestamp


class MemoryStore:
    """Sessions in this process, safe between its threads."""

    def __init__(self, *, lock_timeout: float = 60.0) -> None:
        """`lock_timeout` is how many seconds to wait for other threads."""
        self._timeout = lock_timeout
        self._sessions: dict[str, Session] = {}
        self._owners: dict[str, str] = {}
        self._trash: dict[str, Session] = {}
        self._backups: dict[str, Session] = {}
        self._names = threading.RLock()
        self._changed = threading.Condition()

    def create(self, session: Session) -> SessionSummary:
        """Add a session. Raises Conflict if its id is taken, InvalidInput if no prompt object can be named like its."""
        check_po_name(session.po_name)
        with self._changed:
            if session.id in self._sessions:
                raise id_taken(session.id)
            self._sessions[session.id] = session
        return session.summary()

    def load(self, id: str) -> Session:
        """Return a session. Raises SessionNotFound."""
        try:
            return self._sessions[id]
        except KeyError:
            raise SessionNotFound(id) from None

    def reading(
        self,
        id: str,
        *,
        on_gap: OnGap | None = None,  # noqa: ARG002 -- memory has no damage
    ) -> AbstractContextManager[Session]:
        """Return a session; it is in memory. Raises SessionNotFound."""
        return nullcontext(self.load(id))

    def summary(self, id: str) -> SessionSummary:
        """Return a session without its history. Raises SessionNotFound."""
        return self.load(id).summary()

    def append(
        self,
        id: str,
        message: Message,
        *,
        after: End | None = None,
        turn: HeldTurn | None = None,  # noqa: ARG002 -- no thread outlives its turn
    ) -> SessionSummary:
        """Add one message at the end. Raises SessionNotFound, NewerVersion; Conflict unless it ends like `after`."""
        with self._changed:
            session = self.load(id)
            check_writable(session, session.version)
            if after is not None:
                after.check(session.summary(), End.of(session).last)
            made = session.summary().with_message(message, timestamp(datetime.now(UTC)))
            session = replace(
                session, history=(*session.history, message), updated_at=made.updated_at, spent=made.spent
            )
            self._sessions[id] = session
        return session.summary()

    def amend(self, id: str, change: Callable[[Session], Session]) -> SessionSummary:
        """Replace a session's header by what `change` makes of it. Raises SessionNotFound, NewerVersion."""
        return self.update(id, lambda before: with_header(before, change))

    def update(self, id: str, change: Callable[[Session], Session]) -> SessionSummary:
        """Replace a session by what `change` makes of it. Raises SessionNotFound, NewerVersion."""
        with self._changed:
            before = self.load(id)
            check_writable(before, before.version)
            after = change(before)
            check_kept(before, after)
            self._sessions[id] = after
        return after.summary()

    def head(self, id: str) -> SessionStat:
        """Return what there is to know of a session but its messages. Raises SessionNotFound."""
        session = self.load(id)
        return codec.about(session, len(codec.encode(session)))

    def delete(self, id: str, now: str, verb: str = "delete") -> str:  # noqa: ARG002
        """Move a session to the trash; return the entry's id. Raises SessionNotFound."""
        with self._changed:
            taken = self._keep(self.load(id), now)
            del self._sessions[id]
        return taken

    def purge(self, id: str, now: str, verb: str = "delete") -> None:  # noqa: ARG002
        """Remove a session and its backups for good. Raises SessionNotFound."""
        with self._changed:
            self.load(id)
            del self._sessions[id]
            for backup_id in self.backup_ids(id):
                del self._backups[backup_id]

    def cut(self, id: str, start: int, end: int, now: str) -> tuple[SessionSummary, str]:
        """Move the messages from `start` on, before `end`, to the trash. Raises SessionNotFound, NewerVersion."""
        with self._changed:
            before = self.load(id)
            check_writable(before, before.version)
            undone, after = cut_apart(before, start, end)
            taken = self._keep(undone, now)
            self._sessions[id] = after
        return after.summary(), taken

    def rename_po(
        self, old: str, new: str, move: Callable[[str, str], None], check: Callable[[], None] = lambda: None
    ) -> None:
        """Give a prompt object another name in all its sessions, also in the trash."""
        with self._all_names():
            check()
            move(old, new)
            with self._changed:
                for sessions in (self._sessions, self._trash):
                    for id, one in sessions.items():
                        if one.po_name == old:
                            sessions[id] = replace(one, po_name=new)

    def po_name(self, po_name: str) -> str:
        """Return what a prompt object is called now."""
        return po_name

    def resume_rename(self, move: Callable[[str, str], None]) -> None:
        """Do nothing: nothing is left of what was interrupted."""

    def _keep(self, session: Session, now: str) -> str:
        id = archive_ids.new(session.id, now, self._trash.__contains__)
        self._trash[id] = session
        return id

    def trash(self) -> Sequence[TrashEntry]:
        """Return what is in the trash, newest first."""
        found = [entry(id, session) for id, session in list(self._trash.items())]
        return sorted(found, key=lambda one: (one.trashed_at, one.id), reverse=True)

    def trashed(self, entry_id: str) -> Session:
        """Return what an entry holds. Raises NotFound."""
        try:
            return self._trash[entry_id]
        except KeyError:
            raise not_in_trash(entry_id) from None

    def trash_entry(self, entry_id: str) -> TrashEntry:
        """Return one of what is in the trash. Raises NotFound."""
        return entry(entry_id, self.trashed(entry_id))

    def trash_others(self) -> Sequence[str]:
        """Return nothing: nobody else can put anything there."""
        return []

    def restore(self, entry_id: str, change: Callable[[Session], Session] | None = None) -> SessionSummary:
        """Put a deleted session back, perhaps changed; the entry goes. Raises NotFound, Conflict."""
        with self._changed:
            session = self.trashed(entry_id)
            summary = self.create(session if change is None else change(session))
            del self._trash[entry_id]
        return summary

    def restore_messages(self, entry_id: str) -> SessionSummary:
        """Add undone messages to the end of their session; the entry goes. Raises NotFound, Conflict."""
        with self._changed:
            session = self.trashed(entry_id)
            summary = self.update(session.id, lambda one: with_undone(one, entry(entry_id, session), session.history))
            del self._trash[entry_id]
        return summary

    def empty_trash(self, now: str, before: str | None = None) -> Sequence[str]:  # noqa: ARG002
        """Remove for good what `trash_names` tells, and a session's backups with its last trace; return the names."""
        with self._changed:
            gone = self.trash_names(before)
            removed = [self._trash.pop(id) for id in gone]
            left = {one.id for one in (*self._sessions.values(), *self._trash.values())}
            for id in {one.id for one in removed if UNDONE_AT not in one.extra} - left:
                for backup_id in self.backup_ids(id):
                    del self._backups[backup_id]
        return gone

    def trash_names(self, before: str | None = None) -> Sequence[str]:
        """Return the names of everything in the trash, or of what came `before` then."""
        return sorted(one.id for one in self.trash() if before is None or one.trashed_at < before)

    def discard(self, entry_id: str) -> None:
        """Remove an entry for good. Raises NotFound."""
        if self._trash.pop(entry_id, None) is None:
            raise not_in_trash(entry_id)

    def back_up(self, id: str, now: str) -> Backup:
        """Copy a session. Raises SessionNotFound."""
        with self._changed:
            session = self.load(id)
            backup_id = archive_ids.new(id, now, self._backups.__contains__)
            self._backups[backup_id] = session
        return _backup(backup_id, session)

    def backup_ids(self, session_id: str | None = None) -> Sequence[str]:
        """Return the ids of the backups, newest first."""
        return [one.id for one in self.backups(session_id)]

    def backups(self, session_id: str | None = None) -> Sequence[Backup]:
        """Return the backups, newest first."""
        found = [_backup(id, session) for id, session in list(self._backups.items())]
        found = [one for one in found if session_id in (None, one.session.id)]
        return sorted(found, key=lambda one: (one.made_at, one.id), reverse=True)

    def backed_up(self, backup_id: str) -> Session:
        """Return the session that a backup holds. Raises NotFound."""
        try:
            return self._backups[backup_id]
        except KeyError:
            raise no_backup(backup_id) from None

    def discard_backup(self, backup_id: str) -> None:
        """Remove a backup for good. Raises NotFound."""
        if self._backups.pop(backup_id, None) is None:
            raise no_backup(backup_id)

    def put_back(self, backup_id: str, po_name: str, now: str) -> tuple[SessionSummary, str | None]:
        """Put a session back to what a backup holds. Raises NotFound, NewerVersion."""
        session = self.backed_up(backup_id)
        if session.po_name != po_name:
            check_writable(session, session.version)
            session = replace(session, po_name=po_name)
        with self._changed:
            there = self._sessions.get(session.id)
            taken = None if there is None else self._keep(there, now)
            self._sessions[session.id] = session
        return session.summary(), taken

    def list(
        self,
        *,
        po_name: str | None = None,
        name: str | None = None,
        beginning: str = "",
        limit: int | None = None,
        complete: bool = False,  # noqa: ARG002
    ) -> Iterator[SessionSummary]:
        """Yield the sessions, newest turn first, ties by id."""
        rows = [session.summary() for session in tuple(self._sessions.values())]
        found = (
            row
            for row in sorted(rows, key=lambda row: (row.updated_at, row.id), reverse=True)
            if po_name in (None, row.po_name) and name in (None, row.name) and row.name.startswith(beginning)
        )
        return islice(found, limit)

    def taken_names(self, po_name: str, beginning: str = "") -> set[str]:
        """Return the names of a prompt object's sessions that have this beginning."""
        return {one.name for one in self.list(po_name=po_name, beginning=beginning)}

    def find(self, fragment: str) -> Sequence[str]:
        """Return the ids that begin or end with `fragment`, whatever its case."""
        ends = fragment.upper(), fragment.lower()
        return sorted(id for id in list(self._sessions) if id.startswith(ends) or id.endswith(ends))

    @contextmanager
    def turn(self, id: str, verb: str, *, wait: bool = True) -> Iterator[HeldTurn]:
        """Hold a session for one turn. Raises Busy."""
        with self._changed:
            if not self._changed.wait_for(lambda: id not in self._owners, self._timeout if wait else 0):
                raise Busy(f"The session {id} is in use by {self._owners[id]}.", advice=Advice("try_again"))
            self._owners[id] = f"thread {threading.get_ident()} ({verb})"
        try:
            yield HeldTurn(id)
        finally:
            with self._changed:
                del self._owners[id]
                self._changed.notify_all()

    def turn_owner(self, id: str) -> str | None:
        """Return who holds a session for a turn now, or None."""
        return self._owners.get(id)

    @contextmanager
    def claim_name(self, po_name: str, *names: str) -> Iterator[str]:  # noqa: ARG002 -- one lock for all names
        """Hold the names of all sessions. Raises Busy."""
        with self._all_names():
            yield po_name

    @contextmanager
    def _all_names(self) -> Iterator[None]:
        if not self._names.acquire(timeout=self._timeout):
            raise Busy("The names of the sessions are in use.", advice=Advice("try_again"))
        try:
            yield
        finally:
            self._names.release()

    def close(self) -> None:
        """Do nothing: a change leaves nothing to do."""


def _backup(id: str, session: Session) -> Backup:
    return Backup(id, session.summary(), len(codec.encode(session)))
