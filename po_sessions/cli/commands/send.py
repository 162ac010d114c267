"""`po send`: one message, one reply."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from po_sessions.cli.input import as_text, read_file, read_text
from po_sessions.cli.invocation import Invocation
from po_sessions.cli.options import Model, ModelOptions, NoStream
from po_sessions.cli.output import OutputClosed
from po_sessions.cli.places import model_name
from po_sessions.cli.root import WaitingCommand
from po_sessions.errors import (
    ContextTooLong,
    Interrupted,
    InvalidInput,
    ModelError,
    ModelUnavailable,
    NoCurrent,
    NoKey,
    PoError,
    ReplyNotStored,
    SessionNotFound,
    UnknownModel,
    WeightsMissing,
    WriteFailed,
)
from po_sessions.session import (
    DEFAULT_NAME,
    Session,
    SessionSummary,
    check_po_name,
    check_session_name,
    is_session_id,
)

if TYPE_CHECKING:
    from po_sessions.environment import Environment
    from po_sessions.models import Chunk
    from po_sessions.prompt_object import Answer, PromptObject

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=WaitingCommand)
def send(
    ctx: typer.Context,
    po: Annotated[
        str, typer.Argument(metavar="PO", show_default=False, help="The prompt object; `.` is the current one.")
    ],
    message: Annotated[
        str | None,
        typer.Argument(
            metavar="[MESSAGE]",
            show_default=False,
            help="The message; `-` reads standard input, as does leaving out both it and --file.",
        ),
    ] = None,
    stdin: Annotated[bool, typer.Option("--stdin", help="Append standard input to MESSAGE.")] = False,
    file: Annotated[
        list[str] | None, typer.Option("--file", "-f", metavar="PATH", help="Append a file to MESSAGE; repeatable.")
    ] = None,
    session: Annotated[
        str | None, typer.Option("--session", "-s", metavar="S", help="The session; see 'po session show --help'.")
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Make a session, named by --session.")] = False,
    create: Annotated[
        bool, typer.Option("--create", help="Make the session named by --session if it is missing.")
    ] = False,
    switch: Annotated[bool, typer.Option("--switch", help="Make the session the current one.")] = False,
    no_save: Annotated[bool, typer.Option("--no-save", help="Ask outside any session, and store nothing.")] = False,
    model: Model = None,
    option: ModelOptions = None,
    no_stream: NoStream = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the messages that would be sent, and send nothing.")
    ] = False,
) -> None:
    """Send one message to a prompt object and print the reply.

    Without --session the message goes to $PO_SESSION, else to the prompt object's current session, else to the one
    named Default, which is made by the first message.

    With --stdin and --file the message has several parts: MESSAGE, standard input, the files in the order given. There
    is a blank line between them. With --file and no MESSAGE, standard input is read only if --stdin says so.

    With --no-save the prompt object gets this message alone, whatever was said before and whatever $PO_SESSION is.
    """
    run: Invocation = ctx.obj
    options = to_options(option or [])
    if no_save:
        _refuse_with_no_save({"--session": session is not None, "--new": new, "--create": create, "--switch": switch})
    if new and create:
        raise InvalidInput("--new and --create contradict each other.", hint="Give one of them.")
    if create and not run.session_ref(session):
        raise InvalidInput("--create needs a name.", hint="Add --session NAME.")
    model = None if model is None else model_name(model)
    new = new or no_save  # in memory
    env = run.environment(to_send=True, save=not no_save)
    prompt_object = run.prompt_object(check_po_name(run.po_name(po) or po))
    text = _read_message(run, message, file or [], stdin=stdin)
    if dry_run:
        return _show_dry_run(run, env, prompt_object, text, session, model, options, begin_new=new, may_create=create)
    make_ready(run, env, prompt_object, model, options)
    if not no_save:
        run.environment(to_write_for=prompt_object.name)
    target = _target(run, env, prompt_object.name, session, new=new, create=create)
    if switch:
        env.session_manager.switch(target)
    stream = not no_stream
    return ask(run, env, prompt_object, target, text, model=model, options=options, stream=stream, saved=not no_save)


def _refuse_with_no_save(given: dict[str, bool]) -> None:
    for name in (name for name, is_given in given.items() if is_given):
        raise InvalidInput(f"--no-save and {name} contradict each other.", hint="Leave one of them out.")


def ask(
    run: Invocation,
    env: Environment,
    prompt_object: PromptObject,
    session: SessionSummary,
    text: str | None,
    *,
    model: str | None,
    options: dict[str, str],
    stream: bool,
    saved: bool = True,
) -> None:
    """Send a message, or without one ask again what failed, and print the reply."""
    if run.lock_timeout and (owner := env.session_manager.storage.turn_owner(session.id)):
        run.out.note(f"Waiting for {owner}, which uses {session.name!r}.")
    reply = _Reply(run, stream=stream and not run.out.as_json)
    context = env.context(session, model=model, options=options, on_chunk=reply.take)
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
        elif isinstance(error, ModelError) and error.session_id and not isinstance(error, ContextTooLong):
            again = _retry_command(run, error.session_id, model, options)
            error.hint = f"{error.hint}\n" if error.hint else ""
            error.hint += f"To ask again: {again}"  # not in quotes: it may have its own
        raise
    _show_answer(run, reply, answer, saved=saved)


def _forget_session(error: PoError) -> None:
    """Take from an error of a turn that is kept nowhere what it says of a session."""
    error.session_id = None
    if isinstance(error, Interrupted):
        raise Interrupted("Interrupted; nothing was saved.") from error
    if isinstance(error, ContextTooLong):
        error.hint = "Send less, or ask a model with a larger context with --model."


def _retry_command(run: Invocation, id: str, model: str | None, options: dict[str, str]) -> str:
    """Return the command line that asks the same again."""
    chosen = [f"--model={model}"] if model else []
    return run.out.command("po", "session", "retry", id, *chosen, *(f"--option={k}={v}" for k, v in options.items()))


def _show_answer(run: Invocation, reply: _Reply, answer: Answer, *, saved: bool) -> None:
    """Print what is left to print of an answer."""
    id = answer.session.id
    try:
        if run.out.as_json:
            return run.out.json(_to_json(answer, saved=saved))
        reply.finish()
    except WriteFailed as error:
        if saved:
            error.session_id, error.hint = id, f"The reply is stored: run 'po session show {id} --last'."
        raise
    session = f"{answer.session.name}, turn {answer.turn}" if saved else "not saved"
    about = f"{answer.session.po_name}: {session}"
    if answer.reply.extra["finish_reason"] == "length":
        about += f"; cut at {answer.reply.extra['usage'].get('output')} tokens, --option max_tokens=N allows more"
    return run.out.note(f"({about})")


def _read_message(run: Invocation, message: str | None, files: list[str], *, stdin: bool) -> str:
    """Return the message: its parts with a blank line between them. Raises InvalidInput, NotFound, Unreadable."""
    parts = [] if message in (None, "-") else [as_text(message)]
    appended = [read_file(path) for path in files]
    if stdin or message == "-" or (message is None and not files):
        if sys.stdin and sys.stdin.isatty():
            run.out.note("Type the message and end it with Ctrl-D.")
        parts.append(read_text(None))
    text = "\n\n".join(part for part in [*parts, *appended] if part)
    if not text.strip():
        raise InvalidInput("The message is empty.", hint="Give a MESSAGE, or '-' to read it from standard input.")
    return text


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


def to_options(given: list[str]) -> dict[str, str]:
    """Return options for a model given as `K=V`. Raises InvalidInput."""
    options = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not key or not equals:
            raise InvalidInput(f"{one!r} is not of the form K=V.", hint="For example: --option temperature=0.7")
        options[key] = value
    return options


def make_ready(
    run: Invocation, env: Environment, prompt_object: PromptObject, model: str | None, options: dict[str, str]
) -> None:
    """See that the model can be asked before anything is stored; fetch the embedded one where somebody is watching."""
    name = prompt_object.model(model or "", env.default_model)
    backend = env.resolve(name)
    try:
        prompt_object.check(backend, name, options)
    except WeightsMissing:
        if not (run.out.remarks_seen and sys.stdin and sys.stdin.isatty()):
            raise
        from po_sessions.cli.commands.model import fetch

        run.out.note("The embedded model is not on this machine yet; fetching it, once.")
        fetch(run)
        prompt_object.check(backend, name, options)


def _target(
    run: Invocation, env: Environment, po_name: str, named: str | None, *, new: bool, create: bool
) -> SessionSummary:
    """Return the session that the message goes to."""
    manager = env.session_manager
    if new:
        return manager.create(po_name, named)
    ref = run.session_ref(named)
    if ref is None:
        return manager.begin(po_name)
    if create and not _is_exact(ref):
        return manager.ensure(po_name, ref)[0]
    try:
        return manager.find(ref, po_name)
    except SessionNotFound as error:
        error.hint = f"Run 'po session list --po {po_name}' to see what there is, or add --create to make it."
        raise


def _is_exact(ref: str) -> bool:
    """Tell whether a selector can mean only a session that is there, and no name to be given to one."""
    return ref.startswith("@") or is_session_id(ref)


def _show_dry_run(
    run: Invocation,
    env: Environment,
    prompt_object: PromptObject,
    text: str,
    named: str | None,
    model: str | None,
    options: dict[str, str],
    *,
    begin_new: bool,
    may_create: bool,
) -> None:
    """Print the exact messages that would be sent."""
    empty = Session(id="", name=named or DEFAULT_NAME, po_name=prompt_object.name, created_at="", updated_at="")
    ref = run.session_ref(named)
    session = empty
    try:
        if begin_new and named is not None:
            env.session_manager.check_free(prompt_object.name, named)
        elif not begin_new:
            session = env.session_manager.get(ref, prompt_object.name)
    except SessionNotFound:
        if not may_create or _is_exact(ref or ""):
            raise
        check_session_name(ref or "")
    except NoCurrent:
        if env.session_manager.storage.state().pointer(prompt_object.name).current:
            raise
    prompt_object.check_own(session)
    chosen = prompt_object.model(model or "", env.default_model)
    backend = env.resolve(chosen)
    try:
        prompt_object.check(backend, chosen, options)
    except UnknownModel:
        raise
    except (ModelUnavailable, NoKey):
        pass  # what would be sent can be told without it
    messages = prompt_object.messages(session, text)
    if run.out.as_json:
        about = {
            "version": 1,
            "po_name": prompt_object.name,
            "session_id": session.id or None,
            "model": chosen,
            "options": prompt_object.options(options),
            "messages": messages,
        }
        return run.out.json(about)
    for number, message in enumerate(messages):
        run.out.line(f"{chr(10) * (number > 0)}[{message['role']}]\n{message['content'] or ''}")
    return None


def _to_json(answer: Answer, *, saved: bool) -> dict[str, Any]:
    about = answer.reply.extra
    return {
        "version": 1,
        "session_id": answer.session.id if saved else None,
        "session_name": answer.session.name if saved else None,
        "po_name": answer.session.po_name,
        "turn": answer.turn,
        "reply": answer.reply.content,
        **{key: about[key] for key in ("model", "usage", "duration_ms", "finish_reason")},
    }
