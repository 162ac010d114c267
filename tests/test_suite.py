"""The tests themselves: each is run by `.ci/run`, each file has some that the README's command runs, no child stays."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib

import pytest
from support.processes import children_ended, outliving
from support.running import TESTS
from support.selection import sampled, slow, slow_but

TOP = TESTS.parent
README_COMMAND = ".venv/bin/pytest -n auto"
SLOW_COMMAND = ".venv/bin/pytest -n auto -m slow"

SLOW_ONLY = {
    "faults/test_backup_kill.py": "each kill takes a process; test_kill.py has some that are not slow",
    "faults/test_prune_kill.py": "the same",
    "faults/test_rename_kill.py": "the same",
}
"""The files of which every test is slow, and why."""


def files_of(*options: str) -> set[str]:
    """Return the files of which some test is selected."""
    line = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *options, str(TESTS)]
    done = subprocess.run(line, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return set(re.findall(r"^tests/(\S+\.py)\b", done.stdout, re.MULTILINE))


def test_each_file_has_a_test_that_is_not_slow_or_is_listed():
    every = {path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")}
    assert every - files_of() == set(SLOW_ONLY)


def test_what_the_readmes_command_leaves_out_is_run_beside_it():
    """The selections are of one mark, so that each test is in one of them, and no command narrows them down."""
    options = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    words = shlex.split(options["addopts"])
    assert words[words.index("-m") + 1] == "not slow"
    assert not [word for word in words if word.startswith(("-k", "--ignore", "--deselect"))]
    assert options["testpaths"] == ["tests"]
    test_command = re.search(r"<!-- command: test -->\n```sh\n(.*)\n```", (TOP / "README.md").read_text())
    assert test_command
    assert test_command[1].split(" && ")[-1] == README_COMMAND
    run = (TOP / ".ci" / "run").read_text().splitlines()
    assert any("command: test" in line for line in run)
    assert run[-1] == SLOW_COMMAND
    assert (TOP / ".ci" / "long").read_text().rstrip().endswith('exec bash "$(dirname "$0")/run"')


def marked(cases: list[object]) -> list[bool]:
    return [any(mark.name == "slow" for mark in getattr(case, "marks", ())) for case in cases]


def test_a_sample_is_not_slow():
    assert marked(sampled("abcdef", every=3)) == [False, True, True, False, True, True]
    assert marked(sampled("abcd", every=3, first=1)) == [True, False, True, True]
    assert marked(slow_but([("a", 1), ("b", 2)], ("b", 2))) == [True, False]
    with pytest.raises(AssertionError):
        slow_but("ab", "c")


def test_a_slow_case_is_otherwise_the_same():
    assert slow(("a", 1)).values == ("a", 1)
    assert slow(["a", 1]).values == (["a", 1],)
    skipped = slow(pytest.param("a", marks=pytest.mark.skip, id="x"))
    assert (skipped.values, skipped.id, [mark.name for mark in skipped.marks]) == (("a",), "x", ["skip", "slow"])


def child() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_a_child_does_not_outlive_its_test():
    with children_ended():
        one = child()
        assert one.poll() is None
    assert one.returncode == -9
    assert one.stdout is not None
    assert one.stdout.closed


def test_what_tests_share_outlives_them():
    with children_ended():
        with outliving():
            shared = child()
        own = child()
    assert (shared.poll(), own.poll()) == (None, -9)
    shared.communicate(b"\n")
    assert shared.returncode == 0
