"""`po send --dry-run`: what would be sent, and where to."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from po_sessions.cli.app import hints
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.turn import context_to_json, note_left_out
from po_sessions.errors import ModelUnavailable, NoCurrent, NoKey, SessionNotFound, UnknownModel
from po_sessions.message import Turn
from po_sessions.names import DEFAULT_NAME, check_session_name, is_session_id, new_session_id
from po_sessions.session import Session, SessionSummary
from po_sessions.sessions.naming import check_free
from po_sessions.text.times import UNKNOWN_TIME
from po_sessions.turns.idempotency import answer_in

if TYPE_CHECKING:
    from po_sessions.turns.prompt_object import Context, PromptObject


def is_exact(ref: str) -> bool:
    """Tell whether a selector can mean only a session that is there, and no name to be given to one."""
    return ref.startswith("@") or is_session_id(ref)


def find(run: Invocation, ref: str | None, po_name: str) -> SessionSummary:
    """Return the session that a message goes to, which has to be there. Raises SessionNotFound, NoCurrent."""
    try:
        return run.environment().session_manager.find(ref, po_name)
    except SessionNotFound as error:
        error.advice = hints.of(error).going_on(", or add --create to make it.")
        raise


def target(run: Invocation, po_name: str, named: str | None, *, new: bool, create: bool) -> SessionSummary:
    """Return the session that the message would go to; one that would be made has no id."""
    manager = run.environment().session_manager
    would_be = SessionSummary("", named or DEFAULT_NAME, po_name, created_at=UNKNOWN_TIME, updated_at=UNKNOWN_TIME)
    ref = run.session_ref(named)
    try:
        if not new:
            return find(run, ref, po_name)
        if named is not None:
            check_free(manager.storage, po_name, named)
    except SessionNotFound:
        if not create or is_exact(ref or ""):
            raise
        check_session_name(ref or "")
    except NoCurrent:
        if manager.pointers.read().pointer(po_name).current:
            raise
    return would_be


def show(run: Invocation, prompt_object: PromptObject, context: Context, text: str, earlier: Turn | None) -> None:
    """Print the exact messages that would be sent: none if a turn that began `earlier` with this message is answered.

    Raises Conflict, UnknownModel, InvalidInput.
    """
    to = context.session
    prompt_object.check_own(to)
    chosen = prompt_object.model(context.model or "", context.default_model)
    backend = context.resolve(chosen)
    try:
        prompt_object.check(backend, chosen, context.options)
    except UnknownModel:
        raise
    except (ModelUnavailable, NoKey):
        pass  # what would be sent can be told without it
    nothing = nullcontext(Session(new_session_id(run.now), to.name, to.po_name, UNKNOWN_TIME, UNKNOWN_TIME))
    with context.session_manager.reading(to.id) if to.id else nothing as session:
        answered = answer_in(earlier) is not None
        window = None if answered else prompt_object.window(session, earlier or text, context.limit)
    messages = window.messages if window else []
    if run.out.as_json:
        about = {
            "version": 1,
            "po_name": prompt_object.name,
            "session_id": to.id or None,
            "model": chosen,
            "options": prompt_object.options(context.options),
            "context": context_to_json(window) if window else None,
            "messages": messages,
        }
        return run.out.json(about)
    for number, message in enumerate(messages):
        run.out.line(f"{chr(10) * (number > 0)}[{message['role']}]\n{_body(message)}")
    if window is None:
        return run.out.note("Nothing would be sent: it was answered before.")
    return note_left_out(run, window)


def _body(message: dict[str, Any]) -> str:
    calls = message.get("tool_calls")
    called = f"(tool calls: {json.dumps(calls, ensure_ascii=False)})" if calls else None
    return "\n".join(part for part in (message["content"], called) if part)
