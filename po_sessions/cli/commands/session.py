"""`po session`: make, list, show and switch sessions."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from po_sessions.cli import views
from po_sessions.cli.invocation import Invocation
from po_sessions.cli.root import PoCommand, WaitingCommand, noun
from po_sessions.errors import InvalidInput, NoCurrent, WriteFailed
from po_sessions.selector import no_current_po
from po_sessions.session import SessionSummary, check_session_name

app = noun("Make, list, show and switch sessions.")

PoOption = Annotated[
    str | None, typer.Option("--po", metavar="PO", help="The prompt object; the current one if not given.")
]
Ref = Annotated[
    str | None,
    typer.Argument(
        metavar="[S]",
        show_default=False,
        help="A session: its name, its id, at least 4 characters of either end of the id, "
        "@current, @previous or @last. The current one if not given.",
    ),
]
All = Annotated[bool, typer.Option("--all", "-a", help="Those of every prompt object.")]
Ids = Annotated[bool, typer.Option("--ids", help="Print only the ids, one a line.")]
Switch = Annotated[bool, typer.Option("--switch", help="Make it the current session.")]


@app.command(cls=WaitingCommand)
def new(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", show_default=False, help="Its name, which must not be taken.")
    ] = None,
    po: PoOption = None,
    switch: Switch = False,
) -> None:
    """Make a session and print its id."""
    run: Invocation = ctx.obj
    if name is not None:
        check_session_name(name)
    owner = _owner(run, po)
    manager = run.environment().session_manager
    session = manager.create(owner, name)
    if switch:
        manager.switch(session)
    run.out.note(f"Made {session.name!r} for {session.po_name}.")
    _show_id(run, session)


@app.command(cls=WaitingCommand)
def ensure(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="The session's name.")],
    po: PoOption = None,
    switch: Switch = False,
) -> None:
    """Make a session unless it is there; print its id."""
    run: Invocation = ctx.obj
    check_session_name(name)
    owner = _owner(run, po)
    manager = run.environment().session_manager
    session, made = manager.ensure(owner, name)
    if switch:
        manager.switch(session)
    run.out.note(f"{'Made' if made else 'Found'} {session.name!r} of {session.po_name}.")
    _show_id(run, session)


@app.command("list", cls=PoCommand)
def list_(
    ctx: typer.Context,
    po: PoOption = None,
    all_: All = False,
    limit: Annotated[int | None, typer.Option("--limit", "-n", metavar="N", help="At most N.")] = None,
    ids: Ids = False,
) -> None:
    """List the sessions, newest activity first.

    In a pipe the columns are separated by tabs: `*` if current, else `-`; id; prompt object; name; messages; turns;
    last turn (done, failed, interrupted, open, empty); time of the last turn; time of creation; beginning of the first
    message.
    """
    run: Invocation = ctx.obj
    if po and all_:
        raise InvalidInput("--po and --all contradict each other.", hint="Give one of them.")
    if limit is not None and limit < 1:
        raise InvalidInput(f"--limit {limit} lists nothing.", hint="Give a number from 1 on.")
    po_name = None if all_ else run.known_po(po)
    found = list(islice(run.environment().session_manager.list(po_name), limit))
    if not found:
        whose = f"{po_name} has" if po_name else "There are"
        run.out.note(f"{whose} no sessions yet; 'po send {po_name or 'PO'} MESSAGE' begins one.")
    views.show_list(run, found, ids=ids, with_po=po_name is None)


@app.command(cls=PoCommand)
def show(
    ctx: typer.Context,
    ref: Ref = None,
    po: PoOption = None,
    last: Annotated[bool, typer.Option("--last", help="Only the text of the last reply.")] = False,
    range_: Annotated[
        str | None,
        typer.Option(
            "--range", metavar="A:B", help="Only messages A to B, counted from 1, or from the end if negative."
        ),
    ] = None,
) -> None:
    """Print a conversation, its messages numbered."""
    run: Invocation = ctx.obj
    if last and range_:
        raise InvalidInput("--last and --range contradict each other.", hint="Give one of them.")
    manager = run.environment().session_manager
    session = manager.get(run.session_ref(ref), run.known_po(po))
    if last:
        views.show_last(run, session)
    else:
        views.show_conversation(run, session, range_, manager.storage.turn_owner(session.id))


@app.command(cls=PoCommand)
def current(ctx: typer.Context, po: PoOption = None, all_: All = False, ids: Ids = False) -> None:
    """Print the current session in the form of 'list'."""
    run: Invocation = ctx.obj
    manager = run.environment().session_manager
    if po and all_:
        raise InvalidInput("--po and --all contradict each other.", hint="Give one of them.")
    found = []
    for name in sorted(manager.storage.state().pointers) if all_ else ():
        try:
            found += [session for session in [manager.current(name)] if session]
        except NoCurrent as error:
            run.out.warn(str(error))
    if not all_:
        found = [manager.find(run.session_ref(None), run.known_po(po))]
    views.show_list(run, found, ids=ids, with_po=all_)


@app.command(cls=WaitingCommand)
def switch(
    ctx: typer.Context,
    ref: Annotated[
        str, typer.Argument(metavar="S", show_default=False, help="A session, as for 'show'; `-` is the previous one.")
    ],
    po: PoOption = None,
) -> None:
    """Make a session, and its prompt object, current."""
    run: Invocation = ctx.obj
    manager = run.environment().session_manager
    session = manager.find("@previous" if ref == "-" else run.session_ref(ref), run.known_po(po))
    manager.switch(session)
    run.out.note(f"{session.po_name}: {session.name!r} is the current session.")
    if run.out.as_json:
        run.out.json(views.as_json(run, session))


@app.command(cls=WaitingCommand)
def rename(
    ctx: typer.Context,
    ref: Annotated[str, typer.Argument(metavar="S", show_default=False, help="A session, as for 'show'.")],
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="Its new name, not taken yet.")],
    po: PoOption = None,
) -> None:
    """Give a session another name."""
    run: Invocation = ctx.obj
    manager = run.environment().session_manager
    before = manager.find(run.session_ref(ref), run.known_po(po))
    session = manager.rename(before, name)
    run.out.note(f"Renamed {before.name!r} of {session.po_name} to {session.name!r}.")
    if run.out.as_json:
        run.out.json(views.as_json(run, session))


@app.command(cls=PoCommand)
def path(ctx: typer.Context, ref: Ref = None, po: PoOption = None) -> None:
    """Print the path of a session's file."""
    run: Invocation = ctx.obj
    manager = run.environment().session_manager
    session = manager.find(run.session_ref(ref), run.known_po(po))
    file = manager.storage.path(session.id)
    if run.out.as_json:
        run.out.json({"version": 1, "id": session.id, "path": file})
    else:
        run.out.line(str(file))


def _owner(run: Invocation, given: str | None) -> str:
    """Return the prompt object that gets a session; it has to be there."""
    name = run.po_name(given)
    if name is None:
        raise no_current_po()
    return run.environment(to_write_for=name).prompt_object(name).name


def _show_id(run: Invocation, session: SessionSummary) -> None:
    try:
        if run.out.as_json:
            run.out.json(views.as_json(run, session))
        else:
            run.out.line(session.id)
    except WriteFailed as error:
        error.session_id, error.hint = session.id, f"The session is there: {session.id}."
        raise
