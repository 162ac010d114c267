"""JSON Lines: a session a line, each an object with the keys of a session file."""

from __future__ import annotations

from collections.abc import Iterator

from po_sessions.session import Session
from po_sessions.text.strict_json import loads


class JsonLines:
    """Any number of lines."""

    name = "jsonl"
    suffix = ".jsonl"
    several = (b"", b"", b"")

    def encode(self, session: Session) -> Iterator[bytes]:
        """Yield the pieces of a line."""
        yield from (piece.replace(b"\n", b"") for piece in session.encoded())  # texts have theirs as escapes
        yield b"\n"

    def recognises(self, data: bytes) -> bool:
        """Tell whether the first line is a whole object and not the only one."""
        first, _, rest = data.lstrip().partition(b"\n")
        return first.startswith(b"{") and first.rstrip().endswith(b"}") and bool(rest.strip())

    def decode(self, data: bytes) -> list[Session]:
        """Read the lines; blank ones are passed over. Raises ValueError."""
        sessions = []
        for number, line in enumerate(data.split(b"\n"), 1):
            if line.strip():
                try:
                    sessions.append(Session.from_dict(loads(line)))
                except ValueError as error:
                    raise ValueError(f"line {number}: {error}") from None
        return sessions
