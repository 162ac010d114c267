"""What a turn stores: its question, the reply, or what had arrived of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from po_sessions.changes import End
from po_sessions.errors import Advice, Conflict, Interrupted, ModelError, PoError, ReplyNotStored, SessionNotFound
from po_sessions.message import Message
from po_sessions.models import Reply
from po_sessions.turns.ask import Failed

if TYPE_CHECKING:
    from po_sessions.sessions.manager import SessionManager
    from po_sessions.turns.plan import Plan


class Record:
    """The session of a turn, which is added to only while it ends with what the turn has seen or stored."""

    def __init__(self, plan: Plan, manager: SessionManager) -> None:
        """Store the question of a plan, unless it is there. Raises as `SessionManager.append` does."""
        self._manager, self._turn = manager, plan.turn
        self.session = plan.session
        """The session as it is by now."""
        if not plan.is_stored:
            self.session = manager.append(plan.session.id, plan.last, turn=plan.turn)
        self._end = End(self.session.message_count, plan.last)

    def add(self, message: Message) -> None:
        """Store what a model said behind the last message. Raises ReplyNotStored."""
        try:
            self._append(message)
        except PoError as error:
            failed = ReplyNotStored(error, message.content or "")
            failed.session_id = self.session.id
            raise failed from error

    def take(self, said: Reply | Failed) -> Message:
        """Store a reply and return it as a message; or store what had arrived of one, and raise why it failed."""
        if isinstance(said, Failed):
            self._fail(said)
        message = to_message(said, self._manager.now())
        self.add(message)
        return message

    def _append(self, message: Message) -> None:
        self.session = self._manager.append(self.session.id, message, after=self._end, turn=self._turn)
        self._end = End(self.session.message_count, message)

    def _fail(self, said: Failed) -> NoReturn:
        failure = _failure(said.error)
        failure.session_id = self.session.id
        partial = {"model": said.model, "error": {"kind": failure.kind, "message": str(failure)}}
        try:
            self._append(Message("assistant", said.arrived, self._manager.now(), partial))
        except (Conflict, SessionNotFound) as lost:
            failure = _lost(failure, lost, said.arrived)
        except PoError:
            pass  # without it the turn is an interrupted one
        if failure is not said.error and isinstance(said.error, PoError | KeyboardInterrupt):
            raise failure from said.error
        raise said.error


def to_message(reply: Reply, now: str) -> Message:
    """Return a reply as it is stored."""
    about = {
        "model": reply.model,
        "usage": dict(reply.usage),
        "duration_ms": reply.duration_ms,
        "finish_reason": reply.finish_reason,
    }
    return Message.from_dict({**reply.message, "created_at": now, **about})


def _lost(failure: PoError, lost: PoError, arrived: str) -> PoError:
    """Return the error of a call that failed, and whose message is not the end of its session any more.

    Nothing can be asked again there. What had arrived is in the error, unless the user wanted no more of it.
    """
    if arrived and isinstance(failure, ModelError):
        made = ReplyNotStored(lost, arrived)
        made.advice = Advice("partial_reply", failure=str(failure), then=lost.advice)
        made.session_id = failure.session_id
        return made
    failure.session_id = None
    failure.advice = Advice("reply_lost", first=failure.advice, reason=str(lost), then=lost.advice)
    return failure


def _failure(error: BaseException) -> PoError:
    if isinstance(error, PoError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Interrupted("Interrupted.")
    return PoError(f"{type(error).__name__}: {error}")
