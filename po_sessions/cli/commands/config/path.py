"""The verb `po config path`."""

from __future__ import annotations

import typer

from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import Environments
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.config import change


def path(ctx: typer.Context, environment: Environments = False) -> None:
    """Print the path of the file, which need not be there yet."""
    run: Invocation = ctx.obj
    file = change.file_meant(run, environments=environment).path
    return run.out.json({"version": 1, "path": file}) if run.out.as_json else run.out.line(file)


ABOUT = Verb(
    path,
    after="unset",
    exit_codes=[7, 8],
)
