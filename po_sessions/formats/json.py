"""JSON: an object for one session, with the keys of a session file; an array for any other number. A message a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from po_sessions.json_text import dumps, loads
from po_sessions.session import Session


class Json:
    """One JSON document."""

    name = "json"
    suffix = ".json"
    holds_several = True

    def encode(self, sessions: Iterable[Session]) -> Iterator[bytes]:
        """Yield the pieces of a document."""
        rest = iter(sessions)
        first = list(islice(rest, 2))
        if len(first) == 1:
            yield from _object(first[0])
            yield b"\n"
            return
        yield b"["
        for number, session in enumerate(chain(first, rest)):
            yield b",\n" if number else b"\n"
            yield from _object(session)
        yield b"\n]\n" if first else b"]\n"

    def recognises(self, data: bytes) -> bool:
        """Tell whether a document begins like an object or an array."""
        return data[:1024].lstrip()[:1] in (b"{", b"[")

    def decode(self, data: bytes) -> list[Session]:
        """Read a document. Raises ValueError."""
        document = loads(data)
        if not isinstance(document, list):
            return [Session.from_dict(document)]
        sessions = []
        for number, one in enumerate(document, 1):
            try:
                sessions.append(Session.from_dict(one))
            except ValueError as error:
                raise ValueError(f"session {number} of {len(document)}: {error}") from None
        return sessions


def _object(session: Session) -> Iterator[bytes]:
    before = session.to_dict()
    history = before.pop("history")
    after = {key: before.pop(key) for key in ("updated_at", "preview", "message_count", "turn_count")}
    yield dumps(before)[:-1] + b',"history":['
    for number, message in enumerate(history):
        yield (b",\n" if number else b"\n") + dumps(message)
    yield b"\n]," + dumps(after)[1:]
