"""SessionManager: what can be done with sessions, whatever the store and whatever the model."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime

from po_sessions import selector
from po_sessions.errors import Conflict, NoCurrent
from po_sessions.session import (
    DEFAULT_NAME,
    Message,
    Session,
    SessionSummary,
    check_session_name,
    timestamp,
)
from po_sessions.storage import SessionStorage

UNNAMED = "Session"
"""What a session made without a name is called, with a number behind it if that is taken."""


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

    def _free_name(self, po_name: str, base: str) -> str:
        taken = {session.name for session in self.storage.summaries(po_name=po_name)}
        name, number = base, 2
        while name in taken:
            name, number = f"{base} {number}", number + 1
        return name

    def _create(self, po_name: str, name: str) -> SessionSummary:
        from ulid import ULID

        now = self._clock()
        id = str(ULID.from_datetime(now))
        return self.storage.create(Session(id, name, po_name, created_at=timestamp(now), updated_at=timestamp(now)))
