"""The command `po send`: one message, one reply."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from po_sessions.cli.app import conversation
from po_sessions.cli.app import dry_run as dry_run_
from po_sessions.cli.app.hints import Command, Hint
from po_sessions.cli.app.input import read_file, read_text
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import ContextLimit, Model, ModelOptions, NoStream, Timeout
from po_sessions.cli.app.turn import ask, idle_timeout, make_ready, to_limit, to_options, to_seconds
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.config.paths import model_name
from po_sessions.errors import Conflict, InvalidInput
from po_sessions.session import SessionSummary, check_po_name
from po_sessions.turns.idempotency import answer_in, begun, check_key

if TYPE_CHECKING:
    from po_sessions.environment import Environment
    from po_sessions.turns.prompt_object import PromptObject

_BETWEEN = "\n\n"
"""What stands between the parts of a message."""


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
            help="The message; without it or with `-`, standard input is read.",
        ),
    ] = None,
    stdin: Annotated[bool, typer.Option("--stdin", help="Append standard input to MESSAGE.")] = False,
    file: Annotated[
        list[str] | None, typer.Option("--file", "-f", metavar="PATH", help="Append a file to MESSAGE; repeatable.")
    ] = None,
    session: Annotated[
        str | None, typer.Option("--session", "-s", metavar="S", help="The session; see 'po session show --help'.")
    ] = None,
    new: Annotated[
        bool,
        typer.Option("--new", help="Make a session, named by --session; without it, Session, Session 2 and so on."),
    ] = False,
    create: Annotated[
        bool,
        typer.Option(
            "--create",
            help="Make the session named by --session if it is missing; without --session, $PO_SESSION names it.",
        ),
    ] = False,
    switch: Annotated[bool, typer.Option("--switch", help="Make the session the current one.")] = False,
    no_save: Annotated[bool, typer.Option("--no-save", help="Ask outside any session, and store nothing.")] = False,
    model: Model = None,
    option: ModelOptions = None,
    context_limit: ContextLimit = None,
    timeout: Timeout = None,
    key: Annotated[
        str | None,
        typer.Option(
            "--idempotency-key",
            metavar="K",
            help="Safe to repeat: the same message with the same key in a session gets the reply that was stored.",
        ),
    ] = None,
    if_turns: Annotated[
        int | None, typer.Option("--if-turns", metavar="N", help="Send only if the session has N turns, else exit 5.")
    ] = None,
    no_stream: NoStream = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the messages that would be sent, and send nothing.")
    ] = False,
    literal: Annotated[bool, typer.Option("--literal", help="Send a MESSAGE like '/sessions' as text.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, with '/session delete'.")] = False,
) -> None:
    """Send one message to a prompt object and print the reply.

    Without --session the message goes to $PO_SESSION, else to the prompt object's current session, else to the one
    named Default, which is made by the first message.

    With --stdin and --file the message has several parts: MESSAGE, standard input, the files in the order given. There
    is a blank line between them. With --file and no MESSAGE, standard input is read only if --stdin says so.

    With --idempotency-key a turn that failed is tried again in its place; another message with the same key is refused.
    Where the session has the key already, --if-turns does not count.

    With --no-save the prompt object gets this message alone, whatever was said before and whatever $PO_SESSION is. It
    cannot be combined with --session, --create, --new, --switch, --if-turns or --idempotency-key; nor --new with
    --create or --idempotency-key.

    A MESSAGE that is exactly one of these is not sent but done: /sessions, /session new [NAME], /session rename NAME,
    /session switch NAME, /session delete (with --yes), /session export [FORMAT], /session info.
    """
    run: Invocation = ctx.obj
    if not literal:
        if command := conversation.parse(message):
            return conversation.carry_out(ctx, *command, session=session, switch=switch, yes=yes)
        if conversation.is_near(message):
            run.out.note(
                Hint(f"{message!r} is no conversation command, see ", Command("send --help"), ": it is sent as text.")
            )
    options, limit, seconds = to_options(option or []), to_limit(context_limit), to_seconds(timeout)
    key = None if key is None else check_key(key)
    if if_turns is not None and if_turns < 0:
        raise InvalidInput(f"A session cannot have {if_turns} turns.", advice=Hint("Give a number from 0 on."))
    if no_save:
        given = {"--session": session, "--idempotency-key": key, "--if-turns": if_turns}
        _refuse_with_no_save(
            {name: value is not None for name, value in given.items()}
            | {"--new": new, "--create": create, "--switch": switch}
        )
    if new and create:
        raise InvalidInput("--new and --create contradict each other.", advice=Hint("Give one of them."))
    if new and key is not None:
        raise InvalidInput(
            "--new and --idempotency-key contradict each other.",
            advice=Hint("Add --create --session NAME instead of --new."),
        )
    if create and not run.session_ref(session):
        raise InvalidInput("--create needs a name.", advice=Hint("Add --session NAME."))
    model = None if model is None else model_name(model)
    new = new or no_save  # in memory
    env = run.environment(to_send=True, save=not no_save)
    prompt_object = run.prompt_object(check_po_name(run.po_name(po) or po))
    text = _read_message(run, message, file or [], stdin=stdin)
    answered = False
    if dry_run or key is not None or if_turns is not None:
        would_be = dry_run_.target(run, prompt_object.name, session, new=new, create=create)
        answered = _is_answered(env, prompt_object, would_be, text, key, if_turns)
        if dry_run:
            context = env.context(would_be, model=model, options=options, limit=limit)
            return dry_run_.show(run, prompt_object, context, text, answered=answered)
    idle = None if answered else idle_timeout(env)
    if not answered:
        make_ready(run, env, prompt_object, model, options)
    if not no_save:
        run.environment(to_write_for=prompt_object.name)
    target = _target(run, env, prompt_object.name, session, new=new, create=create)
    if switch:
        env.session_manager.switch(target)
    context = env.context(target, model=model, options=options, limit=limit, timeout=seconds, idle_timeout=idle)
    context = replace(context, idempotency_key=key, if_turns=if_turns)
    return ask(run, prompt_object, context, text, stream=not no_stream, saved=not no_save)


ABOUT = Verb(
    send,
    waits=True,
    examples={
        'po send greeter "Hello"': "Send a message to the prompt object's current session.",
        'po send greeter -s "Debug task" "Why is the sky blue?"': "Send it to another one.",
        'po send greeter --new -s "Lesson 1" --switch "What is a prime?"': "Begin a session, and make it current.",
        'echo "Water boils at 100 degrees." | po send reader': "A pipe is a message.",
        'po send reader "Summarise this:" --file notes.txt': "So is a file, behind what is said.",
        'po send reader --no-save "What is 2 + 2?"': "Ask outside any session, and store nothing.",
        "po send greeter -s nightly --create --json Hi | jq -r .reply": "Only the reply, in a script.",
        'po send greeter --idempotency-key monday "Good morning"': "However often it is repeated, ask once.",
        'po send greeter --dry-run "What would you get?"': "See the exact messages, and send none.",
        'po send greeter -o max_tokens=8 -- "-5 degrees, is that cold?"': "A message that begins with a hyphen.",
    },
    see_also=["session", "session show", "session retry", "session compact", "object", "model", "backup"],
    exit_codes=[4, 5, 6, 7, 8],
)


def _refuse_with_no_save(given: dict[str, bool]) -> None:
    for name in (name for name, is_given in given.items() if is_given):
        raise InvalidInput(f"--no-save and {name} contradict each other.", advice=Hint("Leave one of them out."))


def _is_answered(
    env: Environment, prompt_object: PromptObject, target: SessionSummary, text: str, key: str | None, turns: int | None
) -> bool:
    """Tell whether the reply is there already. Raises Conflict, as the turn would, before anything is made."""
    if target.id:
        prompt_object.check_own(target)
        with env.session_manager.reading(target.id) as session:
            earlier = begun(session, text, key, turns)
        return earlier is not None and answer_in(earlier) is not None
    if turns:
        raise Conflict(
            f"{target.name!r} would be made, and so has no turns, not {turns}.",
            advice=Hint("Leave --if-turns out, or give 0 to begin a session."),
        )
    return False


def _read_message(run: Invocation, message: str | None, files: list[str], *, stdin: bool) -> str:
    """Return the message: its parts with a blank line between them. Raises InvalidInput, NotFound, Unreadable."""
    from po_sessions.cli.config import settings  # which imports what few commands need

    room = settings.room("send.max_bytes", "The message", run.find_root())
    parts = [] if message in (None, "-") else [read_text(message, room)]
    appended = [read_file(path, room) for path in files]
    if stdin or message == "-" or (message is None and not files):
        run.note_typing("the message")
        parts.append(read_text(None, room))
    said = [part for part in [*parts, *appended] if part]
    room.take(len(_BETWEEN) * max(0, len(said) - 1))
    text = _BETWEEN.join(said)
    if not text.strip():
        raise InvalidInput(
            "The message is empty.", advice=Hint("Give a MESSAGE, or '-' to read it from standard input.")
        )
    return text


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
    if create and not dry_run_.is_exact(ref):
        return manager.ensure(po_name, ref)[0]
    return dry_run_.find(run, ref, po_name)
