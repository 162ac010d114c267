"""The verb `po session rename`."""

from __future__ import annotations

from typing import Annotated

import typer

from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import Po
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display import session_rows


def rename(
    ctx: typer.Context,
    ref: Annotated[str, typer.Argument(metavar="S", show_default=False, help="A session, as for 'show'.")],
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="Its new name, not taken yet.")],
    po: Po = None,
) -> None:
    """Give a session another name."""
    run: Invocation = ctx.obj
    manager = run.environment().session_manager
    before = manager.find(run.session_ref(ref), run.known_po(po))
    session = manager.rename(before, name)
    run.out.note(f"Renamed {before.name!r} of {session.po_name} to {session.name!r}.")
    if run.out.as_json:
        run.out.json(session_rows.as_json(run, session))


ABOUT = Verb(
    rename,
    after="switch",
    waits=True,
    examples={
        'po session rename "Debug task" "Blue sky"': "Give a session another name.",
        'po session rename @current "Tea"': "Give the current one another name.",
    },
    see_also=["session list", "object"],
    exit_codes=[4, 5, 6, 7],
)
