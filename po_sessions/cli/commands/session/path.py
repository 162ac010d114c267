"""The verb `po session path`."""

from __future__ import annotations

import typer

from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import Po, Ref
from po_sessions.cli.app.verb import Verb


def path(ctx: typer.Context, ref: Ref = None, po: Po = None) -> None:
    """Print the path of a session's file."""
    run: Invocation = ctx.obj
    manager = run.environment().session_manager
    session = manager.find(run.session_ref(ref), run.known_po(po))
    file = manager.path(session.id)
    if run.out.as_json:
        run.out.json({"version": 1, "id": session.id, "path": file})
    else:
        run.out.line(file)


ABOUT = Verb(
    path,
    after="retry",
    examples={
        "po session path": "See where the current session is.",
        "jq '.history[-1].content' \"$(po session path 'Debug task')\"": "Read a file with another program.",
    },
    see_also=["session show", "object"],
    exit_codes=[4, 7],
)
