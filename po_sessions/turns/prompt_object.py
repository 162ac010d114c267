"""PromptObject: a definition that receives messages. One turn, whatever the store and whatever the model."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from po_sessions.changes import End
from po_sessions.errors import (
    Advice,
    Conflict,
    Interrupted,
    InvalidInput,
    ModelError,
    PoError,
    ReplyNotStored,
    SessionNotFound,
)
from po_sessions.message import STANDS_FOR, Message, Turn
from po_sessions.models import Chunk, ModelBackend, Reply, check_unasked
from po_sessions.prompt_objects.definition import Definition, Limit
from po_sessions.session import Session, SessionSummary
from po_sessions.sessions.manager import SessionManager
from po_sessions.turns.idempotency import KEY, answer_in, begun
from po_sessions.turns.window import Window, window

if TYPE_CHECKING:
    from po_sessions.models.time_limit import TimeLimit
    from po_sessions.sessions.backups import BackupPolicy


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is asked in a turn; that it can be has been checked."""

    backend: ModelBackend
    model: str
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """What surrounds a turn."""

    session: SessionSummary
    session_manager: SessionManager
    resolve: Callable[[str], ModelBackend]
    """Finds the back end for a model's name. Raises ModelUnavailable."""
    default_model: str
    """The model to ask if neither this turn nor the prompt object names one."""
    model: str | None = None
    """The model to ask in this turn, whatever the prompt object says."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options for the model in this turn, over those of the prompt object."""
    limit: Limit | None = None
    """How much of the conversation is sent in this turn, whatever the prompt object says."""
    idempotency_key: str | None = None
    """Whoever sends the same message with the same key again gets the reply that was stored."""
    timeout: float | None = None
    """How many seconds the model may take for its whole reply."""
    idle_timeout: float | None = None
    """How many seconds the model may send nothing."""
    if_turns: int | None = None
    """How many turns the session has to have for a new one."""
    backup_policy: BackupPolicy | None = None
    """When a backup is made before the turn, in place of the session manager's policy."""
    asked: Asked | None = None
    """Who is asked, if that has been checked; else it is checked in the turn."""
    on_chunk: Callable[[Chunk], None] = lambda _: None
    """Is given each piece of the reply as it arrives."""

    @property
    def session_id(self) -> str:
        """The id of the session."""
        return self.session.id

    def time_limit(self) -> TimeLimit:
        """Return how long the model may take, from when it is asked."""
        from po_sessions.models.time_limit import TimeLimit  # which only a turn needs

        return TimeLimit(self.timeout, self.idle_timeout)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a message."""

    session: SessionSummary
    """The session as it is afterwards."""
    turn: int
    """The number of the turn."""
    reply: Message
    window: Window | None
    """What the model got; None if it was not asked, since this message had been answered before."""


@dataclass(frozen=True, slots=True)
class PromptObject:
    """A definition that can be talked to."""

    definition: Definition

    @property
    def name(self) -> str:
        """The prompt object's name."""
        return self.definition.name

    def receive(self, message: str, *, context: Context, session: SessionSummary | None = None) -> Answer:
        """Send a message to the model with what the session holds, store both the message and the reply.

        The message is stored before the model is asked. A call that fails or is interrupted leaves a failed turn, with
        what had arrived. `session` is the context's if it is not given.

        With the context's idempotency key a message that was answered gets the reply that is stored, and one whose turn
        failed is tried again in that turn.

        Raises InvalidInput, Conflict (another prompt object's session; the key has another message; another number of
        turns than `if_turns`), ModelUnavailable or Busy, and then nothing is stored; ModelError or Interrupted, and
        then there is a failed turn; ReplyNotStored, with the reply.
        """
        session = session or context.session
        if not message.strip():
            raise InvalidInput("The message is empty.", advice=Advice("empty_message"))
        self.check_own(session)
        key, manager = context.idempotency_key, context.session_manager
        with manager.turn(session.id, "send"):
            with manager.reading(session.id) as stored:
                before, earlier = stored.summary(), begun(stored, message, key, context.if_turns)
                if earlier and (reply := answer_in(earlier)):  # whatever has become of the model
                    context.on_chunk(Chunk("text", reply.content or ""))
                    return Answer(before, earlier.number, reply, None)
                again = 0 if earlier is None else len(earlier.messages)
                sent = self.window(stored, message, context.limit, passed_over=again)
            new = Message("user", message, manager.now(), {} if key is None else {KEY: key})
            last = earlier.messages[-1] if earlier else None
            return self._ask(self._asked(context), sent, context, before, last or new, is_new=last is None)

    def retry(self, *, context: Context, session: SessionSummary | None = None) -> Answer:
        """Ask again what failed or was interrupted: the reply is added to the last turn, which keeps its number.

        Raises as `receive` does; Conflict too if there is nothing to ask again.
        """
        session = session or context.session
        self.check_own(session)
        manager = context.session_manager
        with manager.turn(session.id, "retry"):
            with manager.reading(session.id) as stored:
                last = stored.last_turn()
                if last is None or last.state == "done":
                    raise self._nothing_to_retry(stored, last)
                message = last.messages[0].content or ""
                if not message.strip():
                    message = f"The last turn of {stored.name!r} asks nothing: its message is empty."
                    raise Conflict(message, advice=Advice("asks_nothing", session_id=stored.id))
                sent = self.window(stored, message, context.limit, passed_over=len(last.messages))
            asked = self._asked(context)
            return self._ask(asked, sent, context, stored.summary(), last.messages[-1], is_new=False)

    def compact(
        self, *, context: Context, begin: Callable[[Window], None] = lambda _: None
    ) -> tuple[SessionSummary, Message]:
        """Have the model sum up the session, and add that as a message which stands for all before it from then on.

        `begin` is given what is summed up before the model is asked, which may take long. What it stands for stays in
        the record. Return the session as it is then, and the message. Raises Conflict if there is nothing to sum up, or
        the last turn has no answer; InvalidInput, ModelUnavailable, ModelError, Busy, Interrupted: then nothing is
        stored; ReplyNotStored, with the summary.
        """
        from po_sessions.turns.compaction import summarize

        session = context.session
        self.check_own(session)
        manager = context.session_manager
        with manager.turn(session.id, "compact"):
            with manager.reading(session.id) as stored:
                end, last = End.of(stored), stored.last_turn()
                if last is None or last.messages[-1].is_summary:
                    advice = Advice("send_first")
                    raise Conflict(f"There is nothing to sum up in {stored.name!r}.", advice=advice)
                if last.state != "done":
                    advice = Advice("unanswered", session_id=stored.id)
                    raise Conflict(f"The last turn of {stored.name!r} has no answer.", advice=advice)
                sent = window(stored, "")
            if len(sent.messages) == 1:
                advice = Advice("no_answers", session_id=session.id)
                raise Conflict(f"There is nothing to sum up in {stored.name!r}.", advice=advice)
            asked = self._asked(context)
            begin(sent)
            reply = summarize(sent.messages[:-1], asked.backend, asked.model, asked.options, context.time_limit())
            message = _to_message(reply, manager.now())
            about = {STANDS_FOR: end.message_count, **message.extra}
            summary = Message("system", message.content, message.created_at, about)
            return self._store(summary, context, session, end), summary

    def _nothing_to_retry(self, session: Session, last: Turn | None) -> Conflict:
        nothing = f"There is nothing to ask again in {session.name!r}"
        if last is None:
            advice = Advice("no_turns", po_name=self.name, session_id=session.id)
            return Conflict(f"{nothing}: it has no turns.", advice=advice)
        advice = Advice("answered", session_id=session.id)
        return Conflict(f"{nothing}: its last turn was answered.", advice=advice)

    def check_own(self, session: Session | SessionSummary) -> None:
        """Raise Conflict if a session belongs to another prompt object."""
        if session.po_name != self.name:
            raise Conflict(
                f"The session {session.name!r} belongs to {session.po_name}, not to {self.name}.",
                advice=Advice("not_its_own", po_name=session.po_name),
            )

    def model(self, chosen: str, default: str) -> str:
        """Return the model that answers: the one chosen for a turn, the definition's, or the default.

        Raises InvalidInput if the definition names a file.
        """
        wanted = self.definition.model or ""
        if not chosen:
            check_unasked(wanted, self.name)
        return chosen or wanted or default

    def check(self, backend: ModelBackend, model: str, options: Mapping[str, Any]) -> Asked:
        """See that `model` can be asked with the definition's options, and these over them; return who is asked.

        Raises ModelUnavailable, NoKey; InvalidInput, which tells whose option it is.
        """
        own = self.definition.options
        if own.keys() & options.keys():  # a wrong one is an error even if another is in its place
            self._check_own_options(backend, model)
        together = self.options(options)
        try:
            backend.check(model, together)
        except InvalidInput:
            self._check_own_options(backend, model)
            raise
        return Asked(backend, model, together)

    def _check_own_options(self, backend: ModelBackend, model: str) -> None:
        try:
            backend.check(model, self.definition.options)
        except InvalidInput as error:
            advice = Advice("front_matter", po_name=self.name, first=error.advice)
            raise InvalidInput(f"In the front matter of {self.name}: {error}", advice=advice) from None

    def options(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options for the model: those chosen for a turn, over the definition's."""
        return {**self.definition.options, **chosen}

    def window(self, session: Session, message: str, limit: Limit | None = None, *, passed_over: int = 0) -> Window:
        """Return the exact messages that a model gets: the system prompt, earlier turns, the new message.

        `limit` is in place of the definition's. So many messages at the end of the session are `passed_over`.
        """
        limit = limit or self.definition.context
        return window(session, message, system=self.definition.body, limit=limit, end=passed_over)

    def _asked(self, context: Context) -> Asked:
        """Return who is asked in a turn. Raises as `model`, `check` and the context's `resolve` do."""
        if context.asked is not None:
            return context.asked
        model = self.model(context.model or "", context.default_model)
        return self.check(context.resolve(model), model, context.options)

    def _ask(
        self,
        asked: Asked,
        sent: Window,
        context: Context,
        session: SessionSummary,
        last: Message,
        *,
        is_new: bool,
    ) -> Answer:
        """Ask the model and store its reply behind `last`, which is stored first if it `is_new`."""
        manager, model, limit = context.session_manager, asked.model, context.time_limit()
        # Refuses now, and asks when it is iterated over.
        events = asked.backend.complete(sent.messages, model=model, options=asked.options, time_limit=limit)
        manager.before_turn(session, context.backup_policy)
        before = manager.append(session.id, last) if is_new else session
        reply = self._record(events, model, context, before, last)
        return Answer(reply[0], before.turn_count, reply[1], sent)

    def _record(
        self, events: Generator[Chunk | Reply], model: str, context: Context, session: SessionSummary, last: Message
    ) -> tuple[SessionSummary, Message]:
        """Hand on what the model says, and store what comes of it behind `last`, if that is still the end."""
        manager, arrived, reply = context.session_manager, list[str](), None
        end = End(session.message_count, last)
        try:
            with closing(events):  # an interrupt between two pieces must not leave the model running
                for event in events:
                    if isinstance(event, Reply):
                        reply = event
                        continue
                    if event.kind == "text":
                        arrived.append(event.text)
                    context.on_chunk(event)
            if reply is None:
                raise RuntimeError(f"the back end of {model} ended without a reply")
        except BaseException as error:
            failure = _failure(error)
            failure.session_id = session.id
            partial = {"model": model, "error": {"kind": failure.kind, "message": str(failure)}}
            try:
                manager.append(session.id, Message("assistant", "".join(arrived), manager.now(), partial), after=end)
            except (Conflict, SessionNotFound) as lost:
                failure = _lost(failure, lost, "".join(arrived))
            except PoError:
                pass  # without it the turn is an interrupted one
            if isinstance(error, PoError | KeyboardInterrupt):
                raise failure from error
            raise
        stored = _to_message(reply, manager.now())
        return self._store(stored, context, session, end), stored

    def _store(self, message: Message, context: Context, session: SessionSummary, end: End) -> SessionSummary:
        """Store what the model said in a session that still ends like `end`. Raises ReplyNotStored."""
        try:
            return context.session_manager.append(session.id, message, after=end)
        except PoError as error:
            failed = ReplyNotStored(error, message.content or "")
            failed.session_id = session.id
            raise failed from error


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


def _to_message(reply: Reply, now: str) -> Message:
    about = {
        "model": reply.model,
        "usage": dict(reply.usage),
        "duration_ms": reply.duration_ms,
        "finish_reason": reply.finish_reason,
    }
    return Message.from_dict({**reply.message, "created_at": now, **about})
