"""The verb `po object rename`."""

from __future__ import annotations

from typing import Annotated

import typer

from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import PoName
from po_sessions.cli.app.verb import Verb


def rename(
    ctx: typer.Context,
    po: PoName,
    new: Annotated[str, typer.Argument(metavar="NEW", show_default=False, help="Letters, digits, '_' and '-'.")],
) -> None:
    """Give a prompt object another name.

    It changes in its file and in all its sessions. If it is interrupted, the next command finishes it.
    """
    run: Invocation = ctx.obj
    env = run.environment()
    old = run.po_name(po) or po
    env.rename_prompt_object(old, new)
    run.out.note(f"Renamed {old} to {new}.")
    if run.out.as_json:
        run.out.json({"version": 1, "name": new, "path": env.definitions.path(new)})


ABOUT = Verb(
    rename,
    after="switch",
    waits=True,
    examples={
        "po object rename tutor teacher": "Give it another name; its sessions go with it.",
    },
    exit_codes=[5, 6, 7],
)
