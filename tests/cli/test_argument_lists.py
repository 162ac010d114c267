"""No argument list breaks `po`: seeded random ones, on a copy of an environment with a bit of everything."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.running import command
from support.selection import sampled, slow_but
from typer.testing import CliRunner

from po_sessions.cli.app.root import app
from po_sessions.cli.fast.commands_table import COMMANDS, EVERYWHERE
from po_sessions.storage import open_storage

COUNT = int(os.environ.get("PO_TEST_ARGUMENT_LISTS", "480"))
BATCHES = 8
PROCESSES = 30
SEED = 20250103

COMMAND_LINES = sorted(words for words, (verbs, _, _) in COMMANDS.items() if not verbs and words != "model pull")
"""All that does something; what fetches weights needs a network."""

HOSTILE = [
    "", " ", "-", "--", "---", "-x", "--nonsense", "--json=1", "--po=", ".", "..", "../x", "~", "/nope/x", "a/b", "%s",
    "é", "日本", "e\u0301", "\u202etxt", "\x1b[2J", "a\nb", "a\tb", "a\rb", "\x7f", "\udcff", "x\udc80y", "\ufeff",
    "'", '"', "it's", "a 'b' \"c\"", "$HOME", "`id`", ";", "|", "*", "?", "[", "[x", "!", "#", "\\",
    "=", "K=", "=V", "{}",
    "x" * 100_000, "-" + "x" * 5_000, "x" * 256, "9" * 5_000, "@", "@last", "@current", "@previous", "@nope", "\u2028",
    "0", "-1", "1", "-0", "+1", "1e9", "1_0", "٣", "9" * 22, "-" + "9" * 22, "nan", "inf", "1e400", "0x10",
]  # fmt: skip
"""What may stand anywhere; no directory outside the copy, since some commands write where they are told."""

PLAIN = {
    "--limit": ["1", "3", "1000000000000"], "--number": ["1", "2", "99"], "--if-turns": ["0", "1", "2"],
    "--range": ["1", "-1", "1:2", ":", "2:", ":-1", "5:1", "1:2:3"],
    "--context": ["all", "last:1", "last:0", "tokens:10", "tokens:-1", "tokens:" + "9" * 30, "last:", "last:x"],
    "--idempotency-key": ["k1", "k" * 200, "k" * 201], "--lock-timeout": ["0", "0.1", "5", "1e308"],
    "--option": ["max_tokens=2", "max_tokens=-1", "max_tokens=x", "seed=1", "temperature=1e400", "nope=1"],
    "--older-than": ["1d", "12h", "5m", "6mo", "1y", "0d", "-1d", "9999y", "9" * 20 + "d", "1.5d", "d"],
    "--before": ["2025-03-01", "2025-03-01T14:30", "2025-03-01T14:30Z", "0001-01-01", "9999-12-31", "2025-02-30",
                 "9999-12-31T23:59:59Z", "0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00"],
    "--max-size": ["1B", "500MB", "2GiB", "0", "-1MB", "9" * 20 + "GB", "1e3KB"], "--keep-last": ["0", "1", "20"],
    "--format": ["markdown", "json", "jsonl", "xml", "JSON"], "--output": ["out.md", "out.json", "out", ".", "d/e"],
    "--as": ["Again", "Tea"], "--description": ["Teaches."], "--body": ["You teach.", "-"],
}  # fmt: skip
"""What an option or argument of no kind takes, well meant or nearly."""


@dataclass
class World:
    """An environment with a bit of everything, and the values that mean something in it."""

    home: Path
    values: dict[str, list[str]] = field(default_factory=dict)
    ids: frozenset[str] = frozenset()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Make the environment once; each list gets a copy."""
    from support.scripted import ScriptedBackend

    from po_sessions import models

    home = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setattr(ScriptedBackend, "script", None)
        patch.setitem(models.BACKENDS, "embedded", "support.scripted:ScriptedBackend")
        patch.chdir(home)

        def po(*args: str) -> str:
            done = CliRunner().invoke(app, list(args), prog_name="po")
            assert done.exit_code == 0, done.stderr
            return done.stdout.strip()

        po("init", ".")
        po("object", "new", "gone", "--body", "Bye.")
        for name in ("Tea", "Green tea", "it's", "日本", "../x"):
            po("session", "new", name, "--po", "greeter")
        for name, owner in (("Tea", "reader"), ("Lost", "gone"), ("Old", "reader"), ("Undone", "greeter")):
            po("send", owner, "-s", name, "--create", "Hello there")
            po("send", owner, "-s", name, "And again", "--idempotency-key", "k1")
        po("object", "delete", "gone")
        po("session", "compact", "Tea", "--po", "reader")
        po("session", "switch", "Tea", "--po", "greeter")
        po("session", "switch", "Green tea")
        po("session", "undo", "Undone")
        po("session", "delete", "Old", "--po", "reader")
        backups = [po("backup", "create", "Undone"), po("backup", "create", "Tea", "--po", "reader")]
        po("session", "export", "--all", "--output", "all.jsonl")
        po("session", "export", "Undone", "--output", "one.md")
        Path("note.txt").write_text("A note.\n")
        Path("bytes.json").write_bytes(b"\xff\xfe{")
        Path("d").mkdir()
        ids = po("session", "list", "--all", "--ids").split()
        trash = po("trash", "list", "--ids").split()
    ends = [ids[0], ids[1][-6:], ids[2][:8]]
    pointed = ["@current", "@previous", "@last", "-"]
    sessions = ["Tea", "Green tea", "it's", "日本", "../x", "tee", *pointed, *ends]
    values = {
        "sessions": sessions, "orphans": ["Lost", *ids[:2]], "objects": ["greeter", "reader", "gone", ".", "greter"],
        "trash": [*trash, "Old", "Undone", "01"], "backups": [*backups, "Undone", "Tea"],
        "models": ["smollm2", "gpt-4o", "gguf:", "gguf:note.txt"],
        "settings": ["model", "backup.keep", "backup.interval", "modle"], "values": ["smollm2", "3", "1d"],
        "shells": ["bash", "zsh", "fish", "sh"],
        "files": ["all.jsonl", "one.md", "note.txt", "bytes.json", "d", "nope", "-"],
        "directories": ["d", ".", "nope", "d/e"],
    }  # fmt: skip
    return World(home, values, frozenset(ids) | {one.partition(".")[0] for one in trash})


SLOTS = [
    (words, slot)
    for words in COMMAND_LINES
    for slot in [*COMMANDS[words][1], *(names[0] for names, _, kind in COMMANDS[words][2] if kind is not None), None]
]
"""Every place of every command where a value stands; None is what is no value."""


def draw(choose: random.Random, world: World, words: str, odd: str | None) -> list[str]:
    """Return a command line, mostly meant well but for the value in one place."""
    _, takes, options = COMMANDS[words]

    def value(kind: str, name: str) -> str:
        plain = PLAIN.get(name) or world.values.get(kind.removesuffix("…")) or ["Tea", "New one", "/session delete"]
        return choose.choice(HOSTILE if choose.random() < (0.8 if odd in (kind, name) else 0.1) else plain)

    args: list[str] = []
    for kind in takes:
        many = choose.randrange(4) if kind.endswith("…") else choose.random() < 0.85
        args += [value(kind, "-") for _ in range(max(many, kind == odd))]
    known = [*options, *(one for one in EVERYWHERE if one[0][0] not in ("--help", "--root", "--debug"))]
    drawn = choose.sample(known, min(len(known), choose.choice([0, 0, 1, 1, 2, 3, 5])))
    for names, _, kind in [*drawn, *(one for one in options if one[0][0] == odd)]:
        name = choose.choice(names)
        given = [name] if kind is None else [name, value(kind, names[0])]
        at = choose.randrange(len(args) + 1)
        args[at:at] = given if choose.random() < 0.9 or kind is None else ["=".join(given)]
    if odd is None:
        args.insert(choose.randrange(len(args) + 1), choose.choice([*HOSTILE, "--", "--"]))
        args = args if choose.random() < 0.8 else choose.choices(HOSTILE, k=choose.randrange(4))
    root = ["--root", choose.choice([".", "d", "", "\udcff"])]
    before = choose.choice([[], [], [], ["--json"], ["--json"], ["-q"], ["--no-wait"], root])
    return [*before, *words.split(), *args]


def lists(world: World) -> Iterator[list[str]]:
    """Yield lists without end, always the same; each place of each command has its turn."""
    choose = random.Random(SEED)
    for words, odd in cycle(SLOTS):
        yield draw(choose, world, words, odd)


def unpack(world: World, place: Path) -> None:
    """Put a fresh copy of the world at `place`, and go there."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(world.home, place)
    os.chdir(place)


def check(args: list[str], done: Any, world: World, place: Path) -> None:
    """See that `po` behaved, whatever it was told."""
    assert done.exit_code in range(10)
    assert "Traceback" not in done.stdout + done.stderr
    assert not list(place.rglob("crash-*.log"))
    if done.exit_code == 2:
        assert done.stdout == ""
    told = [line for line in done.stderr.splitlines(keepends=True) if not line.startswith("po: warning: ")]
    if done.exit_code == 0 or (done.exit_code == 1 and "doctor" in args):
        assert not any(line.startswith("po: ") for line in told)
    elif told[0].startswith("{"):
        assert "--json" in args
        about = json.loads("".join(told))["error"]
        assert about.pop("code") == done.exit_code
        assert set(about) == {"kind", "message", "hint", "retryable", "session_id"}
    else:
        assert [line[:4] for line in told].count("po: ") == 1
        assert told[0].startswith("po: ")
        assert not {"\x1b", "\r", "\x7f"} & set(told[0])  # what is pasted has them
    if "--purge" not in args and not {"empty", "trash"} <= set(args):
        assert_all_there(world, place)


def assert_all_there(world: World, place: Path) -> None:
    """See that each session can be read, from the store or the trash."""
    store = open_storage("files", root=str(place / ".prompt_objects"), lock_timeout=5)
    there = {one.id for one in store.list()}
    trash = {one.session.id: one.id for one in store.trash()}
    for id in world.ids:
        session = store.load(id) if id in there else store.trashed(trash[id])
        assert session.id == id


@pytest.mark.parametrize("batch", slow_but(range(BATCHES), 0))
def test_no_argument_list_breaks_po(batch, world, backend, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "copy"))
    broken = []
    for args in islice(lists(world), batch, COUNT, BATCHES):
        unpack(world, tmp_path / "copy")
        done = CliRunner().invoke(app, args, input=b"", prog_name="po")
        try:
            check(args, done, world, tmp_path / "copy")
        except Exception as error:
            shown = [arg if len(arg) < 300 else f"{arg[:20]}… ({len(arg)})" for arg in args]
            broken.append(f"{shown!r}\n{done.exit_code} {done.stdout[:300]!r}\n{done.stderr[:600]}\n{error!r:.300}\n")
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("number", sampled(range(PROCESSES), every=6))
def test_no_argument_list_breaks_a_process(number, world, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "copy"))
    args = next(islice(lists(world), 17 * number, None))
    unpack(world, tmp_path / "copy")
    run = subprocess.run([*command(), *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    stdout, stderr = (text.decode("utf-8", "surrogateescape") for text in (run.stdout, run.stderr))
    check(args, SimpleNamespace(exit_code=run.returncode, stdout=stdout, stderr=stderr), world, tmp_path / "copy")
