"""The trash of one store: finding what is in it, bringing it back, emptying it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta

from po_sessions.changes import check_writable
from po_sessions.errors import Advice, Advised, Conflict, NotFound, SessionNotFound, Unreadable, WriteFailed
from po_sessions.names import check_session_name, new_session_id
from po_sessions.session import Session, SessionSummary
from po_sessions.sessions import selector
from po_sessions.sessions.importing import holds
from po_sessions.sessions.naming import claimed, named
from po_sessions.storage import Notice, SessionStore, Trash, load
from po_sessions.storage.records import TrashEntry, not_in_trash, without_undone
from po_sessions.text.times import timestamp


class SessionTrash:
    """The trash of one store."""

    def __init__(self, store: SessionStore, trash: Trash, *, clock: Callable[[], datetime], notice: Notice) -> None:
        """`trash` is the store as one that has a trash; `notice` hears of what came back damaged."""
        self._store = store
        self._trash = trash
        self._clock = clock
        self._notice = notice

    def list(self) -> Sequence[TrashEntry]:
        """Return the entries, newest first."""
        return self._trash.trash()

    def load(self, entry: TrashEntry) -> Session:
        """Return the session, or the undone messages as one, of an entry. Raises NotFound, Unreadable."""
        return self._trash.trashed(entry.id)

    def names(self, older_than: timedelta | None = None) -> Sequence[str]:
        """Return the names of what po put into the trash, or of what has lain there so long. Raises Unreadable."""
        return self._trash.trash_names(self._before(older_than))

    def others(self) -> Sequence[str]:
        """Return the names of what others put into the trash, which stays there. Raises Unreadable."""
        return self._trash.trash_others()

    def empty(self, older_than: timedelta | None = None) -> Sequence[str]:
        """Remove for good what is in the trash, or what has lain there so long; return the names.

        The backups of a session go with its last trace. Raises Unreadable, WriteFailed.
        """
        return self._trash.empty_trash(timestamp(self._clock()), self._before(older_than))

    def _before(self, older_than: timedelta | None) -> str | None:
        return None if older_than is None else timestamp(self._clock() - older_than)

    def find(self, ref: str) -> TrashEntry:
        """Return the entry that `ref` means: its id, the session's id or name, or 4 characters of either end of either.

        Raises NotFound, AmbiguousSelector; Unreadable if it is there and cannot be read.
        """
        with suppress(NotFound):
            return self._trash.trash_entry(ref)
        found = self.list()
        if one := selector.set_aside(ref, found, "things in the trash"):
            return one
        raise not_in_trash(ref, (one.session.name for one in found))

    def restore(self, entry: TrashEntry, name: str | None = None) -> SessionSummary:
        """Bring back a deleted session, or undone messages to the end of theirs; take it out of the trash.

        `name` is another name for it, and makes undone messages a session of their own. A damaged session comes back as
        it is. Raises NotFound, InvalidInput, Busy; Unreadable for a damaged one that is to have another name; Conflict
        if the name or the id is taken, or if the session of undone messages has gone or moved on.
        """
        wanted = None if name is None else check_session_name(name)
        while True:
            with ExitStack() as held:
                if entry.undone_at is None or wanted is None:
                    # A half-done deletion may be in the hands of a live process, which holds the turn.
                    held.enter_context(self._store.turn(entry.session.id, "restore"))
                if entry.undone_at is not None and wanted is None:
                    return self._restore_messages(entry)
                owner = held.enter_context(claimed(self._store, entry.session.po_name, wanted or entry.session.name))
                # Its prompt object may have got another name since it was read, and then another name was claimed.
                now = self._trash.trash_entry(entry.id)
                if now.session.po_name == entry.session.po_name:
                    with _told_if_back(wanted or entry.session.name):
                        back = self._restore_damaged if entry.damage else self._back
                        return back(entry, owner, wanted)
            entry = now

    def _back(self, entry: TrashEntry, owner: str, name: str | None) -> SessionSummary:
        session = self._trash.trashed(entry.id)
        wanted, there = name or session.name, self._there(session.id)
        if there is not None and entry.undone_at is None and holds(there, session) and name in (None, there.name):
            # An earlier call was cut after it had brought the session back.
            self._trash.discard(entry.id)
            return there.summary()
        if there is not None and name is None:
            advice = Advice("trashed_id_taken", entry_id=entry.id)
            raise Conflict(f"There is another session with the id {session.id}.", advice=advice)
        self._check_name_free(entry, owner, wanted)
        is_same = there is None and entry.undone_at is None
        if is_same and wanted == session.name:
            return replace(self._trash.restore(entry.id), po_name=owner)
        check_writable(session, session.version)
        id = session.id if is_same else new_session_id(self._clock())
        extra = session.extra if is_same else without_undone(session.extra)
        return self._trash.restore(entry.id, lambda one: replace(one, id=id, name=wanted, extra=extra))

    def _restore_damaged(self, entry: TrashEntry, owner: str, name: str | None) -> SessionSummary:
        """Bring back a session that cannot be read whole, as it is."""
        if name is not None:
            advice = Advice("only_as_it_is", entry_id=entry.id)
            raise Unreadable(f"{entry.damage} It cannot get another name.", advice=advice)
        if entry.session.name:
            self._check_name_free(entry, owner, entry.session.name)
        self._trash.restore(entry.id)
        message = f"{entry.session.id} is back as it was, and cannot be read whole."
        self._notice(Advised(message, Advice("back_damaged")))
        return entry.session

    def _restore_messages(self, entry: TrashEntry) -> SessionSummary:
        advice = Advice("cannot_put_back", entry_id=entry.id)
        try:
            with _told_if_back(entry.session.name):
                return self._trash.restore_messages(entry.id)
        except SessionNotFound:
            raise Conflict(f"The session {entry.session.id} is not there any more.", advice=advice) from None
        except Conflict as error:
            error.advice = advice
            raise

    def _check_name_free(self, entry: TrashEntry, po_name: str, name: str) -> None:
        """Raise Conflict if a session has the name that one from the trash is to have."""
        if named(self._store, po_name, name):
            advice = Advice("trashed_name_taken", entry_id=entry.id)
            raise Conflict(f"{po_name} has a session named {name!r}.", advice=advice)

    def _there(self, id: str) -> Session | None:
        try:
            return load(self._store, id)
        except SessionNotFound:
            return None


@contextmanager
def _told_if_back(name: str) -> Iterator[None]:
    """Give advice with the failure to take an entry out of the trash whose session is back."""
    try:
        yield
    except WriteFailed as error:
        if error.session_id is not None:
            error.advice = Advice("is_back", name=name, session_id=error.session_id)
        raise
