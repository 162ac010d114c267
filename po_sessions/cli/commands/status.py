"""The command `po status`: where the next plain message goes, for a shell prompt or a status bar."""

from __future__ import annotations

from typing import Annotated

import typer

from po_sessions.cli.app.hints import Command, Hint
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display.list_format import to_template
from po_sessions.cli.display.template import STATUS_FIELDS as FIELDS
from po_sessions.cli.terminal.output import one_line
from po_sessions.errors import InvalidInput, NoCurrent
from po_sessions.names import DEFAULT_NAME


def status(
    ctx: typer.Context,
    template: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="TEMPLATE",
            help="The line, like '{session_name}'; also {po_name}, {session_id}, {message_count}, see po-formats(5).",
        ),
    ] = None,
) -> None:
    """Print the current prompt object and session on one line; nothing if there is no current prompt object."""
    run: Invocation = ctx.obj
    if run.out.as_json and template is not None:
        raise InvalidInput("--json and --format contradict each other.", advice=Hint("Give one of them."))
    line = None if template is None else to_template(template, FIELDS)
    manager = run.environment().session_manager
    po_name = manager.current_po()
    session = None
    if po_name is not None:
        try:
            session = manager.find(run.session_ref(None), po_name)
        except NoCurrent:
            if manager.pointers.read().pointer(po_name).current:
                raise
    name, count = (session.name, session.message_count) if session else (DEFAULT_NAME, 0)
    if run.out.as_json:
        about = {
            "session_id": session.id if session else None,
            "session_name": session.name if session else None,
            "message_count": count,
        }
        return run.out.json({"version": 1, "po_name": po_name, **about})
    if po_name is None:
        return run.out.note(Hint("There is no current prompt object; ", Command("object switch NAME"), " chooses one."))
    name = one_line(name)  # a shell prompt hands it to the terminal
    if line is None:
        return run.out.line(f"{po_name}: {name} ({count} msg{'' if count == 1 else 's'})")
    values = (po_name, name, session.id if session else "", str(count))
    return run.out.line(line.fill(dict(zip(FIELDS, values, strict=True))))


ABOUT = Verb(
    status,
    after="init",
    summary="Print the current prompt object and session on one line.",
    examples={
        "po status": "See where the next plain message goes.",
        "po status --format '{po_name}: {session_name}'": "The same, in any form.",
        "PS1='$(po status 2>/dev/null) \\$ '": "Have it in the prompt of a shell.",
    },
    see_also=["session current", "session switch"],
    exit_codes=[4, 7],
)
