"""The verb `po session switch`."""

from __future__ import annotations

from typing import Annotated

import typer

from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import Po
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display import session_rows


def switch(
    ctx: typer.Context,
    ref: Annotated[
        str, typer.Argument(metavar="S", show_default=False, help="A session, as for 'show'; `-` is the previous one.")
    ],
    po: Po = None,
) -> None:
    """Make a session, and its prompt object, current."""
    run: Invocation = ctx.obj
    manager = run.environment().session_manager
    session = manager.find("@previous" if ref == "-" else run.session_ref(ref), run.known_po(po))
    manager.switch(session)
    run.out.note(f"{session.po_name}: {session.name!r} is the current session.")
    if run.out.as_json:
        run.out.json(session_rows.as_json(run, session))


ABOUT = Verb(
    switch,
    after="current",
    waits=True,
    examples={
        'po session switch "Debug task"': "Make a session the current one.",
        "po session switch -": "Go back to the one before.",
        "po session switch Default --po reader": "Go to a session of another prompt object.",
    },
    see_also=["session current", "object"],
    exit_codes=[4, 5, 6, 7],
)
