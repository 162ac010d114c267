"""The verb `po object delete`."""

from __future__ import annotations

import typer

from po_sessions.cli.app.hints import Hint, Words
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import PoName
from po_sessions.cli.app.verb import Verb


def delete(ctx: typer.Context, po: PoName) -> None:
    """Move a prompt object's file to the trash; its sessions are kept.

    'po session list --orphaned' lists them, and 'po session adopt' gives them another prompt object.
    """
    run: Invocation = ctx.obj
    env = run.environment()
    name = run.po_name(po) or po
    path = env.definitions.path(name)
    kept = env.delete_prompt_object(name)
    run.out.note(Hint(f"Deleted {name}; ", Words("mv", "-n", kept, path), " brings it back."))
    if run.out.as_json:
        run.out.json({"version": 1, "name": name, "trash_path": kept})


ABOUT = Verb(
    delete,
    after="rename",
    waits=True,
    examples={
        "po object delete teacher": "Move its file to the trash; its sessions stay.",
    },
    exit_codes=[5, 6, 7],
)
