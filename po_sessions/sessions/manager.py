"""SessionManager: what can be done with sessions, whatever the store and whatever the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from po_sessions.errors import (
    Advice,
    Advised,
    Conflict,
    InvalidInput,
    NoCurrent,
    NotFound,
    PoError,
    SessionNotFound,
    Unreadable,
    WriteFailed,
)
from po_sessions.pointers import MemoryPointers, PointerStore
from po_sessions.session import (
    DEFAULT_NAME,
    NAME_LENGTH,
    End,
    Message,
    Session,
    SessionSummary,
    check_session_name,
    check_writable,
    new_session_id,
    timestamp,
)
from po_sessions.sessions import selector
from po_sessions.sessions.importing import UNNAMED, FreeNames, Imported, carried_name, holds, normal, place_of
from po_sessions.storage import Notice, SessionStorage
from po_sessions.storage.records import TrashEntry, not_in_trash, without_undone

if TYPE_CHECKING:
    from po_sessions.sessions.backups import BackupPolicy, Backups
    from po_sessions.sessions.pruning import Choice, Criteria, Pruned, Selection

_IMPORTED_AT_ONCE = 100
"""How many sessions are imported before others get a turn at the names."""


class SessionManager:
    """The sessions of one store."""

    def __init__(
        self,
        storage: SessionStorage,
        *,
        pointers: PointerStore | None = None,
        clock: Callable[[], datetime],
        backup_policy: BackupPolicy | None = None,
        notice: Notice = lambda _: None,
    ) -> None:
        """`pointers` are the user's, kept nowhere if not given; `clock` returns the time, aware of its zone.

        `notice` hears of what went wrong and is not a failure.
        """
        self.storage = storage
        self.pointers: PointerStore = pointers or MemoryPointers()
        self._clock = clock
        self._backup_policy = backup_policy
        self._notice = notice

    @cached_property
    def backups(self) -> Backups:
        """The backups of the sessions."""
        from po_sessions.sessions.backups import BackupPolicy, Backups  # which few commands need

        policy = self._backup_policy or BackupPolicy()
        return Backups(self.storage, clock=self._clock, policy=policy, notice=self._notice)

    def create(self, po_name: str, name: str | None = None) -> SessionSummary:
        """Make a session with an unused name; without one it is called `Session`, `Session 2`, ….

        Raises InvalidInput for a name that cannot be one, Conflict if it is taken.
        """
        wanted = None if name is None else check_session_name(name)
        with self.storage.names():
            owner = self.storage.po_name(po_name)
            if wanted is None:
                return self._create(owner, self._free_name(owner, UNNAMED))
            self.check_free(owner, wanted)
            return self._create(owner, wanted)

    def check_free(self, po_name: str, name: str) -> None:
        """Raise InvalidInput if no new session may have this name, Conflict if one has it."""
        if taken := self._named(po_name, check_session_name(name)):
            raise Conflict(
                f"{po_name} has a session named {taken.name!r}: {taken.id}.",
                advice=Advice("name_taken", name=taken.name, po_name=po_name),
            )

    def ensure(self, po_name: str, name: str = DEFAULT_NAME) -> tuple[SessionSummary, bool]:
        """Return the session with this name, made if it is missing, and whether it was made.

        Safe to repeat and to run at once: there is one session afterwards. Raises InvalidInput.
        """
        wanted = check_session_name(name)
        if found := self._named(po_name, wanted):
            return found, False
        with self.storage.names():
            owner = self.storage.po_name(po_name)
            if found := self._named(owner, wanted):
                return found, False
            return self._create(owner, wanted), True

    def rename(self, session: SessionSummary, name: str) -> SessionSummary:
        """Give a session another name; the time of its last turn stays. Raises InvalidInput, Conflict."""
        wanted = check_session_name(name)
        with self.storage.names():
            there = self.storage.summary(session.id)
            if wanted != there.name:
                self.check_free(there.po_name, wanted)
            return self.storage.update(session.id, lambda one: replace(one, name=wanted))

    def delete(self, session: SessionSummary, *, purge: bool = False) -> str | None:
        """Move a session to the trash and return the entry's id; with `purge`, remove it and its backups for good.

        Nothing points at it afterwards. Raises SessionNotFound; Busy if another process is in a turn with it.
        """
        with self.storage.turn(session.id, "delete"):
            entry_id = None
            if purge:
                self.storage.purge(session.id, self.now())
            else:
                entry_id = self.storage.delete(session.id, self.now())
        self._forget(session.id)
        return entry_id

    def _forget(self, id: str) -> None:
        """Have nothing point at a session that went. What still does is no harm, and room may be what is missing."""
        with suppress(PoError):
            self.pointers.change(lambda state: state.without_session(id))

    def duplicate(self, session: SessionSummary, name: str | None = None, *, to: str | None = None) -> SessionSummary:
        """Copy a whole session, within its prompt object or to another; the copy's metadata tell of what.

        Without a name it keeps its own, with a number if that is taken. Raises InvalidInput, Conflict, Unreadable
        (NewerVersion).
        """
        wanted = None if name is None else check_session_name(name)
        original = self.load(session.id)
        check_writable(original, original.version)
        with self.storage.names():
            owner = self.storage.po_name(to or original.po_name)
            if wanted is not None:
                self.check_free(owner, wanted)
            now = self._clock()
            copy = replace(
                original,
                id=new_session_id(now),
                name=wanted or self._free_name(owner, original.name),
                po_name=owner,
                created_at=timestamp(now),
                metadata={**original.metadata, "duplicate_of": original.id},
            )
            return self.storage.create(copy)

    def import_(
        self, sessions: Iterable[Session], *, po_name: str | None = None, format_name: str
    ) -> Iterator[Imported]:
        """Add sessions that came from elsewhere, as `po_name`'s if given; their metadata tell where `imported_from`.

        One that is here already, perhaps with more messages by now, adds nothing. One whose id is taken by another gets
        an id that follows from its content, so that it too is found again; a name that is taken gets a number. What
        `check_importable` refuses has to be sorted out before. Yields what came of each, also before a failure. Raises
        Busy, WriteFailed.
        """
        waiting = iter(sessions)
        while some := list(islice(waiting, _IMPORTED_AT_ONCE)):
            made, failure = list[Imported](), None
            with self.storage.names():
                names: dict[str, FreeNames] = {}
                try:
                    for session in some:
                        made.append(self._import(session, po_name or session.po_name, format_name, names))
                except PoError as error:
                    failure = error
            yield from made
            if failure is not None:
                raise failure

    def _import(self, session: Session, po_name: str, format_name: str, names: dict[str, FreeNames]) -> Imported:
        """Import one session; `names` is kept from one to the next."""
        id, there = place_of(session, self.storage)
        if there is not None:
            return Imported(there, session, made=False)
        owner = self.storage.po_name(po_name)
        if owner not in names:
            names[owner] = FreeNames(self._names(owner))
        about = {
            "id": session.id,
            "name": session.name,
            "po_name": session.po_name,
            "format": format_name,
            "at": self.now(),
            **{key: session.metadata[key] for key in ("imported_from",) if key in session.metadata},
        }
        copy = replace(
            normal(session),
            id=id or new_session_id(self._clock()),
            name=names[owner].take(carried_name(session.name)),
            po_name=owner,
            metadata={**session.metadata, "imported_from": about},
            extra=without_undone(session.extra),
        )
        return Imported(self.storage.create(copy), session, made=True)

    def adopt(self, session: SessionSummary, po_name: str) -> SessionSummary:
        """Give a session to a prompt object; its name gets a number if it is taken there.

        Raises Busy, Unreadable; Conflict if it has another prompt object by now.
        """
        self.pointers.read()  # whether it can be read is better known before
        with self.storage.names():
            there, owner = self.storage.summary(session.id), self.storage.po_name(po_name)
            if there.po_name != session.po_name:
                raise Conflict(
                    f"{there.name!r} belongs to {there.po_name} by now.",
                    advice=Advice("owned_by_another", session_id=there.id, po_name=owner),
                )
            name = self._free_name(owner, there.name)
            adopted = self.storage.update(session.id, lambda one: replace(one, po_name=owner, name=name))
        self._forget(session.id)
        return adopted

    def undo(self, session: SessionSummary, turns: int = 1) -> tuple[SessionSummary, str]:
        """Move the last turns to the trash; return the session as it is then, and the entry's id.

        Raises InvalidInput if there are not as many; Busy if another process is in a turn with it.
        """
        with self.storage.turn(session.id, "undo"):
            stored = self.load(session.id)
            there = list(stored.turns())
            if not 1 <= turns <= len(there):
                raise InvalidInput(
                    f"Cannot undo {turns} turn{'s' * (turns != 1)} of {stored.name!r}, which has {len(there)}.",
                    advice=Advice("fewer_turns", session_id=session.id),
                )
            cut = sum(len(turn.messages) for turn in there[-turns:])
            end = stored.message_count
            return self.storage.cut(session.id, end - cut, end, self.now())

    def forget_summary(self, session: SessionSummary) -> tuple[SessionSummary, str]:
        """Move the newest summary in a session to the trash, so that what it stands for is sent again.

        Return the session as it is then, and the entry's id. Raises Conflict if there is none; Busy if another process
        is in a turn with it.
        """
        with self.storage.turn(session.id, "compact"):
            with self.storage.reading(session.id) as stored:
                at = stored.summary_at()
            if at is None:
                advice = Advice("no_summary", session_id=session.id)
                raise Conflict(f"{session.name!r} has no summary.", advice=advice)
            return self.storage.cut(session.id, at, at + 1, self.now())

    def prunable(self, criteria: Criteria, po_name: str | None = None) -> Selection:
        """Return what the criteria take of a prompt object's sessions, or of all. Raises Unreadable."""
        from po_sessions.sessions import pruning

        return pruning.plan(self.storage, self.pointers, criteria, self._clock(), po_name)

    def prune(self, chosen: Iterable[Choice], *, purge: bool = False) -> Iterator[Pruned]:
        """Move sessions that `prunable` chose to the trash, or with `purge` remove them for good.

        Yields what came of each: it stays if anything speaks for it by then. Nothing points at what is gone.
        """
        from po_sessions.sessions import pruning

        return pruning.carry_out(chosen, self.storage, self.pointers, self.now, purge=purge)

    def trash(self) -> Sequence[TrashEntry]:
        """Return what is in the trash, newest first."""
        return self.storage.trash()

    def empty_trash(self, older_than: timedelta | None = None) -> Sequence[str]:
        """Remove for good what is in the trash, or what has lain there so long; return the names.

        The backups of a session go with its last trace. Raises Unreadable, WriteFailed.
        """
        return self.storage.empty_trash(self.now(), self.trashed_before(older_than))

    def trashed_before(self, older_than: timedelta | None) -> str | None:
        """Return the time before which things came into the trash that have lain there so long."""
        return None if older_than is None else timestamp(self._clock() - older_than)

    def find_trashed(self, ref: str) -> TrashEntry:
        """Return the entry that `ref` means: its id, the session's id or name, or 4 characters of either end of either.

        Raises NotFound, AmbiguousSelector; Unreadable if it is there and cannot be read.
        """
        with suppress(NotFound):
            return self.storage.trash_entry(ref)
        found = self.trash()
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
        with ExitStack() as held:
            if entry.undone_at is None or wanted is None:
                # What stands half-way may be in the hands of a process that is deleting the session: it has the turn.
                held.enter_context(self.storage.turn(entry.session.id, "restore"))
            if entry.undone_at is None or wanted is not None:
                held.enter_context(self.storage.names())
            restored = held.enter_context(self._taken(entry))
            if entry.undone_at is not None and wanted is None:
                restored.append(self._restore_messages(entry, entry.undone_at))
            else:
                restored.append(self._restore_session(entry, wanted))
        return restored[0]

    @contextmanager
    def _taken(self, entry: TrashEntry) -> Iterator[list[SessionSummary]]:
        """Hold an entry while the block brings back what is in it, then take it out of the trash."""
        with self.storage.trash_held(entry.id):
            restored = list[SessionSummary]()
            yield restored
            try:
                self.storage.discard(entry.id)
            except WriteFailed as error:
                one = restored[0]
                error.session_id, error.advice = one.id, Advice("is_back", name=one.name, session_id=one.id)
                raise

    def _restore_session(self, entry: TrashEntry, name: str | None) -> SessionSummary:
        if entry.damage:
            return self._restore_damaged(entry, name)
        session = self.storage.trashed(entry.id)
        wanted = name or session.name
        there = self._there(session.id)
        is_back = there is not None and entry.undone_at is None and holds(there, session)
        if there is not None and is_back and name in (None, there.name):
            return there.summary()  # an earlier call was cut after this
        owner = self.storage.po_name(session.po_name)
        if there is not None and name is None:
            advice = Advice("trashed_id_taken", entry_id=entry.id)
            raise Conflict(f"There is another session with the id {session.id}.", advice=advice)
        self._check_name_free(entry, owner, wanted)
        if there is None and entry.undone_at is None:
            if wanted != session.name:
                check_writable(session, session.version)
            self.storage.restore(entry.id, None if wanted == session.name else wanted)
            return replace(session.summary(), name=wanted, po_name=owner)
        check_writable(session, session.version)
        extra = without_undone(session.extra)
        return self.storage.create(replace(session, id=new_session_id(self._clock()), name=wanted, extra=extra))

    def _restore_damaged(self, entry: TrashEntry, name: str | None) -> SessionSummary:
        """Bring back a session that cannot be read whole, as it is."""
        if name is not None:
            raise Unreadable(
                f"{entry.damage} It cannot get another name.",
                advice=Advice("only_as_it_is", entry_id=entry.id),
            )
        if entry.session.name:
            self._check_name_free(entry, self.storage.po_name(entry.session.po_name), entry.session.name)
        self.storage.restore(entry.id)
        message = f"{entry.session.id} is back as it was, and cannot be read whole."
        self._notice(Advised(message, Advice("back_damaged")))
        return entry.session

    def _check_name_free(self, entry: TrashEntry, po_name: str, name: str) -> None:
        """Raise Conflict if a session has the name that one from the trash is to have."""
        if self._named(po_name, name):
            advice = Advice("trashed_name_taken", entry_id=entry.id)
            raise Conflict(f"{po_name} has a session named {name!r}.", advice=advice)

    def _there(self, id: str) -> Session | None:
        try:
            return self.load(id)
        except SessionNotFound:
            return None

    def _restore_messages(self, entry: TrashEntry, undone_at: int) -> SessionSummary:
        advice = Advice("cannot_put_back", entry_id=entry.id)
        messages = self.storage.trashed(entry.id).history

        def with_messages(one: Session) -> Session:
            if one.message_count != undone_at:
                raise Conflict(
                    f"{one.name!r} has {one.message_count} messages, and these came after the first {undone_at}.",
                    advice=advice,
                )
            return replace(one, history=(*one.history, *messages))

        try:
            return self.storage.update(entry.session.id, with_messages)
        except SessionNotFound:
            raise Conflict(f"The session {entry.session.id} is not there any more.", advice=advice) from None

    def find(self, ref: str | None, po_name: str | None) -> SessionSummary:
        """Return the session that `ref` means, or without one the current session of `po_name`, else its `Default`.

        Raises SessionNotFound, AmbiguousSelector, NoCurrent.
        """
        if ref is not None:
            return selector.select(ref, self.storage, self.pointers, po_name)
        if po_name is None:
            raise selector.no_current_po()
        found = self.current(po_name) or self._named(po_name, DEFAULT_NAME)
        if found is None:
            raise NoCurrent(
                f"{po_name} has no current session, and none named {DEFAULT_NAME!r}.",
                advice=Advice("no_current_session", po_name=po_name),
            )
        return found

    def load(self, id: str) -> Session:
        """Return the session with this id, with its history. Raises SessionNotFound, Unreadable."""
        return self.storage.load(id)

    def reading(self, id: str) -> AbstractContextManager[Session]:
        """Open a session for a block that looks at its history once, however long. Raises SessionNotFound, Unreadable.

        Looking at the history can raise Unreadable too.
        """
        return self.storage.reading(id)

    def list(self, po_name: str | None = None) -> Iterator[SessionSummary]:
        """Yield the sessions, of one prompt object or of all, newest turn first."""
        return self.storage.summaries(po_name=po_name)

    def append(self, id: str, message: Message, *, after: End | None = None) -> SessionSummary:
        """Add a message, durably, to a session that ends like `after`, if given.

        Raises SessionNotFound, Busy, Unreadable, WriteFailed; Conflict if it ends otherwise.
        """
        return self.storage.append(id, message, after=after)

    def turn(self, id: str, verb: str) -> AbstractContextManager[object]:
        """Hold a session for one turn. Raises Busy, with the owner."""
        return self.storage.turn(id, verb)

    def is_interrupted(self, session: SessionSummary) -> bool:
        """Tell whether the newest turn has no reply and nobody is working on one."""
        return session.last_turn == "open" and self.storage.turn_owner(session.id) is None

    def current_po(self) -> str | None:
        """Return the current prompt object's name."""
        return self.pointers.read().po_name

    def current(self, po_name: str) -> SessionSummary | None:
        """Return the current session of a prompt object, None if it has none. Raises NoCurrent if that is gone."""
        id = self.pointers.read().pointer(po_name).current
        return None if id is None else selector.summary_at(id, "current", self.storage, po_name)

    def begin(self, po_name: str) -> SessionSummary:
        """Return the session of a plain use: the current one, else `Default`, made and pointed at if it is missing.

        Where no prompt object is current yet, this one becomes it. Raises NoCurrent if the current session is gone.
        """
        if found := self.current(po_name):
            return found
        session, made = self.ensure(po_name)
        if made:
            self.pointers.change(
                lambda state: (state if state.po_name else state.with_po(po_name)).with_session(po_name, session.id)
            )
        return session

    def switch(self, session: SessionSummary) -> None:
        """Make a session current, and its prompt object the current one.

        Raises SessionNotFound if it is deleted meanwhile.
        """
        self.pointers.change(lambda state: state.with_po(session.po_name).with_session(session.po_name, session.id))
        try:
            self.storage.summary(session.id)
        except SessionNotFound:
            self._forget(session.id)
            raise

    def switch_po(self, po_name: str) -> None:
        """Make a prompt object the current one."""
        self.pointers.change(lambda state: state.with_po(po_name))

    def now(self) -> str:
        """Return the time as it is stored."""
        return timestamp(self._clock())

    def _named(self, po_name: str, name: str) -> SessionSummary | None:
        return next(iter(self.storage.summaries(po_name=po_name, name=name)), None)

    def _names(self, po_name: str, beginning: str = "") -> set[str]:
        return self.storage.taken_names(po_name, beginning)

    def _free_name(self, po_name: str, base: str) -> str:
        return FreeNames(self._names(po_name, base[: NAME_LENGTH - 20].rstrip())).take(
            base
        )  # as much of it as is never cut

    def _create(self, po_name: str, name: str) -> SessionSummary:
        now = self._clock()
        made = Session(new_session_id(now), name, po_name, created_at=timestamp(now), updated_at=timestamp(now))
        return self.storage.create(made)
