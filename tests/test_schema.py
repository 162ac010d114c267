from __future__ import annotations

from dataclasses import replace

import pytest
from support.builders import ULID, assistant, session, user

from po_sessions import schema
from po_sessions.message import Message
from po_sessions.schema import Parent
from po_sessions.session import Session
from po_sessions.text.times import is_far_ahead

REPLY = {"model": "m", "usage": {"input": 10, "output": 5, "prompt_tokens_details.cached_tokens": 4}, "duration_ms": 7}
ERROR = {"error": {"kind": "model-error", "message": "x"}}
COUNTS = {"replies": 1, "failed": 0, "input": 10, "output": 5, "cached": 4, "duration_ms": 7}


def test_totals_are_kept_for_each_model():
    history = (user(), assistant(**REPLY), user(), assistant(**REPLY), user(), assistant(**{**REPLY, **ERROR}))
    twice = {key: 2 * value for key, value in COUNTS.items()}
    totals = {"m": {**twice, "failed": 1, "input": 30, "output": 15, "cached": 12, "duration_ms": 21}}
    assert schema.totals_of(history) == totals
    summary = Message("system", "…", None, {"stands_for": 3, "model": "n", "usage": {"input": 2, "output": 1}})
    zeros = dict.fromkeys(schema.TOTALS, 0)
    assert schema.totals_of((*history, summary)) == {**totals, "n": {**zeros, "input": 2, "output": 1}}
    assert schema.tokens_of(totals) == 45


def test_totals_are_the_same_message_by_message():
    history = (user(), assistant(**REPLY), assistant(usage={"input": -1, "output": True}, model=5), user("x"))
    totals = schema.NO_TOTALS
    for message in history:
        totals = schema.with_message(totals, message)
    assert totals == schema.totals_of(history) == session(*history).summary().totals
    assert totals[""] == {**dict.fromkeys(schema.TOTALS, 0), "replies": 1}


@pytest.mark.parametrize(
    ("stored", "tokens", "spent"),
    [
        ({}, 15, 15),
        ({"spent": 40}, 15, 40),
        ({"spent": 5}, 15, 15),
        ({"spent": "x"}, 15, 15),
        ({"spent": 40, "totals": {"models": {"m": COUNTS}}}, 35, 60),
        ({"spent": 40, "totals": {"models": {"m": COUNTS}}}, 0, 40),
    ],
)
def test_what_was_spent_never_decreases(stored, tokens, spent):
    assert schema.spent_by(stored, tokens) == spent


def test_totals_made_for_another_end_are_not_believed():
    footer = {"message_count": 2, "updated_at": "t", "totals": {"message_count": 2, "updated_at": "t", "models": {}}}
    assert schema.stored_totals(footer) == {}
    assert schema.stored_totals({**footer, "message_count": 3}) is None
    assert schema.stored_totals({**footer, "updated_at": "u"}) is None
    assert schema.stored_totals({**footer, "totals": {**footer["totals"], "models": {"m": {"replies": 1}}}}) is None


FULL = replace(
    session(user()),
    parent=Parent(ULID, 3, "fork", {"tool_call_id": "c"}),
    tags=("a", "b"),
    pinned=True,
    note="n",
    budget=1000,
    amended_at="2025-01-03T10:00:00.000Z",
)


def test_the_keys_of_the_schema_come_back():
    assert Session.from_dict(FULL.to_dict()) == FULL
    assert list(FULL.head())[5:] == ["parent", "tags", "pinned", "note", "budget", "amended_at", "metadata"]
    assert list(session().head()) == ["version", "id", "name", "po_name", "created_at", "metadata"]


@pytest.mark.parametrize(
    "odd", [{"tags": "x"}, {"tags": [""]}, {"parent": {"id": 5}}, {"note": 5}, {"budget": -1}, {"amended_at": "soon"}]
)
def test_a_key_that_means_something_else_elsewhere_is_kept(odd):
    one = Session.from_dict({**session().to_dict(), **odd})
    assert one.extra == odd
    assert Session.from_dict(one.to_dict()) == one


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": ""}, "'name' is missing or not text"),
        ({"id": 5}, "'id' is missing or not text"),
        ({"created_at": "soon"}, "'created_at' is not a time"),
        ({"updated_at": None}, "'updated_at' is not a time"),
        ({"version": 0}, "'version' is not a positive whole number"),
        ({"metadata": []}, "'metadata' is not an object"),
        ({"history": "text"}, "'history' is not a list"),
        ({"history": ({"role": "user", "content": "x"},)}, "not a message"),
        ({"tags": ["a", "a"]}, "a tag occurs twice"),
        ({"tags": [" a"]}, "cannot be a tag"),
        ({"budget": True}, "not a whole number"),
        ({"note": 1}, "is not text"),
    ],
)
def test_a_session_is_checked_when_it_is_made(wrong, message):
    with pytest.raises(ValueError, match=message):
        replace(session(), **wrong)


@pytest.mark.parametrize("wrong", [("bot", "x"), ("user", 5), ("user", "x", 5)])
def test_a_message_is_checked_when_it_is_made(wrong):
    with pytest.raises(ValueError, match="message"):
        Message(*wrong)


def test_a_time_far_ahead_of_the_clock_gives_way():
    ahead = replace(session(), updated_at="2038-01-19T00:00:00.000Z").summary()
    message = Message("user", "x", "2026-01-03T10:00:00.000Z")
    assert ahead.with_message(message, "2026-01-03T10:00:00.001Z").updated_at == message.created_at
    assert ahead.with_message(message, "2038-01-18T00:00:00.000Z").updated_at == ahead.updated_at
    assert ahead.with_message(message).updated_at == ahead.updated_at
    assert not is_far_ahead("2026-01-02T00:00:00.000Z", "2026-01-01T00:00:00.000Z")
    assert is_far_ahead("2026-01-02T00:00:00.001Z", "2026-01-01T00:00:00.000Z")
