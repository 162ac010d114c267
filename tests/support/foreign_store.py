"""A store of another kind, with only what every store can do: no trash, no backups, no files, no sizes.

It keeps each session as text, as a database would, so nothing that a caller holds is what it keeps. The token of a turn
is a fence: while a turn holds a session, only its own messages are added, and none of a turn that is over.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from itertools import islice
from typing import Any

from po_sessions.changes import End, check_writable, with_header
from po_sessions.errors import Busy, Conflict, SessionNotFound
from po_sessions.message import Message
from po_sessions.names import check_po_name
from po_sessions.session import Session, SessionSummary
from po_sessions.storage import OnGap
from po_sessions.storage.records import HeldTurn, SessionStat, id_taken

ROWS: dict[str, dict[str, str]] = {}
"""The sessions of each address, as text by their ids."""


class ForeignStore:
    """Sessions at an address, for the threads of this process."""

    def __init__(self, *, root: str = "", lock_timeout: float = 60.0, **_: Any) -> None:
        self._rows = ROWS.setdefault(root, {})
        self._timeout = lock_timeout
        self._owners: dict[str, str] = {}
        self._changed = threading.Condition()
        self._token = 0
        self.holders: dict[str, int] = {}
        """The token of the turn that holds a session, by the session's id."""

    def create(self, session: Session) -> SessionSummary:
        check_po_name(session.po_name)
        with self._changed:
            if session.id in self._rows:
                raise id_taken(session.id)
            return self._put(session)

    def _put(self, session: Session) -> SessionSummary:
        self._rows[session.id] = json.dumps(session.to_dict())
        return session.summary()

    def _get(self, id: str) -> Session:
        try:
            return Session.from_dict(json.loads(self._rows[id]))
        except KeyError:
            raise SessionNotFound(id) from None

    def head(self, id: str) -> SessionStat:
        one = self._get(id)
        times = (one.created_at, one.updated_at, *(message.created_at or "" for message in one.history))
        pinned = one.pinned
        return SessionStat(one.summary(), None, one.version, pinned, active_at=max(times))

    def summary(self, id: str) -> SessionSummary:
        return self._get(id).summary()

    def reading(self, id: str, *, on_gap: OnGap | None = None) -> AbstractContextManager[Session]:
        return nullcontext(self._get(id))

    def append(
        self, id: str, message: Message, *, after: End | None = None, turn: HeldTurn | None = None
    ) -> SessionSummary:
        with self._changed:
            session = self._get(id)
            check_writable(session, session.version)
            if self.holders.get(id) != (turn and turn.token):
                raise Conflict(f"The message belongs to no turn that holds {session.name!r} now.")
            if after is not None:
                after.check(session.summary(), End.of(session).last)
            updated_at = session.summary().with_message(message).updated_at
            return self._put(replace(session, history=(*session.history, message), updated_at=updated_at))

    def amend(self, id: str, change: Callable[[Session], Session]) -> SessionSummary:
        with self._changed:
            before = self._get(id)
            check_writable(before, before.version)
            return self._put(with_header(before, change))

    def purge(self, id: str, now: str, verb: str = "delete") -> None:
        with self._changed:
            self._get(id)
            del self._rows[id]

    def list(
        self,
        *,
        po_name: str | None = None,
        name: str | None = None,
        beginning: str = "",
        limit: int | None = None,
    ) -> Iterator[SessionSummary]:
        rows = [self._get(id).summary() for id in tuple(self._rows)]
        rows.sort(key=lambda row: (row.updated_at, row.id), reverse=True)
        found = (row for row in rows if po_name in (None, row.po_name) and name in (None, row.name))
        return islice((row for row in found if row.name.startswith(beginning)), limit)

    def find(self, fragment: str) -> Sequence[str]:
        ends = fragment.upper(), fragment.lower()
        return sorted(id for id in self._rows if id.startswith(ends) or id.endswith(ends))

    def taken_names(self, po_name: str, beginning: str = "") -> set[str]:
        return {one.name for one in self.list(po_name=po_name, beginning=beginning)}

    @contextmanager
    def claim_name(self, po_name: str, *names: str) -> Iterator[str]:
        """Hold these names; others are free meanwhile."""
        with ExitStack() as held:
            for name in sorted(set(names)):
                held.enter_context(self._held(f"the name {name!r} of {po_name}", "claim", self._timeout))
            yield po_name

    @contextmanager
    def turn(self, id: str, verb: str, *, wait: bool = True) -> Iterator[HeldTurn]:
        with self._held(f"the session {id}", verb, self._timeout if wait else 0):
            self._token += 1
            self.holders[id] = self._token
            try:
                yield HeldTurn(id, self._token)
            finally:
                del self.holders[id]

    @contextmanager
    def _held(self, what: str, verb: str, timeout: float) -> Iterator[None]:
        with self._changed:
            if not self._changed.wait_for(lambda: what not in self._owners, timeout):
                raise Busy(f"{what[0].upper()}{what[1:]} is in use by {self._owners[what]}.")
            self._owners[what] = f"another thread ({verb})"
        try:
            yield
        finally:
            with self._changed:
                del self._owners[what]
                self._changed.notify_all()

    def turn_owner(self, id: str) -> str | None:
        return self._owners.get(f"the session {id}")

    def rename_po(
        self, old: str, new: str, move: Callable[[str, str], None], check: Callable[[], None] = lambda: None
    ) -> None:
        with self._changed:
            check()
            move(old, new)
            for id in tuple(self._rows):
                if (one := self._get(id)).po_name == old:
                    self._put(replace(one, po_name=new))

    def po_name(self, po_name: str) -> str:
        return po_name

    def resume_rename(self, move: Callable[[str, str], None]) -> None:
        pass

    def close(self) -> None:
        pass
