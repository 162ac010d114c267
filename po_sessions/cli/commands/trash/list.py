"""The verb `po trash list`."""

from __future__ import annotations

from typing import Any

import typer

from po_sessions.cli.app.hints import Command, Hint
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display import trash_others
from po_sessions.cli.display.list_format import Face, Format, Ids, Null
from po_sessions.cli.terminal.times import local_time
from po_sessions.sessions.selector import SHORTEST_TIME, short_ids
from po_sessions.storage.records import TrashEntry


def list_(ctx: typer.Context, ids: Ids = False, template: Format = None, null: Null = False) -> None:
    """List what is in the trash, newest first.

    Tab-separated in a pipe: id; `deleted` or `undone`; time; prompt object; session's name; messages; beginning of the
    first message.
    """
    run: Invocation = ctx.obj
    face = Face(run.out, _FIELDS, ids=ids, template=template, null=null)
    trash = run.environment().session_manager.trash
    found = trash.list()
    if face.printed(found, _to_json):
        return None
    entries = {f"{one.id}.json" for one in found}
    others = [name for name in trash.names() if name not in entries]
    for names, what in (
        (others, Hint(Command("trash empty"), " removes all.")),
        (trash.others(), Hint(f"{trash_others.NOT_OURS}.")),
    ):
        if names:
            run.out.note(Hint(f"Also in {run.environment().root}/trash: {trash_others.named(names)}; ") + what)
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


ABOUT = Verb(
    list_,
    examples={
        "po trash list": "See what was deleted or undone.",
    },
    exit_codes=[7],
)


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
