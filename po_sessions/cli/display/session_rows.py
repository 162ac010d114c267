"""How sessions look: as rows, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from po_sessions.cli.app.hints import Command, Hint
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.display.list_format import Face
from po_sessions.cli.fast.cells import session_cells
from po_sessions.cli.terminal.times import local_time
from po_sessions.errors import WriteFailed
from po_sessions.session import SessionSummary
from po_sessions.sessions.selector import short_ids

FIELDS = (*(field.name for field in fields(SessionSummary)), "current", "orphaned")
"""The keys of a session in `--json`, which are the fields of `--format`."""


def show_list(run: Invocation, found: Sequence[SessionSummary], face: Face, *, with_po: bool) -> None:
    """Print sessions for a program, as a table, or tab-separated."""
    if face.printed(found, lambda session: as_json(run, session)):
        return
    if run.out.is_terminal:
        _show_table(run, found, with_po=with_po)
    else:
        current = run.current_ids
        run.out.rows([], (_cells(run, session, current=session.id in current) for session in found))


def as_json(run: Invocation, session: SessionSummary) -> dict[str, Any]:
    """Return a session as `--json` shows it."""
    about = {**asdict(session), "last_turn": last_turn(run, session)}
    about["current"] = session.id in run.current_ids
    return {"version": 1, **about, "orphaned": session.po_name not in run.environment().definitions}


def show_id(run: Invocation, session: SessionSummary, **more: Any) -> None:
    """Print the id of a session that was made; as JSON with `more` about it."""
    try:
        if run.out.as_json:
            run.out.json({**as_json(run, session), **more})
        else:
            run.out.line(session.id)
    except WriteFailed as error:
        error.session_id, error.advice = session.id, Hint(f"The session is there: {session.id}.")
        raise


def remark_orphaned(run: Invocation, session: SessionSummary) -> None:
    """Tell if a session that was made has no prompt object here."""
    if session.po_name not in run.environment().definitions:
        adopt = Command("session adopt", session.id, po="PO")
        run.out.note(Hint(f"There is no prompt object {session.po_name}; ", adopt, " gives the session another."))


def _show_table(run: Invocation, found: Sequence[SessionSummary], *, with_po: bool) -> None:
    if not found:
        return
    current = run.current_ids
    shown = short_ids(session.id for session in found)
    turns = {session.id: last_turn(run, session) for session in found}
    noted = {id: turn for id, turn in turns.items() if turn not in ("done", "empty")}
    orphaned = {name for name in {one.po_name for one in found} if name not in run.environment().definitions}
    columns = {
        "": ["*" if one.id in current else "" for one in found],
        "PO": [one.po_name + " (orphaned)" * (one.po_name in orphaned) for one in found] if with_po or orphaned else [],
        "Name": [one.name for one in found],
        "Msgs": [str(one.message_count) for one in found],
        "Last": [local_time(one.updated_at, run.now) for one in found],
        "Turn": [noted.get(one.id, "") for one in found] if noted else [],
        "Id": [shown[one.id] for one in found],
        "First message": [one.preview for one in found],
    }
    columns = {title: cells for title, cells in columns.items() if cells}
    run.out.rows(list(columns), zip(*columns.values(), strict=True), right=["Msgs"])


def _cells(run: Invocation, session: SessionSummary, *, current: bool) -> list[str]:
    turn, orphaned = last_turn(run, session), session.po_name not in run.environment().definitions
    return session_cells(
        lambda name: turn if name == "last_turn" else getattr(session, name), current=current, orphaned=orphaned
    )


def last_turn(run: Invocation, session: SessionSummary) -> str:
    """Return what became of the last turn, `interrupted` if nobody works on it any more."""
    interrupted = run.environment().session_manager.is_interrupted(session)
    return "interrupted" if interrupted else session.last_turn
