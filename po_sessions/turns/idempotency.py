"""What a script may ask of a send: that it be safe to repeat, and that nobody else came first."""

from __future__ import annotations

from itertools import takewhile

from po_sessions.errors import Advice, Conflict, InvalidInput
from po_sessions.message import Message, Turn
from po_sessions.session import Session, SessionSummary

KEY = "idempotency_key"
"""The key of a user's message that holds it."""
_LONGEST = 200


def check_key(key: str) -> str:
    """Return `key` if it can be one: 1 to 200 printable characters. Raises InvalidInput."""
    if not 1 <= len(key) <= _LONGEST or not key.isprintable():
        raise InvalidInput(f"{key!r} cannot be an idempotency key.", advice=Advice("key_form", longest=_LONGEST))
    return key


def begun(session: Session, message: str, key: str | None, if_turns: int | None) -> Turn | None:
    """Return the turn that a message with this key began, None if it is to begin one.

    Raises Conflict if the key is another message's, or if the session has not `if_turns` turns for a new one.
    """
    try:
        earlier = None if key is None else _earlier_turn(session, key, message)
        if earlier is None:
            _check_turns(session.summary(), if_turns)
    except Conflict as error:
        error.session_id = session.id
        raise
    return earlier


def _check_turns(session: SessionSummary, wanted: int | None) -> None:
    if wanted not in (None, session.turn_count):
        raise Conflict(
            f"{session.name!r} has {session.turn_count or 'no'} turn{'s' * (session.turn_count != 1)}, not {wanted}.",
            advice=Advice("other_turns", session_id=session.id),
        )


def _earlier_turn(session: Session, key: str, message: str) -> Turn | None:
    """Return the turn that was begun with this key, or None.

    Raises Conflict if it was begun with another message, or has no answer and turns after it.
    """
    at = session.newest_with(KEY, key)
    if at is None:
        return None
    rest = iter(session.history[at:])
    first = next(rest)
    behind = sum(one.role == "user" for one in session.history[at + 1 :])
    turn = Turn(session.summary().turn_count - behind, (first, *takewhile(lambda one: one.role != "user", rest)))
    if first.content != message:
        raise Conflict(
            f"Turn {turn.number} of {session.name!r} has the key {key!r} and another message.",
            advice=Advice("key_of_another_message"),
        )
    if answer_in(turn) is None and behind:
        raise Conflict(
            f"Turn {turn.number} of {session.name!r}, with the key {key!r}, has no answer, and others came after it.",
            advice=Advice("key_is_past"),
        )
    return turn


def answer_in(turn: Turn | None) -> Message | None:
    """Return the reply of a turn that was answered, None if it was not, or if there is none."""
    if turn is None or turn.state != "done":
        return None
    done = (one for one in reversed(turn.messages) if one.role == "assistant" and one.turn_state == "done")
    return next(done, None)
