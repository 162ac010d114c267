"""JSON Lines: a session a line, each an object with the keys of a session file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from po_sessions.json_text import dumps, loads
from po_sessions.session import Session


class JsonLines:
    """Any number of lines."""

    name = "jsonl"
    suffix = ".jsonl"
    holds_several = True

    def encode(self, sessions: Iterable[Session]) -> Iterator[bytes]:
        """Yield the lines."""
        for session in sessions:
            yield dumps(session.to_dict()) + b"\n"

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
