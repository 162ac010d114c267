"""The verb `po config set`."""

from __future__ import annotations

from typing import Annotated

import typer

from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import Environments, Key
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.config import change
from po_sessions.cli.display import setting_rows


def set_(
    ctx: typer.Context,
    key: Key,
    value: Annotated[str, typer.Argument(metavar="VALUE", show_default=False, help="What it is to be.")],
    environment: Environments = False,
) -> None:
    """Change a setting.

    The rest of the file stays as it is, with its comments. 'po config unset KEY' removes the setting.
    """
    run: Invocation = ctx.obj
    one = change.apply(run, key, value, environments=environment)
    if run.out.as_json:
        run.out.json(setting_rows.to_json(one))


ABOUT = Verb(
    set_,
    after="get",
    examples={
        "po config set backup.interval 12h": "Have turns make a backup if the newest is older than twelve hours.",
        "po config get backup.interval": "See what is in force.",
    },
    exit_codes=[7, 8],
)
