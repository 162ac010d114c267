"""How sessions look: as rows, as JSON, as a conversation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from typing import Any

from po_sessions.cli.faces import Face
from po_sessions.cli.invocation import Invocation
from po_sessions.cli.output import counted
from po_sessions.cli.times import local_time
from po_sessions.errors import InvalidInput, NotFound, WriteFailed
from po_sessions.selector import short_ids
from po_sessions.session import Message, Session, SessionSummary

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
    about = {**asdict(session), "last_turn": _last_turn(run, session)}
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
        error.session_id, error.hint = session.id, f"The session is there: {session.id}."
        raise


def remark_orphaned(run: Invocation, session: SessionSummary) -> None:
    """Tell if a session that was made has no prompt object here."""
    if session.po_name not in run.environment().definitions:
        hint = f"'po session adopt {session.id} --po PO' gives the session another."
        run.out.note(f"There is no prompt object {session.po_name}; {hint}")


def show_last(run: Invocation, session: Session) -> None:
    """Print the text of the last reply. Raises NotFound if there is none."""
    reply = next((m for m in reversed(session.history) if m.turn_state == "done"), None)
    if reply is None:
        raise NotFound(f"{session.name!r} has no reply yet.", hint=f"Run 'po session show {session.id}' to see it.")
    if run.out.as_json:
        run.out.json({"version": 1, "session_id": session.id, **reply.to_dict()})
    else:
        run.out.line(reply.content or "")


def show_conversation(run: Invocation, session: Session, range_: str | None, owner: str | None) -> None:
    """Print the messages of a range, numbered; `owner` is who works on the last turn."""
    first, end = _slice(range_, session.message_count)
    numbered = enumerate(session.history[first:end], first + 1)
    summary = session.summary()
    if run.out.as_json:
        run.out.pieces(_json_pieces(run, session, numbered))
        return
    counts = f"{counted(summary.message_count, 'message')}, {counted(summary.turn_count, 'turn')}"
    run.out.line(f"{session.po_name}: {session.name} ({counts}, {session.id})")
    run.out.pieces(f"\n[{number}] {_heading(run, message)}\n{_body(message)}" for number, message in numbered)
    if summary.last_turn == "open" and end >= session.message_count:
        run.out.line(f"\n({_fate(owner)})")


def _body(message: Message) -> str:
    text = f"{message.content}\n" if message.content else ""
    if calls := message.extra.get("tool_calls"):
        text += f"(tool calls: {json.dumps(calls, ensure_ascii=False)})\n"
    return text


def _json_pieces(run: Invocation, session: Session, numbered: Iterable[tuple[int, Message]]) -> Iterator[str]:
    """Yield a session as JSON, its messages one by one."""
    behind = {**session.closing(), "last_turn": _last_turn(run, session.summary())}
    yield run.out.as_text(session.head())[:-1].rstrip() + ', "history": ['
    for i, (number, message) in enumerate(numbered):
        yield ", " * (i > 0) + run.out.as_text({"number": number, **message.to_dict()})
    yield "], " + run.out.as_text(behind)[1:].lstrip() + "\n"


def _fate(owner: str | None) -> str:
    if owner:
        return f"Being answered by {owner}."
    return "Interrupted: there is no reply to the last message."


def _show_table(run: Invocation, found: Sequence[SessionSummary], *, with_po: bool) -> None:
    if not found:
        return
    current = run.current_ids
    shown = short_ids(session.id for session in found)
    turns = {session.id: _last_turn(run, session) for session in found}
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
    return [
        "*" if current else "-",
        session.id,
        session.po_name,
        session.name,
        str(session.message_count),
        str(session.turn_count),
        _last_turn(run, session),
        session.updated_at,
        session.created_at,
        session.preview,
        "-" if session.po_name in run.environment().definitions else "orphaned",
    ]


def _last_turn(run: Invocation, session: SessionSummary) -> str:
    interrupted = run.environment().session_manager.is_interrupted(session)
    return "interrupted" if interrupted else session.last_turn


def _heading(run: Invocation, message: Message) -> str:
    words = [message.role]
    if message.created_at:
        words.append(local_time(message.created_at, run.now) if run.out.is_terminal else message.created_at)
    if model := message.extra.get("model"):
        words.append(str(model))
    if message.failed:
        error = message.extra["error"]
        words.append(f"failed: {error.get('message', error) if isinstance(error, dict) else error}")
    if message.is_summary:
        words.append("stands for what is before it in what a model is sent")
    return ", ".join(words)


def _slice(text: str | None, count: int) -> tuple[int, int]:
    """Return the slice that `A:B` means: message numbers from 1, negative ones from the end, both included."""
    if text is None:
        return 0, count
    first, colon, last = text.partition(":")
    try:
        begin = int(first) if first or not colon else 1
        end = (int(last) if last else -1) if colon else begin
        if 0 in (begin, end):
            raise ValueError
    except ValueError:
        hint = "Write A:B, A:, :B or one number; they count from 1, negative ones from the end."
        raise InvalidInput(f"{text!r} is not a range of messages.", hint=hint) from None
    begin = max(begin if begin > 0 else count + 1 + begin, 1)
    end = min(end if end > 0 else count + 1 + end, count)
    return begin - 1, max(begin - 1, end)
