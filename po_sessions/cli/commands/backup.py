"""`po backup`: earlier copies of sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from po_sessions.cli.app.invocation import Invocation, each
from po_sessions.cli.app.options import Po
from po_sessions.cli.app.root import PoCommand, WaitingCommand, noun
from po_sessions.cli.display import backup_rows, session_rows
from po_sessions.cli.display.list_format import Face, Format, Ids, Null
from po_sessions.cli.terminal.output import counted
from po_sessions.cli.terminal.times import local_time
from po_sessions.errors import InvalidInput, SessionNotFound, Unreadable
from po_sessions.sessions.selector import SHORTEST_TIME, short_ids
from po_sessions.shell import command_line
from po_sessions.storage.records import Backup
from po_sessions.text.sizes import format_size

app = noun(
    "Copy sessions, list the copies, put one back.\n\nA turn on a session that has messages makes a backup first if "
    "the latest is older than backup.interval, a day, or there is none; the newest backup.keep of a session, 5, are "
    "kept. See po-config(1)."
)


@app.command(cls=WaitingCommand)
def create(
    ctx: typer.Context,
    refs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[S…]",
            show_default=False,
            help="Sessions, each as for 'session show'; the current one if none is given.",
        ),
    ] = None,
    po: Po = None,
    all_: Annotated[bool, typer.Option("--all", "-a", help="Every session, with --po every one of PO.")] = False,
) -> None:
    """Copy sessions and print the ids of the backups.

    Of a session that has more than backup.keep then, the oldest go.
    """
    run: Invocation = ctx.obj
    chosen = run.session_ids(refs, po, all_=all_)
    made: list[Backup] = []
    try:
        each(chosen, lambda id: made.append(run.environment().session_manager.backups.create(id)))
    finally:
        _show_made(run, made)


def _show_made(run: Invocation, made: list[Backup]) -> None:
    if len(made) == 1:
        session, id = made[0].session, made[0].id
        run.out.note(
            f"Copied {session.name!r} of {session.po_name}; '{command_line('backup restore', id)}' puts it back."
        )
    else:
        run.out.note(f"Copied {counted(len(made), 'session')}.")
    if run.out.as_json:
        run.out.json([backup_rows.to_json(one) for one in made])
    else:
        run.out.write("".join(f"{one.id}\n" for one in made))


@app.command("list", cls=PoCommand)
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
        raise InvalidInput(f"--all and {other} contradict each other.", hint="Give one of them.")
    found = run.environment().session_manager.backups.list() if all_ else _of_session(run, ref, po)
    if face.printed(found, backup_rows.to_json):
        return None
    if not found:
        return run.out.note("There are no backups; 'po backup create' makes one.")
    if run.out.is_terminal:
        return _show_table(run, found)
    return run.out.rows([], ([str(cell) for cell in list(backup_rows.to_json(one).values())[1:]] for one in found))


def _of_session(run: Invocation, ref: str | None, po: str | None) -> Sequence[Backup]:
    """Return the backups of a session, which may have gone or be damaged. Raises as `find` does."""
    manager = run.environment().session_manager
    given = run.session_ref(ref)
    try:
        return manager.backups.list(manager.find(given, run.known_po(po)).id)
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


@app.command(cls=WaitingCommand)
def restore(
    ctx: typer.Context,
    ref: Annotated[
        str,
        typer.Argument(
            metavar="B",
            show_default=False,
            help="The backup: its id, its session's id or name, or at least 4 characters of either end of an id.",
        ),
    ],
    as_: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Make a new session of it, and leave the other alone.")
    ] = None,
) -> None:
    """Put a session back to what a backup holds.

    What is there goes to the trash first; a session that has gone is made again. The backup stays. Prints the id of the
    session.
    """
    run: Invocation = ctx.obj
    backups = run.environment().session_manager.backups
    backup = backups.find(ref)
    restored = backups.restore(backup, as_)
    session = restored.session
    whose, when = f"{session.name!r} of {session.po_name}", local_time(backup.made_at, run.now)
    if not restored.changed:
        run.out.note(f"{whose} is as it was in the backup already.")
    elif restored.trash_id:
        undo = f"'{command_line('trash restore', restored.trash_id, as_='NAME')}' makes a session of what was there"
        run.out.note(f"Put {whose} back to {counted(session.message_count, 'message')} ({when}); {undo}.")
    else:
        run.out.note(
            f"Made {whose} of the backup ({when}); '{command_line('session delete', session.id)}' takes it back."
        )
    session_rows.remark_orphaned(run, session)
    session_rows.show_id(run, session, trash_id=restored.trash_id, changed=restored.changed)


_FIELDS = ("id", "session_id", "made_at", "po_name", "name", "message_count", "size", "preview")
