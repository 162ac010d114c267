"""`po` as its users run it: processes of their own, on the real embedded model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from support.running import PO, REAL_CACHE
from support.selection import slow_but
from support.stored import everything

pytestmark = pytest.mark.usefixtures("model")


def start(*args: str) -> subprocess.Popen[str]:
    return subprocess.Popen([PO, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(*args: str, code: int = 0) -> str:
    """Run `po` and return what it printed to standard output, or to standard error if it is to fail."""
    process = start(*args)
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    assert "Traceback" not in err
    return err if code else out


def history(*ref: str) -> list[dict]:
    return json.loads(run("session", "show", *ref, "--json"))["history"]


def test_somebody_new(tmp_path):
    assert run("session", "list") == ""
    reply = run("send", "greeter", "Hello")
    assert len(reply.split()) > 2
    assert (Path.home() / ".prompt_objects").is_dir()
    row = run("session", "list").rstrip("\n").split("\t")
    assert row[2:6] == ["greeter", "Default", "2", "1"]
    messages = json.loads(run("send", "greeter", "And you?", "--dry-run", "--json"))["messages"]
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "user"]
    assert messages[2]["content"] + "\n" == reply
    answer = json.loads(run("send", "greeter", "And you?", "--json", "-o", "max_tokens=5"))
    assert (answer["turn"], answer["finish_reason"], answer["usage"]["output"]) == (2, "length", 5)
    assert answer["model"].startswith("SmolLM2-135M-Instruct")
    assert answer["usage"]["input"] > 40  # the first turn was in the context
    stored = history()[3]
    assert {key: stored[key] for key in ("model", "usage", "duration_ms", "finish_reason")} == {
        key: answer[key] for key in ("model", "usage", "duration_ms", "finish_reason")
    }
    assert stored["duration_ms"] > 0


@pytest.mark.slow
def test_without_saving(tmp_path):
    first = json.loads(run("send", "greeter", "Hello", "--no-save", "--json", "-o", "max_tokens=20"))
    assert first["usage"]["output"] > 2
    assert list(Path.home().iterdir()) == []
    root = Path.home() / ".prompt_objects"
    stored = json.loads(run("send", "greeter", "Hello", "--json", "-o", "max_tokens=20"))
    assert (stored["reply"], stored["usage"]) == (first["reply"], first["usage"])
    before = everything(root)
    text = tmp_path / "text"
    text.write_text("Hello\n")
    again = json.loads(run("send", ".", "--file", str(text), "--no-save", "--json", "-o", "max_tokens=20"))
    assert {**again, "duration_ms": 0} == {**first, "duration_ms": 0}  # the turn that is stored was not in the context
    assert everything(root) == before


def test_the_same_conversation_gets_the_same_reply():
    replies = {run("send", "greeter", "Tell me a joke.", "--new", "-o", "max_tokens=20") for _ in range(2)}
    assert len(replies) == 1


@pytest.mark.skipif(not shutil.which("jq"), reason="jq is not installed")
@pytest.mark.slow
def test_jq_reads_every_file_after_each_command():
    commands = [
        ["send", "greeter", "Hello", "-o", "max_tokens=5"],
        ["session", "new", "A", "--po", "reader"],
        ["session", "ensure", "B", "--po", "reader"],
        ["session", "switch", "A", "--po", "reader"],
        ["send", ".", 'quo"tes and \\ and 🙂', "-o", "max_tokens=5"],
        ["object", "switch", "greeter"],
    ]
    for args in commands:
        run(*args)
        files = list((Path.home() / ".prompt_objects" / "sessions").glob("*.json"))
        for path in files:
            subprocess.run(["jq", "-e", ".", str(path)], check=True, stdout=subprocess.DEVNULL)
        query = ".sessions | reverse | .[] | [.id, .po_name, .name, .message_count, .updated_at] | @tsv"
        index = next(path for path in files if path.name == "index.json")
        read = subprocess.run(["jq", "-r", query, str(index)], check=True, capture_output=True, text=True).stdout
        rows = [line.split("\t") for line in run("session", "list", "--all").splitlines()]
        assert [line.split("\t") for line in read.splitlines()] == [[r[1], r[2], r[3], r[4], r[7]] for r in rows]


@pytest.mark.parametrize("count", slow_but([2, 8, 12], 2))
def test_sends_at_once_to_one_session(count):
    run("send", "greeter", "Hello", "-o", "max_tokens=5")
    texts = [f"This is message {number}." for number in range(count)]
    processes = [start("send", "greeter", text, "-o", "max_tokens=5") for text in texts]
    replies = [process.communicate(timeout=120) for process in processes]
    assert [(process.returncode, err) for process, (_, err) in zip(processes, replies, strict=True)] == [
        (0, "")
    ] * count
    found = history()[2:]
    assert [m["role"] for m in found] == ["user", "assistant"] * count
    stored = {
        question["content"]: answer["content"] + "\n" for question, answer in zip(found[::2], found[1::2], strict=True)
    }
    assert stored == {text: out for text, (out, _) in zip(texts, replies, strict=True)}
    times = [m["created_at"] for m in found]
    assert times == sorted(times)


@pytest.mark.slow
def test_sends_at_once_to_different_sessions():
    run("init")
    processes = [
        start("send", "greeter", f"I am {n}.", "-s", f"s{n}", "--create", "-o", "max_tokens=5") for n in range(12)
    ]
    for process in processes:
        assert (process.communicate(timeout=120)[1], process.returncode) == ("", 0)
    rows = [line.split("\t") for line in run("session", "list", "--po", "greeter").splitlines()]
    assert {row[3]: (row[4], row[9]) for row in rows} == {f"s{n}": ("2", f"I am {n}.") for n in range(12)}


@pytest.mark.slow
def test_twenty_first_uses_at_once_make_one_default():
    processes = [start("send", "greeter", f"I am {n}.", "-o", "max_tokens=2") for n in range(20)]
    for process in processes:
        assert (process.communicate(timeout=120)[1], process.returncode) == ("", 0)
    (row,) = run("session", "list", "--all").splitlines()
    assert row.split("\t")[2:6] == ["greeter", "Default", "40", "20"]
    assert Counter(m["content"] for m in history() if m["role"] == "user") == dict.fromkeys(
        [f"I am {n}." for n in range(20)], 1
    )


@pytest.mark.parametrize("after", slow_but([0.0, 0.2, 0.5, 0.9], 0.2))
def test_a_send_that_is_killed(after):
    run("send", "greeter", "Hello", "-o", "max_tokens=5")
    path = Path(run("session", "path").strip())
    process = start("send", "greeter", "Count to one hundred.", "-o", "max_tokens=60")
    end = time.monotonic() + 20
    while "one hundred" not in path.read_text():
        assert time.monotonic() < end
        time.sleep(0.002)
    time.sleep(after)
    process.kill()
    process.communicate()
    found = history()
    assert found[2]["content"] == "Count to one hundred."
    state = run("session", "list").split("\t")[6]
    assert state == ("interrupted" if len(found) == 3 else "done")
    run("send", "greeter", "Are you there?", "-o", "max_tokens=5")
    assert len(history()) == len(found) + 2
    sent = json.loads(run("send", "greeter", "x", "--dry-run", "--json"))["messages"]
    assert ("Count to one hundred." in [m["content"] for m in sent]) == (state == "done")


@pytest.mark.slow
def test_weights_that_are_missing_or_corrupted(monkeypatch, tmp_path, weights):
    monkeypatch.delenv("PO_GGUF")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    error = run("send", "greeter", "Hello", code=8)
    assert error.startswith("po: The embedded model's weights are not on this machine.\nRun 'po model pull'")
    assert run("session", "list", "--all") == ""
    assert run("model", "list").split("\t")[:2] == ["smollm2", "not ready"]
    copy = tmp_path / "cache" / "po" / Path(weights).name
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(Path(weights).read_bytes()[:1000])
    error = run("send", "greeter", "Hello", code=8)
    assert "po model pull" in error
    assert run("session", "list", "--all") == ""
    shutil.copy(weights, copy)
    with copy.open("r+b") as file:
        file.seek(50_000_000)
        file.write(b"\0" * 4096)
    assert "po model pull" in run("send", "greeter", "Hello", code=8)
    shutil.copy(weights, copy)
    run("send", "greeter", "Hello", "-o", "max_tokens=5")


def test_pulling_what_is_there_already_only_checks_it(monkeypatch):
    monkeypatch.delenv("PO_GGUF")
    monkeypatch.setenv("XDG_CACHE_HOME", str(REAL_CACHE.parent))
    assert run("model", "pull").strip().startswith(str(REAL_CACHE))
    assert os.listdir(Path.home()) == []


def test_any_other_gguf_file(weights, monkeypatch, tmp_path):
    monkeypatch.delenv("PO_GGUF")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    other = tmp_path / "other.gguf"
    other.symlink_to(weights)
    answer = json.loads(run("send", "greeter", "Hello", "--json", "-m", f"gguf:{other}", "-o", "max_tokens=5"))
    assert answer["model"] == "other"


def test_the_library_as_the_readme_shows_it(weights):
    from po_sessions import Environment, ModelPaths

    Environment.create("here")
    env = Environment.open("here", model_paths=ModelPaths(cache="none", runtime="/tmp", gguf=weights))
    session = env.session_manager.begin("greeter")
    answer = env.prompt_object("greeter").receive("Hello", context=env.context(session), session=session)
    assert answer.reply.content
    assert env.current_session is not None
    assert env.current_session.id == session.id == env.context().session_id
    assert env.session_manager.get(session.id).history[1] == answer.reply
