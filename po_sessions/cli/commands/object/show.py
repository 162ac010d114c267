"""The verb `po object show`."""

from __future__ import annotations

import typer

from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import PoName
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display import object_rows


def show(ctx: typer.Context, po: PoName) -> None:
    """Print a prompt object's front matter and body."""
    run: Invocation = ctx.obj
    one = run.environment().prompt_object(run.po_name(po) or po).definition
    if run.out.as_json:
        current = run.environment().session_manager.current_po()
        return run.out.json({**object_rows.to_json(one, current=one.name == current), "body": one.body})
    return run.out.write(one.render())


ABOUT = Verb(
    show,
    after="list",
    exit_codes=[5, 7],
)
