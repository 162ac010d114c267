"""The verb `po session current`."""

from __future__ import annotations

import typer

from po_sessions.cli.app.hints import Hint
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import All, Po
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display import session_rows
from po_sessions.cli.display.list_format import Face, Format, Ids, Null
from po_sessions.errors import (
    InvalidInput,
    NoCurrent,
)


def current(
    ctx: typer.Context, po: Po = None, all_: All = False, ids: Ids = False, template: Format = None, null: Null = False
) -> None:
    """Print the session that plain messages go to.

    It is $PO_SESSION, else the current session, else the one named Default, and is printed as by 'list'.
    """
    run: Invocation = ctx.obj
    face = Face(run.out, session_rows.FIELDS, ids=ids, template=template, null=null)
    manager = run.environment().session_manager
    if po and all_:
        raise InvalidInput("--po and --all contradict each other.", advice=Hint("Give one of them."))
    found = []
    for name in sorted(manager.pointers.read().pointers) if all_ else ():
        try:
            found += [session for session in [manager.current(name)] if session]
        except NoCurrent as error:
            run.out.warn(str(error))
    if not all_:
        found = [manager.find(run.session_ref(None), run.known_po(po))]
    session_rows.show_list(run, found, face, with_po=all_)


ABOUT = Verb(
    current,
    after="show",
    examples={
        "po session current": "See which session the next plain message goes to.",
        "po session current --all": "See which it is for each prompt object.",
        "PO_SESSION=$(po session current --ids) && export PO_SESSION": "Keep to it in this shell, whoever switches.",
    },
    see_also=["session list", "session switch", "status"],
    exit_codes=[4, 7],
)
