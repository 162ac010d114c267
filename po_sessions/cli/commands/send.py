"""The command `po send`: one message, one reply."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from po_sessions.cli.app import conversation
from po_sessions.cli.app import dry_run as dry_run_
from po_sessions.cli.app.hints import Command, Hint
from po_sessions.cli.app.input import read_file, read_text
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import ContextLimit, Model, ModelOptions, NoStream, PoName, Timeout
from po_sessions.cli.app.turn import Asking, ask, backup_policy, default_model, make_ready, to_asking
from po_sessions.cli.app.verb import Verb
from po_sessions.errors import Conflict, InvalidInput, PoError
from po_sessions.message import Turn
from po_sessions.names import check_po_name
from po_sessions.session import SessionSummary
from po_sessions.turns.idempotency import answer_in, begun, check_key

if TYPE_CHECKING:
    from po_sessions.environment import Environment
    from po_sessions.turns.prompt_object import PromptObject

_BETWEEN = "\n\n"
"""What stands between the parts of a message."""


Message = Annotated[
    str | None,
    typer.Argument(
        metavar="[MESSAGE]",
        show_default=False,
        help="The message; without it or with `-`, standard input is read.",
    ),
]
Stdin = Annotated[bool, typer.Option("--stdin", help="Append standard input to MESSAGE.")]
File = Annotated[
    list[str] | None, typer.Option("--file", "-f", metavar="PATH", help="Append a file to MESSAGE; repeatable.")
]
SessionRef = Annotated[
    str | None, typer.Option("--session", "-s", metavar="S", help="The session; see 'po session show --help'.")
]
New = Annotated[
    bool,
    typer.Option("--new", help="Make a session, named by --session; without it, Session, Session 2 and so on."),
]
Create = Annotated[
    bool,
    typer.Option(
        "--create",
        help="Make the session named by --session if it is missing; without --session, $PO_SESSION names it.",
    ),
]
Switch = Annotated[bool, typer.Option("--switch", help="Make the session the current one.")]
NoSave = Annotated[bool, typer.Option("--no-save", help="Ask outside any session, and store nothing.")]
Key = Annotated[
    str | None,
    typer.Option(
        "--idempotency-key",
        metavar="K",
        help="Safe to repeat: the same message with the same key in a session gets the reply that was stored.",
    ),
]
IfTurns = Annotated[
    int | None, typer.Option("--if-turns", metavar="N", help="Send only if the session has N turns, else exit 5.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the messages that would be sent, and send nothing.")]
Literal = Annotated[bool, typer.Option("--literal", help="Send a MESSAGE like '/sessions' as text.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, with '/session delete'.")]


def send(
    ctx: typer.Context,
    po: PoName,
    message: Message = None,
    stdin: Stdin = False,
    file: File = None,
    session: SessionRef = None,
    new: New = False,
    create: Create = False,
    switch: Switch = False,
    no_save: NoSave = False,
    model: Model = None,
    option: ModelOptions = None,
    context_limit: ContextLimit = None,
    timeout: Timeout = None,
    key: Key = None,
    if_turns: IfTurns = None,
    no_stream: NoStream = False,
    dry_run: DryRun = False,
    literal: Literal = False,
    yes: Yes = False,
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
    if not literal and _is_done(ctx, message, session, switch=switch, yes=yes):
        return
    asking = to_asking(model, option, context_limit, timeout)
    once = _Once(None if key is None else check_key(key), if_turns)
    place = _Place(session, new=new, create=create, switch=switch, saved=not no_save)
    _refuse_contradictions(run, place, once)
    run.environment(to_send=True, save=place.saved)
    prompt_object = run.prompt_object(check_po_name(run.po_name(po) or po))
    text = _read_message(run, message, file or [], stdin=stdin)
    if dry_run:
        _show_dry_run(run, prompt_object, text, asking, place, once)
    else:
        _send(run, prompt_object, text, asking, place, once, stream=not no_stream)


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


class _Place(NamedTuple):
    """The session that a message goes to, as the options name it."""

    named: str | None
    new: bool
    create: bool
    switch: bool
    saved: bool


class _Once(NamedTuple):
    """What keeps a message from being sent twice."""

    key: str | None
    if_turns: int | None


def _is_done(ctx: Any, message: str | None, session: str | None, *, switch: bool, yes: bool) -> bool:
    """Do what a message says that is a conversation command; False if it is none."""
    if command := conversation.parse(message):
        conversation.carry_out(ctx, *command, session=session, switch=switch, yes=yes)
        return True
    if conversation.is_near(message):
        ctx.obj.out.note(
            Hint(f"{message!r} is no conversation command, see ", Command("send --help"), ": it is sent as text.")
        )
    return False


def _refuse_contradictions(run: Invocation, place: _Place, once: _Once) -> None:
    """Raise InvalidInput if options contradict each other, or one lacks what it needs."""
    if once.if_turns is not None and once.if_turns < 0:
        raise InvalidInput(f"A session cannot have {once.if_turns} turns.", advice=Hint("Give a number from 0 on."))
    if not place.saved:
        given = {"--session": place.named, "--idempotency-key": once.key, "--if-turns": once.if_turns}
        _refuse_with_no_save(
            {name: value is not None for name, value in given.items()}
            | {"--new": place.new, "--create": place.create, "--switch": place.switch}
        )
    if place.new and place.create:
        raise InvalidInput("--new and --create contradict each other.", advice=Hint("Give one of them."))
    if place.new and once.key is not None:
        raise InvalidInput(
            "--new and --idempotency-key contradict each other.",
            advice=Hint("Add --create --session NAME instead of --new."),
        )
    if place.create and not run.session_ref(place.named):
        raise InvalidInput("--create needs a name.", advice=Hint("Add --session NAME."))


def _refuse_with_no_save(given: dict[str, bool]) -> None:
    for name in (name for name, is_given in given.items() if is_given):
        raise InvalidInput(f"--no-save and {name} contradict each other.", advice=Hint("Leave one of them out."))


def _show_dry_run(
    run: Invocation, prompt_object: PromptObject, text: str, asking: Asking, place: _Place, once: _Once
) -> None:
    """Print what would be sent."""
    env = run.environment()
    would_be = _would_be(run, prompt_object.name, place)
    earlier = _earlier(env, prompt_object, would_be, text, once)
    context = replace(asking.context(env, would_be), default_model=default_model(run, prompt_object, asking))
    dry_run_.show(run, prompt_object, context, text, earlier)


def _send(
    run: Invocation, prompt_object: PromptObject, text: str, asking: Asking, place: _Place, once: _Once, *, stream: bool
) -> None:
    """Send a message and print the reply; the session is made once nothing else can keep it from being sent."""
    env = run.environment()
    answered = False
    if once != (None, None):
        earlier = _earlier(env, prompt_object, _would_be(run, prompt_object.name, place), text, once)
        answered = answer_in(earlier) is not None
    idle = None if answered else run.settings.idle_timeout
    asked = None if answered else make_ready(run, env, prompt_object, asking)
    if place.saved:
        run.environment(to_write_for=prompt_object.name)
    target = _target(run, env, prompt_object.name, place)
    if place.switch:
        env.session_manager.switch(target)
    context = replace(asking.context(env, target, idle, asked), idempotency_key=once.key, if_turns=once.if_turns)
    if not answered:
        context = replace(context, backup_policy=backup_policy(run, target))
    else:  # which another process may undo before this one has its turn
        with suppress(PoError):
            context = replace(context, default_model=default_model(run, prompt_object, asking))
    ask(run, prompt_object, context, text, stream=stream, saved=place.saved)


def _earlier(
    env: Environment, prompt_object: PromptObject, target: SessionSummary, text: str, once: _Once
) -> Turn | None:
    """Return the turn that this message began earlier. Raises Conflict, as the turn would, before anything is made."""
    if target.id:
        prompt_object.check_own(target)
        with env.session_manager.reading(target.id) as session:
            return begun(session, text, once.key, once.if_turns)
    if once.if_turns:
        raise Conflict(
            f"{target.name!r} would be made, and so has no turns, not {once.if_turns}.",
            advice=Hint("Leave --if-turns out, or give 0 to begin a session."),
        )
    return None


def _read_message(run: Invocation, message: str | None, files: list[str], *, stdin: bool) -> str:
    """Return the message: its parts with a blank line between them. Raises InvalidInput, NotFound, Unreadable."""
    room = run.settings.room("send.max_bytes", "The message")
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


def _would_be(run: Invocation, po_name: str, place: _Place) -> SessionSummary:
    """Return the session that the message would go to."""
    return dry_run_.target(run, po_name, place.named, new=place.new or not place.saved, create=place.create)


def _target(run: Invocation, env: Environment, po_name: str, place: _Place) -> SessionSummary:
    """Return the session that the message goes to, which is in memory if it is not saved."""
    manager = env.session_manager
    if place.new or not place.saved:
        return manager.create(po_name, place.named)
    ref = run.session_ref(place.named)
    if ref is None:
        return manager.begin(po_name)
    if place.create and not dry_run_.is_exact(ref):
        return manager.ensure(po_name, ref)[0]
    return dry_run_.find(run, ref, po_name)
