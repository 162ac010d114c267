"""The verb `po session show`."""

from __future__ import annotations

from typing import Annotated

import typer

from po_sessions.cli.app.hints import Hint
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import Po, Ref
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display import transcript
from po_sessions.cli.display.gaps import Gaps
from po_sessions.errors import InvalidInput


def show(
    ctx: typer.Context,
    ref: Ref = None,
    po: Po = None,
    last: Annotated[
        bool, typer.Option("--last", help="Only the text of the last reply; after a failed turn that is an older one.")
    ] = False,
    range_: Annotated[
        str | None,
        typer.Option(
            "--range", metavar="A:B", help="Only messages A to B; counted from 1, or from the end if negative."
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="On a terminal, show whole what tools were asked and answered.")
    ] = False,
) -> None:
    """Print a conversation, its messages numbered.

    On a terminal it is laid out, replies as Markdown, and goes through $PAGER if it is longer than the screen; in a
    pipe it is the text as it is stored.
    """
    run: Invocation = ctx.obj
    if last and range_:
        raise InvalidInput("--last and --range contradict each other.", advice=Hint("Give one of them."))
    manager = run.environment().session_manager
    id = manager.find(run.session_ref(ref), run.known_po(po)).id
    if last:
        with manager.reading(id) as session, run.out.paged():
            transcript.show_last(run, session)
        return
    gaps = Gaps()
    with manager.reading(id, on_gap=gaps.add) as session, run.out.paged():
        transcript.show_conversation(run, session, range_, manager.storage.turn_owner(id), full=full)
    gaps.check(session)


ABOUT = Verb(
    show,
    after="list",
    examples={
        "po session show": "Read the current session.",
        'po session show "Debug task" --range -4:-1': "Read the last four messages of another.",
        "po session show --po reader --last": "Read the last reply of the prompt object reader.",
        "po session show @last --json | jq '.history | length'": "Count the messages of the one used last.",
    },
    see_also=["session list", "session export", "session path"],
    exit_codes=[4, 7],
)
