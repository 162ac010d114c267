"""The README's commands run, and its tables say what the code does."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import command

from po_sessions.cli.manual import EXIT_STATUS

TOP = Path(__file__).parent.parent
README = (TOP / "README.md").read_text()


def block(mark: str) -> str:
    found = re.search(rf"<!-- {mark} -->\n```sh\n(.*?)```", README, re.DOTALL)
    assert found, mark
    return found[1]


def bash(script: str) -> str:
    po = f'po() {{ {" ".join(command())} "$@"; }}\n'
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", po + script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.skipif(not shutil.which("jq"), reason="jq is not installed")
def test_the_tour():
    out = bash(block("tour"))
    assert re.search(r"^greeter: Default \(4 msgs\)$", out, re.MULTILINE)
    assert re.search(r"^tutor\tLesson 1\t2$", out, re.MULTILINE)
    row = next(line for line in out.splitlines() if line.startswith("*\t"))
    assert row.split("\t")[2:5] == ["greeter", "Default", "4"]


def test_the_two_commands_are_one_line_each():
    assert block("command: start").count("\n") == block("command: test").count("\n") == 1
    assert "command: test" in (TOP / ".ci" / "run").read_text()


def test_the_exit_codes_are_those_of_the_manual():
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)] == list(EXIT_STATUS)


def test_what_it_links_to_is_there():
    for name in re.findall(r"\]\(([^)#]+)\)", README):
        assert name.startswith("https://") or (TOP / name).exists(), name


def test_the_lock_file_has_every_dependency():
    import tomllib

    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    locked = set(re.findall(r"^([a-z0-9-]+)==", (TOP / "constraints.txt").read_text(), re.MULTILINE))
    assert {re.match(r"[a-z0-9-]+", one)[0] for one in wanted} <= locked
