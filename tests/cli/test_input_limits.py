"""What is read is bounded: messages, imports, prompt objects, control files. What has no room in memory is told."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path

import pytest
from support.running import command
from support.scripted import Script

from po_sessions import bounded, locks
from po_sessions.errors import ContextTooLong
from po_sessions.layout import prompt_object
from po_sessions.models import embedded
from po_sessions.session import Session

MEBIBYTE = 1 << 20


def sessions(root: Path) -> list[Path]:
    return [path for path in (root / "sessions").glob("*.json") if path.name != "index.json"]


def endless(*args: str) -> tuple[int, str]:
    """Run `po` with standard input that has no end, and memory that has one."""
    line = f"ulimit -v 1500000; yes 'some log line' | timeout 100 {' '.join([*command(), *args])}"
    done = subprocess.run(
        ["bash", "-c", f"{line}; exit ${{PIPESTATUS[1]}}"], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "args",
    [
        ["send", "greeter"],
        ["send", "greeter", "--stdin", "x"],
        ["send", "greeter", "--file", "/dev/zero"],
        ["session", "import", "-"],
        ["session", "import", "/dev/zero"],
        ["object", "new", "made", "--body", "-"],
    ],
)
def test_input_without_end_is_refused_and_nothing_is_stored(args, root):
    code, said = endless(*args)
    assert code == 2, said
    assert "is too large: it has more than" in said
    assert sessions(root) == []
    assert not (root / "objects" / "made.md").exists()


def test_a_fifo_without_end_is_refused(root, po, backend):
    os.mkfifo("pipe")

    def feed() -> None:
        with open("pipe", "wb", buffering=0) as pipe:
            try:
                while True:
                    pipe.write(b"x" * 65536)
            except BrokenPipeError:
                pass

    thread = threading.Thread(target=feed)
    thread.start()
    assert po("send", "greeter", "--file", "pipe").exit_code == 2
    thread.join()


@pytest.mark.parametrize(
    ("args", "stdin", "code"),
    [
        (["x" * 20], "", 0),
        (["x" * 21], "", 2),
        (["é" * 10], "", 0),
        (["é" * 11], "", 2),
        (["-"], "x" * 20 + "\n", 0),
        (["-"], "x" * 20, 0),
        (["-"], "x" * 21, 2),
        (["-"], "x" * 20 + "\n\n", 2),
        (["x" * 8, "--stdin"], "y" * 10, 0),
        (["x" * 8, "--stdin"], "y" * 11, 2),
        (["x" * 5, "--stdin", "-f", "five"], "y" * 6, 0),
        (["x" * 5, "--stdin", "-f", "five"], "y" * 7, 2),
        (["-f", "five", "-f", "five", "-f", "five"], "", 0),
        (["-f", "five", "-f", "five", "-f", "five", "-f", "five"], "", 2),
    ],
)
@pytest.mark.parametrize("options", [[], ["--no-save"], ["--dry-run"], ["-s", "New", "--create"]])
def test_the_limit_counts_the_whole_message(args, stdin, code, options, root, po, backend, monkeypatch):
    monkeypatch.setenv("PO_SEND_MAX_BYTES", "20B")
    Path("five").write_text("abcde\n")
    done = po("send", "greeter", *options, *args, input=stdin)
    assert done.exit_code == code, done.stderr
    if code:
        assert done.stderr.startswith(
            "po: The message is too large: it has more than 20 bytes.\nGive less, or allow more"
        )
        assert sessions(root) == []
        assert backend.asked == []


def test_the_limits_are_settings(root, po, backend):
    assert po("config", "set", "send.max_bytes", "1.5kB").exit_code == 0
    assert po("send", "greeter", input="x" * 1500).exit_code == 0
    assert po("send", "greeter", input="x" * 1501).exit_code == 2
    assert po("config", "set", "--environment", "send.max_bytes", "2kB").exit_code == 0
    assert po("send", "greeter", input="x" * 2000).exit_code == 0
    assert po("config", "set", "send.max_bytes", "1500").exit_code == 2
    kept = po("session", "export", "--format", "json").stdout
    assert po("config", "set", "import.max_bytes", f"{len(kept.encode())}B").exit_code == 0
    assert po("session", "import", "-", input=kept).exit_code == 0
    assert po("session", "import", "-", input=f"{kept} ").exit_code == 2


def test_a_prompt_object_that_could_not_be_read_is_not_made(root, po):
    assert po("object", "new", "large", "--body", "-", input="x" * MEBIBYTE).exit_code == 2  # its head has no room
    assert po("object", "new", "large", "--body", "x", "--description", "y" * 70_000).exit_code == 2
    assert not (root / "objects" / "large.md").exists()
    assert po("object", "new", "large", "--body", "-", input="x" * (MEBIBYTE - 100)).exit_code == 0
    assert po("object", "show", "large").exit_code == 0


def test_memory_that_runs_out_is_an_error_of_its_own(root, po, backend):
    backend.script = Script(error=MemoryError())
    done = po("send", "greeter", "Hello", "--json")
    assert done.exit_code == 7
    assert json.loads(done.stderr)["error"]["kind"] == "out_of_memory"


# Control files


def large_state(root: Path) -> None:
    (root / "state.toml").write_text("[sessions]\n" + "a.b.c.d = 1\n" * 4000)


def huge(path: Path, beginning: bytes = b"") -> None:
    """Make a file of 1 GiB that takes no room."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(beginning)
    os.truncate(path, 1 << 30)


@pytest.mark.parametrize(
    ("name", "line", "code"),
    [
        ("state.toml", "status", 7),
        ("state.toml", "session list", 7),
        ("sessions/.rename", "session list --all", 7),
        ("sessions/.locks/seen", "session list --all", 0),
        ("objects/greeter.md", "object show greeter", 7),
        ("objects/greeter.md", "session list --po greeter", 0),
        ("objects/other.md", "object show greeter", 0),
        ("config.toml", "config list", 7),
        ("state.toml", "doctor", 1),
        ("sessions/.rename", "doctor", 1),
        ("objects/other.md", "doctor", 1),
    ],
)
def test_a_huge_control_file_is_told_of_and_never_read(name, line, code, root, po, backend, monkeypatch):
    assert po("send", "greeter", "Hello").exit_code == 0
    huge(root / name, b"---\n")
    read = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda *args: read.append(args[1]) or pread(*args))
    done = po(*line.split())
    assert done.exit_code == code, done.stderr
    assert sum(read) < 16 * MEBIBYTE
    if code == 7:
        assert "too large" in done.stderr


def test_the_users_own_settings_are_bounded(po):
    path = Path.home() / ".config" / "po" / "config.toml"
    path.parent.mkdir(parents=True)
    huge(path)
    done = po("config", "get", "model")
    assert done.exit_code == 7
    assert "config.toml is too large" in done.stderr


def test_a_state_of_our_own_form_may_be_larger_and_another_may_not(root, po):
    names = [f"po-{number}" for number in range(3000)]
    (root / "state.toml").write_text("".join(f'[sessions.{name}]\ncurrent = "{"0" * 26}"\n\n' for name in names))
    assert po("status").exit_code == 0
    large_state(root)
    done = po("status")
    assert done.exit_code == 7
    assert "state.toml is too large" in done.stderr
    assert po("doctor", "--repair").exit_code == 0
    assert po("status").exit_code == 0


def test_front_matter_is_bounded(root, po):
    (root / "objects" / "bomb.md").write_text("---\n" + "a: [\n" * 20_000 + "---\n")
    assert "the front matter has more than 65536 characters" in po("object", "show", "bomb").stderr
    (root / "objects" / "bomb.md").write_text("---\n" + "a: [" * 10_000 + "\n---\n")
    assert po("object", "show", "bomb").exit_code == 7
    (root / "objects" / "bomb.md").write_text("---\na: &a [x]\nb: [*a, *a]\n---\n")
    assert po("object", "show", "bomb").exit_code == 7


def test_a_look_of_other_types_is_none(root, po, backend):
    assert po("send", "greeter", "Hello").exit_code == 0
    assert po("session", "list").exit_code == 0
    path = root / "sessions" / ".locks" / "seen"
    look = json.loads(path.read_text())
    for wrong in ({"strange": [1]}, {"unread": [["x"]]}, {"at": 10**400}, {"took": 10**400}):
        path.write_text(json.dumps({**look, **wrong}))
        done = subprocess.run([*command(), "session", "list"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), wrong


def test_a_lock_file_that_says_something_else_says_nothing(tmp_path):
    path = tmp_path / "lock"
    for said in (b"1 \x1b[31m\n", b"1 send", b"x send\n", b"1 " + b"a" * 100, b"", b"\xff\n"):
        path.write_bytes(said)
        assert locks.owner(str(path)) is None
    path.write_bytes(b"12 send\n")
    assert locks.owner(str(path)) == "process 12 (send)"


def test_a_bounded_read_takes_what_fits(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * bounded.SMALL)
    assert len(bounded.read(str(path))) == bounded.SMALL
    assert not prompt_object.is_defined(str(tmp_path), "file")


# The embedded model


@pytest.mark.parametrize("is_ours", [True, False])
def test_what_may_fit_is_never_refused_by_its_length(is_ours):
    longest = "\n" + " " * 80
    embedded._check_length([{"role": "user", "content": longest * 8192}], 8192, is_ours=is_ours)
    embedded._check_length([{"role": "assistant", "content": longest * 99_999}], 8192, is_ours=False)
    embedded._check_length([{"role": "user", "content": " " * 9_999_999}], 8192, is_ours=False)
    with pytest.raises(ContextTooLong, match="at least"):
        embedded._check_length([{"role": "user", "content": "x" * 2_400_000}], 8192, is_ours=is_ours)


def test_no_token_of_our_weights_is_longer_than_is_counted_on(weights):
    data = Path(weights).read_bytes()[:2_000_000]
    found = data.index(b"tokenizer.ggml.tokens") + len(b"tokenizer.ggml.tokens")
    count = int.from_bytes(data[found + 8 : found + 16], "little")
    at, longest = found + 16, 0
    for _ in range(count):
        length = int.from_bytes(data[at : at + 8], "little")
        longest = max(longest, len(data[at + 8 : at + 8 + length].decode()))  # each byte is written as one character
        at += 8 + length
    assert (count, longest) == (49152, embedded._TOKEN_LENGTH)


def test_what_cannot_fit_is_refused_before_a_model_is_loaded(root, po, model, monkeypatch):
    monkeypatch.setattr(embedded, "Run", None)
    done = po("send", "greeter", input="some log line with words 12345\n" * 270_000)
    assert done.exit_code == 8
    assert "The conversation has at least" in done.stderr
    (path,) = sessions(root)
    assert Session.from_dict(json.loads(path.read_text())).history[1].failed
