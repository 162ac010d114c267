"""How a conversation looks: for people, in a pipe, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from shutil import get_terminal_size
from textwrap import indent

from po_sessions.cli.app.hints import Command, Hint
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.display.session_rows import last_turn
from po_sessions.cli.terminal.output import counted
from po_sessions.cli.terminal.times import local_time
from po_sessions.errors import InvalidInput, NotFound
from po_sessions.message import Message
from po_sessions.session import Session


def show_last(run: Invocation, session: Session) -> None:
    """Print the text of the last reply. Raises NotFound if there is none."""
    reply = next((m for m in reversed(session.history) if m.role == "assistant" and m.turn_state == "done"), None)
    if reply is None:
        raise NotFound(
            f"{session.name!r} has no reply yet.",
            advice=Hint("Run ", Command("session show", session.id), " to see it."),
        )
    if run.out.as_json:
        run.out.json({"version": 1, "session_id": session.id, **reply.to_dict()})
    else:
        run.out.line(reply.content or "")


def show_conversation(
    run: Invocation, session: Session, range_: str | None, owner: str | None, *, full: bool = False
) -> None:
    """Print the messages of a range, numbered; `owner` is who works on the last turn.

    `full` unfolds tool calls and what tools answered, where the conversation is laid out.
    """
    first, end = _slice(range_, session.message_count)
    numbered = enumerate(session.history[first:end], first + 1)
    summary = session.summary()
    if run.out.as_json:
        run.out.pieces(_json_pieces(run, session, numbered))
        return
    counts = f"{counted(summary.message_count, 'message')}, {counted(summary.turn_count, 'turn')}"
    run.out.line(f"{session.po_name}: {session.name} ({counts}, {session.id})")
    if run.out.laid_out:
        from po_sessions.cli.display.rendering import rendered  # a tenth of a second

        headed = ((number, message, _heading(run, message)) for number, message in numbered)
        for text in rendered(headed, width=get_terminal_size().columns, full=full):
            run.out.write_escaped(text)
    else:
        pieces = ((number, ", ".join(_heading(run, message)), _body(message)) for number, message in numbered)
        run.out.pieces(f"\n[{number}] {heading}\n{body}" for number, heading, body in pieces)
    if summary.last_turn == "open" and end >= session.message_count:
        run.out.line(f"\n({_fate(owner)})")


def _body(message: Message) -> str:
    text = f"{message.content}\n" if message.content else ""
    if calls := message.extra.get("tool_calls"):
        text += f"(tool calls: {json.dumps(calls, ensure_ascii=False)})\n"
    return text


def _json_pieces(run: Invocation, session: Session, numbered: Iterable[tuple[int, Message]]) -> Iterator[str]:
    """Yield a session as JSON, its messages one by one."""
    behind = {**session.footer(), "last_turn": last_turn(run, session.summary())}
    start, between, end, margin = ', "history": [', ", ", "], ", ""
    if run.out.is_terminal:
        start, between, end, margin = ',\n  "history": [\n', ",\n", "\n  ],\n", "    "
    yield run.out.as_text(session.head())[:-1].rstrip() + start
    for i, (number, message) in enumerate(numbered):
        yield between * (i > 0) + indent(run.out.as_text({"number": number, **message.to_dict()}), margin)
    yield end + run.out.as_text(behind)[1:].lstrip("\n") + "\n"


def _fate(owner: str | None) -> str:
    if owner:
        return f"Being answered by {owner}."
    return "Interrupted: there is no reply to the last message."


def _heading(run: Invocation, message: Message) -> list[str]:
    """Return the role, and what else there is to say of a message."""
    words = [message.role]
    if message.created_at:
        words.append(local_time(message.created_at, run.now) if run.out.laid_out else message.created_at)
    if model := message.extra.get("model"):
        words.append(str(model))
    if message.failed:
        error = message.extra["error"]
        words.append(f"failed: {error.get('message', error) if isinstance(error, dict) else error}")
    if message.is_gap:
        words.append("damaged")
    if message.is_summary:
        words.append("stands for what is before it in what a model is sent")
    return words


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
        hint = Hint("Write A:B, A:, :B or one number; they count from 1, negative ones from the end.")
        raise InvalidInput(f"{text!r} is not a range of messages.", advice=hint) from None
    begin = max(begin if begin > 0 else count + 1 + begin, 1)
    end = min(end if end > 0 else count + 1 + end, count)
    return begin - 1, max(begin - 1, end)
