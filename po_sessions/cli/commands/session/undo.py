"""The verb `po session undo`."""

from __future__ import annotations

from typing import Annotated

import typer

from po_sessions.cli.app.hints import Command, Hint
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import Po, Ref
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display import session_rows
from po_sessions.cli.terminal.output import counted


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
        Hint(f"Took {gone} back from {session.name!r}; ", Command("trash restore", entry_id), " brings them back.")
    )
    if run.out.as_json:
        run.out.json({**session_rows.as_json(run, session), "trash_id": entry_id})


ABOUT = Verb(
    undo,
    after="adopt",
    waits=True,
    examples={
        "po session undo": "Take the last message and its reply back.",
        'po session undo "Debug task" -n 2': "Take two turns of another session back,",
        'po trash restore "Debug task"': "and bring them in again.",
    },
    see_also=["session delete", "session retry", "trash"],
    exit_codes=[4, 5, 6, 7],
)
