"""The verb `po backup list`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from po_sessions.cli.app.hints import Command, Hint
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import Po
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display import backup_rows
from po_sessions.cli.display.list_format import Face, Format, Ids, Null
from po_sessions.cli.terminal.times import local_time
from po_sessions.errors import InvalidInput, SessionNotFound, Unreadable
from po_sessions.sessions.selector import SHORTEST_TIME, short_ids
from po_sessions.storage.records import Backup
from po_sessions.text.sizes import format_size


def list_(
    ctx: typer.Context,
    ref: Annotated[
        str | None,
        typer.Argument(
            metavar="[S]",
            show_default=False,
            help="A session, as for 'session show', or one that is not there any more: its id, or the name it had.",
        ),
    ] = None,
    po: Po = None,
    all_: Annotated[bool, typer.Option("--all", "-a", help="Those of every session; not with S or --po.")] = False,
    ids: Ids = False,
    template: Format = None,
    null: Null = False,
) -> None:
    """List the backups of a session, newest first.

    Tab-separated in a pipe: id; session's id; time; prompt object; session's name; messages; bytes; beginning of the
    first message.
    """
    run: Invocation = ctx.obj
    face = Face(run.out, _FIELDS, ids=ids, template=template, null=null)
    if all_ and (ref or po):
        other = "a session" if ref else "--po"
        raise InvalidInput(f"--all and {other} contradict each other.", advice=Hint("Give one of them."))
    found = run.environment().session_manager.backups.list() if all_ else _of_session(run, ref, po)
    if face.printed(found, backup_rows.to_json):
        return None
    if not found:
        return run.out.note(Hint("There are no backups; ", Command("backup create"), " makes one."))
    if run.out.is_terminal:
        return _show_table(run, found)
    return run.out.rows([], ([str(cell) for cell in list(backup_rows.to_json(one).values())[1:]] for one in found))


ABOUT = Verb(
    list_,
    after="create",
    examples={
        'po backup list "Debug task"': "List the copies of a session.",
    },
    exit_codes=[4, 7],
)


def _of_session(run: Invocation, ref: str | None, po: str | None) -> Sequence[Backup]:
    """Return the backups of a session, which may have gone or be damaged. Raises as `find` does."""
    manager = run.environment().session_manager
    given = run.session_ref(ref)
    try:
        return manager.backups.list(manager.find(given, run.known_po(po)))
    except (SessionNotFound, Unreadable):
        every = manager.backups.list() if given else []
        found = [one for one in every if given in (one.session.name, one.session.id, one.session.id.lower())]
        if not found:
            raise
        return found


def _show_table(run: Invocation, found: Sequence[Backup]) -> None:
    shown = short_ids(run.environment().session_manager.backups.ids(), SHORTEST_TIME)
    sessions = short_ids({one.session.id for one in found})
    rows = (
        [
            shown.get(one.id, one.id),
            local_time(one.made_at, run.now),
            one.session.po_name,
            one.session.name,
            sessions[one.session.id],
            str(one.session.message_count),
            format_size(one.size),
            one.session.preview,
        ]
        for one in found
    )
    head = ["Id", "When", "PO", "Session", "Its id", "Msgs", "Size", "First message"]
    run.out.rows(head, rows, right=["Msgs", "Size"])


_FIELDS = ("id", "session_id", "made_at", "po_name", "name", "message_count", "size", "preview")
