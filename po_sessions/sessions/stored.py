"""History: the messages of a session in a store, read when they are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import overload

from po_sessions.errors import Conflict
from po_sessions.message import Message
from po_sessions.storage import SessionStore


class History(Sequence[Message]):
    """The first messages of a session, read from its store at each look; nothing is kept.

    Looking raises SessionNotFound if the session has gone, Conflict if it has fewer messages by then, Unreadable if
    one of them cannot be read.
    """

    def __init__(self, storage: SessionStore, id: str, count: int) -> None:
        self._storage = storage
        self._id = id
        self._count = count

    @contextmanager
    def _messages(self) -> Iterator[Sequence[Message]]:
        with self._storage.reading(self._id) as session:
            if session.message_count < self._count:
                raise Conflict(
                    f"{session.name!r} has {session.message_count} messages by now; {self._count} were there before. "
                    "Get the session again."
                )
            yield session.history[: self._count]

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Message]:
        with self._messages() as messages:
            yield from messages

    def __reversed__(self) -> Iterator[Message]:
        with self._messages() as messages:
            yield from reversed(messages)

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | Sequence[Message]:
        with self._messages() as messages:
            return messages[index] if isinstance(index, int) else tuple(messages[index])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        return len(self) == len(other) and tuple(self) == tuple(other)
