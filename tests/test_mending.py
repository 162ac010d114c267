"""What no provider takes: mended or left out between the record and the request, whatever a session file holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import ULID, assistant, user
from support.odd_histories import DEEP, HISTORIES, OPENAI
from support.strict import refused

from po_sessions.mending import mend, normal_calls
from po_sessions.message import STANDS_FOR, Message
from po_sessions.prompt_objects.definition import Limit
from po_sessions.session import Session
from po_sessions.turns.window import window

WHEN = "2025-01-03T10:00:00.000Z"
CALL = {"id": "c1", "name": "ls", "arguments": {"at": "/"}}


def calls(*given, text=None):
    return Message("assistant", text, WHEN, {"tool_calls": list(given)})


def result(id="c1", text="a b"):
    return Message("tool", text, WHEN, {} if id is None else {"tool_call_id": id})


def sent(*history, **more):
    """Return the messages before the new one, and the two counts."""
    found = window(Session(ULID, "Default", "greeter", WHEN, WHEN, history), "new", **more)
    assert refused(found.messages) is None
    assert found.messages[-1] == {"role": "user", "content": "new"}
    return found.messages[:-1], found.left_out, found.mended


def plain(messages):
    return [one["content"] for one in messages]


WHOLE = (user("q"), calls(CALL), result(), assistant("done"))


def test_what_any_provider_takes_is_sent_as_it_is():
    messages, left_out, mended = sent(*WHOLE)
    assert messages == [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "content": "a b", "tool_call_id": "c1"},
        {"role": "assistant", "content": "done"},
    ]
    assert (left_out, mended) == (0, 0)


@pytest.mark.parametrize("blank", ["", None, " \n\t", "\u2003"])
@pytest.mark.parametrize(
    ("turn", "count"),
    [
        (lambda blank: (user("a"), assistant(blank)), 2),
        (lambda blank: (user(blank), assistant("b")), 2),
        (lambda blank: (user("a"), assistant(blank), assistant(blank)), 3),
    ],
)
def test_a_turn_with_a_blank_question_or_no_answer_is_left_out(blank, turn, count):
    messages, left_out, mended = sent(user("1"), assistant("2"), *turn(blank), user("3"), assistant("4"))
    assert plain(messages) == ["1", "2", "3", "4"]
    assert (left_out, mended) == (count, 0)


def test_a_blank_answer_beside_another_is_left_out_alone():
    assert sent(user("a"), assistant(""), assistant("b"))[1:] == (1, 0)
    assert plain(sent(user("a"), assistant(""), assistant("b"))[0]) == ["a", "b"]


def test_answers_in_a_row_are_joined():
    messages, left_out, mended = sent(
        user("a"), assistant("b"), assistant("c"), calls(CALL, text="d"), result(), assistant("e")
    )
    assert plain(messages) == ["a", "b\n\nc\n\nd", "a b", "e"]
    assert (left_out, mended) == (0, 0)


@pytest.mark.parametrize(
    "call",
    [
        OPENAI,
        {"id": "c1", "function": {"name": "ls", "arguments": {"at": "/"}}},
        {"id": "c1", "name": "ls", "arguments": '{"at": "/"}'},
        {"type": "tool_use", "id": "c1", "name": "ls", "input": {"at": "/"}},
    ],
)
def test_the_usual_shapes_of_a_call_are_sent_in_ours(call):
    messages, left_out, mended = sent(user("q"), calls(call), result(), assistant("done"))
    assert messages[1]["tool_calls"] == [CALL]
    assert (left_out, mended) == (0, 0)


@pytest.mark.parametrize("arguments", [None, "", " ", {}, "{}"])
def test_no_arguments_are_none(arguments):
    messages, *_ = sent(user("q"), calls({"id": "c1", "name": "ls", "arguments": arguments}), result(), assistant("x"))
    assert messages[1]["tool_calls"][0]["arguments"] == {}
    messages, *_ = sent(user("q"), calls({"id": "c1", "name": "ls"}), result(), assistant("x"))
    assert messages[1]["tool_calls"][0]["arguments"] == {}


UNUSABLE = [
    {"id": "c1", "arguments": {}},
    {"id": "c1", "name": "", "arguments": {}},
    {"id": "c1", "name": 5, "arguments": {}},
    {"id": "c1", "name": "ls", "arguments": "no JSON"},
    {"id": "c1", "name": "ls", "arguments": '{"a": NaN}'},
    {"id": "c1", "name": "ls", "arguments": "[1]"},
    {"id": "c1", "name": "ls", "arguments": [1]},
    {"id": "c1", "name": "ls", "arguments": 5},
    {"id": "c1", "name": "ls", "arguments": DEEP},
    {"id": "c1", "name": "ls", "arguments": "[" * 100_000},
    {"id": "c1", "type": "custom", "custom": {"name": "ls", "input": "x"}},
    "ls", 5, None, [], {},
]  # fmt: skip


@pytest.mark.parametrize("call", UNUSABLE)
def test_a_call_that_cannot_be_sent_goes_with_its_result_and_the_texts_stay(call):
    messages, left_out, mended = sent(user("q"), calls(call, text="I look."), result(), assistant("done"))
    assert plain(messages) == ["q", "I look.\n\ndone"]
    assert (left_out, mended) == (1, 1)
    messages, left_out, mended = sent(user("q"), calls(call), result(), assistant("done"))
    assert plain(messages) == ["q", "done"]
    assert (left_out, mended) == (2, 0)


@pytest.mark.parametrize("given", ["ls", 5, {"id": "c1"}, True])
def test_what_is_not_a_list_of_calls_is_no_call(given):
    one = Message("assistant", "I look.", WHEN, {"tool_calls": given})
    assert sent(user("q"), one, assistant("done"))[1:] == (0, 1)


@pytest.mark.parametrize("given", [None, [], False, ""])
def test_no_calls_are_none(given):
    one = Message("assistant", "done", WHEN, {"tool_calls": given})
    assert sent(user("q"), one) == ([{"role": "user", "content": "q"}, {"role": "assistant", "content": "done"}], 0, 0)


def test_a_call_without_its_result_leaves_the_text_of_its_message():
    messages, left_out, mended = sent(user("my name is Ada"), calls(CALL, text="Hello Ada, I look."))
    assert plain(messages) == ["my name is Ada", "Hello Ada, I look."]
    assert (left_out, mended) == (0, 1)
    assert sent(user("my name is Ada"), calls(CALL)) == ([], 2, 0)


def test_one_of_two_calls_without_its_result():
    messages, left_out, mended = sent(user("q"), calls(CALL, {**CALL, "id": "c2"}), result("c2"), assistant("done"))
    assert messages[1]["tool_calls"] == [{**CALL, "id": "c2"}]
    assert (left_out, mended) == (0, 1)


def test_results_that_nothing_answers_go_with_their_calls():
    messages, left_out, mended = sent(user("q"), calls(CALL, text="I look."), result())
    assert plain(messages) == ["q", "I look."]
    assert (left_out, mended) == (1, 1)
    assert sent(user("q"), calls(CALL), result()) == ([], 3, 0)


@pytest.mark.parametrize("id", ["c2", None, "", 7, {}])
def test_a_result_without_its_call_is_left_out(id):
    assert sent(user("q"), result(id), assistant("done"))[1:] == (1, 0)
    messages, left_out, _ = sent(user("q"), assistant("I look."), result(id), assistant("done"))
    assert plain(messages) == ["q", "I look.\n\ndone"]
    assert left_out == 1


def test_results_in_the_wrong_order_or_place_are_put_behind_their_calls():
    two = calls(CALL, {**CALL, "id": "c2"})
    for history in (
        (two, result("c2", "2"), result("c1", "1"), assistant("done")),
        (result("c1", "1"), two, result("c2", "2"), assistant("done")),
        (two, result("c1", "1"), assistant("done"), result("c2", "2")),
    ):
        messages, left_out, mended = sent(user("q"), *history)
        assert plain(messages) == ["q", None, "1", "2", "done"]
        assert (left_out, mended) == (0, 1)


def test_ids_that_are_missing_are_made_up_and_the_place_tells():
    first, second = ({"name": name, "arguments": {}} for name in "ab")
    messages, left_out, mended = sent(
        user("q"), calls(first, second), result(None, "1"), result("x", "2"), assistant("done")
    )
    assert [(one["name"], one["id"]) for one in messages[1]["tool_calls"]] == [("a", "call-1"), ("b", "call-2")]
    assert [(one["content"], one["tool_call_id"]) for one in messages[2:4]] == [("1", "call-1"), ("2", "call-2")]
    assert left_out == mended == 0


def test_ids_that_occur_twice_are_told_apart():
    messages, left_out, mended = sent(
        user("q"), calls(CALL, CALL), result(text="1"), result(text="2"), assistant("x"), *WHOLE
    )
    assert [one.get("tool_call_id") for one in messages] == [
        None,
        None,
        "c1",
        "call-1",
        None,
        None,
        None,
        "call-2",
        None,
    ]
    assert plain(messages)[2:4] == ["1", "2"]
    assert left_out == mended == 0


@pytest.mark.parametrize("id", ["a|b", "x" * 100, "é", " ", "\ud800", 5])
def test_ids_that_a_provider_refuses_are_others(id):
    messages, left_out, mended = sent(user("q"), calls({**CALL, "id": id}), result(id), assistant("done"))
    assert len(messages) == 4
    assert left_out == mended == 0


def test_names_that_a_provider_refuses_are_others():
    messages, _, mended = sent(user("q"), calls({**CALL, "name": "fs.read file\ud800"}), result(), assistant("done"))
    assert messages[1]["tool_calls"][0]["name"] == "fs_read_file_"
    assert mended == 1


def test_halves_of_characters_in_arguments_are_replaced():
    messages, *_ = sent(user("q"), calls({**CALL, "arguments": {"\ud800": ["\udfff"]}}), result(), assistant("done"))
    assert messages[1]["tool_calls"][0]["arguments"] == {"?": ["?"]}


def test_system_messages_go_into_one():
    note = Message("system", "note", WHEN)
    messages, left_out, mended = sent(
        Message("system", "set up", WHEN), Message("system", " ", WHEN), assistant("Welcome"), user("q"), note,
        assistant("done"), system="You greet.",
    )  # fmt: skip
    assert plain(messages) == ["You greet.\n\nset up\n\nnote", "Welcome", "q", "done"]
    assert (left_out, mended) == (1, 0)


def test_turns_without_an_answer_are_counted_and_failed_ones_are_known():
    failed = Message("assistant", "part", WHEN, {"error": {"kind": "unreachable"}})
    assert sent(user("a"), user("b"), assistant("B"))[1] == 1
    assert sent(user("a"), failed, user("b"), failed, assistant("B"))[1:] == (0, 0)


def test_what_the_limit_leaves_out_does_not_count():
    old = (user("a"), assistant(""), user("1"), assistant("2"))
    assert sent(*old, user("3"), assistant(""), user("5"), assistant("6"), limit=Limit("last", 1))[1] == 2


@pytest.mark.parametrize("blank", ["", None, "  "])
def test_a_blank_summary_stands_for_nothing(blank):
    summary = Message("system", blank, WHEN, {STANDS_FOR: 2})
    assert plain(sent(user("a"), assistant("b"), summary, user("c"), assistant("d"))[0]) == ["a", "b", "c", "d"]


def gone_on_with(*history, **more):
    """Return what a model goes on with the last turn, and the two counts."""
    stored = Session(ULID, "Default", "greeter", WHEN, WHEN, history)
    found = window(stored, stored.last_turn(), **more)
    assert refused(found.messages) is None
    return found.messages, found.left_out, found.mended


def call(id):
    return {**CALL, "id": id}


CUT_OFF = (
    user("q"),
    calls(call("a"), call("b"), text="I look."), result("b", "B"), result("a", "A"),
    calls(call("c")), result("c", "C"),
    calls(call("d"), call("e"), text="Once more."), result("e", "E"), result("d", "D"),
)  # fmt: skip
"""Three rounds of calls, two of them with their results out of order, and no answer."""
GOES_ON = ["q", "I look.", "A", "B", None, "C", "Once more.", "D", "E"]
FAILED = Message("assistant", "part", WHEN, {"error": {"kind": "unreachable"}})


@pytest.mark.parametrize(
    ("cut", "sent_again"), [(1, 1), (2, 1), (3, 1), (4, 4), (5, 4), (6, 6), (7, 6), (8, 6), (9, 9)]
)
def test_a_turn_goes_on_behind_its_last_whole_round_wherever_it_was_cut(cut, sent_again):
    before = (user("1"), assistant("2"))
    for turn in (CUT_OFF[:cut], (*CUT_OFF[:cut], FAILED), (CUT_OFF[0], FAILED, *CUT_OFF[1:cut])):
        messages, left_out, _ = gone_on_with(*before, *turn)
        assert plain(messages) == ["1", "2", *GOES_ON[:sent_again]]
        assert left_out == cut - sent_again


@pytest.mark.parametrize("cut", range(1, 10))
def test_a_later_turn_gets_what_is_answered_of_a_turn_that_was_cut(cut):
    texts = [[], ["q", "I look."], ["q", "I look.", "A", "B", None, "C", "Once more."]][(cut > 1) + (cut > 6)]
    for later in ((), (user("3"), assistant("4"))):
        messages, left_out, mended = sent(*CUT_OFF[:cut], *later)
        assert plain(messages) == [*texts, *plain(one.to_dict() for one in later)]
        assert (left_out, mended) == (cut - len(texts), (cut > 1) + (cut > 6))  # "A" is in another place
        assert sent(*CUT_OFF[:cut], FAILED, *later) == sent(*later)


def test_a_round_in_the_middle_may_lack_a_result():
    messages, left_out, mended = gone_on_with(
        user("q"), calls(call("a"), call("b"), text="x"), result("b"), calls(call("c")), result("c")
    )
    assert [[one["id"] for one in message.get("tool_calls", [])] for message in messages] == [[], ["b"], [], ["c"], []]
    assert (left_out, mended) == (0, 1)


def test_a_call_that_cannot_be_sent_keeps_no_round_from_being_whole():
    odd = {"id": "b", "name": "ls", "arguments": "no JSON"}
    messages, left_out, mended = gone_on_with(user("q"), calls(call("a"), odd), result("a", "A"), result("b", "B"))
    assert plain(messages) == ["q", None, "A"]
    assert (left_out, mended) == (1, 1)
    assert plain(gone_on_with(user("q"), calls(odd), result("b", "B"))[0]) == ["q"]


def test_ids_are_told_apart_in_the_turn_that_goes_on_too():
    messages, *_ = gone_on_with(*WHOLE, user("r"), calls(CALL), result())
    assert [one.get("tool_call_id") for one in messages] == [None, None, "c1", None, None, None, "call-1"]


def test_a_turn_of_nothing_but_a_question_is_asked_as_it_was():
    note = Message("system", "note", WHEN)
    for rest in ((), (FAILED,), (FAILED, FAILED), (note,), (result("c9"),), (assistant("I look."), result("c9"))):
        assert gone_on_with(user("1"), assistant("2"), user("q"), *rest)[0] == [
            {"role": "user", "content": "1"},
            {"role": "assistant", "content": "2"},
            {"role": "user", "content": "q"},
        ]


@given(HISTORIES, st.sampled_from([Limit(), Limit("last", 0), Limit("tokens", 40)]))
def test_whatever_a_turn_holds_it_can_be_gone_on_with(history, limit):
    turn = (user("q"), *(one for one in history if one.role != "user"))
    messages, *_ = gone_on_with(*history, *turn, limit=limit)
    own = messages[[one["content"] for one in messages].index("q") :]
    assert [one["role"] for one in own][1:] == [] or own[-1]["role"] == "tool"


@given(
    HISTORIES, st.sampled_from([Limit(), Limit("last", 1), Limit("tokens", 40)]), st.sampled_from(["", "You greet."])
)
def test_whatever_a_session_holds_a_strict_provider_takes_what_is_sent(history, limit, system):
    messages, left_out, _ = sent(*history, limit=limit, system=system)
    assert left_out <= len(history)
    if limit.kind == "all" and not left_out and not any(one.failed or one.is_summary for one in history):
        said = "\n".join(one["content"] or "" for one in messages)
        assert all((one.content or "").strip() in said for one in history)


@given(HISTORIES)
def test_mending_twice_is_mending_once(history):
    once = mend([one.to_dict() for one in history]).messages
    again = mend(once)
    assert (again.messages, again.left_out, again.mended) == (once, 0, 0)


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (OPENAI, CALL),
        ({**OPENAI, "index": 0}, {"id": "c1", "index": 0, "name": "ls", "arguments": {"at": "/"}}),
        ({**CALL, "arguments": '{"at": "/"}'}, CALL),
        ({"function": {"name": "ls"}}, {"name": "ls"}),
        (CALL, CALL),
    ],
)
def test_shapes_that_are_made_ours_without_loss(given, made):
    assert normal_calls([given]) == [made]
    assert normal_calls(normal_calls([given])) == [made]


@pytest.mark.parametrize(
    "given",
    [
        *UNUSABLE,
        {**OPENAI, "function": {"name": "ls", "arguments": "no JSON"}},
        {**OPENAI, "function": {"name": "ls", "arguments": '{"a": 1, "a": 2}'}},
        {**OPENAI, "function": {"name": "ls", "arguments": "{}", "more": 1}},
        {**OPENAI, "type": "custom"},
        {**OPENAI, "name": "other"},
    ],
)
def test_what_would_lose_something_is_kept_as_it_is(given):
    assert normal_calls([given]) == [given]


@pytest.mark.parametrize("given", [None, "x", 5, {"id": "c1"}])
def test_what_is_no_list_of_calls_is_kept_too(given):
    assert normal_calls(given) == given
