"""`po trash`: what was deleted or undone."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.root import PoCommand, WaitingCommand, noun
from po_sessions.cli.display import session_rows, trash_others
from po_sessions.cli.display.list_format import Face, Format, Ids, Null
from po_sessions.cli.terminal.output import counted
from po_sessions.cli.terminal.times import local_time
from po_sessions.sessions.selector import SHORTEST_TIME, short_ids
from po_sessions.shell import joined
from po_sessions.storage.records import TrashEntry
from po_sessions.text.durations import parse_duration

app = noun("List, restore and empty what was deleted or undone.")


Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command("list", cls=PoCommand)
def list_(ctx: typer.Context, ids: Ids = False, template: Format = None, null: Null = False) -> None:
    """List what is in the trash, newest first.

    Tab-separated in a pipe: id; `deleted` or `undone`; time; prompt object; session's name; messages; beginning of the
    first message.
    """
    run: Invocation = ctx.obj
    face = Face(run.out, _FIELDS, ids=ids, template=template, null=null)
    found = run.environment().session_manager.trash()
    if face.printed(found, _to_json):
        return None
    entries = {f"{one.id}.json" for one in found}
    storage = run.environment().session_manager.storage
    others = [name for name in storage.trash_names() if name not in entries]
    for names, what in (
        (others, "'po trash empty' removes all"),
        (storage.trash_others(), trash_others.NOT_OURS),
    ):
        if names:
            run.out.note(f"Also in {run.environment().root}/trash: {trash_others.named(names)}; {what}.")
    if not found:
        return None if others else run.out.note("The trash is empty.")
    shown = short_ids((one.id for one in found), SHORTEST_TIME)
    rows = (
        [
            shown[one.id] if run.out.is_terminal else one.id,
            one.kind,
            local_time(one.trashed_at, run.now) if run.out.is_terminal else one.trashed_at,
            one.session.po_name,
            one.session.name or "-",
            "-" if one.damage else str(one.session.message_count),
            one.session.preview,
        ]
        for one in found
    )
    return run.out.rows(["Id", "What", "When", "PO", "Session", "Msgs", "First message"], rows, right=["Msgs"])


@app.command(cls=WaitingCommand)
def restore(
    ctx: typer.Context,
    ref: Annotated[
        str,
        typer.Argument(
            metavar="T",
            show_default=False,
            help="What: its id, its session's id or name, or at least 4 characters of either end of an id.",
        ),
    ],
    as_: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="Another name; makes undone messages a session of their own."),
    ] = None,
) -> None:
    """Bring back a deleted session, or undone messages.

    Prints the id of the session.
    """
    run: Invocation = ctx.obj
    manager = run.environment().session_manager
    entry = manager.find_trashed(ref)
    session = manager.restore(entry, as_)
    back = f"{counted(entry.session.message_count, 'message')} of " if entry.undone_at is not None else ""
    run.out.note(f"Restored {back}{session.name!r} of {session.po_name}.")
    session_rows.remark_orphaned(run, session)
    session_rows.show_id(run, session)


@app.command(cls=PoCommand)
def empty(
    ctx: typer.Context,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="D", help="Only what has lain there so long: 12h, 30d, 6mo.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Remove what is in the trash for good.

    The backups of a session go with it, unless it has been restored. Files that po did not put there stay.
    """
    run: Invocation = ctx.obj
    length = None if older_than is None else parse_duration(older_than)
    manager = run.environment().session_manager
    names = manager.storage.trash_names(manager.trashed_before(length))
    if names:
        given = ["--older-than", str(older_than)] if length else []
        command = joined(["po", "trash", "empty", *given, "--yes"])
        run.confirm(f"Remove {counted(len(names), 'thing')} in the trash for good?", yes=yes, command=command)
    gone = manager.empty_trash(length) if names else []
    run.out.note(f"Removed {counted(len(gone), 'thing')} for good.")
    if others := manager.storage.trash_others():
        run.out.note(f"Still in {run.environment().root}/trash: {trash_others.named(others)}; {trash_others.NOT_OURS}.")
    if run.out.as_json:
        run.out.json([{"version": 1, "name": name} for name in gone])


_FIELDS = ("id", "kind", "trashed_at", "session_id", "name", "po_name", "message_count", "preview", "damaged")


def _to_json(one: TrashEntry) -> dict[str, Any]:
    return {
        "version": 1,
        "id": one.id,
        "kind": one.kind,
        "trashed_at": one.trashed_at,
        "session_id": one.session.id,
        "name": one.session.name,
        "po_name": one.session.po_name,
        "message_count": one.session.message_count,
        "preview": one.session.preview,
        "damaged": one.damage is not None,
    }
