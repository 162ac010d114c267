"""The verb `po backup create`."""

from __future__ import annotations

from typing import Annotated

import typer

from po_sessions.cli.app.hints import Command, Hint
from po_sessions.cli.app.invocation import Invocation, each
from po_sessions.cli.app.options import Po
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display import backup_rows
from po_sessions.cli.terminal.output import counted
from po_sessions.storage.records import Backup


def create(
    ctx: typer.Context,
    refs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[S…]",
            show_default=False,
            help="Sessions, each as for 'session show'; the current one if none is given.",
        ),
    ] = None,
    po: Po = None,
    all_: Annotated[bool, typer.Option("--all", "-a", help="Every session, with --po every one of PO.")] = False,
) -> None:
    """Copy sessions and print the ids of the backups.

    Of a session that has more than backup.keep then, the oldest go.
    """
    run: Invocation = ctx.obj
    chosen = run.session_ids(refs, po, all_=all_)
    made: list[Backup] = []
    backups = run.environment().session_manager.backups
    try:
        each(chosen, lambda id: made.append(backups.create(id, run.settings.backup_policy)))
    finally:
        _show_made(run, made)


ABOUT = Verb(
    create,
    waits=True,
    examples={
        "po backup create": "Copy the current session.",
        "po backup create --all": "Copy every session.",
    },
    exit_codes=[4, 5, 6, 7],
)


def _show_made(run: Invocation, made: list[Backup]) -> None:
    if len(made) == 1:
        session, id = made[0].session, made[0].id
        run.out.note(
            Hint(f"Copied {session.name!r} of {session.po_name}; ", Command("backup restore", id), " puts it back.")
        )
    else:
        run.out.note(f"Copied {counted(len(made), 'session')}.")
    if run.out.as_json:
        run.out.json([backup_rows.to_json(one) for one in made])
    else:
        run.out.write("".join(f"{one.id}\n" for one in made))
