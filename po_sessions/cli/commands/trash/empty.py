"""The verb `po trash empty`."""

from __future__ import annotations

from typing import Annotated

import typer

from po_sessions.cli.app.hints import Words
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display import trash_others
from po_sessions.cli.terminal.output import counted
from po_sessions.text.durations import parse_duration

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def empty(
    ctx: typer.Context,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="D", help="Only what has lain there so long: 12h, 30d, 6mo.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Remove what is in the trash for good.

    The backups of a session go with it, unless it has been restored. Files that po did not put there stay.
    """
    run: Invocation = ctx.obj
    length = None if older_than is None else parse_duration(older_than)
    trash = run.environment().session_manager.trash
    names = trash.names(length)
    if names:
        given = ["--older-than", str(older_than)] if length else []
        command = Words("po", "trash", "empty", *given, "--yes")
        run.confirm(f"Remove {counted(len(names), 'thing')} in the trash for good?", yes=yes, command=command)
    gone = trash.empty(length) if names else []
    run.out.note(f"Removed {counted(len(gone), 'thing')} for good.")
    if others := trash.others():
        run.out.note(f"Still in {run.environment().root}/trash: {trash_others.named(others)}; {trash_others.NOT_OURS}.")
    if run.out.as_json:
        run.out.json([{"version": 1, "name": name} for name in gone])


ABOUT = Verb(
    empty,
    after="restore",
    examples={
        "po trash empty --older-than 30d --yes": "Remove for good what has lain there for a month.",
    },
    exit_codes=[7],
)
