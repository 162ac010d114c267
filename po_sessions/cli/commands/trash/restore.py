"""The verb `po trash restore`."""

from __future__ import annotations

from typing import Annotated

import typer

from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display import session_rows
from po_sessions.cli.terminal.output import counted


def restore(
    ctx: typer.Context,
    ref: Annotated[
        str,
        typer.Argument(
            metavar="T",
            show_default=False,
            help="What: its id, its session's id or name, or at least 4 characters of either end of an id.",
        ),
    ],
    as_: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="Another name; makes undone messages a session of their own."),
    ] = None,
) -> None:
    """Bring back a deleted session, or undone messages.

    Prints the id of the session.
    """
    run: Invocation = ctx.obj
    trash = run.environment().session_manager.trash
    entry = trash.find(ref)
    session = trash.restore(entry, as_)
    back = f"{counted(entry.session.message_count, 'message')} of " if entry.undone_at is not None else ""
    run.out.note(f"Restored {back}{session.name!r} of {session.po_name}.")
    session_rows.remark_orphaned(run, session)
    session_rows.show_id(run, session)


ABOUT = Verb(
    restore,
    after="list",
    waits=True,
    examples={
        'po trash restore "Recipes"': "Bring a session back.",
    },
    exit_codes=[4, 5, 6, 7],
)
