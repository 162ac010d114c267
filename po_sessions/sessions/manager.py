"""SessionManager: what can be done with sessions, whatever the store and whatever the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from po_sessions.changes import End, check_writable
from po_sessions.errors import (
    Advice,
    Conflict,
    InvalidInput,
    NoCurrent,
    PoError,
    SessionNotFound,
)
from po_sessions.message import Message
from po_sessions.names import DEFAULT_NAME, check_session_name, new_session_id
from po_sessions.pointers import MemoryPointers, PointerStore
from po_sessions.session import Session, SessionSummary
from po_sessions.sessions import selector
from po_sessions.sessions.importing import Imported, carried_name, imported, place_of
from po_sessions.sessions.naming import UNNAMED, FreeNames, check_free, claimed, free_name, named
from po_sessions.storage import Backups as BackupStore
from po_sessions.storage import LocalFiles, Notice, OnGap, SessionStore, Trash, ability, load
from po_sessions.text.times import timestamp

if TYPE_CHECKING:
    from po_sessions.sessions.backups import BackupPolicy, Backups
    from po_sessions.sessions.pruning import Choice, Criteria, Pruned, Selection
    from po_sessions.sessions.trash import SessionTrash
    from po_sessions.storage.records import HeldTurn

_IMPORTED_AT_ONCE = 100
"""How many sessions are imported before others get a turn at the names."""


class SessionManager:
    """The sessions of one store."""

    def __init__(
        self,
        storage: SessionStore,
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
        """The backups of the sessions. Raises InvalidInput if the store keeps none."""
        from po_sessions.sessions.backups import BackupPolicy, Backups  # which few commands need

        policy = self._backup_policy or BackupPolicy()
        if (kept := ability(self.storage, BackupStore)) is None:
            raise InvalidInput("This store keeps no backups.", advice=Advice("no_backups"))
        return Backups(self.storage, kept, clock=self._clock, policy=policy, notice=self._notice)

    @cached_property
    def trash(self) -> SessionTrash:
        """The trash of the sessions. Raises InvalidInput if the store has none."""
        from po_sessions.sessions.trash import SessionTrash

        return SessionTrash(self.storage, self._with_trash(), clock=self._clock, notice=self._notice)

    def _with_trash(self) -> Trash:
        if trash := ability(self.storage, Trash):
            return trash
        raise InvalidInput("This store has no trash.", advice=Advice("no_trash"))

    def create(self, po_name: str, name: str | None = None) -> SessionSummary:
        """Make a session with an unused name; without one it is called `Session`, `Session 2`, ….

        Raises InvalidInput for a name that cannot be one, Conflict if it is taken.
        """
        if name is None:
            with claimed(self.storage, po_name, UNNAMED) as owner:
                return self._create(owner, free_name(self.storage, owner, UNNAMED))
        wanted = check_session_name(name)
        with claimed(self.storage, po_name, wanted) as owner:
            check_free(self.storage, owner, wanted)
            return self._create(owner, wanted)

    def ensure(self, po_name: str, name: str = DEFAULT_NAME) -> tuple[SessionSummary, bool]:
        """Return the session with this name, made if it is missing, and whether it was made.

        Safe to repeat and to run at once: there is one session afterwards. Raises InvalidInput.
        """
        wanted = check_session_name(name)
        if found := named(self.storage, po_name, wanted):
            return found, False
        with claimed(self.storage, po_name, wanted) as owner:
            if found := named(self.storage, owner, wanted):
                return found, False
            return self._create(owner, wanted), True

    def rename(self, session: SessionSummary, name: str) -> SessionSummary:
        """Give a session another name; the time of its last turn stays. Raises InvalidInput, Conflict."""
        wanted = check_session_name(name)
        with claimed(self.storage, session.po_name, wanted):
            there = self.storage.summary(session.id)
            if wanted != there.name:
                check_free(self.storage, there.po_name, wanted)
            now = self.now()
            return self.storage.amend(session.id, lambda one: replace(one, name=wanted, amended_at=now))

    def delete(self, session: SessionSummary, *, purge: bool = False) -> str | None:
        """Move a session to the trash and return the entry's id; with `purge`, remove it and its backups for good.

        Nothing points at it afterwards. Raises SessionNotFound; Busy if another process is in a turn with it.
        """
        with self.storage.turn(session.id, "delete"):
            entry_id = None
            if purge:
                self.storage.purge(session.id, self.now())
            else:
                entry_id = self._with_trash().delete(session.id, self.now())
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
        base = wanted or original.name
        with claimed(self.storage, to or original.po_name, base) as owner:
            if wanted:
                check_free(self.storage, owner, wanted)
            now = self._clock()
            copy = replace(
                original,
                id=new_session_id(now),
                name=wanted or free_name(self.storage, owner, base),
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
            made, failure = dict[int, Imported](), None
            owners = list(dict.fromkeys(po_name or one.po_name for one in some))
            try:
                for owner in owners:
                    mine = [(at, one) for at, one in enumerate(some) if owner == (po_name or one.po_name)]
                    self._import_some(mine, owner, format_name, made)
            except PoError as error:
                failure = error
            yield from (made[at] for at in sorted(made))
            if failure is not None:
                raise failure

    def _import_some(
        self, some: list[tuple[int, Session]], po_name: str, format_name: str, made: dict[int, Imported]
    ) -> None:
        """Import sessions of one prompt object; put what came of each into `made`, also before a failure."""
        with claimed(self.storage, po_name, *(carried_name(one.name) for _, one in some)) as owner:
            free = FreeNames(self.storage.taken_names(owner))
            for at, session in some:
                made[at] = self._import(session, owner, format_name, free)

    def _import(self, session: Session, po_name: str, format_name: str, free: FreeNames) -> Imported:
        name = None
        while True:
            id, there = place_of(session, self.storage)
            if there is not None:
                return Imported(there, session, made=False)
            name = name or free.take(carried_name(session.name))
            copy = imported(session, id or new_session_id(self._clock()), name, po_name, format_name, self.now())
            # If another process has made a session with this id since, it may be the same one.
            with suppress(Conflict):
                return Imported(self.storage.create(copy), session, made=True)

    def adopt(self, session: SessionSummary, po_name: str) -> SessionSummary:
        """Give a session to a prompt object; its name gets a number if it is taken there.

        Raises Busy, Unreadable; Conflict if it has another prompt object by now.
        """
        self.pointers.read()  # whether it can be read is better known before
        with claimed(self.storage, po_name, session.name) as owner:
            there = self.storage.summary(session.id)
            if there.po_name != session.po_name:
                raise Conflict(
                    f"{there.name!r} belongs to {there.po_name} by now.",
                    advice=Advice("owned_by_another", session_id=there.id, po_name=owner),
                )
            now, name = self.now(), free_name(self.storage, owner, there.name)
            adopted = self.storage.amend(session.id, lambda one: replace(one, po_name=owner, name=name, amended_at=now))
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
            return self._with_trash().cut(session.id, end - cut, end, self.now())

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
            return self._with_trash().cut(session.id, at, at + 1, self.now())

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

    def before_turn(self, session: SessionSummary, policy: BackupPolicy | None = None) -> None:
        """Make the backup that is due before a turn by `policy`, or by the manager's, in a store that keeps backups."""
        if ability(self.storage, BackupStore) is not None:
            self.backups.before_turn(session, policy)

    def path(self, id: str) -> str:
        """Return the file of a session. Raises SessionNotFound; InvalidInput if the store has no files."""
        if (files := ability(self.storage, LocalFiles)) is None:
            raise InvalidInput("This store keeps its sessions in no files.", advice=Advice("no_files"))
        return files.path(id)

    def find(self, ref: str | None, po_name: str | None) -> SessionSummary:
        """Return the session that `ref` means, or without one the current session of `po_name`, else its `Default`.

        Raises SessionNotFound, AmbiguousSelector, NoCurrent.
        """
        if ref is not None:
            return selector.select(ref, self.storage, self.pointers, po_name)
        if po_name is None:
            raise selector.no_current_po()
        found = self.current(po_name) or named(self.storage, po_name, DEFAULT_NAME)
        if found is None:
            raise NoCurrent(
                f"{po_name} has no current session, and none named {DEFAULT_NAME!r}.",
                advice=Advice("no_current_session", po_name=po_name),
            )
        return found

    def load(self, id: str) -> Session:
        """Return the session with this id, with its history. Raises SessionNotFound, Unreadable."""
        return load(self.storage, id)

    def reading(self, id: str, *, on_gap: OnGap | None = None) -> AbstractContextManager[Session]:
        """Open a session for a block that looks at its history once, however long. Raises SessionNotFound, Unreadable.

        Looking at the history can raise Unreadable too; not with `on_gap`, which is told of each message that cannot be
        read, and for which a gap stands.
        """
        return self.storage.reading(id, on_gap=on_gap)

    def list(self, po_name: str | None = None) -> Iterator[SessionSummary]:
        """Yield the sessions, of one prompt object or of all, newest turn first."""
        return self.storage.list(po_name=po_name)

    def append(
        self, id: str, message: Message, *, after: End | None = None, turn: HeldTurn | None = None
    ) -> SessionSummary:
        """Add a message, durably, to a session that ends like `after`, if given; `turn` is the turn it belongs to.

        Raises SessionNotFound, Busy, Unreadable, WriteFailed; Conflict if it ends otherwise.
        """
        return self.storage.append(id, message, after=after, turn=turn)

    def turn(self, id: str, verb: str) -> AbstractContextManager[HeldTurn]:
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

    def _create(self, po_name: str, name: str) -> SessionSummary:
        now = self._clock()
        made = Session(new_session_id(now), name, po_name, created_at=timestamp(now), updated_at=timestamp(now))
        return self.storage.create(made)
