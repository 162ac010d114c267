"""`po send` on the scripted back end."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from support.running import command
from support.scripted import Script
from support.stored import history
from support.terminal import on_terminal, plain

from po_sessions.errors import Advice, Busy, ModelError, ModelUnavailable, RateLimited, Unreachable, WeightsMissing
from po_sessions.storage.files.store import FileStore


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def test_the_first_message_makes_default(root, po, backend):
    backend.script = Script(says="Hi there!")
    result = po("send", "greeter", "Hello")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "Hi there!\n", "")
    row = po("session", "list").stdout.rstrip("\n").split("\t")
    assert (row[0], row[2:7], row[9]) == ("*", ["greeter", "Default", "2", "1", "done"], "Hello")
    assert po("status").stdout == "greeter: Default (2 msgs)\n"


def test_the_second_goes_on_in_it(root, po, backend):
    for text in ("one", "two"):
        po("send", "greeter", text)
    assert [m["content"] for m in backend.asked[-1]["messages"]][1:] == ["one", "one", "two"]
    assert [m["content"] for m in history(po)] == ["one", "one", "two", "two"]


def test_a_dry_run_shows_what_would_be_sent_and_touches_nothing(root, po, backend):
    po("send", "greeter", "one")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    result = po("send", "greeter", "two", "--dry-run")
    assert result.stdout.endswith("\n\n[user]\none\n\n[assistant]\none\n\n[user]\ntwo\n")
    about = json.loads(po("send", "greeter", "two", "--dry-run", "--json", "-o", "seed=5").stdout)
    assert [m["content"] for m in about["messages"]][1:] == ["one", "one", "two"]
    assert (about["model"], about["options"]) == ("smollm2", {"max_tokens": 120, "seed": "5"})
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    assert len(backend.asked) == 1


def test_a_dry_run_makes_no_environment_and_no_session(root, po, backend):
    assert po("send", "reader", "x", "--dry-run").exit_code == 0
    assert po("send", "reader", "x", "--dry-run", "-s", "New", "--create").exit_code == 0
    assert po("send", "reader", "x", "--dry-run", "-s", "Nope").exit_code == 3
    assert not (root / "sessions").exists()
    assert po("--root", "elsewhere", "send", "reader", "x", "--dry-run").exit_code == 3


def test_environments_objects_and_sessions_keep_apart(po, backend, tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        po("init", str(tmp_path / place))
        for name in ("greeter", "reader"):
            for session in ("x", "y", "z"):
                text = f"{place} {name} {session}"
                assert po("--root", str(tmp_path / place), "send", name, text, "-s", session, "--create").exit_code == 0
    for place in ("a", "b"):
        for name in ("greeter", "reader"):
            for session in ("x", "y", "z"):
                found = history(po, session, "--po", name, "--root", str(tmp_path / place))
                assert {m["content"] for m in found} == {f"{place} {name} {session}"}


def test_json(root, po, backend):
    answer = json.loads(po("send", "greeter", "Hello", "--json").stdout)
    id = po("session", "current", "--ids").stdout.strip()
    assert answer == {
        "version": 1, "session_id": id, "session_name": "Default", "po_name": "greeter", "turn": 1, "reply": "Hello",
        "model": "scripted-1", "usage": answer["usage"], "duration_ms": 0, "finish_reason": "stop",
        "context": {"turns": 0, "trimmed": False, "left_out": 0, "mended": 0},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("args", "stdin", "stored"),
    [
        (["greeter"], "from a pipe\n", "from a pipe"),
        (["greeter", "-"], "two\nlines\n\n", "two\nlines\n"),
        (["greeter", "argument"], "not this", "argument"),
        (["greeter", "--", "--json"], "", "--json"),
        (["greeter", "a\x1b[31m\u202eb"], "", "a\x1b[31m\u202eb"),
        (["greeter", "/session undelete"], "", "/session undelete"),
    ],
)
def test_where_the_message_comes_from(args, stdin, stored, root, po, backend):
    assert po("send", *args, input=stdin).exit_code == 0
    assert history(po)[0]["content"] == stored


def test_a_message_argument_leaves_standard_input_alone(root):
    reader, writer = os.pipe()  # open and silent, as under some schedulers
    done = subprocess.run(
        [*command(), "send", "greeter", "Hello"], stdin=reader, capture_output=True, text=True, timeout=20, check=False
    )
    os.close(reader)
    os.close(writer)
    assert (done.returncode, done.stdout) == (0, "Hello\n")


@pytest.mark.parametrize(
    ("args", "stdin", "code", "said"),
    [
        (["greeter", ""], "", 2, "The message is empty."),
        (["greeter", " \n"], "", 2, "The message is empty."),
        (["greeter"], "", 2, "The message is empty."),
        (["greeter"], b"\xff\xfe", 2, "Standard input is not valid UTF-8 (byte 0)."),
        (["greeter", "x\udcff"], "", 2, "The text is not valid UTF-8."),
        ([], "", 2, "Missing argument 'PO'."),
        (["nobody", "x"], "", 3, "No prompt object is named 'nobody'."),
        (["../x", "x"], "", 2, "'../x' cannot be a prompt object's name."),
        ([".", "x"], "", 3, "There is no current prompt object."),
        (["bad", "x"], "", 7, "the front matter is not YAML"),
        (["greeter", "x", "-s", "Nope"], "", 3, "No session matches 'Nope'."),
        (["greeter", "x", "-s", "Book"], "", 3, "No session matches 'Book'."),
        (["greeter", "x", "-s", "BOOK-ID"], "", 5, "The session 'Book' belongs to reader, not to greeter."),
        (["reader", "x", "-s", "Book", "--new"], "", 5, "reader has a session named 'Book'"),
        (["greeter", "x", "-s", "a\x1bb", "--new"], "", 2, "cannot be a session's name"),
        (["greeter", "x", "-s", "-x", "--create"], "", 2, "cannot be a session's name"),
        (["greeter", "x", "--create"], "", 2, "--create needs a name."),
        (["greeter", "x", "--new", "--create", "-s", "a"], "", 2, "--new and --create contradict each other."),
        (["greeter", "x", "-o", "seed"], "", 2, "'seed' is not of the form K=V."),
        (["greeter", "x", "-o", "colour=red"], "", 2, "no option 'colour'"),
        (["greeter", "x", "--new", "-o", "colour=red"], "", 2, "no option 'colour'"),
        (["greeter", "x", "-m", "gpt-9"], "", 8, "There is no model named 'gpt-9'."),
        (["greeter", "x", "--new", "-m", "gpt-9"], "", 8, "There is no model named 'gpt-9'."),
        (["greeter", "-x"], "", 2, "No such option: -x"),
    ],
)
def test_what_is_refused_changes_nothing(args, stdin, code, said, root, po, backend):
    book = po("session", "new", "Book", "--po", "reader").stdout.strip()
    (root / "objects" / "bad.md").write_text("---\nname: [\n---\n")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and ".locks" not in path.parts}
    args = [book if arg == "BOOK-ID" else arg for arg in args]
    result = po("send", *args, input=stdin)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr
    assert result.stderr.startswith("po: ")
    assert "\x1b" not in result.stderr
    assert {
        path: path.read_bytes() for path in root.rglob("*") if path.is_file() and ".locks" not in path.parts
    } == before


def test_an_argument_like_an_option_is_printed_in_a_form_that_works(root, po, backend):
    hint = po("send", "greeter", "-x is it?").stderr.splitlines()[1]
    words = re.search(r": po (send .*)$", hint)[1]
    assert words == "send greeter -- '-x is it?'"
    assert po("send", "greeter", "--", "-x is it?").exit_code == 0


def test_new_create_and_switch(root, po, backend):
    assert po("send", "greeter", "x", "--new", "-s", "A").exit_code == 0
    assert po("send", "greeter", "x", "--new").exit_code == 0
    assert po("send", "greeter", "x", "-s", "B", "--create").exit_code == 0
    assert po("send", "greeter", "y", "-s", "B", "--create").exit_code == 0
    assert {r.split("\t")[3]: r.split("\t")[4] for r in po("session", "list").stdout.splitlines()} == {
        "A": "2",
        "Session": "2",
        "B": "4",
    }
    assert po("session", "current", "--all").stdout == ""
    assert po("send", "greeter", "x", "-s", "C", "--create", "--switch").exit_code == 0
    assert po("status").stdout == "greeter: C (2 msgs)\n"
    assert po("send", ".", "again").exit_code == 0
    assert po("status").stdout == "greeter: C (4 msgs)\n"


def test_the_variable_names_the_session(root, po, backend, monkeypatch):
    po("session", "new", "Nightly", "--po", "greeter")
    monkeypatch.setenv("PO_SESSION", "Nightly")
    po("send", "greeter", "x")
    assert history(po, "Nightly", "--po", "greeter")[0]["content"] == "x"
    assert po("session", "list", "--ids").stdout.count("\n") == 1


def test_which_model_answers(root, po, backend, monkeypatch):
    (root / "objects" / "own.md").write_text("---\nmodel: smollm2\n---\nHi")
    config = Path.home() / ".config" / "po" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('model = "configured"')
    assert "'configured'" in po("send", "greeter", "x").stderr
    monkeypatch.setenv("PO_MODEL", "from-variable")
    assert "'from-variable'" in po("send", "greeter", "x").stderr
    assert po("send", "own", "x").exit_code == 0
    assert "'mine'" in po("send", "own", "x", "-m", "mine").stderr
    monkeypatch.delenv("PO_MODEL")
    for bad in ("model = ", "model = 5"):
        config.write_text(bad)
        assert po("send", "greeter", "x").exit_code == 7
        assert po("session", "list").exit_code == 0


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        (Unreachable("Down.", advice=Advice("unreachable")), "unreachable", True),
        (RateLimited("Slow."), "rate_limited", True),
        (ModelUnavailable("No."), "model_unavailable", False),
    ],
)
def test_a_model_that_fails_is_exit_8_and_leaves_a_failed_turn(error, kind, retryable, root, po, backend):
    backend.script = Script(says="half an answer", error=error, error_at=2)
    result = po("send", "greeter", "Hello")
    assert (result.exit_code, result.stdout) == (8, "half an \n")
    assert result.stderr.startswith(f"po: {error}\n")
    told = json.loads(po("send", "greeter", "Hello", "--json").stderr)["error"]
    assert (told["code"], told["kind"], told["retryable"]) == (8, kind, retryable)
    assert told["session_id"] == po("session", "current", "--ids").stdout.strip()
    assert history(po)[1] == {
        **history(po)[1],
        "role": "assistant",
        "content": "half an ",
        "error": {"kind": kind, "message": str(error)},
    }
    assert po("session", "list").stdout.split("\t")[6] == "failed"
    shown = po("session", "show").stdout
    assert f"failed: {error}" in shown
    backend.script = None
    assert po("send", "greeter", "Hello again").exit_code == 0


def test_a_bad_option_is_told_from_where_it_comes(root, po, backend):
    (root / "objects" / "odd.md").write_text("---\noptions: {colour: red}\n---\nHi")
    assert po("send", "odd", "x").stderr.startswith("po: In the front matter of odd: ")
    assert po("send", "greeter", "x", "-o", "colour=red").stderr.startswith("po: The scripted model has no option")
    assert po("session", "list", "--all").stdout == ""


def test_missing_weights_are_exit_8_and_leave_nothing(root, po, backend):
    missing = WeightsMissing("The weights are missing.", advice=Advice("fetch"))
    backend.script = Script(unavailable=missing)
    result = po("send", "greeter", "Hello")
    assert (result.exit_code, result.stderr) == (8, "po: The weights are missing.\nRun 'po model pull' (93 MB).\n")
    assert po("session", "list").stdout == ""


def test_whole_at_once(root, po, backend):
    backend.script = Script(says="one two")
    assert po("send", "greeter", "x", "--no-stream").stdout == "one two\n"
    backend.script = Script(says="one two", error=Unreachable("Down."), error_at=1)
    assert po("send", "greeter", "x", "--no-stream").stdout == ""


def test_a_reply_streams(root):
    environment = {**os.environ, "PO_TEST_SCRIPT": json.dumps({"says": "one two", "delay": 0.3})}
    with subprocess.Popen([*command(), "send", "greeter", "x"], stdout=subprocess.PIPE, env=environment) as process:
        assert os.read(process.stdout.fileno(), 100) == b"one "
        assert process.poll() is None
        assert process.stdout.read() == b"two\n"


def test_an_interrupt_is_exit_130_and_leaves_a_failed_turn(root, po):
    environment = {**os.environ, "PO_TEST_SCRIPT": json.dumps({"says": "one two three", "delay": 0.4})}
    with subprocess.Popen(
        [*command(), "send", "greeter", "x"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stdout.read(4) == "one "
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    id = Path(po("session", "path").stdout.strip()).stem
    kept = "What had arrived of the reply is kept as a failed turn."
    said = f"po: Interrupted.\n{kept}\nTo ask again: po session retry {id}\n"
    assert (process.returncode, out, err) == (130, "\n", said)
    last = history(po)[-1]
    assert (last["content"], last["error"]) == ("one ", {"kind": "interrupted", "message": "Interrupted."})
    assert subprocess.run([*command(), "session", "retry", id], check=False).returncode == 0


@pytest.mark.parametrize("after", [0.0, 0.1, 0.25, 0.5, 0.75, 1.0])
def test_a_killed_send_keeps_the_message_and_the_next_send_works(after, root, po, backend):
    po("send", "greeter", "before")
    environment = {**os.environ, "PO_TEST_SCRIPT": json.dumps({"says": "one two", "delay": 0.3})}
    with subprocess.Popen([*command(), "send", "greeter", "cut"], stdout=subprocess.PIPE, env=environment) as process:
        path = Path(po("session", "path").stdout.strip())
        until(lambda: '"cut"' in path.read_text())
        time.sleep(after)
        process.kill()
    contents = [m["content"] for m in history(po)]
    assert contents in (["before", "before", "cut"], ["before", "before", "cut", "one two"])
    interrupted = len(contents) == 3
    assert po("session", "list").stdout.split("\t")[6] == ("interrupted" if interrupted else "done")
    assert ("Interrupted: there is no reply" in po("session", "show").stdout) == interrupted
    assert po("send", "greeter", "after").exit_code == 0
    sent = [m["content"] for m in backend.asked[-1]["messages"]][1:]
    assert sent == (["before", "before", "after"] if interrupted else ["before", "before", "cut", "one two", "after"])


def test_a_busy_session_is_exit_6_with_the_owner(root, po, backend):
    po("send", "greeter", "first")
    environment = {**os.environ, "PO_TEST_SCRIPT": json.dumps({"says": "a b", "delay": 1})}
    with subprocess.Popen(
        [*command(), "send", "greeter", "slow"], stdout=subprocess.DEVNULL, env=environment
    ) as process:
        until(lambda: len(history(po)) == 3)
        for options in (["--no-wait"], ["--lock-timeout", "0.1"]):
            result = po("send", "greeter", "impatient", *options)
            assert result.exit_code == 6
            assert re.match(rf"po: The session \w+ is in use by process {process.pid} \(send\)\.\n", result.stderr)
        assert po("session", "list").stdout.split("\t")[6] == "open"
        assert f"Being answered by process {process.pid} (send)." in po("session", "show").stdout
        code, shown = on_terminal("send", "greeter", "patient")
        assert (code, shown.splitlines()[0]) == (0, f"Waiting for process {process.pid} (send), which uses 'Default'.")
    assert [m["content"] for m in history(po)] == ["first", "first", "slow", "a b", "patient", "patient"]


@pytest.mark.parametrize("count", [2, 8, 24])
def test_sends_at_once_to_one_session_follow_each_other(count, root, po):
    environment = {**os.environ, "PO_TEST_SCRIPT": json.dumps({"delay": 0.002})}
    texts = [f"message number {number}" for number in range(count)]
    processes = [
        subprocess.Popen([*command(), "send", "greeter", text], stdout=subprocess.PIPE, env=environment, text=True)
        for text in texts
    ]
    replies = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * count
    assert replies == [f"{text}\n" for text in texts]
    assert len(po("session", "list").stdout.splitlines()) == 1
    found = history(po)
    assert Counter(m["content"] for m in found) == dict.fromkeys(texts, 2)
    assert all(a["content"] == b["content"] for a, b in zip(found[::2], found[1::2], strict=True))


def test_a_full_output_is_exit_9_and_the_reply_is_stored(root, po, po_process):
    for options in ([], ["--no-stream"], ["--json"]):
        with open("/dev/full", "w") as full:
            done = po_process(
                "send", "greeter", "Hello", *options, capture_output=False, stdout=full, stderr=subprocess.PIPE
            )
        assert done.returncode == 9
        assert "Cannot write to standard output" in done.stderr
    assert [m["content"] for m in history(po)] == ["Hello"] * 6


@pytest.mark.parametrize("options", [[], ["--no-stream"], ["--json"]])
def test_a_reply_that_cannot_be_stored_is_shown(options, root, po, backend, monkeypatch):
    real = FileStore.append

    def busy(self, id, message, **more):
        if message.role == "assistant":
            raise Busy("The session is in use.")
        return real(self, id, message, **more)

    monkeypatch.setattr(FileStore, "append", busy)
    result = po("send", "greeter", "Hello", *options)
    assert result.exit_code == 9
    if options == ["--json"]:
        error = json.loads(result.stderr)["error"]
        assert (error["kind"], error["retryable"], error["reply"], result.stdout) == (
            "reply_not_stored",
            False,
            "Hello",
            "",
        )
    else:
        assert (result.stdout, result.stderr.splitlines()[0]) == (
            "Hello\n",
            "po: The reply could not be stored: The session is in use.",
        )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_send_that_is_ended_keeps_what_had_arrived(number, root, po):
    environment = {**os.environ, "PO_TEST_SCRIPT": json.dumps({"says": "one two three", "delay": 0.4})}
    with subprocess.Popen(
        [*command(), "send", "greeter", "x"], stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stdout.read(4) == "one "
        process.send_signal(number)
        process.communicate(timeout=10)
    assert process.returncode == 130
    assert (history(po)[-1]["content"], po("session", "list").stdout.split("\t")[6]) == ("one ", "failed")


def test_an_empty_selector_is_not_the_current_session(root, po, backend):
    po("send", "greeter", "Hello")
    for args in (
        ["send", "greeter", "x", "-s", ""],
        ["session", "show", ""],
        ["session", "path", ""],
        ["session", "switch", ""],
        ["session", "show", "--po", ""],
        ["--root", "", "session", "list"],
    ):
        assert po(*args).exit_code == 2, args
    assert len(history(po)) == 2


def test_a_dry_run_refuses_what_a_send_would(root, po, backend):
    book = po("session", "new", "Book", "--po", "reader").stdout.strip()
    for args, code in (
        (["greeter", "x", "-s", book], 5),
        (["reader", "x", "--new", "-s", "Book"], 5),
        (["reader", "x", "--new", "-s", "@x"], 2),
        (["reader", "x", "--create", "-s", "-z"], 2),
        (["reader", "x", "-o", "bogus=1"], 2),
        (["reader", "x", "-m", "nope"], 8),
    ):
        assert po("send", *args, "--dry-run").exit_code == po("send", *args).exit_code == code, args


def test_a_name_that_is_to_be_made_is_never_taken_for_a_piece_of_an_id(root, po, backend):
    id = po("session", "new", "Tea", "--po", "greeter").stdout.strip()
    po("send", "greeter", "x", "--create", "-s", id[-6:])
    assert {line.split("\t")[3] for line in po("session", "list").stdout.splitlines()} == {"Tea", id[-6:]}


def test_what_fails_first_makes_no_environment(po, backend):
    for args in (["nope", "hi"], ["greeter", ""], ["a/b", "hi"]):
        assert po("send", *args).exit_code in (2, 3)
    assert po("session", "new", "@x", "--po", "greeter").exit_code == 2
    assert po("object", "new", "a/b").exit_code == 2
    assert not Path.home().joinpath(".prompt_objects").exists()


def test_a_closed_pipe_is_no_failure_and_the_reply_is_stored(root, po):
    environment = {**os.environ, "PO_TEST_SCRIPT": json.dumps({"says": "one\n two\n three", "delay": 0.1})}
    shell = f"set -o pipefail; {' '.join(command())} send greeter Hello | head -1"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "one\n", "")
    assert history(po)[1]["content"] == "one\n two\n three"
    done = subprocess.run(
        ["bash", "-c", f"{' '.join(command())} send greeter Hello >&-"],
        capture_output=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 9
    assert history(po)[3]["content"] == "one\n two\n three"


def test_on_a_terminal(root):
    code, shown = on_terminal("send", "greeter", "red \x1b[31m green")
    assert (code, shown) == (0, "red \\x1b[31m green\n(greeter: Default, turn 1)\n")
    code, shown = on_terminal("send", "greeter", "-o", "max_tokens=1", "one two")
    assert shown == "one \n(greeter: Default, turn 2; cut at 1 tokens, --option max_tokens=N allows more)\n"
    code, shown = on_terminal("send", "greeter", keys=b"typed\n\x04")
    assert plain(shown).splitlines()[-2:] == ["typed", "(greeter: Default, turn 3)"]


def test_the_files_are_json_after_each_command(root, po, backend):
    for args in (
        ["send", "greeter", 'quo"tes\n\u2028'],
        ["session", "new", "A", "--po", "greeter"],
        ["session", "switch", "A"],
        ["send", ".", "x"],
    ):
        assert po(*args).exit_code == 0
        for path in (root / "sessions").glob("*.json"):
            json.loads(path.read_text())
        index = json.loads((root / "sessions" / "index.json").read_text())["sessions"]
        listed = json.loads(po("session", "list", "--all", "--json").stdout)
        assert [(r["id"], r["name"], r["message_count"]) for r in reversed(index)] == [
            (r["id"], r["name"], r["message_count"]) for r in listed
        ]


def test_an_empty_model_is_not_the_default_one(root, po, backend):
    for args in (["send", "greeter", "x"], ["session", "retry"]):
        result = po(*args, "--model", "")
        assert (result.exit_code, result.stderr.splitlines()[0]) == (2, "po: The model's name is empty.")


def test_what_a_model_refuses_at_the_call_stores_nothing(root, po, backend, monkeypatch):
    def refuse(*_, **__):
        raise ModelError("It takes no conversation.")

    assert po("send", "greeter", "One").exit_code == 0
    monkeypatch.setattr(backend, "complete", refuse)
    assert po("send", "greeter", "Two").exit_code == 8
    assert json.loads(po("session", "list", "--json").stdout)[0]["message_count"] == 2


def test_the_command_that_asks_again_works_from_anywhere(root, po, backend, monkeypatch, tmp_path):
    backend.script = Script(error=Unreachable("No."))
    monkeypatch.chdir(tmp_path / "home")
    result = po("--root", str(root), "send", "greeter", "x", "-o", "max_tokens=9")
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("To ask again: po ")]
    backend.script = None
    result = po(*shlex.split(line.removeprefix("To ask again: po ")))
    assert (result.exit_code, result.stdout) == (0, "x\n")
