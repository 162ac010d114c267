"""The verb `po session duplicate`."""

from __future__ import annotations

from typing import Annotated

import typer

from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import Po, Switch
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display import session_rows


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
    manager = run.environment().session_manager
    original = manager.find(run.session_ref(ref), run.known_po(po))
    copy = manager.duplicate(original, name, to=None if to is None else run.po_name(to))
    if switch:
        manager.switch(copy)
    run.out.note(f"Copied {original.name!r} of {original.po_name} to {copy.name!r} of {copy.po_name}.")
    session_rows.show_id(run, copy)


ABOUT = Verb(
    duplicate,
    after="delete",
    waits=True,
    examples={
        'po session duplicate @current "Before the change"': "Keep a copy of the current session.",
        'po session duplicate "Debug task" --to reader --switch': "Go on with another prompt object, in a copy.",
    },
    see_also=["session new", "session adopt", "session export"],
    exit_codes=[4, 5, 6, 7],
)
