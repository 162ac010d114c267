"""The verb `po session adopt`."""

from __future__ import annotations

from typing import Annotated

import typer

from po_sessions.cli.app.hints import Command, Hint, meant
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display import session_rows
from po_sessions.errors import (
    AmbiguousSelector,
    Conflict,
    SessionNotFound,
)
from po_sessions.session import SessionSummary
from po_sessions.text.suggest import nearest


def adopt(
    ctx: typer.Context,
    ref: Annotated[
        str,
        typer.Argument(
            metavar="S",
            show_default=False,
            help="A session without a prompt object: its name, its id, at least 4 characters of either end of the id.",
        ),
    ],
    po: Annotated[str, typer.Option("--po", metavar="PO", help="The prompt object that gets it.")],
) -> None:
    """Give an orphaned session a prompt object."""
    run: Invocation = ctx.obj
    env = run.environment()
    owner = env.prompt_object(run.po_name(po) or po).name
    session = _find_orphaned(run, run.session_ref(ref) or "")
    adopted = env.session_manager.adopt(session, owner)
    named = "" if adopted.name == session.name else f", as {adopted.name!r}"
    run.out.note(f"{session.name!r} of {session.po_name} belongs to {adopted.po_name} now{named}.")
    if run.out.as_json:
        run.out.json(session_rows.as_json(run, adopted))


ABOUT = Verb(
    adopt,
    after="duplicate",
    waits=True,
    examples={
        "po session list --orphaned": "See which sessions have no prompt object.",
        'po session adopt "Old notes" --po greeter': "Give one to greeter.",
    },
    see_also=["session list", "session duplicate", "object"],
    exit_codes=[4, 5, 6, 7],
)


def _find_orphaned(run: Invocation, ref: str) -> SessionSummary:
    """Return the orphaned session that `ref` means: a name is looked up among all those."""
    env = run.environment()
    orphaned = [one for one in env.session_manager.list() if one.po_name not in env.definitions]
    named = [one for one in orphaned if one.name == ref]
    if len(named) > 1:
        raise AmbiguousSelector(ref, [f"{one.id}  {one.po_name}: {one.name}" for one in named])
    try:
        session = named[0] if named else env.session_manager.find(ref, None)
    except SessionNotFound as error:
        suggestion = meant(nearest(ref, (one.name for one in orphaned)))
        orphans = Command("session list --orphaned")
        error.advice = Hint(suggestion, "Run ", orphans, " to see those without a prompt object; others need an id.")
        raise
    if session.id not in {one.id for one in orphaned}:
        raise Conflict(
            f"{session.name!r} is not orphaned: it belongs to {session.po_name}.",
            advice=Hint(
                "Run ", Command("session duplicate", session.id, to="PO"), " to copy it to another prompt object."
            ),
        )
    return session
