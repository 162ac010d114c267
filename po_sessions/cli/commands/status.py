"""`po status`: where the next plain message goes, for a shell prompt or a status bar."""

from __future__ import annotations

import typer

from po_sessions.cli.invocation import Invocation
from po_sessions.cli.root import PoCommand
from po_sessions.errors import NoCurrent
from po_sessions.session import DEFAULT_NAME

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=PoCommand)
def status(ctx: typer.Context) -> None:
    """Print the current prompt object and session on one line; nothing if there is no current prompt object."""
    run: Invocation = ctx.obj
    manager = run.environment().session_manager
    po_name = manager.current_po()
    session = None
    if po_name is not None:
        try:
            session = manager.find(run.session_ref(None), po_name)
        except NoCurrent:
            if manager.storage.state().pointer(po_name).current:
                raise
    if run.out.as_json:
        about = {
            "session_id": session.id if session else None,
            "session_name": session.name if session else None,
            "message_count": session.message_count if session else 0,
        }
        return run.out.json({"version": 1, "po_name": po_name, **about})
    if po_name is None:
        return run.out.note("There is no current prompt object; 'po object switch NAME' chooses one.")
    name, count = (session.name, session.message_count) if session else (DEFAULT_NAME, 0)
    return run.out.line(f"{po_name}: {name} ({count} msg{'' if count == 1 else 's'})")
