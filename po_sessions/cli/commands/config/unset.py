"""The verb `po config unset`."""

from __future__ import annotations

import typer

from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import Environments, Key
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.config import change, settings
from po_sessions.cli.display import setting_rows


def unset(ctx: typer.Context, key: Key, environment: Environments = False) -> None:
    """Remove a setting from the file.

    The next source then counts, or the default.
    """
    run: Invocation = ctx.obj
    file = change.file_meant(run, environments=environment)
    file.store(settings.setting(key), None)
    one = change.tell(run, key, file)
    if run.out.as_json:
        run.out.json(setting_rows.to_json(one))


ABOUT = Verb(
    unset,
    after="set",
    examples={
        "po config unset backup.interval": "Go back to the default.",
    },
    exit_codes=[7, 8],
)
