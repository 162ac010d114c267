"""What every command does with standard input, output and error: one table of all that works."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.running import command
from support.scripted import Script
from support.selection import sampled, slow_but
from typer.main import get_command

from po_sessions.cli.app.root import app
from po_sessions.cli.fast.commands_table import COMMANDS
from po_sessions.errors import Unreachable

PRINTING = {
    "send": ["greeter", "Hello"],
    "session new": ["New", "--po", "greeter"],
    "session ensure": ["New", "--po", "greeter"],
    "session list": [],
    "session show": [],
    "session current": [],
    "session duplicate": ["Tea"],
    "session retry": ["Failed"],
    "session path": [],
    "session export": [],
    "session import": ["all.jsonl"],
    "session prune": ["--max-size", "1B"],
    "session compact": [],
    "trash list": [],
    "trash restore": ["Old"],
    "backup create": [],
    "backup list": ["Coffee"],
    "backup restore": ["Coffee"],
    "object list": [],
    "object show": ["greeter"],
    "object new": ["tutor", "--body", "You teach."],
    "object path": ["greeter"],
    "model list": [],
    "model default": [],
    "config list": [],
    "config get": ["model"],
    "config path": [],
    "init": [],
    "status": [],
    "completion": ["bash"],
}
SILENT = {
    "session switch": ["Coffee"],
    "session rename": ["Tea", "Green tea"],
    "session delete": ["Coffee"],
    "session adopt": ["Lost", "--po", "reader"],
    "session undo": [],
    "trash empty": ["--yes"],
    "object switch": ["reader"],
    "object rename": ["reader", "lector"],
    "object delete": ["coordinator"],
    "config set": ["backup.keep", "3"],
    "config unset": ["backup.keep"],
    "doctor": [],
}
"""Each command with arguments that it can do; those of the second table print nothing but with --json."""
EVERY = {**PRINTING, **SILENT}
ASKS = [["trash", "empty"], ["session", "delete", "Tea", "--purge"], ["send", "greeter", "/session delete"]]
"""What asks on a terminal, and is refused elsewhere."""


@pytest.fixture
def full(root, po, backend, request, once) -> Path:
    """An environment in which all of the table can be done."""
    once("streams", lambda: fill(po, backend))
    assert po("session", "list").exit_code == 0
    if "adopt" in request.node.name:  # which is a fault to the doctor
        for line in (["object", "new", "gone", "--body", "Gone."], ["session", "new", "Lost", "--po", "gone"]):
            assert po(*line).exit_code == 0
        assert po("object", "delete", "gone").exit_code == 0
    return root


def fill(po, backend) -> None:

    def do(*args: str) -> None:
        done = po(*args)
        assert done.exit_code == 0, done.stderr

    for name in ("Coffee", "Old", "Tea"):
        do("send", "greeter", "-s", name, "--create", "Hello")
    do("session", "switch", "Tea", "--po", "greeter")
    do("backup", "create", "Coffee")
    do("session", "delete", "Old")
    do("session", "export", "--all", "--output", "all.jsonl")
    backend.script = Script(error=Unreachable("Down."))
    assert po("send", "greeter", "-s", "Failed", "--create", "Hello").exit_code == 8
    backend.script = None


class Untouched(io.RawIOBase):
    """A pipe that is open and silent, without the waiting: reading it is a bug."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        raise AssertionError("standard input was read")


def untouched() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedReader(Untouched()))


def run(args: list[str], **streams: object) -> tuple[int, str]:
    """Run `po` in this process with these standard streams; return its exit code and what is on standard error."""
    error = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name, stream in {"stderr": error, **streams}.items():
            patch.setattr(sys, name, stream)
        with pytest.raises(SystemExit) as end:
            get_command(app).main(args, prog_name="po")
    error.flush()
    return int(end.value.code or 0), error.buffer.getvalue().decode()


def test_every_command_is_in_the_table():
    assert set(EVERY) == {words for words, (verbs, _, _) in COMMANDS.items() if not verbs} - {"model pull"}


@pytest.mark.parametrize("words", EVERY)
@pytest.mark.parametrize("as_json", slow_but([False, True], True))
def test_what_works_tells_nothing_but_its_result(words, as_json, full, po):
    done = po(*["--json"] * as_json, *words.split(), *EVERY[words])
    assert (done.exit_code, done.stderr) == (0, "")
    assert bool(done.stdout) == (as_json or words in PRINTING)
    if as_json and words != "session export":
        json.loads(done.stdout)


@pytest.mark.parametrize("words", sampled(EVERY, every=6))
def test_standard_input_is_not_touched_unasked(words, full):
    assert run([*words.split(), *EVERY[words]], stdin=untouched()) == (0, "")


@pytest.mark.parametrize("args", ASKS)
@pytest.mark.parametrize("stdin", [untouched(), None])
def test_what_asks_does_not_wait_for_an_answer(args, stdin, full):
    code, told = run(args, stdin=stdin)
    assert (code, "--yes" in told) == (2, True)


@pytest.mark.parametrize("args", [["send", "greeter"], ["send", "greeter", "x", "--stdin"], ["session", "import", "-"]])
def test_a_touched_standard_input_would_be_seen(args, full):
    assert run(args, stdin=untouched())[0] == 70


@pytest.mark.parametrize(
    ("args", "code"), [(["send", "greeter"], 2), (["send", "greeter", "-"], 2), (["session", "import", "-"], 7)]
)
def test_what_needs_a_standard_input_tells_that_there_is_none(args, code, full):
    found, told = run(args, stdin=None)
    assert (found, told.startswith("po: ")) == (code, True)


@pytest.mark.parametrize("words", sampled(EVERY, every=6))
@pytest.mark.parametrize("as_json", [False, True])
def test_an_output_that_cannot_be_written_is_exit_9(words, as_json, full):
    args = [*["--json"] * as_json, *words.split(), *EVERY[words]]
    with open("/dev/full", "w") as out:
        code, told = run(args, stdout=out)
    if not as_json and words in SILENT:
        assert (code, told) == (0, "")
        return
    assert code == 9
    said = json.loads(told)["error"]["message"] if as_json else told
    assert "Cannot write to standard output: No space left on device." in said


@pytest.mark.parametrize("words", sampled(EVERY, every=6))
def test_closed_streams(words, full):
    code, told = run([*words.split(), *EVERY[words]], stdin=None, stdout=None)
    if words in SILENT:
        assert (code, told) == (0, "")
    else:
        assert (code, told.splitlines()[0]) == (9, "po: Cannot write to standard output: it is closed.")


def test_the_same_as_processes(full, po_process):
    lines = [
        ["status"],
        ["session", "list"],
        ["session", "undo"],
        ["backup", "create"],
        ["session", "prune", "--empty"],
    ]
    reader, writer = os.pipe()  # open and silent, as under some schedulers
    for args in lines:
        done = po_process(*args, stdin=reader, timeout=20)
        assert (done.returncode, done.stderr) == (0, "")
    for args in ASKS:
        assert po_process(*args, stdin=reader, timeout=20).returncode == 2
    os.close(reader)
    os.close(writer)
    for redirection, code in (("<&-", 0), (">/dev/full", 9), (">&-", 9), ("<&- >&- 2>&-", 9)):
        shell = f"{' '.join(command())} backup create {redirection}"
        done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=20, check=False)
        assert (done.returncode, "Traceback" in done.stderr) == (code, False)
