"""The verb `po object switch`."""

from __future__ import annotations

import typer

from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import PoName
from po_sessions.cli.app.verb import Verb


def switch(ctx: typer.Context, po: PoName) -> None:
    """Make a prompt object the current one."""
    run: Invocation = ctx.obj
    env = run.environment()
    name = env.prompt_object(run.po_name(po) or po).name
    env.session_manager.switch_po(name)
    run.out.note(f"{name} is the current prompt object.")
    if run.out.as_json:
        run.out.json({"version": 1, "name": name})


ABOUT = Verb(
    switch,
    after="path",
    waits=True,
    examples={
        "po object switch tutor": "Make it the current one, which '.' stands for.",
    },
    exit_codes=[5, 6, 7],
)
