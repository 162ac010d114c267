"""`po send --idempotency-key` and `--if-turns`: sends that scripts may repeat, and sends that do not come second."""

from __future__ import annotations

import json
import subprocess

import pytest
from support.running import command
from support.scripted import Script
from support.stored import history

from po_sessions.errors import Unreachable, WeightsMissing


def send(po, text, *more):
    return po("send", "greeter", text, "--idempotency-key", "night-1", *more)


def test_the_same_again_gets_the_stored_reply(root, po, backend):
    first = json.loads(send(po, "Hello", "--json").stdout)
    backend.script = Script(says="Something else")
    assert po("send", "greeter", "Between").exit_code == 0
    again = json.loads(send(po, "Hello", "--json").stdout)
    assert again == {**first, "context": None}
    plain = send(po, "Hello")
    assert (plain.exit_code, plain.stdout) == (0, "Hello\n")
    assert len(backend.asked) == 2
    stored = history(po)
    assert len(stored) == 4
    assert stored[0]["idempotency_key"] == "night-1"
    assert "idempotency_key" not in backend.asked[1]["messages"][1]


def test_another_message_with_the_key_is_refused(root, po, backend):
    assert send(po, "Hello").exit_code == 0
    done = send(po, "Goodbye")
    assert done.exit_code == 5
    assert "Turn 1 of 'Default' has the key 'night-1' and another message" in done.stderr
    assert len(history(po)) == 2


def test_a_failed_turn_is_tried_again_in_place(root, po, backend):
    assert po("send", "greeter", "Before").exit_code == 0
    backend.script = Script(error=Unreachable("No."))
    assert send(po, "Hello").exit_code == 8
    backend.script = None
    done = json.loads(send(po, "Hello", "--json").stdout)
    assert (done["turn"], done["reply"]) == (2, "Hello")
    assert [one["role"] for one in history(po)] == ["user", "assistant", "user", "assistant", "assistant"]
    assert [one["content"] for one in backend.asked[-1]["messages"][1:]] == ["Before", "Before", "Hello"]
    assert json.loads(send(po, "Hello", "--json").stdout)["turn"] == 2
    assert len(backend.asked) == 3


def test_a_failed_turn_that_others_came_after(root, po, backend):
    backend.script = Script(error=Unreachable("No."))
    assert send(po, "Hello").exit_code == 8
    backend.script = None
    assert po("send", "greeter", "After").exit_code == 0
    done = send(po, "Hello")
    assert done.exit_code == 5
    assert "has no answer, and others came after it" in done.stderr
    assert len(history(po)) == 4


def test_the_key_is_of_one_session(root, po, backend):
    assert send(po, "Hello").exit_code == 0
    other = json.loads(send(po, "Goodbye", "--create", "--session", "Other", "--json").stdout)
    assert (other["session_name"], other["turn"]) == ("Other", 1)


def test_if_turns(root, po, backend):
    assert po("send", "greeter", "one", "--if-turns", "0").exit_code == 0
    late = po("send", "greeter", "two", "--if-turns", "0")
    assert late.exit_code == 5
    assert "'Default' has 1 turn, not 0" in late.stderr
    assert len(history(po)) == 2
    assert po("send", "greeter", "two", "--if-turns", "1").exit_code == 0


@pytest.mark.parametrize("options", [[], ["-s", "Tea", "--create"], ["-s", "Tea", "--new"], ["--new"]])
def test_a_session_that_would_be_made_has_no_turns(options, root, po, backend):
    done = po("send", "greeter", "Hello", "--if-turns", "1", *options)
    name = "Tea" if "Tea" in options else "Default"
    assert (done.exit_code, done.stderr.splitlines()[0]) == (
        5,
        f"po: '{name}' would be made, and so has no turns, not 1.",
    )
    assert po("session", "list", "--all").stdout == ""
    assert backend.asked == []
    assert po("send", "greeter", "Hello", "--if-turns", "0", *options).exit_code == 0


@pytest.mark.parametrize("options", [["--if-turns", "0", "Hello"], ["--idempotency-key", "night-1", "Goodbye"]])
def test_a_refusal_names_the_session_to_programs(options, root, po, backend):
    id = json.loads(send(po, "Hello", "--json").stdout)["session_id"]
    refused = po("send", "greeter", *options, "--json")
    assert (refused.exit_code, json.loads(refused.stderr)["error"]["session_id"]) == (5, id)


@pytest.mark.parametrize("options", [(), ("--model", "nonsuch"), ("-o", "nonsuch=1"), ("--model", "gguf:nowhere")])
def test_a_stored_reply_needs_no_model(options, root, po, backend, monkeypatch):
    first = json.loads(send(po, "Hello", "--json").stdout)
    backend.script = Script(unavailable=WeightsMissing("They are gone."))
    again = send(po, "Hello", "--json", *options)
    assert (again.exit_code, again.stderr) == (0, "")
    assert json.loads(again.stdout)["reply"] == first["reply"]
    assert send(po, "Hello", "--create", "-s", "Other", *options).exit_code in (2, 8)
    assert len(po("session", "list", "--ids").stdout.split()) == 1


def test_a_dry_run_refuses_what_the_send_would(root, po, backend):
    assert send(po, "Hello").exit_code == 0
    for options in (["Goodbye", "--idempotency-key", "night-1"], ["Goodbye", "--if-turns", "7"]):
        dry, done = po("send", "greeter", "--dry-run", *options), po("send", "greeter", *options)
        assert (dry.exit_code, dry.stderr) == (done.exit_code, done.stderr)
        assert (dry.exit_code, dry.stdout) == (5, "")
    assert po("send", "greeter", "--dry-run", "--if-turns", "1", "-s", "New", "--create", "Hi").exit_code == 5
    assert po("send", "greeter", "--dry-run", "--if-turns", "1", "Hi").stdout.endswith("[user]\nHi\n")
    assert send(po, "Hello", "--dry-run").stdout == ""
    assert json.loads(send(po, "Hello", "--dry-run", "--json").stdout)["messages"] == []


def test_both(root, po, backend):
    for _ in range(2):  # what was done counts, not what was expected before it
        assert send(po, "Hello", "--if-turns", "0").exit_code == 0
    assert len(history(po)) == 2
    backend.script = Script(error=Unreachable("No."))
    for _ in range(2):
        assert po("send", "greeter", "x", "--idempotency-key", "b", "--if-turns", "1").exit_code == 8
    assert len([one for one in history(po) if one["role"] == "user"]) == 2


@pytest.mark.parametrize(
    "options",
    [
        ("--idempotency-key", ""),
        ("--idempotency-key", "a\nb"),
        ("--idempotency-key", "x" * 201),
        ("--idempotency-key", "k", "--new"),
        ("--idempotency-key", "k", "--no-save"),
        ("--if-turns", "0", "--no-save"),
        ("--if-turns", "-1"),
    ],
)
def test_wrong_usage(options, root, po, backend):
    done = po("send", "greeter", "Hello", *options)
    assert done.exit_code == 2
    assert backend.asked == []


def test_many_at_once_ask_the_model_once(root, po, tmp_path):
    """Real processes, each with the same key: one turn, the same reply for all."""
    line = [*command(), "send", "greeter", "Hello", "--idempotency-key", "k", "--json"]
    env = {"HOME": str(tmp_path), "PO_ROOT": str(root)}
    running = [subprocess.Popen(line, stdout=subprocess.PIPE, env=env) for _ in range(8)]
    replies = [json.loads(one.communicate(timeout=60)[0]) for one in running]
    assert {one["turn"] for one in replies} == {1}
    assert len({one["usage"]["input"] for one in replies}) == 1
    assert sum(one["context"] is not None for one in replies) == 1
    assert len(history(po)) == 2
