"""A turn on the command line: what `po send` and the verbs that ask a model again have in common."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from po_sessions.cli.app import hints
from po_sessions.cli.app.hints import Bare, Command, Hint, Words
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.config.paths import model_name
from po_sessions.cli.terminal.output import OutputClosed, counted
from po_sessions.errors import (
    Advised,
    ContextTooLong,
    Interrupted,
    InvalidInput,
    ModelError,
    PoError,
    ReplyNotStored,
    WeightsMissing,
    WriteFailed,
)
from po_sessions.session import SessionSummary

if TYPE_CHECKING:
    from po_sessions.environment import Environment
    from po_sessions.models import Chunk
    from po_sessions.prompt_objects.definition import Limit
    from po_sessions.sessions.backups import BackupPolicy
    from po_sessions.turns.plan import Asked
    from po_sessions.turns.prompt_object import Answer, Context, PromptObject
    from po_sessions.turns.window import Window


class Asking(NamedTuple):
    """How a model is asked, as the options of a command say."""

    model: str | None
    options: dict[str, str]
    limit: Limit | None
    timeout: float | None

    def context(
        self, env: Environment, session: SessionSummary, idle_timeout: float | None = None, asked: Asked | None = None
    ) -> Context:
        """Return what surrounds a turn in a session; `asked` is who is asked, if that has been checked."""
        return env.context(session, **self._asdict(), idle_timeout=idle_timeout, asked=asked)


def to_asking(model: str | None, option: list[str] | None, context_limit: str | None, timeout: str | None) -> Asking:
    """Return how a model is asked, as options say. Raises InvalidInput."""
    options, limit, seconds = to_options(option or []), to_limit(context_limit), to_seconds(timeout)
    return Asking(None if model is None else model_name(model), options, limit, seconds)


def to_options(given: list[str]) -> dict[str, str]:
    """Return options for a model given as `K=V`. Raises InvalidInput."""
    options = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not key or not equals:
            advice = Hint("For example: --option temperature=0.7")
            raise InvalidInput(f"{one!r} is not of the form K=V.", advice=advice)
        options[key] = value
    return options


def to_limit(given: str | None) -> Limit | None:
    """Return how much of the conversation to send. Raises InvalidInput."""
    from po_sessions.prompt_objects.definition import Limit

    return None if given is None else Limit.parse(given)


def to_seconds(given: str | None) -> float | None:
    """Return the seconds of a length of time. Raises InvalidInput."""
    from po_sessions.text.durations import parse_duration

    return None if given is None else parse_duration(given).total_seconds()


def default_model(run: Invocation, prompt_object: PromptObject, asking: Asking) -> str:
    """Return the model of the settings; nothing if the turn or the prompt object names one, as it is not needed then.

    Raises InvalidInput, Unreadable.
    """
    return "" if asking.model or prompt_object.definition.model else run.settings.model


def backup_policy(run: Invocation, session: SessionSummary) -> BackupPolicy:
    """Return what is in force for a backup before a turn; settings that are wrong are reported, and none is made."""
    from po_sessions.sessions.backups import BackupPolicy  # which few commands need

    try:
        return run.settings.backup_policy
    except PoError as error:
        if session.message_count:
            run.out.warn(Advised(f"No backup of {session.name!r} was made: {error}", error.advice))
        return BackupPolicy(keep=0)


def make_ready(run: Invocation, env: Environment, prompt_object: PromptObject, asking: Asking) -> Asked:
    """See that the model can be asked before anything is stored; fetch the embedded one where somebody is watching."""
    name = prompt_object.model(asking.model or "", default_model(run, prompt_object, asking))
    backend = env.resolve(name)
    try:
        return prompt_object.check(backend, name, asking.options)
    except WeightsMissing:
        if not (run.out.remarks_seen and sys.stdin and sys.stdin.isatty()):
            raise
        from po_sessions.cli.app.weights import fetch

        run.out.note("The embedded model is not on this machine yet; fetching it, once.")
        fetch(run)
        return prompt_object.check(backend, name, asking.options)


def ask(
    run: Invocation,
    prompt_object: PromptObject,
    context: Context,
    text: str | None,
    *,
    stream: bool,
    saved: bool = True,
) -> None:
    """Send a message, or without one ask again what failed, and print the reply."""
    note_waiting(run, context.session)
    reply = _Reply(run, stream=stream and not run.out.as_json)
    context = replace(context, on_chunk=reply.take)
    try:
        answer = prompt_object.retry(context=context) if text is None else prompt_object.receive(text, context=context)
    except ReplyNotStored:
        if not run.out.as_json:
            reply.finish()  # as JSON the error has it
        raise
    except PoError as error:
        reply.end_line()  # leaves what was printed in order
        if not saved:
            _forget_session(error)
        elif isinstance(error, ContextTooLong):
            if context.session.turn_count > (text is None):  # there is something before this turn
                _tell_how_to_shorten(error, context.session.id)
        elif isinstance(error, ModelError | Interrupted) and error.session_id:
            said = hints.of(error)
            if isinstance(error, Interrupted):
                said = Hint("What had arrived of the reply is kept as a failed turn.")
            again = Hint("To ask again: ", Bare(_retry_command(error.session_id, context)))
            error.advice = hints.together(said, again, between="\n")
        if saved and not isinstance(error, ModelError):  # of which it tells that the message is stored
            error.session_id = context.session.id
        raise
    _show_answer(run, reply, answer, saved=saved)


def note_waiting(run: Invocation, session: SessionSummary) -> None:
    """Tell who is in a turn with a session, if this waits for it."""
    if run.lock_timeout and (owner := run.environment().session_manager.storage.turn_owner(session.id)):
        run.out.note(f"Waiting for {owner}, which uses {session.name!r}.")


def _forget_session(error: PoError) -> None:
    """Take from an error of a turn that is kept nowhere what it says of a session."""
    error.session_id = None
    if isinstance(error, Interrupted):
        raise Interrupted("Interrupted; nothing was saved.") from error
    if isinstance(error, ContextTooLong):
        error.advice = Hint("Send less, or ask a model with a larger context with --model.")


def _tell_how_to_shorten(error: ContextTooLong, id: str) -> None:
    undo = Bare(Command("session undo", id))  # since nothing is summed up behind a turn that failed
    compact = Bare(Command("session compact", id))
    shorter = Hint("To send less of it: --context last:N, or ", undo, " && ", compact)
    error.advice = hints.together(hints.of(error), shorter, between="\n")


def _retry_command(id: str, context: Context) -> Words:
    """Return the command line that asks the same again."""
    chosen = [f"--model={context.model}"] if context.model else []
    chosen += [f"--option={key}={value}" for key, value in context.options.items()]
    chosen += [f"--context={context.limit}"] if context.limit else []
    return Words("po", "session", "retry", id, *chosen)


def _show_answer(run: Invocation, reply: _Reply, answer: Answer, *, saved: bool) -> None:
    """Print what is left to print of an answer."""
    id = answer.session.id
    try:
        if run.out.as_json:
            return run.out.json(_to_json(answer, saved=saved))
        reply.finish()
    except WriteFailed as error:
        if saved:
            error.session_id = id
            error.advice = Hint("The reply is stored: run ", Command("session show --last", id), ".")
        raise
    session = f"{answer.session.name}, turn {answer.turn}" if saved else "not saved"
    about = f"{answer.session.po_name}: {session}"
    if answer.reply.extra.get("finish_reason") == "length":
        about += (
            f"; cut at {answer.reply.extra.get('usage', {}).get('output')} tokens, --option max_tokens=N allows more"
        )
    if answer.window is None:
        about += "; answered before"
    else:
        if answer.window.trimmed:
            run.out.note(f"Sent the last {answer.window.turns} of {counted(answer.turn - 1, 'earlier turn')}.")
        note_left_out(run, answer.window)
    return run.out.note(f"({about})")


def note_left_out(run: Invocation, window: Window) -> None:
    """Print a remark if a model is not sent all that was said before, for another reason than a limit."""
    if window.left_out:
        run.out.note(f"Left out {counted(window.left_out, 'message')}: without an answer, or refused by providers.")
    if window.mended:
        run.out.note(
            f"Sent {counted(window.mended, 'message')} otherwise than stored: providers refuse the calls there."
        )


def context_to_json(window: Window) -> dict[str, Any]:
    """Return what `--json` prints of what a model is sent of a conversation."""
    return {name: getattr(window, name) for name in ("turns", "trimmed", "left_out", "mended")}


class _Reply:
    """Prints a reply as it comes, or keeps it; when nobody reads any more it is still received."""

    def __init__(self, run: Invocation, *, stream: bool) -> None:
        self._run = run
        self._stream = stream
        self._waiting = ""
        self._last = "\n"
        self._failed: Exception | None = None

    def take(self, chunk: Chunk) -> None:
        """Take a piece."""
        if chunk.kind == "text":
            self._waiting += chunk.text
            if self._stream:
                self._print_waiting()

    def finish(self) -> None:
        """Print what is left, and tell if printing failed. Raises OutputClosed, WriteFailed."""
        self._print_waiting()
        self.end_line()
        if self._failed:
            raise self._failed

    def end_line(self) -> None:
        """End the line of what was printed."""
        if self._last != "\n":
            self._waiting = "\n"
            self._print_waiting()

    def _print_waiting(self) -> None:
        text, self._waiting = self._waiting, ""
        if text and self._failed is None:
            self._last = text[-1]
            try:
                self._run.out.write(text)
            except (OutputClosed, WriteFailed) as error:
                self._failed = error


def _to_json(answer: Answer, *, saved: bool) -> dict[str, Any]:
    about = answer.reply.extra
    return {
        "version": 1,
        "session_id": answer.session.id if saved else None,
        "session_name": answer.session.name if saved else None,
        "po_name": answer.session.po_name,
        "turn": answer.turn,
        "reply": answer.reply.content,
        **{key: about.get(key) for key in ("model", "usage", "duration_ms", "finish_reason")},
        "context": context_to_json(answer.window) if answer.window else None,
    }
