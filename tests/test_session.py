from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import ULID, assistant, session, sessions, user

from po_sessions.errors import InvalidInput
from po_sessions.session import (
    Message,
    Session,
    check_po_name,
    check_session_name,
    is_session_id,
    normal_time,
    preview,
    timestamp,
)

UUID = "123e4567-e89b-12d3-a456-426614174000"


@pytest.mark.parametrize("id", [ULID, UUID])
def test_ids_that_are_ids(id):
    assert is_session_id(id)


@pytest.mark.parametrize(
    "id",
    [
        "",
        "x",
        ULID.lower(),
        UUID.upper(),
        ULID + "A",
        ULID[:-1],
        "8" + ULID[1:],
        f"../{ULID}",
        f"{ULID}\n",
        ULID[:-1] + "U",
    ],
)
def test_what_is_no_id(id):
    assert not is_session_id(id)


@pytest.mark.parametrize(
    "name", ["Default", "Debug task", "../x", "a" * 200, "日本語", "👨‍👩‍👧", "naïve", "x-1", "it's $HOME"]
)
def test_names_a_session_may_have(name):
    assert check_session_name(name) == name


def test_a_name_is_kept_in_composed_form():
    assert check_session_name("Cafe\u0301") == "Caf\u00e9"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a" * 201,
        "-x",
        "@last",
        ".",
        " x",
        "x ",
        "a\nb",
        "a\tb",
        "\x1b[31mred",
        "a\u202eb",
        "a\x7fb",
        ULID,
        ULID.lower(),
        UUID,
    ],
)
def test_names_a_session_may_not_have(name):
    with pytest.raises(InvalidInput, match="cannot be a session's name"):
        check_session_name(name)


@pytest.mark.parametrize("name", ["a", "code-reviewer_2", "A" * 64])
def test_names_a_prompt_object_may_have(name):
    assert check_po_name(name) == name


@pytest.mark.parametrize("name", ["", "../x", "a b", "a" * 65, "é", "a.md", "a\n"])
def test_names_a_prompt_object_may_not_have(name):
    with pytest.raises(InvalidInput):
        check_po_name(name)


def test_times_are_utc_with_milliseconds():
    moment = datetime(2025, 1, 3, 12, 0, 0, 5999, tzinfo=timezone(timedelta(hours=2)))
    assert timestamp(moment) == "2025-01-03T10:00:00.005Z"


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("2025-01-03T10:00:00.000Z", "2025-01-03T10:00:00.000Z"),
        ("2025-01-03T12:00:00+02:00", "2025-01-03T10:00:00.000Z"),
        ("2025-01-03 10:00:00", "2025-01-03T10:00:00.000Z"),
    ],
)
def test_foreign_times(text, normal):
    assert normal_time(text) == normal


@given(st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9000, 1, 1)))
def test_a_timestamp_is_normal_and_sorts_like_the_moment(moment):
    stamp = timestamp(moment.replace(tzinfo=UTC))
    assert normal_time(stamp) == stamp
    assert stamp < timestamp((moment + timedelta(seconds=1)).replace(tzinfo=UTC))


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
