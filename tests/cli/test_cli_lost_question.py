"""A session file that is replaced while the model answers: the reply goes behind its own question, or nowhere."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.scripted import Script, ScriptedBackend
from support.stored import history

from po_sessions.errors import Unreachable
from po_sessions.message import Message
from po_sessions.storage import open_storage


@pytest.fixture
def path(root, po, backend) -> Path:
    """The file of a session with one turn."""
    assert po("send", "greeter", "first").exit_code == 0
    return Path(po("session", "path").stdout.strip())


@pytest.fixture
def meanwhile(monkeypatch):
    """Have something happen when the first word of a reply has come, or before an error if there is none."""

    def have(happen):
        real = ScriptedBackend._reply

        def reply(self, messages, most, limit):
            events = real(self, messages, most, limit)
            done = False
            try:
                for event in events:
                    yield event
                    if not done:
                        done = True
                        happen()
            except Unreachable:
                if not done:
                    happen()
                raise

        monkeypatch.setattr(ScriptedBackend, "_reply", reply)

    return have


def replaced(path: Path, data: bytes):
    """Put a file in place as a sync client does."""

    def happen():
        new = path.with_suffix(".tmp")
        new.write_bytes(data)
        new.replace(path)

    return happen


def elsewhere(root, path, text="from elsewhere"):
    """Add a turn as another machine would, to be put in place later."""
    before = path.read_bytes()
    store = open_storage("files", root=str(root))
    for role in ("user", "assistant"):
        store.append(path.stem, Message(role, text, "2025-01-04T10:00:00.000Z"))
    other = path.read_bytes()
    path.write_bytes(before)
    return other


SEND = ("send", "greeter", "second question")
CASES = pytest.mark.parametrize("case", ["older", "deleted", "another turn", "cut", "another message"])


def changed(case, root, path):
    """Return what happens to the session, and the bytes that it has afterwards."""
    older = path.read_bytes()
    if case == "older":
        return replaced(path, older), older
    if case == "cut":
        return replaced(path, older[: older.rindex(b"\n,") + 4]), older[: older.rindex(b"\n,") + 4]
    if case == "deleted":
        return path.unlink, None
    if case == "another turn":
        other = elsewhere(root, path)
        return replaced(path, other), other
    pretty = json.loads(older)
    pretty["history"].append({"role": "user", "content": "another question", "created_at": "2025-01-04T10:00:00.000Z"})
    other = json.dumps(pretty, indent=2).encode()
    return replaced(path, other), other


@CASES
@pytest.mark.parametrize("json_", [(), ("--json",)])
def test_a_reply_is_never_stored_behind_anything_but_its_question(case, json_, root, po, path, meanwhile):
    happen, after = changed(case, root, path)
    meanwhile(happen)
    done = po(*SEND, *json_)
    assert done.exit_code == 9
    if json_:
        error = json.loads(done.stderr)["error"]
        assert (error["kind"], error["reply"], error["retryable"]) == ("reply_not_stored", "second question", False)
    else:
        assert done.stdout == "second question\n"
        assert "The reply could not be stored: " in done.stderr
    assert (path.read_bytes() if path.exists() else None) == after


@CASES
def test_a_reply_that_is_asked_for_again_neither(case, root, po, path, backend, meanwhile):
    backend.script = Script(error=Unreachable("The script says so."))
    assert po(*SEND).exit_code == 8
    backend.script = None
    happen, after = changed(case, root, path)
    if case in ("older", "cut"):  # the copy without the question
        before = json.loads(path.read_bytes())
        before["history"] = before["history"][:2]
        after = json.dumps(before).encode()
        happen = replaced(path, after)
    meanwhile(happen)
    done = po("session", "retry", "--json")
    assert done.exit_code == 9
    assert json.loads(done.stderr)["error"]["reply"] == "second question"
    assert (path.read_bytes() if path.exists() else None) == after


@CASES
def test_a_summary_neither(case, root, po, path, backend, meanwhile):
    assert po(*SEND).exit_code == 0
    backend.script = Script(says="All of it.")
    happen, after = changed(case, root, path)
    if case == "older":
        before = json.loads(path.read_bytes())
        before["history"] = before["history"][:2]
        after = json.dumps(before).encode()
        happen = replaced(path, after)
    meanwhile(happen)
    done = po("session", "compact")
    assert (done.exit_code, done.stdout) == (9, "All of it.\n")
    assert (path.read_bytes() if path.exists() else None) == after


@CASES
@pytest.mark.parametrize("at", [0, 1])
def test_what_arrived_before_a_failure_neither(case, at, root, po, path, backend, meanwhile):
    backend.script = Script(says="a piece", error=Unreachable("The script says so."), error_at=at)
    happen, after = changed(case, root, path)
    meanwhile(happen)
    done = po(*SEND, "--json")
    error = json.loads(done.stderr)["error"]
    assert "po session retry" not in error["hint"]  # which would ask something else again
    assert "The script says so." in error["message"] + error["hint"]
    if at:
        assert (done.exit_code, error["kind"], error["reply"]) == (9, "reply_not_stored", "a ")
    else:
        assert (done.exit_code, error["kind"], error["session_id"]) == (8, "unreachable", None)
    assert (path.read_bytes() if path.exists() else None) == after


@pytest.mark.parametrize("layout", ["the same bytes", "another layout"])
def test_a_file_that_is_replaced_by_one_with_the_same_messages_gets_the_reply(layout, root, po, path, meanwhile):
    def happen():
        data = path.read_bytes()
        same = data if layout == "the same bytes" else json.dumps(json.loads(data), indent=2).encode()
        replaced(path, same)()

    meanwhile(happen)
    assert po(*SEND).exit_code == 0
    assert [one["content"] for one in history(po)] == ["first", "first", "second question", "second question"]


def test_a_session_that_is_renamed_meanwhile_gets_the_reply(root, po, path, meanwhile):
    meanwhile(lambda: open_storage("files", root=str(root)).update(path.stem, _renamed))
    assert po(*SEND).exit_code == 0
    assert [one["content"] for one in history(po, "Other")][2:] == ["second question", "second question"]


def _renamed(session):
    return replace(session, name="Other")
