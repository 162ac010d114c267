"""The verb `po session list`."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from po_sessions.cli.app.hints import Command, Hint
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import All, Po
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display import session_rows
from po_sessions.cli.display.list_format import Face, Format, Ids, Null
from po_sessions.errors import (
    InvalidInput,
)


def list_(
    ctx: typer.Context,
    po: Po = None,
    all_: All = False,
    limit: Annotated[int | None, typer.Option("--limit", "-n", metavar="N", help="At most N.")] = None,
    ids: Ids = False,
    template: Format = None,
    null: Null = False,
    orphaned: Annotated[
        bool, typer.Option("--orphaned", help="Only those whose prompt object is not there any more.")
    ] = False,
) -> None:
    """List the sessions, newest activity first.

    In a pipe the columns are separated by tabs: `*` if current, else `-`; id; prompt object; name; messages; turns;
    last turn (done, failed, interrupted, open, empty); time of the newest message, even an undone one, else of
    creation; time of creation; beginning of the first message; `orphaned` if its prompt object is not there, else `-`.
    """
    run: Invocation = ctx.obj
    face = Face(run.out, session_rows.FIELDS, ids=ids, template=template, null=null)
    if po and all_:
        raise InvalidInput("--po and --all contradict each other.", advice=Hint("Give one of them."))
    if limit is not None and limit < 1:
        raise InvalidInput(f"--limit {limit} lists nothing.", advice=Hint("Give a number from 1 on."))
    po_name = None if all_ or (orphaned and not po) else run.known_po(po)
    env = run.environment()
    every = env.session_manager.list(po_name)
    found = list(islice((one for one in every if not orphaned or one.po_name not in env.definitions), limit))
    if not found and orphaned:
        run.out.note("There are no orphaned sessions.")
    elif not found:
        whose = f"{po_name} has" if po_name else "There are"
        run.out.note(Hint(f"{whose} no sessions yet; ", Command("send", po_name or "PO", "MESSAGE"), " begins one."))
    session_rows.show_list(run, found, face, with_po=po_name is None)


ABOUT = Verb(
    list_,
    after="ensure",
    examples={
        "po session list": "List those of the current prompt object.",
        "po session list --all -n 10": "List the ten used last, whatever their prompt object.",
        "po session list --all | cut -f 3,4,5": "Only prompt object, name and number of messages.",
        "po session list --ids | wc -l": "Count them.",
        r"po session list --format '{name}\t{message_count}'": "Choose the columns.",
        "po session list --ids -0 | xargs -r0 -n1 po session path": "Do something with each.",
        "po session list --all --json | jq -r '.[] | select(.orphaned) | .name'": "Choose by what they are.",
    },
    see_also=["session show", "session current", "status"],
    exit_codes=[7],
)
