"""What of a conversation a model gets, against a slow and plain oracle, with the history in memory and in its file."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import ULID, assistant, user
from support.hints import hint_of
from support.window_messages import WHEN, called, failed, message

from po_sessions.errors import InvalidInput, Unreadable
from po_sessions.mending import mend, with_own_ids
from po_sessions.message import Message
from po_sessions.prompt_objects import definition
from po_sessions.prompt_objects.definition import Limit
from po_sessions.session import Session
from po_sessions.storage import open_storage
from po_sessions.turns.window import tokens, window

LIMITS = [Limit(), *(Limit("last", n) for n in range(4)), *(Limit("tokens", n) for n in (1, 12, 25, 40, 90))]


def said(messages, **more):
    """Return what is sent of messages, as `mend` makes it; see `test_mending`."""
    return mend([one.to_dict() for one in messages if not one.failed and not one.is_summary], **more)


def expected(history, asked, system, limit):
    """Do the same, going forwards over lists."""
    own = said([user(asked)]) if isinstance(asked, str) else said(asked.messages, goes_on=True)
    if not isinstance(asked, str):
        history = history[: -len(asked.messages)]
    marks = [at for at, one in enumerate(history) if one.is_summary]
    rest = history[marks[-1] + 1 :] if marks else history
    told = [system] * bool(system)
    if marks:
        told.append(f"Summary of the conversation before this:\n\n{history[marks[-1]].content}")
    leading = list(history[: next((i for i, one in enumerate(history) if one.role == "user"), len(history))])
    while leading and leading[0].role == "system" and not leading[0].is_summary:
        told.append(leading.pop(0).content)
    greeting = said([] if marks else leading)
    turns = []
    for one in rest:
        if one.role == "user":
            turns.append([])
        if turns:
            turns[-1].append(one)
    done = [said(turn) for turn in turns if not turn[-1].failed]
    done = [turn for turn in done if turn.is_turn]
    fitting = done
    if limit.kind == "last":
        fitting = done[-limit.number :] if limit.number else []
    elif limit.kind == "tokens":
        room = limit.number - sum(map(tokens, [*head(told), *head(own.instructions), *own.messages]))
        fitting = []
        for turn in reversed(done):
            room -= sum(map(tokens, [*head(turn.instructions), *turn.messages]))
            if room < 0:
                break
            fitting.insert(0, turn)
    trimmed = len(fitting) < len(done)
    parts = [*([] if trimmed else [greeting]), *fitting, own]
    told += [text for part in parts for text in part.instructions]
    messages = with_own_ids(part.messages for part in parts)
    return [*head(told), *messages], len(fitting), trimmed


def head(told):
    return [{"role": "system", "content": "\n\n".join(told)}] if told else []


@settings(max_examples=300, deadline=None)
@given(st.lists(message(), max_size=12), st.booleans(), st.sampled_from(LIMITS), st.sampled_from(["", "You greet."]))
@pytest.mark.slow
def test_as_the_oracle_says(tmp_path_factory, history, goes_on, limit, system):
    stored = Session(ULID, "Default", "greeter", WHEN, WHEN, tuple(history))
    last = stored.last_turn()
    asked = last if goes_on and last and not any(one.is_summary for one in last.messages) else "new"
    wanted = expected(history, asked, system, limit)
    found = window(stored, asked, system=system, limit=limit)
    assert (found.messages, found.turns, found.trimmed) == wanted
    store = open_storage("files", root=str(tmp_path_factory.mktemp("store")))
    store.create(stored)
    with store.reading(ULID) as opened:
        assert window(opened, asked, system=system, limit=limit) == found


def test_what_is_passed_over_at_the_end():
    history = (user("one"), assistant("1"), user("two"), failed("2"))
    stored = Session(ULID, "Default", "greeter", WHEN, WHEN, history)
    found = window(stored, stored.last_turn())
    assert [one["content"] for one in found.messages] == ["one", "1", "two"]


def test_tokens_are_estimated():
    assert tokens({"role": "user", "content": "abcd" * 10}) == 14
    assert tokens({"role": "user", "content": "漢字"}) == 6
    assert tokens({"role": "user", "content": None}) == 4
    assert tokens({"role": "assistant", "content": None, "tool_calls": [{"name": "x" * 400}]}) > 100


@pytest.mark.parametrize("text", ["all", "last:0", "last:12", "tokens:1", "tokens:100000"])
def test_a_limit_is_read_and_written(text):
    assert str(Limit.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "last", "last:", "last:-1", "tokens:0", "last:1.5", "ALL", "none", "last:٣", "last:1 ", "5"]
)
def test_what_is_no_limit_is_refused(text):
    with pytest.raises(InvalidInput, match="does not say how much") as error:
        Limit.parse(text)
    assert "last:N" in hint_of(error.value)


def test_a_prompt_object_says_how_much():
    text = "---\nname: greeter\ncontext: last:5\n---\nYou greet.\n"
    found = definition.parse(text, stem="greeter", where="greeter.md")
    assert found.context == Limit("last", 5)
    assert definition.parse(found.render(), stem="greeter", where="greeter.md") == found
    with pytest.raises(Unreadable, match=r"greeter.md: 'last' does not say"):
        definition.parse(text.replace("last:5", "last"), stem="greeter", where="greeter.md")


def test_what_fits_exactly_is_sent():
    stored = Session(ULID, "Default", "greeter", WHEN, WHEN, (user("one"), assistant("1")))
    everything = sum(map(tokens, window(stored, "new").messages))
    assert not window(stored, "new", limit=Limit("tokens", everything)).trimmed
    assert window(stored, "new", limit=Limit("tokens", everything - 1)).trimmed


def test_what_is_gone_on_with_counts_and_is_never_cut():
    rounds = (called("a"), Message("tool", "b" * 40, WHEN, {"tool_call_id": "1"}))
    stored = Session(ULID, "Default", "greeter", WHEN, WHEN, (user("1"), assistant("2"), user("q"), *rounds))
    turn = stored.last_turn()
    everything = window(stored, turn)
    size = sum(map(tokens, everything.messages))
    assert [one["role"] for one in everything.messages[2:]] == ["user", "assistant", "tool"]
    assert window(stored, turn, limit=Limit("tokens", size)) == everything
    for limit in (Limit("tokens", size - 1), Limit("tokens", 1), Limit("last", 0)):
        found = window(stored, turn, limit=limit)
        assert (found.messages, found.turns, found.trimmed) == (everything.messages[2:], 0, True)
