"""SessionManager: what can be done with sessions, whatever the store and whatever the model."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime

from po_sessions import selector
from po_sessions.errors import (
    AmbiguousSelector,
    Conflict,
    InvalidInput,
    NewerVersion,
    NoCurrent,
    SessionNotFound,
    Unreadable,
)
from po_sessions.json_text import dumps
from po_sessions.session import (
    DEFAULT_NAME,
    NAME_LENGTH,
    VERSION,
    Message,
    Session,
    SessionSummary,
    check_po_name,
    check_session_name,
    is_session_id,
    timestamp,
)
from po_sessions.storage import SessionStorage
from po_sessions.storage.trash import UNDONE_AT, TrashEntry, not_there

UNNAMED = "Session"
"""What a session made without a name is called, with a number behind it if that is taken."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of a session that was imported."""

    session: SessionSummary
    """The session as it is here."""
    original: Session
    made: bool
    """False if it was here already."""


class SessionManager:
    """The sessions of one store."""

    def __init__(self, storage: SessionStorage, *, clock: Callable[[], datetime]) -> None:
        """`clock` returns the time, aware of its zone."""
        self.storage = storage
        self._clock = clock

    def create(self, po_name: str, name: str | None = None) -> SessionSummary:
        """Make a session with an unused name; without one it is called `Session`, `Session 2`, ….

        Raises InvalidInput for a name that cannot be one, Conflict if it is taken.
        """
        wanted = None if name is None else check_session_name(name)
        with self.storage.names():
            if wanted is None:
                return self._create(po_name, self._free_name(po_name, UNNAMED))
            self.check_free(po_name, wanted)
            return self._create(po_name, wanted)

    def check_free(self, po_name: str, name: str) -> None:
        """Raise InvalidInput if no new session may have this name, Conflict if one has it."""
        if taken := self._named(po_name, check_session_name(name)):
            command = f"po session ensure {shlex.quote(taken.name)} --po {po_name}"
            raise Conflict(
                f"{po_name} has a session named {taken.name!r}: {taken.id}.",
                hint=f"Choose another name, or run '{command}' to get the one that is there.",
            )

    def ensure(self, po_name: str, name: str = DEFAULT_NAME) -> tuple[SessionSummary, bool]:
        """Return the session with this name, made if it is missing, and whether it was made.

        Safe to repeat and to run at once: there is one session afterwards. Raises InvalidInput.
        """
        wanted = check_session_name(name)
        if found := self._named(po_name, wanted):
            return found, False
        with self.storage.names():
            if found := self._named(po_name, wanted):
                return found, False
            return self._create(po_name, wanted), True

    def rename(self, session: SessionSummary, name: str) -> SessionSummary:
        """Give a session another name; the time of its last turn stays. Raises InvalidInput, Conflict."""
        wanted = check_session_name(name)
        with self.storage.names():
            if wanted != self.storage.summary(session.id).name:
                self.check_free(session.po_name, wanted)
            return self.storage.update(session.id, lambda one: replace(one, name=wanted))

    def delete(self, session: SessionSummary, *, purge: bool = False) -> str | None:
        """Move a session to the trash and return the entry's id; with `purge`, remove it for good.

        Nothing points at it afterwards. Raises SessionNotFound; Busy if another process is in a turn with it.
        """
        with self.storage.turn(session.id, "delete"):
            entry_id = None
            if purge:
                self.storage.purge(session.id)
            else:
                entry_id = self.storage.delete(session.id, self.now())
        self.storage.change_state(lambda state: state.without_session(session.id))
        return entry_id

    def duplicate(self, session: SessionSummary, name: str | None = None, *, to: str | None = None) -> SessionSummary:
        """Copy a whole session, within its prompt object or to another; the copy's metadata tell of what.

        Without a name it keeps its own, with a number if that is taken. Raises InvalidInput, Conflict, Unreadable.
        """
        po_name, wanted = to or session.po_name, None if name is None else check_session_name(name)
        original = self.load(session.id)
        with self.storage.names():
            if wanted is not None:
                self.check_free(po_name, wanted)
            now = self._clock()
            copy = replace(
                original,
                id=_new_id(now),
                name=wanted or self._free_name(po_name, original.name),
                po_name=po_name,
                created_at=timestamp(now),
                metadata={**original.metadata, "duplicate_of": original.id},
            )
            return self.storage.create(copy)

    def import_(
        self, sessions: Sequence[Session], *, po_name: str | None = None, format_name: str
    ) -> Sequence[Imported]:
        """Add sessions that came from elsewhere, as `po_name`'s if given; their metadata tell where `imported_from`.

        One that is here already, perhaps with more messages by now, adds nothing. One whose id is taken by another gets
        an id that follows from its content, so that it too is found again; a name that is taken gets a number. What
        `check_importable` refuses has to be sorted out before. Raises Busy, WriteFailed.
        """
        made = []
        with self.storage.names():
            taken: dict[str, set[str]] = {}
            for session in sessions:
                id, there = self._place_of(session)
                if there is not None:
                    made.append(Imported(there, session, made=False))
                    continue
                owner = po_name or session.po_name
                if owner not in taken:
                    taken[owner] = self._names(owner)
                names = taken[owner]
                name = _free(_carried(session.name), names)
                names.add(name)
                about = {
                    "id": session.id,
                    "name": session.name,
                    "po_name": session.po_name,
                    "format": format_name,
                    "at": self.now(),
                    **{key: session.metadata[key] for key in ("imported_from",) if key in session.metadata},
                }
                metadata = {**session.metadata, "imported_from": about}
                copy = replace(session, id=id, name=name, po_name=owner, metadata=metadata)
                made.append(Imported(self.storage.create(copy), session, made=True))
        return made

    def _place_of(self, session: Session) -> tuple[str, SessionSummary | None]:
        """Return the id that an imported session gets; also the session that is there if it is the same."""
        for id in [*([session.id] if is_session_id(session.id) else []), _id_of(session)]:
            try:
                there = self.storage.load(id)
            except SessionNotFound:
                return id, None
            except Unreadable:
                continue
            if there.created_at == session.created_at and there.history[: session.message_count] == session.history:
                return id, there.summary()
        return _new_id(self._clock()), None

    def adopt(self, session: SessionSummary, po_name: str) -> SessionSummary:
        """Give a session to a prompt object; its name gets a number if it is taken there. Raises Busy, Unreadable."""
        with self.storage.names():
            name = self._free_name(po_name, session.name)
            adopted = self.storage.update(session.id, lambda one: replace(one, po_name=po_name, name=name))
        self.storage.change_state(lambda state: state.without_session(session.id))
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
                    f"Cannot undo {turns} turns: {stored.name!r} has {len(there)}.",
                    hint=f"Run 'po session show {session.id}' to see them.",
                )
            cut = sum(len(turn.messages) for turn in there[-turns:])
            return self.storage.truncate(session.id, stored.message_count - cut, self.now())

    def trash(self) -> Sequence[TrashEntry]:
        """Return what is in the trash, newest first."""
        return self.storage.trash()

    def find_trashed(self, ref: str) -> TrashEntry:
        """Return the entry that `ref` means: its id, the session's id or name, or 4 characters of either end of either.

        Raises NotFound, AmbiguousSelector.
        """
        entries = self.trash()
        for matches in (
            lambda one: one.id == ref,
            lambda one: ref in (one.session.id, one.session.name),
            lambda one: (
                len(ref) >= selector.SHORTEST_FRAGMENT
                and any(id.startswith(ref) or id.endswith(ref) for id in (one.id, one.session.id))
            ),
        ):
            found = [one for one in entries if matches(one)]
            if len(found) > 1:
                raise AmbiguousSelector(ref, [f"{one.id}  {one.session.po_name}: {one.session.name}" for one in found])
            if found:
                return found[0]
        raise not_there(ref)

    def restore(self, entry: TrashEntry, name: str | None = None) -> SessionSummary:
        """Bring back a deleted session, or undone messages to the end of theirs; take it out of the trash.

        `name` is another name for it, and makes undone messages a session of their own. Raises InvalidInput; Conflict
        if the name or the id is taken, or if the session of undone messages has gone or moved on.
        """
        if entry.undone_at is None or name is not None:
            restored = self._restore_session(entry, name)
        else:
            restored = self._restore_messages(entry, entry.undone_at)
        self.storage.discard(entry.id)
        return restored

    def _restore_session(self, entry: TrashEntry, name: str | None) -> SessionSummary:
        wanted = entry.session.name if name is None else check_session_name(name)
        session = self.storage.trashed(entry.id)
        with self.storage.names():
            if self._named(entry.session.po_name, wanted):
                raise Conflict(
                    f"{entry.session.po_name} has a session named {wanted!r}.",
                    hint=f"Run 'po trash restore {entry.id} --as NAME' to give it another name.",
                )
            extra = {key: value for key, value in session.extra.items() if key != UNDONE_AT}
            if entry.undone_at is not None:
                session = replace(session, id=_new_id(self._clock()))
            return self.storage.create(replace(session, name=wanted, extra=extra))

    def _restore_messages(self, entry: TrashEntry, undone_at: int) -> SessionSummary:
        hint = f"Run 'po trash restore {entry.id} --as NAME' to make a session of them."
        try:
            with self.storage.turn(entry.session.id, "restore"):
                restored = self.storage.summary(entry.session.id)
                if restored.message_count != undone_at:
                    raise Conflict(
                        f"{restored.name!r} has {restored.message_count} messages, and these came after "
                        f"the first {undone_at}.",
                        hint=hint,
                    )
                for message in self.storage.trashed(entry.id).history:
                    restored = self.storage.append(entry.session.id, message)
        except SessionNotFound:
            raise Conflict(f"The session {entry.session.id} is not there any more.", hint=hint) from None
        return restored

    def find(self, ref: str | None, po_name: str | None) -> SessionSummary:
        """Return the session that `ref` means, or without one the current session of `po_name`, else its `Default`.

        Raises SessionNotFound, AmbiguousSelector, NoCurrent.
        """
        if ref is not None:
            return selector.select(ref, self.storage, po_name)
        if po_name is None:
            raise selector.no_current_po()
        found = self.current(po_name) or self._named(po_name, DEFAULT_NAME)
        if found is None:
            raise NoCurrent(
                f"{po_name} has no current session, and none named {DEFAULT_NAME!r}.",
                hint=f"Run 'po send {po_name} MESSAGE' to begin one, or 'po session switch NAME' to choose one.",
            )
        return found

    def get(self, ref: str | None, po_name: str | None) -> Session:
        """Return a session with its history; `ref` as in `find`."""
        return self.load(self.find(ref, po_name).id)

    def load(self, id: str) -> Session:
        """Return the session with this id, with its history. Raises SessionNotFound, Unreadable."""
        return self.storage.load(id)

    def list(self, po_name: str | None = None) -> Iterator[SessionSummary]:
        """Yield the sessions, of one prompt object or of all, newest turn first."""
        return self.storage.summaries(po_name=po_name)

    def append(self, id: str, message: Message) -> SessionSummary:
        """Add a message, durably. Raises SessionNotFound, Busy, Unreadable, WriteFailed."""
        return self.storage.append(id, message)

    def turn(self, id: str, verb: str) -> AbstractContextManager[object]:
        """Hold a session for one turn. Raises Busy, with the owner."""
        return self.storage.turn(id, verb)

    def is_interrupted(self, session: SessionSummary) -> bool:
        """Tell whether the newest turn has no reply and nobody is working on one."""
        return session.last_turn == "open" and self.storage.turn_owner(session.id) is None

    def current_po(self) -> str | None:
        """Return the current prompt object's name."""
        return self.storage.state().po_name

    def current(self, po_name: str) -> SessionSummary | None:
        """Return the current session of a prompt object, None if it has none. Raises NoCurrent if that is gone."""
        id = self.storage.state().pointer(po_name).current
        return None if id is None else selector.summary_at(id, "current", self.storage, po_name)

    def begin(self, po_name: str) -> SessionSummary:
        """Return the session of a plain use: the current one, else `Default`, made and pointed at if it is missing.

        Where no prompt object is current yet, this one becomes it. Raises NoCurrent if the current session is gone.
        """
        if found := self.current(po_name):
            return found
        session, made = self.ensure(po_name)
        if made:
            self.storage.change_state(
                lambda state: (state if state.po_name else state.with_po(po_name)).with_session(po_name, session.id)
            )
        return session

    def switch(self, session: SessionSummary) -> None:
        """Make a session current, and its prompt object the current one."""
        self.storage.change_state(
            lambda state: state.with_po(session.po_name).with_session(session.po_name, session.id)
        )

    def switch_po(self, po_name: str) -> None:
        """Make a prompt object the current one."""
        self.storage.change_state(lambda state: state.with_po(po_name))

    def now(self) -> str:
        """Return the time as it is stored."""
        return timestamp(self._clock())

    def _named(self, po_name: str, name: str) -> SessionSummary | None:
        return next(iter(self.storage.summaries(po_name=po_name, name=name)), None)

    def _names(self, po_name: str) -> set[str]:
        return {session.name for session in self.storage.summaries(po_name=po_name)}

    def _free_name(self, po_name: str, base: str) -> str:
        return _free(base, self._names(po_name))

    def _create(self, po_name: str, name: str) -> SessionSummary:
        now = self._clock()
        made = Session(_new_id(now), name, po_name, created_at=timestamp(now), updated_at=timestamp(now))
        return self.storage.create(made)


def check_importable(session: Session, po_name: str | None = None) -> None:
    """See that a session from elsewhere can be imported, as `po_name`'s if given. Raises Unreadable, NewerVersion."""
    if session.version > VERSION:
        raise NewerVersion(
            f"The session {session.name!r} has version {session.version}, and this po reads up to {VERSION}.",
            hint="Upgrade po-sessions.",
        )
    if po_name is None:
        try:
            check_po_name(session.po_name)
        except InvalidInput as error:
            hint = "Add --po PO to give it to one of your prompt objects."
            raise Unreadable(f"The session {session.name!r} cannot be imported: {error}", hint=hint) from None


def _carried(name: str) -> str:
    """Return the name that an imported session asks for, or what nameless ones are called if it cannot be one."""
    try:
        return check_session_name(name)
    except InvalidInput:
        return UNNAMED


def _free(base: str, taken: Container[str]) -> str:
    """Return `base`, with the first number that makes it free, and cut to the length that names may have."""
    name, number = base, 2
    while name in taken:
        end = f" {number}"
        name, number = base[: NAME_LENGTH - len(end)].rstrip() + end, number + 1
    return name


def _id_of(session: Session) -> str:
    """Return an id that follows from a session's time and content."""
    from hashlib import sha256

    from ulid import ULID

    moment = max(0, int(datetime.fromisoformat(session.created_at).timestamp() * 1000))
    return str(ULID.from_bytes(moment.to_bytes(6, "big") + sha256(dumps(session.to_dict())).digest()[:10]))


def _new_id(now: datetime) -> str:
    from ulid import ULID

    return str(ULID.from_datetime(now))
