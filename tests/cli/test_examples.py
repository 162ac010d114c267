"""Every example of every manual page is run, as it stands in the page, in an environment that has what it names."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.running import PO, TESTS
from support.selection import slow_but
from support.worked_examples import begin, examples

from po_sessions.cli.reference.manual import every
from po_sessions.environment import Environment
from po_sessions.prompt_objects.definition import Definition

MAN = TESTS.parent / "man"


PAGES = {page.name: examples(page) for page in sorted(MAN.glob("man?/*"))}


@pytest.fixture
def world(env: Environment, weights: str) -> Environment:
    """Sessions, copies, something in the trash, files, another environment in the home directory; the real model."""
    manager = env.session_manager
    env.definitions.create(Definition(name="host", body="You are kind."))
    begin(env, "host", "Old notes", "What is there?")
    begin(env, "reader", "Default", "What is there?")
    manager.switch(manager.find("Default", "reader"))
    for name in ("nightly", "weekly"):
        begin(env, "greeter", name, "Good night", error={"kind": "unreachable", "message": "No answer."})
    begin(env, "greeter", "Unused")
    for id in (
        begin(env, "greeter", "Debug task", "Why?", "And then?", "So what?"),
        begin(env, "greeter", "Default", "Hello"),
    ):
        manager.backups.create(id)
        manager.switch(manager.find(id, None))
    begin(env, "greeter", "Recipes", "How long does rice take?")
    manager.delete(manager.find("Recipes", "greeter"), purge=False)
    env.delete_prompt_object("host")

    Environment.create(Path.home() / ".prompt_objects")
    begin(Environment.open(Path.home() / ".prompt_objects"), "greeter", "At home", "Hello")
    (Path.home() / ".cache" / "po").mkdir(parents=True)
    (Path.home() / ".cache" / "po" / Path(weights).name).symlink_to(weights)
    Path("notes.txt").write_text("Water boils at 100 degrees at sea level.\n")
    for name, of in (("default.md", ["Default"]), ("saved.jsonl", ["--all"])):
        Path(name).write_bytes(
            subprocess.run([PO, "session", "export", *of], stdout=subprocess.PIPE, check=True).stdout
        )
    return env


@pytest.mark.parametrize("page", slow_but(PAGES, "po-status.1", "po-session-list.1"))
def test_the_examples_of(page, world, monkeypatch):
    if page == "po-session-export.1":
        Path("saved.jsonl").unlink()
    if page == "po-doctor.1":  # where nothing is wrong
        world.session_manager.adopt(world.session_manager.find("Old notes", "host"), "greeter")
    monkeypatch.setenv("PATH", f"{Path(PO).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("EDITOR", "true")
    assert PAGES[page]
    for line in PAGES[page]:
        if "jq" in line and not shutil.which("jq"):
            pytest.skip("jq is not installed")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), line


def test_every_page_has_its_examples():
    assert {f"{page.title}.1": list(page.examples) for page in every()} == {
        name: lines for name, lines in PAGES.items() if name.endswith(".1")
    }


def test_a_line_fits_on_a_narrow_terminal():
    assert [line for lines in PAGES.values() for line in lines if len(line) > 72] == []
