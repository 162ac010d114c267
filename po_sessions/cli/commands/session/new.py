"""The verb `po session new`."""

from __future__ import annotations

from typing import Annotated

import typer

from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import Po, Switch
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display import session_rows
from po_sessions.names import check_session_name


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


ABOUT = Verb(
    new,
    waits=True,
    examples={
        'po session new "Release notes"': "Make a session of the current prompt object.",
        'id=$(po session new Scratch) && po send greeter -s "$id" Hello': "Make one and use it, in a script.",
        "po session new --po reader --switch": "Make one with a name of its own for another, and go there.",
    },
    see_also=["send", "session ensure", "session switch"],
    exit_codes=[5, 6, 7],
)
