"""SessionManager: what can be done with sessions, whatever the store and whatever the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from po_sessions.changes import End, check_writable
from po_sessions.errors import (
    Advice,
    Conflict,
    InvalidInput,
    PoError,
    SessionNotFound,
)
from po_sessions.message import Message
from po_sessions.names import DEFAULT_NAME, check_session_name, new_session_id
from po_sessions.pointers import MemoryPointers, PointerStore
from po_sessions.session import Session, SessionRef, SessionSummary, id_of
from po_sessions.sessions import selector
from po_sessions.sessions.naming import UNNAMED, check_free, claimed, free_name, named
from po_sessions.sessions.stored import History
from po_sessions.storage import Backups, LocalFiles, Notice, OnGap, SessionStore, Trash, ability, load, summary_of
from po_sessions.text.times import timestamp

if TYPE_CHECKING:
    from po_sessions.prompt_objects.directory import Definitions
    from po_sessions.sessions.backups import BackupPolicy, SessionBackups
    from po_sessions.sessions.importing import Imported
    from po_sessions.sessions.pruning import Choice, Criteria, Pruned, Selection
    from po_sessions.sessions.trash import SessionTrash
    from po_sessions.storage.records import HeldTurn


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
        definitions: Definitions | None = None,
    ) -> None:
        """`pointers` are the user's, kept nowhere if not given; `clock` returns the time, aware of its zone.

        `notice` hears of what went wrong and is not a failure. A session can be given to the prompt objects in
        `definitions` only; to any if there are none.
        """
        self.storage = storage
        self.pointers: PointerStore = pointers or MemoryPointers()
        self._clock = clock
        self._backup_policy = backup_policy
        self._notice = notice
        self._definitions = definitions

    @cached_property
    def backups(self) -> SessionBackups:
        """The backups of the sessions. Raises InvalidInput if the store keeps none."""
        from po_sessions.sessions.backups import BackupPolicy, SessionBackups  # which few commands need

        policy = self._backup_policy or BackupPolicy()
        if (kept := ability(self.storage, Backups)) is None:
            raise InvalidInput("This store keeps no backups.", advice=Advice("no_backups"))
        return SessionBackups(self.storage, kept, clock=self._clock, policy=policy, notice=self._notice)

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

        Raises InvalidInput for a name that cannot be one, Conflict if it is taken; PromptObjectNotFound.
        """
        self._check_po(po_name)
        if name is None:
            with claimed(self.storage, po_name, UNNAMED) as owner:
                return self._create(owner, free_name(self.storage, owner, UNNAMED))
        wanted = check_session_name(name)
        with claimed(self.storage, po_name, wanted) as owner:
            check_free(self.storage, owner, wanted)
            return self._create(owner, wanted)

    def ensure(self, po_name: str, name: str = DEFAULT_NAME) -> tuple[SessionSummary, bool]:
        """Return the session with this name, made if it is missing, and whether it was made.

        Safe to repeat and to run at once: there is one session afterwards. Raises InvalidInput, PromptObjectNotFound.
        """
        self._check_po(po_name)
        wanted = check_session_name(name)
        if found := named(self.storage, po_name, wanted):
            return found, False
        with claimed(self.storage, po_name, wanted) as owner:
            if found := named(self.storage, owner, wanted):
                return found, False
            return self._create(owner, wanted), True

    def get(self, session: SessionRef) -> Session:
        """Return a session as it is now; its history is read when it is looked at, see `History`.

        Raises SessionNotFound, Unreadable.
        """
        id = id_of(session)
        with self.storage.reading(id) as opened:
            return opened.with_history(History(self.storage, id, opened.message_count))

    def rename(self, session: SessionRef, name: str) -> SessionSummary:
        """Give a session another name; the time of its last turn stays.

        Raises SessionNotFound, InvalidInput, Conflict.
        """
        wanted, known = check_session_name(name), self.summary(session)
        with claimed(self.storage, known.po_name, wanted):
            there = self.storage.summary(known.id)
            if wanted != there.name:
                check_free(self.storage, there.po_name, wanted)
            now = self.now()
            return self.storage.amend(known.id, lambda one: replace(one, name=wanted, amended_at=now))

    def delete(self, session: SessionRef, *, purge: bool = False) -> str | None:
        """Move a session to the trash and return the entry's id; with `purge`, remove it and its backups for good.

        Nothing points at it afterwards. Raises SessionNotFound; Busy if another process is in a turn with it.
        """
        id, entry_id = id_of(session), None
        with self.storage.turn(id, "delete"):
            if purge:
                self.storage.purge(id, self.now())
            else:
                entry_id = self._with_trash().delete(id, self.now())
        self._forget(id)
        return entry_id

    def _forget(self, id: str) -> None:
        """Have nothing point at a session that went. What still does is no harm, and room may be what is missing."""
        with suppress(PoError):
            self.pointers.change(lambda state: state.without_session(id))

    def duplicate(self, session: SessionRef, new_name: str | None = None, *, to: str | None = None) -> SessionSummary:
        """Copy a whole session, within its prompt object or to another; the copy's metadata tell of what.

        Without a name it keeps its own, with a number if that is taken. Raises InvalidInput, Conflict, Unreadable
        (NewerVersion), SessionNotFound, PromptObjectNotFound.
        """
        if to is not None:
            self._check_po(to)
        wanted = None if new_name is None else check_session_name(new_name)
        original = load(self.storage, id_of(session))
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

    def export(self, session: SessionRef, format: str = "markdown") -> str:
        """Return a session as a document, which `import_` reads: `markdown`, `json` or `jsonl`.

        Raises InvalidInput for another format; SessionNotFound, Unreadable.
        """
        from po_sessions import formats

        form = formats.format_named(format)
        with self.storage.reading(id_of(session)) as opened:
            return b"".join(formats.encode(form, [opened], several=False)).decode()

    def import_(self, data: str | bytes, *, po_name: str | None = None) -> list[SessionSummary]:
        """Add the sessions of a document in any of the formats, as `po_name`'s if given; return them as they are here.

        Raises Unreadable (NewerVersion) if not all can be read, and then nothing is imported; PromptObjectNotFound,
        and as `import_sessions` does.
        """
        from po_sessions.sessions import importing

        form, sessions = importing.read(data, po_name)
        return [one.session for one in self.import_sessions(sessions, po_name=po_name, format_name=form)]

    def import_sessions(
        self, sessions: Iterable[Session], *, po_name: str | None = None, format_name: str
    ) -> Iterator[Imported]:
        """Add sessions that came from elsewhere, as `po_name`'s if given; their metadata tell where `imported_from`.

        One that is here already, perhaps with more messages by now, adds nothing. One whose id is taken by another gets
        an id that follows from its content, so that it too is found again; a name that is taken gets a number. What
        `check_importable` refuses has to be sorted out before. Yields what came of each, also before a failure. Raises
        PromptObjectNotFound, Busy, WriteFailed.
        """
        from po_sessions.sessions import importing

        if po_name is not None:
            self._check_po(po_name)
        return importing.carry_out(sessions, self.storage, self._clock, po_name=po_name, format_name=format_name)

    def adopt(self, session: SessionRef, po_name: str) -> SessionSummary:
        """Give a session to a prompt object; its name gets a number if it is taken there.

        Raises PromptObjectNotFound, Busy, Unreadable; Conflict if it has another prompt object by now.
        """
        self._check_po(po_name)
        known = self.summary(session)
        self.pointers.read()  # whether it can be read is better known before
        with claimed(self.storage, po_name, known.name) as owner:
            there = self.storage.summary(known.id)
            if there.po_name != known.po_name:
                raise Conflict(
                    f"{there.name!r} belongs to {there.po_name} by now.",
                    advice=Advice("owned_by_another", session_id=there.id, po_name=owner),
                )
            now, name = self.now(), free_name(self.storage, owner, there.name)
            adopted = self.storage.amend(known.id, lambda one: replace(one, po_name=owner, name=name, amended_at=now))
        self._forget(known.id)
        return adopted

    def undo(self, session: SessionRef, turns: int = 1) -> tuple[SessionSummary, str]:
        """Move the last turns to the trash; return the session as it is then, and the entry's id.

        Raises InvalidInput if there are not as many; Busy if another process is in a turn with it.
        """
        id = id_of(session)
        with self.storage.turn(id, "undo"):
            with self.storage.reading(id) as stored:
                start = stored.turns_begin_at(turns)
                end, count = stored.message_count, stored.summary().turn_count
            if start is None:
                raise InvalidInput(
                    f"Cannot undo {turns} turn{'s' * (turns != 1)} of {stored.name!r}, which has {count}.",
                    advice=Advice("fewer_turns", session_id=id),
                )
            return self._with_trash().cut(id, start, end, self.now())

    def forget_summary(self, session: SessionRef) -> tuple[SessionSummary, str]:
        """Move the newest summary in a session to the trash, so that what it stands for is sent again.

        Return the session as it is then, and the entry's id. Raises Conflict if there is none; Busy if another process
        is in a turn with it.
        """
        id = id_of(session)
        with self.storage.turn(id, "compact"):
            with self.storage.reading(id) as stored:
                at = stored.summary_at()
                name = stored.name
            if at is None:
                raise Conflict(f"{name!r} has no summary.", advice=Advice("no_summary", session_id=id))
            return self._with_trash().cut(id, at, at + 1, self.now())

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

    def before_turn(self, session: SessionRef, policy: BackupPolicy | None = None) -> None:
        """Make the backup that is due before a turn by `policy`, or by the manager's, in a store that keeps backups."""
        if ability(self.storage, Backups) is not None:
            self.backups.before_turn(session, policy)

    def path(self, session: SessionRef) -> str:
        """Return the file of a session. Raises SessionNotFound; InvalidInput if the store has no files."""
        if (files := ability(self.storage, LocalFiles)) is None:
            raise InvalidInput("This store keeps its sessions in no files.", advice=Advice("no_files"))
        return files.path(id_of(session))

    def find(self, ref: str | None, po_name: str | None) -> SessionSummary:
        """Return the session that `ref` means, or without one the current session of `po_name`, else its `Default`.

        Raises SessionNotFound, AmbiguousSelector, NoCurrent.
        """
        if ref is None:
            return selector.meant(self.storage, self.pointers, po_name)
        return selector.select(ref, self.storage, self.pointers, po_name)

    def summary(self, session: SessionRef) -> SessionSummary:
        """Return a session without its history, read anew unless it is given as that. Raises SessionNotFound."""
        return summary_of(self.storage, session)

    def reading(self, session: SessionRef, *, on_gap: OnGap | None = None) -> AbstractContextManager[Session]:
        """Open a session for a block that looks at its history once, however long. Raises SessionNotFound, Unreadable.

        Looking at the history can raise Unreadable too; not with `on_gap`, which is told of each message that cannot be
        read, and for which a gap stands.
        """
        return self.storage.reading(id_of(session), on_gap=on_gap)

    def list(self, po_name: str | None = None) -> Iterator[SessionSummary]:
        """Yield the sessions, of one prompt object or of all, newest turn first."""
        return self.storage.list(po_name=po_name)

    def append(
        self, session: SessionRef, message: Message, *, after: End | None = None, turn: HeldTurn | None = None
    ) -> SessionSummary:
        """Add a message, durably, to a session that ends like `after`, if given; `turn` is the turn it belongs to.

        Raises SessionNotFound, Busy, Unreadable, WriteFailed; Conflict if it ends otherwise.
        """
        return self.storage.append(id_of(session), message, after=after, turn=turn)

    def turn(self, session: SessionRef, verb: str) -> AbstractContextManager[HeldTurn]:
        """Hold a session for one turn. Raises Busy, with the owner."""
        return self.storage.turn(id_of(session), verb)

    def is_interrupted(self, session: SessionRef) -> bool:
        """Tell whether the newest turn has no reply and nobody is working on one."""
        known = self.summary(session)
        return known.last_turn == "open" and self.storage.turn_owner(known.id) is None

    def current_po(self) -> str | None:
        """Return the current prompt object's name."""
        return self.pointers.read().po_name

    def current(self, po_name: str) -> SessionSummary | None:
        """Return the current session of a prompt object, None if it has none. Raises NoCurrent if that is gone."""
        return selector.current(self.storage, self.pointers, po_name)

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

    def switch(self, session: SessionRef) -> None:
        """Make a session current, and its prompt object the current one.

        Raises SessionNotFound, also if it is deleted meanwhile.
        """
        known = self.summary(session)
        self.pointers.change(lambda state: state.with_po(known.po_name).with_session(known.po_name, known.id))
        try:
            self.storage.summary(known.id)
        except SessionNotFound:
            self._forget(known.id)
            raise

    def switch_po(self, po_name: str) -> None:
        """Make a prompt object the current one."""
        self.pointers.change(lambda state: state.with_po(po_name))

    def now(self) -> str:
        """Return the time as it is stored."""
        return timestamp(self._clock())

    def _check_po(self, po_name: str) -> None:
        """Raise PromptObjectNotFound, or what else is wrong with it, unless this prompt object can have a session."""
        if self._definitions is not None:
            self._definitions.get(po_name)

    def _create(self, po_name: str, name: str) -> SessionSummary:
        now = self._clock()
        made = Session(new_session_id(now), name, po_name, created_at=timestamp(now), updated_at=timestamp(now))
        return self.storage.create(made)
