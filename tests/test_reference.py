"""The manual pages and the table of completion are what the commands' definitions say, and work."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from po_sessions.cli.completion import SHELLS
from po_sessions.cli.manual import pages
from po_sessions.cli.reference import files
from po_sessions.cli.words import COMMANDS, EVERYWHERE

TOP = Path(__file__).parent.parent
MAN = TOP / "man"


def test_what_is_checked_in_is_what_is_generated():
    there = {path.relative_to(TOP).as_posix() for path in MAN.glob("*.1")}
    assert {*there, "po_sessions/cli/words.py"} == set(files())
    for name, text in files().items():
        assert (TOP / name).read_text() == text, f"{name} is stale: run 'python -m po_sessions.cli.reference'"


def test_every_option_of_a_command_is_in_its_page(po):
    for name, text in pages().items():
        words = name.removesuffix(".1").split("-")[1:]
        for option in re.findall(r"--[a-z-]+", po(*words, "--help").stdout):
            assert option == "--help" or option.replace("-", "\\-") in text, f"{name} lacks {option}"


def test_help_manual_and_completion_agree(po):
    """Whatever the help of a command names, its page and the table of completion name, and the other way round."""
    for path, (commands, _, options) in COMMANDS.items():
        shown = po(*path.split(), "--help").stdout
        said = {name for names, _, _ in (*options, *EVERYWHERE) for name in names}
        assert set(re.findall(r"(?<![\w'-])--?[a-z0][a-z-]*", shown.partition("Options")[2])) == said, path
        section = shown.partition("Commands:")[2]
        assert [name for name, _ in commands] == re.findall(r"(?m)^  ([a-z]+) ", section), path
        page = pages()["-".join(["po", *path.split()[:1]]) + ".1"]
        for name in (*said, *(name for name, _ in commands)):
            assert name.replace("-", "\\-") in page, f"{path}: {name}"


def test_a_wheel_has_every_page_and_every_script():
    targets = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    pages = {f"man/{path.name}": f"share/man/man{path.suffix[1]}/{path.name}" for path in MAN.iterdir()}
    scripts = {f"completions/{name}" for name in SHELLS.values()}
    assert scripts == {f"completions/{path.name}" for path in (TOP / "completions").iterdir()}
    assert {**pages, **{name: targets["shared-data"].get(name) for name in scripts}} == targets["shared-data"]
    assert all(targets["shared-data"][name] for name in scripts)


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed")
@pytest.mark.parametrize("page", sorted(MAN.iterdir()), ids=lambda page: page.name)
def test_man_has_nothing_to_say_about_a_page(page):
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", str(page)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "NAME" in done.stdout
