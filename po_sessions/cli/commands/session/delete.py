"""The verb `po session delete`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from po_sessions.cli.app.hints import Command, Hint, Words
from po_sessions.cli.app.invocation import Invocation, each
from po_sessions.cli.app.options import Po
from po_sessions.cli.app.verb import Verb
from po_sessions.names import DEFAULT_NAME
from po_sessions.session import SessionSummary


def delete(
    ctx: typer.Context,
    refs: Annotated[list[str], typer.Argument(metavar="S…", show_default=False, help="Sessions, each as for 'show'.")],
    po: Po = None,
    purge: Annotated[bool, typer.Option("--purge", help="Remove them and their backups for good instead.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, with --purge.")] = False,
) -> None:
    """Move sessions to the trash.

    Unless every S means a session, nothing is done. 'po trash restore' brings them back.
    """
    run: Invocation = ctx.obj
    manager = run.environment().session_manager
    po_name = run.known_po(po)
    chosen = {one.id: one for one in each(refs, lambda ref: manager.find(run.session_ref(ref), po_name))}
    if purge:
        what = ", ".join(repr(one.name) for one in chosen.values())
        command = Words("po", "session", "delete", "--purge", "--yes", *chosen)
        run.confirm(f"Remove {what} for good?", yes=yes, command=command)
    current = manager.pointers.read()

    def remove(session: SessionSummary) -> dict[str, Any]:
        entry_id = manager.delete(session, purge=purge)
        back = Hint(" for good.")
        if entry_id is not None:
            back = Hint("; ", Command("trash restore", entry_id), " brings it back.")
        run.out.note(Hint(f"Deleted {session.name!r} of {session.po_name}") + back)
        if current.pointer(session.po_name).current == session.id:
            run.out.note(f"{session.po_name} has no current session now; plain messages go to {DEFAULT_NAME!r}.")
        return {"version": 1, "id": session.id, "name": session.name, "po_name": session.po_name, "trash_id": entry_id}

    done: list[dict[str, Any]] = []
    try:
        each(chosen.values(), lambda session: done.append(remove(session)))
    finally:
        if run.out.as_json:
            run.out.json(done)


ABOUT = Verb(
    delete,
    after="rename",
    waits=True,
    examples={
        'po session delete "Debug task"': "Move a session to the trash.",
        'po trash restore "Debug task"': "Bring it back.",
        "po session delete nightly --purge --yes": "Remove one for good.",
        "po session list --orphaned --ids | xargs -r po session delete": "Move all without a prompt object.",
    },
    see_also=["session undo", "session prune", "trash"],
    exit_codes=[4, 5, 6, 7],
)
