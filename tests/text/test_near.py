"""Who misspells a name is told what may be meant, always in the same words; it is never taken for it."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import count, islice

import pytest

from po_sessions.text.suggest import nearest


@pytest.fixture
def full(root, po, backend):
    """A session here, one in the trash, one with a backup."""
    po("session", "new", "Debug task", "--po", "greeter")
    po("session", "new", "Elsewhere", "--po", "reader")
    po("send", "reader", "-s", "Weather", "--create", "Hello")
    po("backup", "create", "Weather", "--po", "reader")
    po("session", "new", "Old things", "--po", "greeter")
    po("session", "delete", "Old things", "--po", "greeter")
    po("object", "new", "old", "--body", "x")
    po("session", "new", "Orphan", "--po", "old")
    po("object", "delete", "old")


@pytest.mark.parametrize(
    ("args", "code", "meant"),
    [
        (["sesion", "list"], 2, "session"),
        (["session", "lst"], 2, "list"),
        (["trash", "restor"], 2, "restore"),
        (["session", "list", "--limt", "3"], 2, "--limit"),
        (["send", "greeter", "x", "--modle", "y"], 2, "--model"),
        (["--jsno", "status"], 2, "--json"),
        (["session", "show", "debug tsk", "--po", "greeter"], 3, "Debug task"),
        (["send", "greeter", "-s", "Debug-task", "x"], 3, "Debug task"),
        (["session", "delete", "Debgu task", "--po", "greeter"], 3, "Debug task"),
        (["send", "greter", "x"], 3, "greeter"),
        (["object", "show", "Coordinater"], 3, "coordinator"),
        (["session", "list", "--po", "raeder"], 3, "reader"),
        (["config", "get", "modle"], 2, "model"),
        (["config", "set", "backup.kep", "3"], 2, "backup.keep"),
        (["send", "greeter", "x", "-m", "smolm2"], 8, "smollm2"),
        (["session", "export", "Debug task", "--po", "greeter", "-f", "mardown"], 2, "markdown"),
        (["trash", "restore", "Old thing"], 3, "Old things"),
        (["backup", "restore", "wether"], 3, "Weather"),
        (["completion", "bsh"], 2, "bash"),
        (["session", "adopt", "Orphn", "--po", "greeter"], 3, "Orphan"),
    ],
)
def test_what_is_near_is_told_and_not_done(args, code, meant, full, root, po, backend):
    before = sorted(root.rglob("*"))
    result = po(*args)
    assert (result.exit_code, result.stdout) == (code, "")
    assert f"Did you mean {meant!r}" in result.stderr
    assert result.stderr.count("Did you mean") == 1
    assert sorted(root.rglob("*")) == before


def test_a_name_that_another_prompt_object_has_is_found_there(full, root, po, backend):
    id = json.loads(po("session", "list", "--po", "reader", "--json").stdout)[-1]["id"]
    for args in (["session", "show", "Elsewhere", "--po", "greeter"], ["send", "greeter", "-s", "Elsewhere", "Hi"]):
        result = po(*args)
        assert (result.exit_code, result.stderr.splitlines()[0]) == (3, "po: No session matches 'Elsewhere'.")
        assert f"reader has one, {id}. " in result.stderr
    assert po("session", "show", id).exit_code == 0


@pytest.mark.parametrize(
    "args",
    [
        ["session", "show", "Elsewhere", "--po", "greeter"],  # another prompt object's
        ["session", "show", "Quite another", "--po", "greeter"],
        ["trash", "restore", "x"],
        ["object", "show", "tutor"],
    ],
)
def test_nothing_is_guessed_from_far(args, full, po):
    result = po(*args)
    assert result.exit_code == 3
    assert "Did you mean" not in result.stderr


def test_few_names_and_few_characters_are_compared():
    names = count()
    nearest("Session 5" + "x" * 1_000_000, (f"Session {n}" for n in names))
    assert next(names) <= 1001
    assert nearest("Sessoin 7", (f"Session {n}" for n in islice(count(), 2000))) == "Session 7"


def test_what_compares_is_not_imported_unasked():
    code = "import sys, po_sessions.sessions.manager, po_sessions.environment; print('difflib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
