"""Messages of all kinds for a window."""

from __future__ import annotations

from hypothesis import strategies as st
from support.builders import assistant, user

from po_sessions.message import STANDS_FOR, Message

WHEN = "2025-01-03T10:00:00.000Z"


def summary(text, stands_for=1):
    return Message("system", text, WHEN, {STANDS_FOR: stands_for})


def failed(text):
    return Message("assistant", text, WHEN, {"error": {"kind": "Unreachable", "message": "no"}})


def called(text):
    return Message("assistant", None, WHEN, {"tool_calls": [{"id": "1", "name": "ls", "arguments": {"at": text}}]})


def message():
    text = st.text("abcé漢", min_size=1, max_size=30)
    makers = (user, assistant, failed, called, lambda t: Message("tool", t, WHEN, {"tool_call_id": "1"}), summary)
    return st.one_of(*(text.map(make) for make in makers), st.just(Message("system", "set up", WHEN)))
