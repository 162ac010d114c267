"""What `po send` reads, and `--no-save`, on the scripted back end."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest
from support.running import command
from support.scripted import Script
from support.stored import everything, history
from support.terminal import on_terminal

from po_sessions.errors import Advice, ContextTooLong, Interrupted, Unreachable


@pytest.fixture
def files() -> None:
    """Files to append."""
    for name, text in {"one": "One.\n", "two": " Two.\n\n", "empty": "", "line": "\n"}.items():
        Path(name).write_text(text)
    Path("bytes").write_bytes(b"ok\n\xff")
    Path("dos").write_bytes(b"a\r\nb\r\n")


@pytest.mark.parametrize(
    ("args", "stdin", "stored"),
    [
        (["--file", "one"], "not this", "One."),
        (["-f", "two", "-f", "one"], "not this", " Two.\n\n\nOne."),
        (["Ask", "--file", "one", "--file", "two"], "not this", "Ask\n\nOne.\n\n Two.\n"),
        (["Ask", "--stdin"], "piped\n", "Ask\n\npiped"),
        (["--stdin"], "piped\n", "piped"),
        (["-", "--stdin"], "piped\n", "piped"),
        (["Ask", "--file", "one", "--stdin"], "piped\n", "Ask\n\npiped\n\nOne."),
        (["-", "--file", "one"], "piped\n", "piped\n\nOne."),
        (["--stdin", "--file", "one"], "piped\n", "piped\n\nOne."),
        (["Ask", "--file", "empty", "--file", "line", "--stdin"], "", "Ask"),
        (["--file", "dos"], "", "a\r\nb\r"),
    ],
)
def test_what_the_message_is_made_of(args, stdin, stored, files, root, po, backend):
    assert po("send", "greeter", *args, input=stdin).exit_code == 0
    assert history(po)[0]["content"] == stored


@pytest.mark.parametrize(
    ("args", "stdin", "code", "said"),
    [
        (["--file", "nope"], "", 3, "po: There is no file 'nope'.\nCheck the spelling"),
        (["--file", ""], "", 3, "po: There is no file ''."),
        (["--file", "-"], "x", 3, "po: There is no file '-'.\nStandard input is read with --stdin."),
        (["--file", "one/two"], "", 3, "po: There is no file 'one/two'."),
        (["--file", "."], "", 2, "po: '.' is a directory."),
        (["Ask", "--file", "one", "--file", "bytes"], "", 2, "po: 'bytes' is not valid UTF-8 (byte 3)."),
        (["Ask", "--stdin"], b"\xff", 2, "po: Standard input is not valid UTF-8 (byte 0)."),
        (["--file", "empty"], "", 2, "po: The message is empty."),
        (["", "--file", "line", "--stdin"], " ", 2, "po: The message is empty."),
        (["--file"], "", 2, "po: Option '--file' requires an argument."),
    ],
)
@pytest.mark.parametrize("more", [[], ["--dry-run"], ["--no-save"]])
def test_what_cannot_be_read_stores_nothing(args, stdin, code, said, more, files, po, backend):
    result = po("send", "greeter", *more, *args, input=stdin)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith(said)
    assert list(Path.home().iterdir()) == []


def test_a_file_that_may_not_be_read_is_exit_7(root, po, backend, monkeypatch):
    def refuse(path, mode):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("po_sessions.cli.app.input.open", refuse, raising=False)
    result = po("send", "greeter", "--file", "secret")
    said = "po: Cannot read 'secret': Permission denied.\nLook at its permissions, or name another file.\n"
    assert (result.exit_code, result.stderr) == (7, said)
    assert not (root / "sessions").exists()


@pytest.mark.parametrize("args", [["Hello"], ["--file", "one"], ["Hello", "--file", "one"], ["--no-save", "Hello"]])
def test_a_silent_standard_input_is_not_waited_for(args, files, root):
    reader, writer = os.pipe()  # open and silent, as under some schedulers
    done = subprocess.run(
        [*command(), "send", "greeter", *args], stdin=reader, capture_output=True, text=True, timeout=20, check=False
    )
    os.close(reader)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_another_program_writes_is_a_file(root):
    shell = f"{' '.join(command())} send greeter Compare --file <(echo a; sleep 0.2; echo b) -f <(echo c) -f <(:)"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Compare\n\na\nb\n\nc\n", "")


def test_a_dry_run_shows_the_parts_and_needs_no_environment(files, po, backend):
    result = po("send", "greeter", "Ask", "--file", "one", "--stdin", "--dry-run", input="piped")
    assert result.stdout.endswith("\n\n[user]\nAsk\n\npiped\n\nOne.\n")
    assert list(Path.home().iterdir()) == []


@pytest.mark.parametrize("script", [None, Script(says="half an answer", error=Unreachable("Down."), error_at=2)])
@pytest.mark.parametrize("more", [[], ["--json"], ["--dry-run"], ["--no-stream"]])
def test_no_save_leaves_every_byte_and_time_as_it_is(script, more, root, po, backend, monkeypatch):
    for text in ("one", "two"):
        po("send", "greeter", text)
    monkeypatch.setenv("PO_SESSION", "Nowhere")
    backend.script = script
    before = everything(root)
    result = po("send", ".", "three", "--no-save", *more)
    assert result.exit_code == (8 if script and more != ["--dry-run"] else 0)
    assert everything(root) == before
    assert len(backend.asked) == 2 + (more != ["--dry-run"])


def test_no_save_asks_with_nothing_before_it(root, po, backend):
    po("send", "greeter", "one")
    assert po("send", "greeter", "two", "--no-save").stdout == "two\n"
    assert [m["content"] for m in backend.asked[-1]["messages"]][1:] == ["two"]
    shown = po("send", "greeter", "two", "--no-save", "--dry-run", "--json").stdout
    assert json.loads(shown)["messages"] == backend.asked[-1]["messages"]
    assert [m["content"] for m in history(po)] == ["one", "one"]


def test_no_save_as_json(root, po, backend):
    about = json.loads(po("send", "greeter", "Hello", "--no-save", "--json").stdout)
    assert about == {
        "version": 1, "session_id": None, "session_name": None, "po_name": "greeter", "turn": 1, "reply": "Hello",
        "model": "scripted-1", "usage": about["usage"], "duration_ms": 0, "finish_reason": "stop",
        "context": {"turns": 0, "trimmed": False, "left_out": 0, "mended": 0},
    }  # fmt: skip


def test_no_save_needs_no_environment_and_makes_none(po, backend):
    assert po("send", "greeter", "Hello", "--no-save").stdout == "Hello\n"
    assert "friendly greeter" in backend.asked[-1]["messages"][0]["content"]
    result = po("send", "nobody", "Hello", "--no-save")
    assert (result.exit_code, result.stderr.splitlines()[1]) == (3, "Run 'po init' to make an environment first.")
    assert po("send", ".", "Hello", "--no-save").exit_code == 3
    assert list(Path.home().iterdir()) == []


def test_no_save_leaves_an_interrupted_renaming_to_others(root, po, backend):
    po("send", "greeter", "one")
    (root / "sessions" / ".rename").write_text('{"version":1,"old":"greeter","new":"g"}\n')
    before = everything(root)
    assert po("send", "reader", "Hello", "--no-save").exit_code == 0
    assert everything(root) == before


def test_no_save_works_where_nothing_can_be_written(root, po_process):
    paths = [root, *root.rglob("*")]
    for path in paths:
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        done = po_process("send", "greeter", "Hello", "--no-save")
        assert (done.returncode, done.stdout, done.stderr) == (0, "Hello\n", "")
        assert {stat.S_IMODE(path.stat().st_mode) for path in [root, *root.rglob("*")]} == {0o500, 0o400}
    finally:
        for path in paths:
            path.chmod(0o700)


@pytest.mark.parametrize("other", [["--session", "a"], ["-s", ""], ["--new"], ["--create"], ["--switch"]])
def test_no_save_and_what_needs_a_session_contradict(other, root, po, backend):
    result = po("send", "greeter", "Hello", "--no-save", *other)
    assert (result.exit_code, backend.asked) == (2, [])
    name = {"-s": "--session"}.get(other[0], other[0])
    assert result.stderr == f"po: --no-save and {name} contradict each other.\nLeave one of them out.\n"


@pytest.mark.parametrize(
    ("error", "code", "message", "hint"),
    [
        (Unreachable("Down.", advice=Advice("unreachable")), 8, "Down.", "See that the provider is up"),
        (ContextTooLong("Long.", advice=Advice("more_room")), 8, "Long.", "Send less, or ask a model with"),
        (Interrupted("Interrupted; what had arrived of the reply is kept."), 130, "Interrupted; nothing was", ""),
    ],
)
def test_an_error_with_no_save_speaks_of_no_session(error, code, message, hint, root, po, backend):
    backend.script = Script(says="half an answer", error=error, error_at=2)
    result = po("send", "greeter", "Hello", "--no-save")
    assert (result.exit_code, result.stdout) == (code, "half an \n")
    told = json.loads(po("send", "greeter", "Hello", "--no-save", "--json").stderr)["error"]
    assert (told["code"], told["session_id"]) == (code, None)
    assert told["message"].startswith(message)
    assert (told["hint"] or "").startswith(hint)


def test_an_interrupted_no_save(root):
    environment = {**os.environ, "PO_TEST_SCRIPT": json.dumps({"says": "one two three", "delay": 0.4})}
    before = everything(root)
    with subprocess.Popen(
        [*command(), "send", "greeter", "x", "--no-save"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    ) as process:
        assert process.stdout.read(4) == "one "
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (130, "\n", "po: Interrupted; nothing was saved.\n")
    assert everything(root) == before


def test_a_full_output_with_no_save_does_not_say_that_the_reply_is_stored(root, po_process):
    for options in ([], ["--json"]):
        with open("/dev/full", "w") as full:
            done = po_process(
                "send", "greeter", "x", "--no-save", *options, capture_output=False, stdout=full, stderr=subprocess.PIPE
            )
        assert done.returncode == 9
        assert "stored" not in done.stderr


def test_on_a_terminal(root):
    assert on_terminal("send", "greeter", "Hello", "--no-save") == (0, "Hello\n(greeter: not saved)\n")


@pytest.mark.parametrize(
    ("args", "what"),
    [
        (["send", "greeter", "--no-save"], "the message"),
        (["send", "greeter", "--no-save", "-"], "the message"),
        (["send", "greeter", "--no-save", "--stdin", "Hi"], "the message"),
        (["object", "new", "tutor", "--body", "-"], "the system prompt"),
        (["session", "import", "-"], "what is to be imported"),
    ],
)
def test_whoever_sits_at_the_keyboard_is_told_that_it_is_their_turn(args, what, root):
    shown = on_terminal(*args, keys=b"Hello\n\x04")[1]
    assert f"Type {what} and end it with Ctrl-D.\n" in shown
