"""The damaged messages that a command met while it printed a session."""

from __future__ import annotations

from po_sessions.errors import Advice, Unreadable
from po_sessions.session import Session, SessionSummary


class Gaps:
    """The messages of one session that cannot be read, and for which a gap is printed."""

    def __init__(self) -> None:
        self._found: dict[int, Unreadable] = {}

    def add(self, number: int, error: Unreadable) -> None:
        """Take the number of a message, from 1, and what is wrong with it."""
        self._found[number] = error

    def check(self, session: Session | SessionSummary) -> None:
        """Raise Unreadable if there is a gap: what was printed is not all of the session."""
        if not self._found:
            return
        numbers = sorted(self._found)
        one, some = len(numbers) == 1, ", ".join(map(str, numbers[:3])) + ", …" * (len(numbers) > 3)
        which = f"Message {some} of {session.name!r} is" if one else f"Messages {some} of {session.name!r} are"
        raise Unreadable(
            f"{which} damaged, and marked as such. {self._found[numbers[0]]}",
            advice=Advice("damaged"),
        )
