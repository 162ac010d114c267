"""What a change of a session has to keep to: its end as it was, its version, its messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from po_sessions.errors import Advice, Conflict, NewerVersion
from po_sessions.message import Message
from po_sessions.session import VERSION, Session, SessionSummary
from po_sessions.text.strict_json import dumps, loads


class End(NamedTuple):
    """How a session ended when somebody looked at it, so that a later change can be refused if it ends otherwise."""

    message_count: int
    last: Message | None
    """The last message, None if there was none."""

    @classmethod
    def of(cls, session: Session) -> End:
        """Return how a session ends; of its history only the last message is read."""
        return cls(session.message_count, session.history[-1] if session.message_count else None)

    def check(self, session: SessionSummary, last: Message | None) -> None:
        """Raise Conflict unless a session, whose `last` message this is, still ends like this."""
        if session.message_count != self.message_count or not _same(self.last, last):
            raise Conflict(
                f"{session.name!r} does not end as it did when the model was asked: its file was replaced, or another "
                "program wrote to it.",
                advice=Advice("ends_otherwise", session_id=session.id),
            )


def _same(one: Message | None, other: Message | None) -> bool:
    """Tell whether two messages are stored alike; halves of a character, put together by JSON, make no difference."""
    if one is None or other is None or one == other:
        return one == other
    return bool(loads(dumps(one.to_dict())) == loads(dumps(other.to_dict())))


def check_writable(session: Session | SessionSummary, version: int) -> None:
    """Raise NewerVersion if a session of this version may only be read."""
    if version > VERSION:
        raise NewerVersion(
            f"The session {session.name!r} has version {version}, and this po writes {VERSION}; it can be read, "
            "not changed.",
            advice=Advice("upgrade"),
        )


def with_header(session: Session, change: Callable[[Session], Session]) -> Session:
    """Return a session whose header, which `change` is given as a session without history, is what that returns.

    Raises ValueError if it touches the id or adds messages.
    """
    after = change(replace(session, history=()))
    if after.id != session.id or after.history:
        raise ValueError("a change of the header may not touch a session's id or its messages")
    return replace(after, history=session.history)


def check_kept(before: Session, after: Session) -> None:
    """Raise ValueError unless a change leaves a session's id and its messages as they are; it may add messages."""
    if before.id != after.id or before.history != after.history[: len(before.history)]:
        raise ValueError("a change may not touch a session's id or its messages")
