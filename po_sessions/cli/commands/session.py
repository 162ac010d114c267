"""`po session`: make, list, show, switch, copy and delete sessions."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

import typer

from po_sessions.cli.app.hints import Command, Hint
from po_sessions.cli.app.invocation import Invocation, each
from po_sessions.cli.app.options import All, ContextLimit, Model, ModelOptions, NoStream, Po, Ref, Switch, Timeout
from po_sessions.cli.app.root import PoCommand, WaitingCommand, noun
from po_sessions.cli.commands import compact, exchange, prune
from po_sessions.cli.config.paths import model_name
from po_sessions.cli.display import session_rows, transcript
from po_sessions.cli.display.list_format import Face, Format, Ids, Null
from po_sessions.cli.terminal.output import counted
from po_sessions.errors import (
    AmbiguousSelector,
    Conflict,
    InvalidInput,
    NoCurrent,
    PromptObjectNotFound,
    SessionNotFound,
)
from po_sessions.session import DEFAULT_NAME, SessionSummary, check_session_name
from po_sessions.shell import command_line, joined
from po_sessions.text.suggest import did_you_mean

app = noun("Make, list, show, switch, copy, exchange and delete sessions.")


@app.command(cls=WaitingCommand)
def new(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", show_default=False, help="Its name, which must not be taken.")
    ] = None,
    po: Po = None,
    switch: Switch = False,
) -> None:
    """Make a session and print its id."""
    run: Invocation = ctx.obj
    if name is not None:
        check_session_name(name)
    owner = run.owner(po)
    manager = run.environment().session_manager
    session = manager.create(owner, name)
    if switch:
        manager.switch(session)
    run.out.note(f"Made {session.name!r} for {session.po_name}.")
    session_rows.show_id(run, session)


@app.command(cls=WaitingCommand)
def ensure(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="The session's name.")],
    po: Po = None,
    switch: Switch = False,
) -> None:
    """Print the id of the session NAME; make it if it is missing."""
    run: Invocation = ctx.obj
    check_session_name(name)
    owner = run.owner(po)
    manager = run.environment().session_manager
    session, made = manager.ensure(owner, name)
    if switch:
        manager.switch(session)
    run.out.note(f"{'Made' if made else 'Found'} {session.name!r} of {session.po_name}.")
    session_rows.show_id(run, session)


@app.command("list", cls=PoCommand)
def list_(
    ctx: typer.Context,
    po: Po = None,
    all_: All = False,
    limit: Annotated[int | None, typer.Option("--limit", "-n", metavar="N", help="At most N.")] = None,
    ids: Ids = False,
    template: Format = None,
    null: Null = False,
    orphaned: Annotated[
        bool, typer.Option("--orphaned", help="Only those whose prompt object is not there any more.")
    ] = False,
) -> None:
    """List the sessions, newest activity first.

    In a pipe the columns are separated by tabs: `*` if current, else `-`; id; prompt object; name; messages; turns;
    last turn (done, failed, interrupted, open, empty); time of the newest message, even an undone one, else of
    creation; time of creation; beginning of the first message; `orphaned` if its prompt object is not there, else `-`.
    """
    run: Invocation = ctx.obj
    face = Face(run.out, session_rows.FIELDS, ids=ids, template=template, null=null)
    if po and all_:
        raise InvalidInput("--po and --all contradict each other.", hint="Give one of them.")
    if limit is not None and limit < 1:
        raise InvalidInput(f"--limit {limit} lists nothing.", hint="Give a number from 1 on.")
    po_name = None if all_ or (orphaned and not po) else run.known_po(po)
    env = run.environment()
    every = env.session_manager.list(po_name)
    found = list(islice((one for one in every if not orphaned or one.po_name not in env.definitions), limit))
    if not found and orphaned:
        run.out.note("There are no orphaned sessions.")
    elif not found:
        whose = f"{po_name} has" if po_name else "There are"
        run.out.note(f"{whose} no sessions yet; '{command_line('send', po_name or 'PO', 'MESSAGE')}' begins one.")
    session_rows.show_list(run, found, face, with_po=po_name is None)


@app.command(cls=PoCommand)
def show(
    ctx: typer.Context,
    ref: Ref = None,
    po: Po = None,
    last: Annotated[
        bool, typer.Option("--last", help="Only the text of the last reply; after a failed turn that is an older one.")
    ] = False,
    range_: Annotated[
        str | None,
        typer.Option(
            "--range", metavar="A:B", help="Only messages A to B; counted from 1, or from the end if negative."
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="On a terminal, show whole what tools were asked and answered.")
    ] = False,
) -> None:
    """Print a conversation, its messages numbered.

    On a terminal it is laid out, replies as Markdown, and goes through $PAGER if it is longer than the screen; in a
    pipe it is the text as it is stored.
    """
    run: Invocation = ctx.obj
    if last and range_:
        raise InvalidInput("--last and --range contradict each other.", hint="Give one of them.")
    manager = run.environment().session_manager
    with manager.reading(manager.find(run.session_ref(ref), run.known_po(po)).id) as session, run.out.paged():
        if last:
            transcript.show_last(run, session)
        else:
            owner = manager.storage.turn_owner(session.id)
            transcript.show_conversation(run, session, range_, owner, full=full)


@app.command(cls=PoCommand)
def current(
    ctx: typer.Context, po: Po = None, all_: All = False, ids: Ids = False, template: Format = None, null: Null = False
) -> None:
    """Print the session that plain messages go to.

    It is $PO_SESSION, else the current session, else the one named Default, and is printed as by 'list'.
    """
    run: Invocation = ctx.obj
    face = Face(run.out, session_rows.FIELDS, ids=ids, template=template, null=null)
    manager = run.environment().session_manager
    if po and all_:
        raise InvalidInput("--po and --all contradict each other.", hint="Give one of them.")
    found = []
    for name in sorted(manager.pointers.read().pointers) if all_ else ():
        try:
            found += [session for session in [manager.current(name)] if session]
        except NoCurrent as error:
            run.out.warn(str(error))
    if not all_:
        found = [manager.find(run.session_ref(None), run.known_po(po))]
    session_rows.show_list(run, found, face, with_po=all_)


@app.command(cls=WaitingCommand)
def switch(
    ctx: typer.Context,
    ref: Annotated[
        str, typer.Argument(metavar="S", show_default=False, help="A session, as for 'show'; `-` is the previous one.")
    ],
    po: Po = None,
) -> None:
    """Make a session, and its prompt object, current."""
    run: Invocation = ctx.obj
    manager = run.environment().session_manager
    session = manager.find("@previous" if ref == "-" else run.session_ref(ref), run.known_po(po))
    manager.switch(session)
    run.out.note(f"{session.po_name}: {session.name!r} is the current session.")
    if run.out.as_json:
        run.out.json(session_rows.as_json(run, session))


@app.command(cls=WaitingCommand)
def rename(
    ctx: typer.Context,
    ref: Annotated[str, typer.Argument(metavar="S", show_default=False, help="A session, as for 'show'.")],
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="Its new name, not taken yet.")],
    po: Po = None,
) -> None:
    """Give a session another name."""
    run: Invocation = ctx.obj
    manager = run.environment().session_manager
    before = manager.find(run.session_ref(ref), run.known_po(po))
    session = manager.rename(before, name)
    run.out.note(f"Renamed {before.name!r} of {session.po_name} to {session.name!r}.")
    if run.out.as_json:
        run.out.json(session_rows.as_json(run, session))


@app.command(cls=WaitingCommand)
def delete(
    ctx: typer.Context,
    refs: Annotated[list[str], typer.Argument(metavar="S…", show_default=False, help="Sessions, each as for 'show'.")],
    po: Po = None,
    purge: Annotated[bool, typer.Option("--purge", help="Remove them and their backups for good instead.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, with --purge.")] = False,
) -> None:
    """Move sessions to the trash.

    Unless every S means a session, nothing is done. 'po trash restore' brings them back.
    """
    run: Invocation = ctx.obj
    manager = run.environment().session_manager
    po_name = run.known_po(po)
    chosen = {one.id: one for one in each(refs, lambda ref: manager.find(run.session_ref(ref), po_name))}
    if purge:
        what = ", ".join(repr(one.name) for one in chosen.values())
        command = joined(["po", "session", "delete", "--purge", "--yes", *chosen])
        run.confirm(f"Remove {what} for good?", yes=yes, command=command)
    current = manager.pointers.read()

    def remove(session: SessionSummary) -> dict[str, Any]:
        entry_id = manager.delete(session, purge=purge)
        back = "for good" if entry_id is None else f"; '{command_line('trash restore', entry_id)}' brings it back"
        run.out.note(f"Deleted {session.name!r} of {session.po_name}{' ' * purge}{back}.")
        if current.pointer(session.po_name).current == session.id:
            run.out.note(f"{session.po_name} has no current session now; plain messages go to {DEFAULT_NAME!r}.")
        return {"version": 1, "id": session.id, "name": session.name, "po_name": session.po_name, "trash_id": entry_id}

    done: list[dict[str, Any]] = []
    try:
        each(chosen.values(), lambda session: done.append(remove(session)))
    finally:
        if run.out.as_json:
            run.out.json(done)


@app.command(cls=WaitingCommand)
def duplicate(
    ctx: typer.Context,
    ref: Annotated[str, typer.Argument(metavar="S", show_default=False, help="A session, as for 'show'.")],
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", show_default=False, help="The copy's name; a number is added if not given."),
    ] = None,
    po: Po = None,
    to: Annotated[str | None, typer.Option("--to", metavar="PO", help="Copy it to this prompt object.")] = None,
    switch: Switch = False,
) -> None:
    """Copy a whole session and print the copy's id."""
    run: Invocation = ctx.obj
    env = run.environment()
    manager = env.session_manager
    original = manager.find(run.session_ref(ref), run.known_po(po))
    target = None if to is None else env.prompt_object(run.po_name(to) or to).name
    copy = manager.duplicate(original, name, to=target)
    if switch:
        manager.switch(copy)
    run.out.note(f"Copied {original.name!r} of {original.po_name} to {copy.name!r} of {copy.po_name}.")
    session_rows.show_id(run, copy)


@app.command(cls=WaitingCommand)
def adopt(
    ctx: typer.Context,
    ref: Annotated[
        str,
        typer.Argument(
            metavar="S",
            show_default=False,
            help="A session without a prompt object: its name, its id, at least 4 characters of either end of the id.",
        ),
    ],
    po: Annotated[str, typer.Option("--po", metavar="PO", help="The prompt object that gets it.")],
) -> None:
    """Give an orphaned session a prompt object."""
    run: Invocation = ctx.obj
    env = run.environment()
    manager = env.session_manager
    owner = env.prompt_object(run.po_name(po) or po).name
    session = _find_orphaned(run, run.session_ref(ref) or "")
    adopted = manager.adopt(session, owner)
    named = "" if adopted.name == session.name else f", as {adopted.name!r}"
    run.out.note(f"{session.name!r} of {session.po_name} belongs to {adopted.po_name} now{named}.")
    if run.out.as_json:
        run.out.json(session_rows.as_json(run, adopted))


def _find_orphaned(run: Invocation, ref: str) -> SessionSummary:
    """Return the orphaned session that `ref` means: a name is looked up among all those."""
    env = run.environment()
    orphaned = [one for one in env.session_manager.list() if one.po_name not in env.definitions]
    named = [one for one in orphaned if one.name == ref]
    if len(named) > 1:
        raise AmbiguousSelector(ref, [f"{one.id}  {one.po_name}: {one.name}" for one in named])
    try:
        session = named[0] if named else env.session_manager.find(ref, None)
    except SessionNotFound as error:
        meant = did_you_mean(ref, (one.name for one in orphaned))
        orphans = Command("session list --orphaned")
        error.advice = Hint(meant, "Run ", orphans, " to see those without a prompt object; others need an id.")
        raise
    if session.id not in {one.id for one in orphaned}:
        raise Conflict(
            f"{session.name!r} is not orphaned: it belongs to {session.po_name}.",
            hint=f"Run '{command_line('session duplicate', session.id, to='PO')}' to copy it to another prompt object.",
        )
    return session


@app.command(cls=WaitingCommand)
def undo(
    ctx: typer.Context,
    ref: Ref = None,
    number: Annotated[int, typer.Option("--number", "-n", metavar="N", help="How many turns.")] = 1,
    po: Po = None,
) -> None:
    """Move the last turns of a session to the trash."""
    run: Invocation = ctx.obj
    manager = run.environment().session_manager
    before = manager.find(run.session_ref(ref), run.known_po(po))
    session, entry_id = manager.undo(before, number)
    gone = counted(before.message_count - session.message_count, "message")
    run.out.note(
        f"Took {gone} back from {session.name!r}; '{command_line('trash restore', entry_id)}' brings them back."
    )
    if run.out.as_json:
        run.out.json({**session_rows.as_json(run, session), "trash_id": entry_id})


@app.command(cls=WaitingCommand)
def retry(
    ctx: typer.Context,
    ref: Ref = None,
    po: Po = None,
    model: Model = None,
    option: ModelOptions = None,
    context_limit: ContextLimit = None,
    timeout: Timeout = None,
    no_stream: NoStream = False,
) -> None:
    """Ask again what failed or was interrupted, and print the reply.

    Only the last turn can be asked again; one with others after it cannot, nor one that was answered: exit 5. The reply
    is added to the turn; what had arrived before stays in the record, and out of what the model is sent.

    The model is chosen anew: --model, else the prompt object's, else the default. One that was named for the turn that
    failed has to be named again.
    """
    from po_sessions.cli.app.turn import ask, idle_timeout, make_ready, to_limit, to_options, to_seconds

    run: Invocation = ctx.obj
    options, limit, seconds = to_options(option or []), to_limit(context_limit), to_seconds(timeout)
    model = None if model is None else model_name(model)
    env = run.environment(to_send=True)
    session = env.session_manager.find(run.session_ref(ref), run.known_po(po))
    if session.po_name not in env.definitions:
        raise PromptObjectNotFound(
            session.po_name,
            hint=f"Run '{command_line('session adopt', session.id, po='PO')}' to give the session another.",
        )
    prompt_object = env.prompt_object(session.po_name)
    idle = idle_timeout(env)
    make_ready(run, env, prompt_object, model, options)
    context = env.context(session, model=model, options=options, limit=limit, timeout=seconds, idle_timeout=idle)
    ask(run, prompt_object, context, None, stream=not no_stream)


@app.command(cls=PoCommand)
def path(ctx: typer.Context, ref: Ref = None, po: Po = None) -> None:
    """Print the path of a session's file."""
    run: Invocation = ctx.obj
    manager = run.environment().session_manager
    session = manager.find(run.session_ref(ref), run.known_po(po))
    file = manager.storage.path(session.id)
    if run.out.as_json:
        run.out.json({"version": 1, "id": session.id, "path": file})
    else:
        run.out.line(str(file))


app.command("export", cls=PoCommand)(exchange.export)
app.command("import", cls=WaitingCommand)(exchange.import_)
app.command(cls=WaitingCommand)(prune.prune)
app.command(cls=WaitingCommand)(compact.compact)
