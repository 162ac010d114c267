"""The verb `po config get`."""

from __future__ import annotations

import typer

from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import Key
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.config import settings
from po_sessions.cli.display import setting_rows


def get(ctx: typer.Context, key: Key) -> None:
    """Print the value of a setting that is in force."""
    run: Invocation = ctx.obj
    one = settings.checked(key, settings.files(run.find_root()))
    return run.out.json(setting_rows.to_json(one)) if run.out.as_json else run.out.line(one.value)


ABOUT = Verb(
    get,
    after="list",
    exit_codes=[7, 8],
)
