"""JSON: an object for one session, with the keys of a session file; an array for any other number. A message a line."""

from __future__ import annotations

from collections.abc import Iterator

from po_sessions.session import Session
from po_sessions.text.strict_json import loads


class Json:
    """One JSON document."""

    name = "json"
    suffix = ".json"
    several = (b"[\n", b",", b"]\n")

    def encode(self, session: Session) -> Iterator[bytes]:
        """Yield the pieces of an object."""
        return session.encoded()

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
