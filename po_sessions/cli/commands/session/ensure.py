"""The verb `po session ensure`."""

from __future__ import annotations

from typing import Annotated

import typer

from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import Po, Switch
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display import session_rows
from po_sessions.names import check_session_name


def ensure(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="The session's name.")],
    po: Po = None,
    switch: Switch = False,
) -> None:
    """Print the id of the session NAME; make it if it is missing."""
    run: Invocation = ctx.obj
    check_session_name(name)
    owner = run.owner(po)
    manager = run.environment().session_manager
    session, made = manager.ensure(owner, name)
    if switch:
        manager.switch(session)
    run.out.note(f"{'Made' if made else 'Found'} {session.name!r} of {session.po_name}.")
    session_rows.show_id(run, session)


ABOUT = Verb(
    ensure,
    after="new",
    waits=True,
    examples={
        "po session ensure nightly --po greeter": "Make the session nightly; do nothing if it is there.",
        'po send greeter -s "$(po session ensure nightly)" "Good night"': "The same, and send a message to it.",
    },
    see_also=["send", "session new"],
    exit_codes=[5, 6, 7],
)
