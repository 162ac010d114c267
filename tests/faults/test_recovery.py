"""What a cut or a kill leaves: the next command works, and says in one line what it repaired, if anything was lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.builders import assistant, user
from support.running import command

from po_sessions.message import Message
from po_sessions.session import Session
from po_sessions.storage import open_storage

TEA, COFFEE, GONE = (f"01ARZ3NDEKTSV4RRFFQ6900{number:03}" for number in range(3))
NOW = "2025-01-03T10:00:00.000Z"
LATER = "2025-01-03T11:00:00.000Z"
STAMP = "20250103T100000.000Z"


@pytest.fixture
def filled(root: Path, po) -> Path:
    """Two sessions with a backup each, a third in the trash; TEA is current, all is folded and looked at."""
    store = open_storage("files", root=str(root))
    for id, name in ((TEA, "Tea"), (COFFEE, "Coffee"), (GONE, "Gone")):
        store.create(Session(id, name, "greeter", NOW, NOW, (user("one"), assistant("two"))))
        store.back_up(id, NOW)
    store.delete(GONE, NOW)
    assert po("session", "switch", TEA).exit_code == 0
    assert po("session", "list", "--ids").stdout.split() == [COFFEE, TEA]
    return root


def torn(end: bytes) -> Callable[[Path], None]:
    def harm(root: Path) -> None:
        path = root / "sessions" / f"{TEA}.json"
        data = path.read_bytes()
        path.write_bytes(data[: data.rindex(b"],")] + end)

    return harm


def cut_closing(root: Path) -> None:
    path = root / "sessions" / f"{TEA}.json"
    path.write_bytes(path.read_bytes()[:-12])


def only_zeros(root: Path) -> None:
    path = root / "sessions" / f"{TEA}.json"
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"],")] + b"\0" * 4096)


def fold_cut(root: Path) -> None:
    store = open_storage("files", root=str(root))
    store.update(TEA, lambda one: one)
    (root / "sessions" / "index.log").rename(root / "sessions" / "index.log.1")
    store.update(COFFEE, lambda one: one)


def temporaries(root: Path) -> None:
    half = '{"version":1,"id":"' + TEA
    for where, name in (
        ("sessions", f".{TEA}.json.4711.0a1b2c3d.tmp"),
        ("sessions", f".{GONE}.json.4711.0a1b2c3d.tmp"),
        ("sessions", ".index.json.4711.0a1b2c3d.tmp"),
        ("sessions/.locks", ".seen.4711.0a1b2c3d.tmp"),
        ("trash", f".{TEA}.{STAMP}.json.4711.0a1b2c3d.tmp"),
        (f"backups/{TEA}", f".{STAMP}.json.4711.0a1b2c3d.tmp"),
        ("objects", ".greeter.md.4711.0a1b2c3d.tmp"),
        (".", ".state.toml.4711.0a1b2c3d.tmp"),
    ):
        (root / where / name).write_text(half)
    (root / ".po-0a1b2c3d" / "objects").mkdir(parents=True)


def dead_locks(root: Path) -> None:
    for name in (TEA, "names", "state", "index", "rename"):
        (root / "sessions" / ".locks" / name).write_text("999999 send\n")


def restarted_with_a_cut_log(root: Path, id: str = COFFEE) -> None:
    store = open_storage("files", root=str(root))
    store.append(id, Message("user", "three", LATER))
    store.append(id, Message("assistant", "four", LATER))
    log = root / "sessions" / "index.log"
    data = log.read_bytes()
    log.write_bytes(data[: len(data) // 2 - 150])
    seen = root / "sessions" / ".locks" / "seen"
    os.utime(root / "sessions", (1_700_000_000, 1_700_000_000))
    seen.write_text(json.dumps({"mtime": 1_700_000_000 * 10**9, "boot": "the one before", "problems": []}))


def restarted_without_the_log(root: Path) -> None:
    restarted_with_a_cut_log(root)
    (root / "sessions" / "index.log").write_bytes(b"\0" * 512)


def log_ahead_of_the_session(root: Path) -> None:
    """The index was told of a turn, and then the process died."""
    path = root / "sessions" / f"{COFFEE}.json"
    before = path.read_bytes()
    open_storage("files", root=str(root)).append(COFFEE, user("never stored"))
    path.write_bytes(before)


def two_names(root: Path) -> None:
    """A deletion that was cut between the trash and the session's directory."""
    os.link(root / "sessions" / f"{COFFEE}.json", root / "trash" / f"{COFFEE}.{STAMP}.json")


def renaming_cut(root: Path) -> None:
    (root / "sessions" / ".rename").write_text('{"version":1,"old":"greeter","new":"host"}\n')
    (root / "objects" / "greeter.md").rename(root / "objects" / "host.md")


def renaming_cut_early(root: Path) -> None:
    (root / "sessions" / ".rename").write_text('{"version":1,"old":"greeter","new":"host"}\n')


def cut_deletion_log(root: Path) -> None:
    log = root / "deletions.log"
    log.write_bytes(log.read_bytes()[:-20])


KEPT = f"po: warning: Repaired {{root}}/sessions/{TEA}.json: its last write had been cut; what there was of it is in"
RENAMED = "po: warning: Finished renaming greeter to host, which had been interrupted."
LEFT: dict[str, tuple[Callable[[Path], None], str]] = {
    "a message cut": (torn(b',{"role":"user","content":"ha'), KEPT),
    "a message whole, its closing not": (torn(b',{"role":"user","content":"more"}\n],"upda'), KEPT),
    "a closing cut": (cut_closing, KEPT),
    "nothing but zeros": (only_zeros, ""),
    "nothing": (torn(b""), ""),
    "a fold": (fold_cut, ""),
    "temporary files": (temporaries, ""),
    "lock files": (dead_locks, ""),
    "a restart and half a log": (restarted_with_a_cut_log, ""),
    "a restart and a log of zeros": (restarted_without_the_log, ""),
    "a row without its turn": (log_ahead_of_the_session, ""),
    "a deletion": (two_names, ""),
    "a renaming, its file moved": (renaming_cut, RENAMED),
    "a renaming, nothing moved": (renaming_cut_early, RENAMED),
    "half a line of the deletions": (cut_deletion_log, ""),
}


def told(stderr: str, line: str, root: Path) -> None:
    if line:
        assert stderr.startswith(line.format(root=root)), stderr
        assert len(stderr.splitlines()) == 1
    else:
        assert stderr == ""


@pytest.mark.parametrize("left", LEFT)
def test_the_next_command_works_and_repairs(left, filled, po, backend):
    harm, line = LEFT[left]
    harm(filled)
    po_name = "host" if "renaming" in left else "greeter"
    first = po("send", po_name, "More", "--session", TEA)
    assert (first.exit_code, first.stdout) == (0, "More\n")
    told(first.stderr, line, filled)
    for args in (["session", "list"], ["session", "show"], ["status"], ["trash", "list"], ["backup", "list", "--all"]):
        after = po(*args)
        assert (after.exit_code, after.stderr) == (0, ""), args
    listed = json.loads(po("session", "list", "--all", "--json").stdout)
    assert [(one["id"], one["po_name"]) for one in listed] == [(TEA, po_name), (COFFEE, po_name)]
    for one in listed:
        stored = json.loads((filled / "sessions" / f"{one['id']}.json").read_bytes())
        assert len(stored["history"]) == stored["message_count"] == one["message_count"]
    said = [message["content"] for message in json.loads(po("session", "show", "--json").stdout)["history"]]
    assert said == ["one", "two", *["more"] * ("its closing not" in left), "More", "More"]
    assert {one["message_count"] for one in listed if one["id"] == COFFEE} == {4 if "restart" in left else 2}
    assert po("trash", "list", "--ids").stdout.split()[-1].startswith((GONE, COFFEE))
    deleted = po("session", "delete", COFFEE)
    assert (deleted.exit_code, deleted.stderr) == (0, "")
    assert json.loads((filled / "deletions.log").read_text().splitlines()[-1])["id"] == COFFEE


@pytest.mark.parametrize("left", [one for one in LEFT if "renaming" not in one])
def test_reading_works_before_anything_is_repaired_and_says_nothing(left, filled, po, tmp_path):
    LEFT[left][0](filled)
    shutil.copytree(filled / "sessions", tmp_path / "as-left")
    for args in (
        ["session", "list", "--all"],
        ["session", "show"],
        ["session", "export", "--all"],
        ["session", "current"],
        ["status"],
        ["trash", "list"],
        ["backup", "list", "--all"],
        ["object", "list"],
    ):
        result = po(*args)
        assert (result.exit_code, result.stderr) == (0, ""), args
    assert len(po("session", "list", "--all", "--ids").stdout.split()) == 2
    for path in (tmp_path / "as-left").glob("01*.json"):
        assert (filled / "sessions" / path.name).read_bytes() == path.read_bytes()


def test_the_first_command_after_a_restart_knows_the_order(filled, po):
    """The log had lost its last lines, and nothing but the sizes of the files tells."""
    restarted_with_a_cut_log(filled, TEA)
    listed = json.loads(po("session", "list", "--json").stdout)
    assert [(one["id"], one["message_count"], one["updated_at"]) for one in listed] == [
        (TEA, 4, LATER),
        (COFFEE, 2, NOW),
    ]


@pytest.mark.parametrize("verb", ["rename", "undo", "duplicate", "delete"])
def test_every_verb_that_writes_repairs(verb, filled, po):
    harm, line = LEFT["a message cut"]
    harm(filled)
    result = po("session", verb, TEA, *["Other"][: verb in ("rename", "duplicate")])
    assert result.exit_code == 0
    # What is copied or moved as it is stays as it was.
    told(result.stderr, "" if verb in ("duplicate", "delete") else line, filled)
    kept = [path.read_bytes() for path in (filled / "trash").iterdir()]
    assert any(b'"content":"ha' in data for data in kept) == (verb != "duplicate")
    shown = po("session", "list", "--all")
    assert (shown.exit_code, shown.stderr) == (0, "")


def test_a_listing_is_in_order_after_a_turn_that_was_never_written_whole(filled, po):
    """The index had been told of it, so the session's place was among the newest; its time is an older one."""
    store = open_storage("files", root=str(filled))
    store.append(COFFEE, user("later"))
    store.close()
    assert po("session", "list", "--ids").stdout.split() == [COFFEE, TEA]
    then, seen = 1_700_000_000, filled / "sessions" / ".locks" / "seen"
    before = (filled / "sessions" / f"{TEA}.json").read_bytes()
    store.append(TEA, Message("user", "never stored", LATER))
    (filled / "sessions" / f"{TEA}.json").write_bytes(before)
    os.utime(filled / "sessions", (then, then))
    seen.write_text(json.dumps({**json.loads(seen.read_text()), "mtime": then * 10**9}))
    listed = json.loads(po("session", "list", "--json").stdout)
    assert [(one["id"], one["updated_at"]) for one in listed] == [(COFFEE, NOW), (TEA, NOW)]


def test_what_a_killed_send_leaves_is_an_interrupted_turn(filled, po, po_process, monkeypatch):
    monkeypatch.setenv("PO_TEST_SCRIPT", '{"says": "a b c d", "delay": 30}')
    child = subprocess.Popen([*command(), "send", "greeter", "Held"], stdout=subprocess.PIPE)
    store, end = open_storage("files", root=str(filled)), time.monotonic() + 20
    while store.summary(TEA).message_count < 3:
        assert time.monotonic() < end
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    monkeypatch.delenv("PO_TEST_SCRIPT")
    (tea,) = (one for one in json.loads(po("session", "list", "--json").stdout) if one["id"] == TEA)
    assert (tea["last_turn"], tea["message_count"]) == ("interrupted", 3)
    asked_again = po_process("session", "retry")
    assert (asked_again.returncode, asked_again.stdout, asked_again.stderr) == (0, "Held\n", "")
    assert po("status").stdout == "greeter: Tea (4 msgs)\n"
