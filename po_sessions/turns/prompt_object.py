"""PromptObject: a definition that receives messages. One turn, whatever the store and whatever the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from po_sessions.errors import Advice, Conflict, InvalidInput
from po_sessions.mending import is_blank
from po_sessions.message import STANDS_FOR, Message, Turn
from po_sessions.models import Chunk, ModelBackend, check_unasked
from po_sessions.prompt_objects.definition import Definition, Limit
from po_sessions.session import Session, SessionSummary
from po_sessions.sessions.manager import SessionManager
from po_sessions.turns.ask import ask
from po_sessions.turns.idempotency import KEY, answer_in, begun
from po_sessions.turns.plan import Asked, Plan
from po_sessions.turns.record import Record, to_message
from po_sessions.turns.window import Window, window

if TYPE_CHECKING:
    from po_sessions.models.time_limit import TimeLimit
    from po_sessions.sessions.backups import BackupPolicy


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

    def receive(self, message: str, *, context: Context, session: Session | SessionSummary | None = None) -> Answer:
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
        with manager.turn(session.id, "send") as held:
            with manager.reading(session.id) as stored:
                earlier = begun(stored, message, key, context.if_turns)
                if earlier and (reply := answer_in(earlier)):  # whatever has become of the model
                    context.on_chunk(Chunk("text", reply.content or ""))
                    return Answer(stored.summary(), earlier.number, reply, None)
                before, sent = stored.summary(), self.window(stored, earlier or message, context.limit)
            new = Message("user", message, manager.now(), {} if key is None else {KEY: key})
            last = earlier.messages[-1] if earlier else new
            plan = Plan(held, before, sent, self._asked(context), last, is_stored=earlier is not None)
            return self._carry_out(plan, context)

    def retry(self, *, context: Context, session: Session | SessionSummary | None = None) -> Answer:
        """Go on with the last turn, which failed or was interrupted: the reply is added to it, and it keeps its number.

        The model goes on behind the last results of calls that are complete; where there are none, the message is asked
        again. Raises as `receive` does; Conflict too if there is nothing to ask again.
        """
        session = session or context.session
        self.check_own(session)
        manager = context.session_manager
        with manager.turn(session.id, "retry") as held:
            with manager.reading(session.id) as stored:
                last = stored.last_turn()
                if last is None or last.state == "done":
                    raise self._nothing_to_retry(stored, last)
                if (question := last.messages[0]).is_gap or is_blank(question.content):
                    wrong = "damaged" if question.is_gap else "empty"
                    message = f"The last turn of {stored.name!r} asks nothing: its message is {wrong}."
                    raise Conflict(message, advice=Advice("asks_nothing", session_id=stored.id))
                before, sent = stored.summary(), self.window(stored, last, context.limit)
            plan = Plan(held, before, sent, self._asked(context), last.messages[-1])
            return self._carry_out(plan, context)

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
        with manager.turn(session.id, "compact") as held:
            with manager.reading(session.id) as stored:
                before, last = stored.summary(), stored.last_turn()
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
            plan = Plan(held, before, sent, self._asked(context), last.messages[-1])
            begin(sent)
            asked, limit = plan.asked, context.time_limit()
            reply = summarize(sent.messages[:-1], asked.backend, asked.model, asked.options, limit)
            message = to_message(reply, manager.now())
            about = {STANDS_FOR: before.message_count, **message.extra}
            summary = Message("system", message.content, message.created_at, about)
            record = Record(plan, manager)
            record.add(summary)
            return record.session, summary

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

    def window(self, session: Session, asked: str | Turn, limit: Limit | None = None) -> Window:
        """Return the exact messages that a model gets: the system prompt, earlier turns, and what is asked.

        That is a new message, or the last turn, which the model goes on with. `limit` is in place of the definition's.
        """
        return window(session, asked, system=self.definition.body, limit=limit or self.definition.context)

    def _asked(self, context: Context) -> Asked:
        """Return who is asked in a turn. Raises as `model`, `check` and the context's `resolve` do."""
        if context.asked is not None:
            return context.asked
        model = self.model(context.model or "", context.default_model)
        return self.check(context.resolve(model), model, context.options)

    def _carry_out(self, plan: Plan, context: Context) -> Answer:
        """Store the question, ask the model, and store what comes of it."""
        asked, manager, limit = plan.asked, context.session_manager, context.time_limit()
        # Refuses now, and asks when it is iterated over.
        events = asked.backend.complete(
            plan.window.messages, model=asked.model, options=asked.options, time_limit=limit
        )
        manager.before_turn(plan.session, context.backup_policy)
        record = Record(plan, manager)
        reply = record.take(ask(events, asked.model, context.on_chunk))
        return Answer(record.session, record.session.turn_count, reply, plan.window)
