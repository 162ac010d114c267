"""Sessions that hold what no provider takes: imported or edited by hand, dry runs, and sends to a strict provider."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from support.builders import ULID
from support.model_server import OPENAI
from support.odd_histories import HISTORIES
from support.odd_histories import OPENAI as OPENAI_CALL
from support.selection import slow_but
from support.stored import history
from support.strict import refused, refused_by_openai
from support.terminal import on_terminal, plain

WHEN = "2025-01-03T10:00:00.000Z"
CALL = {"id": "c1", "name": "ls", "arguments": {"at": "/"}}
LOOK = {"role": "assistant", "content": "Hello Ada, I look.", "tool_calls": [OPENAI_CALL]}
WITHOUT_RESULT = [
    {"role": "user", "content": "my name is Ada"},
    LOOK,
    {"role": "user", "content": ""},
    {"role": "assistant", "content": "fine"},
    {"role": "user", "content": "and?"},
    {"role": "assistant", "content": None},
]
"""Two turns that cannot be sent, and one that can without its call."""


def document(messages, name="T"):
    head = {"version": 1, "id": ULID, "name": name, "po_name": "greeter", "created_at": WHEN, "metadata": {}}
    return json.dumps({**head, "history": messages})


@pytest.fixture
def imported(root, po, backend):
    """Import a session with this history, and return its file."""

    def bring(messages) -> Path:
        done = po("session", "import", "-", input=document(messages))
        assert done.exit_code == 0, done.stderr
        return Path(po("session", "path", ULID).stdout.strip())

    return bring


def test_openais_shape_of_calls_becomes_ours_at_an_import(imported, po):
    odd = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "-"}}],
    }
    imported([{"role": "user", "content": "q"}, LOOK, odd])
    stored = history(po, ULID)
    assert stored[1]["tool_calls"] == [CALL]
    assert stored[2]["tool_calls"] == odd["tool_calls"]  # something of it would be lost


def test_what_is_imported_twice_in_openais_shape_is_there_once(imported, po):
    path = imported([{"role": "user", "content": "q"}, LOOK])
    imported([{"role": "user", "content": "q"}, LOOK])
    path.write_text(document([{"role": "user", "content": "q"}, LOOK]))  # as a former version imported it
    imported([{"role": "user", "content": "q"}, LOOK])
    assert po("session", "list", "--all", "--ids").stdout == f"{ULID}\n"


def test_what_is_left_out_and_mended_is_counted(imported, po, backend):
    imported(WITHOUT_RESULT)
    before = history(po, ULID)
    counts = {"turns": 1, "trimmed": False, "left_out": 4, "mended": 1}
    assert json.loads(po("send", "greeter", "who am I?", "-s", "T", "--dry-run", "--json").stdout)["context"] == counts
    assert json.loads(po("send", "greeter", "who am I?", "-s", "T", "--json").stdout)["context"] == counts
    assert [one["content"] for one in backend.asked[-1]["messages"][1:]] == [
        "my name is Ada", "Hello Ada, I look.", "who am I?",
    ]  # fmt: skip
    assert history(po, ULID)[:-2] == before  # a send changes nothing of the record


def test_what_is_left_out_is_remarked_on_a_terminal_and_not_in_a_pipe(imported, po, po_process):
    imported(WITHOUT_RESULT)
    for line in (
        ("send", "greeter", "x", "-s", "T"),
        ("send", "greeter", "x", "-s", "T", "--dry-run"),
        ("session", "compact", ULID),
    ):
        code, shown = on_terminal(*line)
        assert code == 0
        shown = plain(shown)
        assert "Left out 4 messages" in shown
        assert "Sent 1 message otherwise than stored" in shown
    assert po_process("send", "greeter", "x", "-s", "T").stderr == ""


def test_a_dry_run_shows_the_calls_that_are_sent(imported, po):
    imported([{"role": "user", "content": "q"}, LOOK, {"role": "tool", "content": "a", "tool_call_id": "c1"},
              {"role": "assistant", "content": "done"}])  # fmt: skip
    shown = po("send", "greeter", "next", "-s", "T", "--dry-run").stdout
    assert f"[assistant]\nHello Ada, I look.\n(tool calls: {json.dumps([CALL])})\n" in shown


def test_a_session_without_anything_to_send_cannot_be_summed_up(imported, po):
    imported(WITHOUT_RESULT[2:])
    done = po("session", "compact", ULID)
    assert done.exit_code == 5
    assert "There is nothing to sum up" in done.stderr


def test_a_key_whose_turn_has_no_reply_of_an_assistant_is_tried_again(imported, po):
    imported([{"role": "user", "content": "q", "idempotency_key": "k"}, {"role": "system", "content": "note"}])
    done = po("send", "greeter", "q", "-s", "T", "--idempotency-key", "k")
    assert (done.exit_code, done.stdout) == (0, "q\n")
    assert [one["role"] for one in history(po, ULID)] == ["user", "system", "assistant"]


@pytest.mark.parametrize("blank", ["", None, " "])
def test_a_blank_question_is_not_asked_again(blank, imported, po):
    imported([{"role": "user", "content": blank}])
    done = po("session", "retry", ULID)
    assert done.exit_code == 5
    assert "asks nothing" in done.stderr
    assert "po session undo" in done.stderr


@pytest.fixture
def wire(tiny, root, po):
    """A strict provider, with a session that is asked there."""
    tiny.says({"content": "Fine."})
    return tiny


ASKED = {"role": "user", "content": "a"}
ANSWERED = {"role": "assistant", "content": "b"}
ODD = [
    [ASKED, {"role": "assistant", "content": ""}],
    [ASKED, {"role": "assistant", "content": None}],
    [{"role": "user", "content": "  "}, ANSWERED],
    [ASKED, LOOK],
    [ASKED, {**LOOK, "content": None}, {"role": "tool", "content": "x", "tool_call_id": "c1"}, ANSWERED],
    [ASKED, {"role": "tool", "content": "x", "tool_call_id": "c9"}, ANSWERED],
    [{"role": "system", "content": "set up"}, ASKED, ANSWERED],
]


@pytest.mark.parametrize("by", slow_but(["import", "hand"], "hand"))
@pytest.mark.parametrize("messages", ODD)
@pytest.mark.parametrize("model", [OPENAI, "claude-3-haiku"])
def test_a_session_goes_on_with_a_strict_provider(model, messages, by, wire, root, po):
    if by == "import":
        assert po("session", "import", "-", input=document(messages)).exit_code == 0
    else:
        (root / "sessions").mkdir(exist_ok=True)
        (root / "sessions" / f"{ULID}.json").write_text(document(messages))
    if model != OPENAI:
        wire.says_as_anthropic("Fine.")
    for _ in range(2):
        done = po("send", "greeter", "next", "-s", "T", "-m", model)
        assert (done.exit_code, done.stdout) == (0, "Fine.\n"), done.stderr
        sent = wire.asked[-1]["messages"]
        if model == OPENAI:
            assert refused_by_openai(sent) is None
        else:
            assert [one["role"] for one in sent] == ["user", "assistant"] * (len(sent) // 2) + ["user"]
            assert all(block.get("text", "x").strip() for one in sent for block in one["content"])


CUT_OFF = [
    {"role": "user", "content": "list it", "idempotency_key": "k"},
    LOOK,
    {"role": "tool", "content": "x", "tool_call_id": "c1"},
    {**LOOK, "content": None, "tool_calls": [{**OPENAI_CALL, "id": "c2"}, {**OPENAI_CALL, "id": "c3"}]},
    {"role": "tool", "content": "y", "tool_call_id": "c3"},
    {"role": "tool", "content": "z", "tool_call_id": "c2"},
]
"""A turn of two rounds of calls without an answer."""
AGAIN = [("session", "retry", ULID), ("send", "greeter", "list it", "-s", ULID, "--idempotency-key", "k")]


@pytest.mark.parametrize("again", AGAIN)
@pytest.mark.parametrize("cut", slow_but(range(1, 7), 1, 5))
@pytest.mark.parametrize("model", [OPENAI, "claude-3-haiku"])
def test_a_turn_that_was_cut_goes_on_with_a_strict_provider(model, cut, again, wire, root, po):
    assert po("session", "import", "-", input=document([ASKED, ANSWERED, *CUT_OFF[:cut]])).exit_code == 0
    if model != OPENAI:
        wire.says_as_anthropic("Fine.")
    done = po(*again, "-m", model)
    assert (done.exit_code, done.stdout) == (0, "Fine.\n"), done.stderr
    sent = wire.asked[-1]["messages"]
    whole = 6 if cut == 6 else 3 if cut >= 3 else 1
    if model == OPENAI:
        assert refused_by_openai(sent) is None
        own = [one["content"] for one in sent[-whole:]]
        assert [text or None for text in own] == ["list it", "Hello Ada, I look.", "x", None, "z", "y"][:whole]
    else:
        used, results = (
            [block[key] for one in sent for block in one["content"] if block["type"] == kind]
            for kind, key in (("tool_use", "id"), ("tool_result", "tool_use_id"))
        )
        assert used == results == [[], ["c1"], ["c1", "c2", "c3"]][whole // 3]
        assert sent[-1]["role"] == "user"
    assert [one["role"] for one in history(po, ULID)][2:] == [*(one["role"] for one in CUT_OFF[:cut]), "assistant"]
    assert po("send", "greeter", "next", "-s", ULID, "-m", model).exit_code == 0
    if model == OPENAI:
        assert refused_by_openai(wire.asked[-1]["messages"]) is None


def test_a_dry_run_shows_what_a_turn_goes_on_with(imported, po, backend):
    imported(CUT_OFF[:5])
    line = AGAIN[1]
    dry = json.loads(po(*line, "--dry-run", "--json").stdout)
    done = json.loads(po(*line, "--json").stdout)
    assert dry["messages"] == backend.asked[-1]["messages"]
    assert [one["role"] for one in dry["messages"][1:]] == ["user", "assistant", "tool"]
    assert dry["context"] == done["context"] == {"turns": 0, "trimmed": False, "left_out": 2, "mended": 0}


def test_the_embedded_model_goes_on_with_a_turn(model, root, po):
    assert po("session", "import", "-", input=document(CUT_OFF)).exit_code == 0
    done = po("session", "retry", ULID, "-o", "max_tokens=4")
    assert done.exit_code == 0, done.stderr
    assert history(po, ULID)[-1]["role"] == "assistant"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=HISTORIES)
@pytest.mark.slow
def test_whatever_a_session_file_holds_it_can_be_sent(messages, wire, root, po):
    (root / "sessions").mkdir(exist_ok=True)
    path = root / "sessions" / f"{ULID}.json"
    path.write_text(document([one.to_dict() for one in messages]))
    dry = po("send", "greeter", "next", "-s", ULID, "--dry-run", "--json")
    assert dry.exit_code == 0
    assert refused(json.loads(dry.stdout)["messages"]) is None
    for model in (OPENAI, "slow"):
        done = po("send", "greeter", "next", "-s", ULID, "-m", model, "--json")
        if model == "slow":  # the server speaks in streams only, which that model does not read
            assert done.exit_code in (0, 8)
        else:
            assert done.exit_code == 0, done.stderr
        assert refused_by_openai(wire.asked[-1]["messages"]) is None
    assert po("session", "show", ULID).exit_code == 0


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=HISTORIES)
@pytest.mark.slow
def test_whatever_a_session_file_holds_the_embedded_model_answers(messages, model, root, po):
    (root / "sessions").mkdir(exist_ok=True)
    (root / "sessions" / f"{ULID}.json").write_text(document([one.to_dict() for one in messages]))
    done = po("send", "greeter", "next", "-s", ULID, "-o", "max_tokens=1")
    assert done.exit_code == 0, done.stderr
