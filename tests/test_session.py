from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from support.builders import ULID, assistant, session, sessions, user

from po_sessions.message import Message, preview
from po_sessions.session import Session


def test_turns_are_a_users_message_with_all_that_answers_it():
    one = session(
        assistant("Welcome"), user("a"), assistant("A"), user("b"), user("c"), assistant("", error={"kind": "refused"}),
        user("d"), assistant("", tool_calls=[{}]), Message("tool", "42"), assistant("D"),
    )  # fmt: skip
    assert [(t.number, t.state, len(t.messages)) for t in one.turns()] == [
        (1, "done", 2),
        (2, "open", 1),
        (3, "failed", 2),
        (4, "done", 4),
    ]


def test_without_a_users_message_there_is_no_turn():
    assert list(session().turns()) == list(session(assistant()).turns()) == []


def test_a_summary_grows_with_a_message_as_the_session_does():
    one = session()
    summary = one.summary()
    failure = assistant("", error={"kind": "refused"})
    for message in (user("  Hello\n there "), assistant(), user("again"), failure):
        updated_at = max(one.updated_at, message.created_at or "")
        one = replace(one, updated_at=updated_at, history=(*one.history, message))
        summary = summary.with_message(message)
        assert summary == one.summary()
    assert (summary.preview, summary.turn_count, summary.message_count, summary.last_turn) == (
        "Hello there",
        2,
        4,
        "failed",
    )


def test_the_time_of_the_last_turn_never_goes_back():
    summary = session().summary().with_message(Message("user", "x", "1999-01-01T00:00:00.000Z"))
    assert summary.updated_at == "2025-01-03T10:00:00.000Z"


@pytest.mark.parametrize(
    ("times", "told"),
    [
        (["2026-11-24T09:00:00Z", "2026-11-23T09:00:00Z"], "2026-11-24T09:00:00.000Z"),
        (["2026-11-24T10:00:00+02:00", None, "lunch"], "2026-11-24T08:00:00.000Z"),
        (["2020-01-01T00:00:00Z"], "2025-01-03T10:00:00.000Z"),
        ([], "2025-01-03T10:00:00.000Z"),
    ],
)
def test_without_the_time_of_the_last_turn_the_messages_tell_it(times, told):
    data = session().to_dict()
    del data["updated_at"]
    data["history"] = [{"role": "user", "content": "x", **({"created_at": at} if at else {})} for at in times]
    assert Session.from_dict(data).updated_at == told


def test_a_preview_is_one_short_line():
    assert preview("a\n\n b\tc ") == "a b c"
    assert len(preview("x" * 500)) == 80
    assert preview(None) == ""


@given(sessions)
def test_a_session_comes_back_from_its_dict(one):
    assert Session.from_dict(one.to_dict()) == one


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"history": None}, "'history' is not a list"),
        ({"id": 5}, "'id' is missing or not text"),
        ({"name": ""}, "'name' is missing or not text"),
        ({"created_at": "yesterday"}, "'created_at' is not a time"),
        ({"updated_at": 5}, "'updated_at' is not a time"),
        ({"version": "1"}, "'version' is not a positive whole number"),
        ({"version": True}, "'version' is not a positive whole number"),
        ({"metadata": []}, "'metadata' is not an object"),
        ({"history": ["x"]}, "a message is not an object"),
        ({"history": [{"role": "king", "content": ""}]}, "the role 'king'"),
        ({"history": [{"role": "user", "content": 5}]}, "content of a message is not text"),
        ({"history": [{"role": "user", "content": "", "created_at": 5}]}, "time of a message is not text"),
    ],
)
def test_what_is_wrong_with_a_dict_is_said(change, complaint):
    with pytest.raises(ValueError, match=complaint):
        Session.from_dict({**session().to_dict(), **change})


def test_a_session_is_pinned_by_its_field_alone():
    with pytest.raises(ValueError, match="pinned"):
        replace(session(), extra={"pinned": True})
    assert Session.from_dict({**session().to_dict(), "pinned": True}).pinned
    assert Session.from_dict({**session().to_dict(), "tags": 3}).extra == {"tags": 3}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"id": ""}, "'id'"),
        ({"name": 1}, "'name'"),
        ({"po_name": None}, "'po_name'"),
        ({"created_at": "soon"}, "'created_at'"),
        ({"amended_at": "soon"}, "'amended_at'"),
        ({"version": 0}, "'version'"),
        ({"metadata": []}, "'metadata'"),
        ({"history": "Hello"}, "'history'"),
        ({"history": ["Hello"]}, "'history'"),
        ({"tags": "tea"}, "'tags'"),
        ({"pinned": "no"}, "'pinned'"),
        ({"note": 1}, "1 is not text"),
        ({"budget": -1}, "-1 is not"),
        ({"parent": ULID}, "'parent'"),
        ({"spent": -1}, "'spent'"),
        ({"extra": {"name": "Coffee"}}, "'name' is a field"),
        ({"extra": {"message_count": 3}}, "'message_count' is a field"),
    ],
)
def test_a_session_is_not_made_of_values_of_a_wrong_kind(change, complaint):
    made = session()
    with pytest.raises(ValueError, match=complaint):
        replace(made, **change)


@pytest.mark.parametrize("name", ["-x", "@current", " tea ", ULID, "x" * 300, "a\nb"])
def test_a_session_may_have_a_name_that_no_new_one_may_have(name):
    stored = {**session().to_dict(), "name": name}
    assert Session.from_dict(stored).name == name
