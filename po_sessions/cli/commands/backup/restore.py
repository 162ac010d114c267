"""The verb `po backup restore`."""

from __future__ import annotations

from typing import Annotated

import typer

from po_sessions.cli.app.hints import Command, Hint
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display import session_rows
from po_sessions.cli.terminal.output import counted
from po_sessions.cli.terminal.times import local_time


def restore(
    ctx: typer.Context,
    ref: Annotated[
        str,
        typer.Argument(
            metavar="B",
            show_default=False,
            help="The backup: its id, its session's id or name, or at least 4 characters of either end of an id.",
        ),
    ],
    as_: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Make a new session of it, and leave the other alone.")
    ] = None,
) -> None:
    """Put a session back to what a backup holds.

    What is there goes to the trash first; a session that has gone is made again. The backup stays. Prints the id of the
    session.
    """
    run: Invocation = ctx.obj
    backups = run.environment().session_manager.backups
    backup = backups.find(ref)
    restored = backups.restore(backup, as_)
    session = restored.session
    whose, when = f"{session.name!r} of {session.po_name}", local_time(backup.made_at, run.now)
    if not restored.changed:
        run.out.note(f"{whose} is as it was in the backup already.")
    elif restored.trash_id:
        done = f"Put {whose} back to {counted(session.message_count, 'message')} ({when}); "
        undo = Command("trash restore", restored.trash_id, as_="NAME")
        run.out.note(Hint(done, undo, " makes a session of what was there."))
    else:
        run.out.note(
            Hint(f"Made {whose} of the backup ({when}); ", Command("session delete", session.id), " takes it back.")
        )
    session_rows.remark_orphaned(run, session)
    session_rows.show_id(run, session, trash_id=restored.trash_id, changed=restored.changed)


ABOUT = Verb(
    restore,
    after="list",
    waits=True,
    examples={
        "po backup restore \"$(po backup list 'Debug task' --ids | head -n 1)\"": "Put it back to the newest.",
        'po backup restore "$(po backup list --ids | head -n 1)" --as Earlier': "Make a session of a copy, beside "
        "what is there.",
    },
    exit_codes=[4, 5, 6, 7],
)
