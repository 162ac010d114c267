"""PromptObject: a definition that receives messages. One turn, whatever the store and whatever the model."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from po_sessions.definition import Definition
from po_sessions.errors import Conflict, Interrupted, InvalidInput, PoError, ReplyNotStored
from po_sessions.manager import SessionManager
from po_sessions.models import Chunk, ModelBackend, Reply
from po_sessions.session import Message, Session, SessionSummary

_SENT = ("role", "content", "tool_calls", "tool_call_id", "name")
"""The keys of a stored message that a model gets to see."""


@dataclass(frozen=True, slots=True)
class Context:
    """What surrounds a turn."""

    session: SessionSummary
    session_manager: SessionManager
    resolve: Callable[[str], ModelBackend]
    """Finds the back end for a model's name. Raises ModelUnavailable."""
    default_model: Callable[[], str]
    """Tells the model to ask if neither this turn nor the prompt object names one."""
    model: str | None = None
    """The model to ask in this turn, whatever the prompt object says."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options for the model in this turn, over those of the prompt object."""
    on_chunk: Callable[[Chunk], None] = lambda _: None
    """Is given each piece of the reply as it arrives."""

    @property
    def session_id(self) -> str:
        """The id of the session."""
        return self.session.id


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a message."""

    session: SessionSummary
    """The session as it is afterwards."""
    turn: int
    """The number of the turn."""
    reply: Message


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

        Raises InvalidInput, Conflict (another prompt object's session), ModelUnavailable or Busy, and then nothing is
        stored; ModelError or Interrupted, and then there is a failed turn; ReplyNotStored, with the reply.
        """
        session = session or context.session
        if not message.strip():
            raise InvalidInput("The message is empty.", hint="Give a MESSAGE, or '-' to read it from standard input.")
        self.check_own(session)
        model, options = self.model(context.model or "", context.default_model), self.options(context.options)
        backend = context.resolve(model)
        manager = context.session_manager
        with manager.turn(session.id, "send"):
            stored = manager.load(session.id)
            messages = self.messages(stored, message)
            self.check(backend, model, context.options)
            events = backend.complete(messages, model=model, options=options)  # refuses now, asks when iterated over
            manager.backups.before_turn(stored)
            before = manager.append(session.id, Message("user", message, manager.now()))
            return self._record(events, model, context, before)

    def retry(self, *, context: Context, session: SessionSummary | None = None) -> Answer:
        """Ask again what failed or was interrupted: the reply is added to the last turn, which keeps its number.

        Raises as `receive` does; Conflict too if there is nothing to ask again.
        """
        session = session or context.session
        self.check_own(session)
        model, options = self.model(context.model or "", context.default_model), self.options(context.options)
        backend = context.resolve(model)
        manager = context.session_manager
        with manager.turn(session.id, "retry"):
            stored = manager.load(session.id)
            last = next(reversed(list(stored.turns())), None)
            if last is None or last.state == "done":
                raise Conflict(
                    f"There is nothing to ask again in {stored.name!r}: its last turn was answered."
                    if last
                    else f"There is nothing to ask again in {stored.name!r}: it has no turns.",
                    hint=f"Run 'po session undo {stored.id}' to take that turn back, and send another message."
                    if last
                    else f"Run 'po send {self.name} --session {stored.id} MESSAGE'.",
                )
            before = replace(stored, history=stored.history[: -len(last.messages)])
            messages = self.messages(before, last.messages[0].content or "")
            self.check(backend, model, context.options)
            manager.backups.before_turn(stored)
            return self._record(
                backend.complete(messages, model=model, options=options), model, context, stored.summary()
            )

    def check_own(self, session: Session | SessionSummary) -> None:
        """Raise Conflict if a session belongs to another prompt object."""
        if session.po_name != self.name:
            raise Conflict(
                f"The session {session.name!r} belongs to {session.po_name}, not to {self.name}.",
                hint=f"Choose another session, or send to {session.po_name}.",
            )

    def model(self, chosen: str, default: Callable[[], str]) -> str:
        """Return the model that answers: the one chosen for a turn, the definition's, or the default.

        Raises InvalidInput if the definition names a file: a directory that came from elsewhere must not choose what is
        loaded.
        """
        wanted = self.definition.model or ""
        if wanted.startswith("gguf:") and not chosen:
            raise InvalidInput(
                f"{self.name} names a model file, {wanted!r}; only you can choose one.",
                hint=f"Add --model {shlex.quote(wanted)}.",
            )
        return chosen or wanted or default()

    def check(self, backend: ModelBackend, model: str, options: Mapping[str, Any]) -> None:
        """See that `model` can be asked with the definition's options, and these over them.

        Raises ModelUnavailable, NoKey; InvalidInput, which tells whose option it is.
        """
        try:
            backend.check(model, self.definition.options)
        except InvalidInput as error:
            hint = f"{error.hint or ''} 'po object path {self.name}' tells which file says so.".lstrip()
            raise InvalidInput(f"In the front matter of {self.name}: {error}", hint=hint) from None
        backend.check(model, self.options(options))

    def options(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options for the model: those chosen for a turn, over the definition's."""
        return {**self.definition.options, **chosen}

    def messages(self, session: Session, message: str) -> list[dict[str, Any]]:
        """Return the exact messages that a model gets: the system prompt, all answered turns, the new message."""
        system = [{"role": "system", "content": self.definition.body}] if self.definition.body else []
        turns = list(session.turns())
        before = session.history[: len(session.history) - sum(len(turn.messages) for turn in turns)]
        kept = [*before, *(m for turn in turns if turn.state == "done" for m in turn.messages if not m.failed)]
        sent = [{key: value for key, value in m.to_dict().items() if key in _SENT} for m in kept]
        return [*system, *sent, {"role": "user", "content": message}]

    def _record(
        self, events: Generator[Chunk | Reply], model: str, context: Context, session: SessionSummary
    ) -> Answer:
        """Hand on what the model says, and store what comes of it."""
        manager, arrived, reply = context.session_manager, list[str](), None
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
            partial = {"model": model, "error": {"kind": failure.kind, "message": str(failure)}}
            with suppress(PoError):  # without it the turn is an interrupted one
                manager.append(session.id, Message("assistant", "".join(arrived), manager.now(), partial))
            if isinstance(error, PoError | KeyboardInterrupt):
                failure.session_id = session.id
                raise failure from error
            raise
        stored = _to_message(reply, manager.now())
        try:
            return Answer(manager.append(session.id, stored), session.turn_count, stored)
        except PoError as error:
            failed = ReplyNotStored(error, stored.content or "")
            failed.session_id = session.id
            raise failed from error


def _failure(error: BaseException) -> PoError:
    if isinstance(error, PoError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Interrupted("Interrupted; what had arrived of the reply is kept as a failed turn.")
    return PoError(f"{type(error).__name__}: {error}")


def _to_message(reply: Reply, now: str) -> Message:
    about = {
        "model": reply.model,
        "usage": dict(reply.usage),
        "duration_ms": reply.duration_ms,
        "finish_reason": reply.finish_reason,
    }
    return Message.from_dict({**reply.message, "created_at": now, **about})
