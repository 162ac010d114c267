"""The verb `po object path`."""

from __future__ import annotations

import typer

from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import PoName
from po_sessions.cli.app.verb import Verb


def path(ctx: typer.Context, po: PoName) -> None:
    """Print the path of a prompt object's file."""
    run: Invocation = ctx.obj
    name = run.po_name(po) or po
    file = run.environment().definitions.path(name)
    if run.out.as_json:
        return run.out.json({"version": 1, "name": name, "path": file})
    return run.out.line(file)


ABOUT = Verb(
    path,
    after="new",
    examples={
        '"${EDITOR:-vi}" "$(po object path tutor)"': "Change it.",
    },
    exit_codes=[5, 7],
)
