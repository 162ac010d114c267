"""`po session list` is answered before Typer is imported right after each command that changes something."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.scripted import Script
from support.selection import sampled

from po_sessions.cli.fast import session_list
from po_sessions.errors import Unreachable
from po_sessions.storage.files import directory

OTHER = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
COMMANDS = {
    "session new": "session new Other",
    "session ensure": "session ensure Other",
    "send": "send greeter Hi",
    "send to a new session": "send greeter Hi --new",
    "send to another prompt object": "send reader Hi",
    "session switch": "session switch Empty",
    "session rename": "session rename Tea Coffee",
    "session delete": "session delete Empty",
    "session delete for good": "session delete Empty --purge --yes",
    "session duplicate": "session duplicate Tea Copy",
    "session adopt": "session adopt Orphan --po greeter",
    "session undo": "session undo Tea",
    "session retry": "session retry Tea",
    "session prune": "session prune --keep-last 1 --yes",
    "session import": "session import {tmp}/other.json",
    "session compact": "session compact Tea",
    "trash restore": "trash restore Gone",
    "trash restore of messages": "trash restore Tea",
    "trash empty": "trash empty --yes",
    "backup create": "backup create Tea",
    "backup restore": "backup restore {backup}",
    "object switch": "object switch greeter",
    "object rename": "object rename greeter host",
    "doctor": "doctor --repair",
}
BEFORE = {
    "session adopt": ("session new Orphan --po coordinator", "object delete coordinator"),
    "trash restore of messages": ("session undo Tea",),
    "object switch": ("session new Other --po reader --switch",),
}


@pytest.fixture
def run(po, root, tmp_path, backend) -> Callable[[str], str]:
    """Run command lines in an environment with sessions, one in the trash, and a backup."""
    names = {"tmp": str(tmp_path)}

    def run(line: str) -> str:
        done = po(*line.format(**names).split())
        assert done.exit_code == 0, done.output
        return done.stdout

    for line in (
        "send greeter Hello",
        "session rename Default Tea",
        "send greeter More",
        "session new Empty",
        "session new Gone",
        "session delete Gone",
        "session export Tea --format json -o {tmp}/tea.json",
    ):
        run(line)
    names["backup"] = run("backup create Tea").strip()
    exported = Path(tmp_path, "tea.json").read_text()
    Path(tmp_path, "other.json").write_text(exported.replace(json.loads(exported)["id"], OTHER))
    return run


def expire(root: Path, took: float) -> None:
    """Make it as if the last look at the directory had been long ago, and had taken so many seconds."""
    seen = root / "sessions" / ".locks" / "seen"
    seen.write_text(json.dumps({**json.loads(seen.read_text()), "at": 0.0, "took": took}))


@pytest.mark.parametrize("name", sampled(COMMANDS, every=5))
def test_a_list_is_answered_early_after_a_change(name, run, po, root, backend, monkeypatch):
    monkeypatch.setattr(directory, "_SHORT", 60.0)  # a busy machine takes long for any look
    if name == "session retry":
        backend.script = Script(error=Unreachable("It is down."))
        assert po("send", "greeter", "Lost", "-s", "Tea").exit_code != 0
        backend.script = None
    for line in BEFORE.get(name, ()):
        run(line)
    expire(root, took=0.02)
    run(COMMANDS[name])
    said = session_list.answer(str(root), [])
    assert said
    expire(root, took=0.0)
    assert session_list.answer(str(root), []) == said
    assert po("--root", str(root), "session", "list").stdout_bytes == said
