"""The verb `po model pull`."""

from __future__ import annotations

import typer

from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.app.weights import fetch


def pull(ctx: typer.Context) -> None:
    """Fetch the embedded model (93 MB) and print its path.

    What is there already is only checked.
    """
    run: Invocation = ctx.obj
    path = fetch(run)
    if run.out.as_json:
        return run.out.json({"version": 1, "name": "smollm2", "path": path})
    return run.out.line(path)


ABOUT = Verb(
    pull,
    after="default",
    exit_codes=[7, 8],
)
