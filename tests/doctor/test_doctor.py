"""`po doctor`: what it finds in stores that were really harmed, what it repairs, and that nothing is lost by it."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.builders import ULID
from support.running import PO, command
from support.selection import sampled, slow_but
from support.terminal import on_terminal, plain

from po_sessions import atomic, locks
from po_sessions.doctor.mounts import file_system, judge
from po_sessions.errors import Unreadable
from po_sessions.message import Message
from po_sessions.pointers import PointerFile
from po_sessions.session import Session
from po_sessions.storage import open_storage
from po_sessions.storage.files import parsing
from po_sessions.storage.files.index import Index

IDS = [f"{ULID[:-2]}{number:02}" for number in range(6)]
NEW = f"{ULID[:-2]}77"
NOW = "2025-01-03T10:00:00.000Z"
NOT_KEPT = {"index.json", "index.log", "index.log.1", ".rename"}
"""What is a cache, or says what is yet to be done."""


def session(*history: Message, id: str, name: str, po_name: str = "greeter") -> Session:
    return Session(id, name, po_name, NOW, NOW, history)


def user(text: str) -> Message:
    return Message("user", text, NOW)


def assistant(text: str) -> Message:
    return Message("assistant", text, NOW)


@pytest.fixture
def store(root):
    """A store with four sessions, each with a backup, one in the trash, undone messages, and pointers."""
    store = open_storage("files", root=str(root), lock_timeout=1)
    for number, id in enumerate(IDS[:5]):
        history = tuple(one for n in range(3) for one in (user(f"{number}.{n} Hello"), assistant(f"{number}.{n} Hi")))
        store.create(session(*history, id=id, name=f"s{number}"))
        store.back_up(id, NOW)
    store.delete(IDS[4], NOW)
    store.cut(IDS[3], 4, 99, NOW)
    PointerFile(str(root)).change(lambda now: now.with_po("greeter").with_session("greeter", IDS[0]))
    PointerFile(str(root)).change(lambda now: now.with_session("greeter", IDS[1]))
    store.close()
    return store


@pytest.fixture
def doctor(po, root):
    """Run `po doctor --json`; return the exit code and the findings."""

    def run(*args: str) -> tuple[int, list[dict[str, Any]]]:
        result = po("doctor", "--json", *args)
        assert result.stderr == ""
        return result.exit_code, json.loads(result.stdout)

    return run


def file(root: Path, number: int) -> Path:
    return root / "sessions" / f"{IDS[number]}.json"


def tree(root: Path) -> dict[str, Any]:
    """Return all there is, to the byte and to the time of its last change."""
    found = {}
    for path in [root, *root.rglob("*")]:
        about = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(about.st_mode) else None
        found[str(path.relative_to(root))] = (about.st_mode, about.st_ino, about.st_mtime_ns, about.st_size, data)
    return found


def contents(root: Path) -> dict[Path, bytes]:
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    return {path: path.read_bytes() for path in files if path.parent.name != ".locks" and path.name not in NOT_KEPT}


def messages(data: bytes) -> tuple[Message, ...] | None:
    try:
        return parsing.parse(data, "").session.history
    except Unreadable:
        return None


def has_text_of(one: bytes, other: bytes) -> bool:
    """Tell whether two prompt objects differ in their names at most."""
    return re.sub(rb"(?m)^name: .*", b"", one) == re.sub(rb"(?m)^name: .*", b"", other)


def lost(before: dict[Path, bytes], after: dict[Path, bytes]) -> list[Path]:
    """Return what is in no file any more: neither its bytes, nor, of a session that was written anew, its messages."""
    kept, conversations = set(after.values()), [messages(data) for data in after.values()]
    return [
        path
        for path, data in before.items()
        if data and data not in kept and path.name != "state.toml"
        and not (path.suffix == ".md" and any(has_text_of(data, other) for other in kept))
        and (messages(data) is None or messages(data) not in conversations)
    ]  # fmt: skip


# What is done to a store


def conflict_copy(root: Path, name: str, data: Callable[[bytes], bytes] = lambda data: data) -> None:
    path = root / "sessions" / name.replace("ID", IDS[1])
    path.write_bytes(data(file(root, 1).read_bytes()))
    path.chmod(0o600)


def check_file(path: Path) -> None:
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise OSError("An earlier harm has put something else there.")


def write(path: Path, data: bytes | str) -> None:
    path.parent.mkdir(exist_ok=True, mode=0o700)
    check_file(path)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    path.chmod(0o600)


def edit(path: Path, old: bytes, new: bytes) -> None:
    check_file(path)
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


def gone_pid() -> int:
    """Return the number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def hard_link(root: Path) -> None:
    os.link(file(root, 1), root / "other name.json")


def socket_at(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # since the path of a socket is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(here)


def replaced_by(path: Path, how: str) -> None:
    kept = path.with_name(".kept")
    path.rename(kept)
    {"symlink": lambda: path.symlink_to(kept.name), "directory": path.mkdir, "fifo": lambda: os.mkfifo(path),
     "socket": lambda: socket_at(path)}[how]()  # fmt: skip


def torn(root: Path) -> None:
    store = open_storage("files", root=str(root))
    store.append(IDS[1], user("the last one"))
    data = file(root, 1).read_bytes()
    file(root, 1).write_bytes(data[: data.index(b"the last") + 5])


def killed_creation(root: Path) -> None:
    """Leave what a process leaves that is killed between giving a new file its name and removing the other one."""
    os.link(file(root, 1), root / "sessions" / f".{IDS[1]}.json.{gone_pid()}.0123abcd.tmp")


def killed_deletion(root: Path) -> None:
    os.link(file(root, 1), root / "trash" / f"{IDS[1]}.20250103T100000.000Z.json")


def interrupted_renaming(root: Path) -> None:
    write(root / "sessions" / ".rename", '{"version":1,"old":"greeter","new":"host"}\n')


def left_fold(root: Path) -> None:
    store = open_storage("files", root=str(root))
    store.append(IDS[1], user("more"))
    os.rename(root / "sessions" / "index.log", root / "sessions" / "index.log.1")


def index_row(root: Path, old: bytes, new: bytes) -> None:
    edit(root / "sessions" / "index.json", old, new)


def index_without(root: Path) -> None:
    path = root / "sessions" / "index.json"
    kept = [line for line in path.read_bytes().split(b"\n") if IDS[3].encode() not in line]
    path.write_bytes(b"\n".join(kept))


def rename_to(path: Path, name: str) -> None:
    path.rename(path.with_name(name))


@dataclass(frozen=True)
class Harm:
    do: Callable[[Path], object]
    kinds: set[str]
    """What is found."""
    left: frozenset[str] = frozenset()
    """What of it only a person can mend."""


PERSON = frozenset
HARMS = {
    "modes of files": Harm(lambda root: [p.chmod(0o644) for p in root.rglob("*") if p.is_file()], {"mode"}),
    "modes of directories": Harm(lambda root: [p.chmod(0o777) for p in root.rglob("*") if p.is_dir()], {"mode"}),
    "mode of the root": Harm(lambda root: root.chmod(0o755), {"mode"}),
    "closed to its owner": Harm(lambda root: file(root, 1).chmod(0), {"mode"}),
    "prompt object written by others": Harm(lambda root: (root / "objects/greeter.md").chmod(0o646), {"mode"}),
    "hard link": Harm(hard_link, {"link"}),
    "killed creation": Harm(killed_creation, {"temporary", "link"}),
    "killed deletion": Harm(killed_deletion, {"link"}),
    "log with two names": Harm(lambda root: os.link(root / "deletions.log", root / "x"), {"link"}),
    "symlink": Harm(lambda root: replaced_by(file(root, 2), "symlink"), {"not-a-file"}),
    "directory": Harm(lambda root: replaced_by(file(root, 2), "directory"), {"not-a-file"}),
    "fifo": Harm(lambda root: replaced_by(file(root, 2), "fifo"), {"not-a-file"}),
    "socket": Harm(lambda root: replaced_by(file(root, 2), "socket"), {"not-a-file"}),
    "index is a directory": Harm(
        lambda root: replaced_by(root / "sessions/index.json", "directory"), {"not-a-file", "index"}
    ),
    "log of the index is a fifo": Harm(lambda root: os.mkfifo(root / "sessions/index.log"), {"not-a-file", "index"}),
    "state is a symlink": Harm(lambda root: replaced_by(root / "state.toml", "symlink"), {"not-a-file"}),
    "trash is a file": Harm(lambda root: (rename_to(root / "trash", ".t"), write(root / "trash", "x")), {"not-a-file"}),
    "torn": Harm(torn, {"torn", "index"}),
    "cut in the middle": Harm(lambda root: edit(file(root, 2), b"2.1 Hello", b"2.1\n"), {"damaged"}),
    "empty": Harm(lambda root: write(file(root, 2), b""), {"damaged"}),
    "NULs": Harm(lambda root: write(file(root, 2), bytes(5000)), {"damaged"}),
    "no UTF-8": Harm(lambda root: edit(file(root, 2), b"2.1 Hello", b"\xff\xfe"), {"damaged"}),
    "the current one is damaged": Harm(lambda root: edit(file(root, 1), b"1.1 Hello", b"1.1\n"), {"damaged"}),
    "count": Harm(lambda root: edit(file(root, 2), b':6,"turn_count"', b':5,"turn_count"'), {"count", "index"}),
    "wrong preview": Harm(lambda root: edit(file(root, 2), b'"preview":"2', b'"preview":"3'), {"count", "index"}),
    "renamed file": Harm(lambda root: rename_to(file(root, 2), f"{NEW}.json"), {"wrong-id", "index"}),
    "id of no session": Harm(lambda root: edit(file(root, 2), IDS[2].encode(), b"../evil"), {"wrong-id"}),
    "copied over an id": Harm(
        lambda root: write(root / "sessions" / f"{NEW}.json", file(root, 1).read_bytes()), {"copy"}
    ),
    "Dropbox": Harm(lambda root: conflict_copy(root, "ID (x's conflicted copy 2025-01-03).json"), {"copy"}),
    "Syncthing": Harm(lambda root: conflict_copy(root, "ID.sync-conflict-20250103-100000-ABCDEFG.json"), {"copy"}),
    "iCloud": Harm(
        lambda root: conflict_copy(root, "ID 2.json", lambda data: data.replace(b"Hello", b"HELLO")), {"copy"}
    ),
    "Drive, damaged": Harm(lambda root: conflict_copy(root, "ID (1).json", lambda data: data[300:]), {"stranger"}),
    "copy of the index": Harm(lambda root: write(root / "sessions/index 2.json", "{}"), {"stranger"}),
    "copy of the pointers": Harm(lambda root: write(root / "state (1).toml", "x"), {"stranger"}),
    "notes among the sessions": Harm(lambda root: write(root / "sessions/notes.txt", "x"), {"stranger"}),
    "directory among the sessions": Harm(lambda root: write(root / "sessions/old/x.json", "x"), {"stranger"}),
    "notes in the trash": Harm(lambda root: write(root / "trash/notes.txt", "x"), {"stranger"}),
    "notes among the backups": Harm(lambda root: write(root / "backups/old/x.json", "x"), {"stranger"}),
    "notes in a backup": Harm(lambda root: write(root / f"backups/{IDS[1]}/x.json", "x"), {"stranger"}),
    "notes among the locks": Harm(lambda root: write(root / "sessions/.locks/x", "x"), {"stranger"}),
    "damaged trash": Harm(lambda root: write(root / f"trash/{IDS[4]}.20250103T100000.007Z.json", "{"), {"damaged"}),
    "wrong trash": Harm(
        lambda root: write(root / f"trash/{IDS[5]}.20250103T100000.000Z.json", file(root, 1).read_bytes()), {"damaged"}
    ),
    "damaged backup": Harm(lambda root: write(root / f"backups/{IDS[1]}/20250104T100000.000Z.json", "{"), {"damaged"}),
    "no index": Harm(lambda root: (root / "sessions/index.json").unlink(), {"index"}),
    "index of garbage": Harm(lambda root: write(root / "sessions/index.json", b"{"), {"index"}),
    "row missing": Harm(index_without, {"index"}),
    "row stale": Harm(lambda root: index_row(root, b'"name":"s1"', b'"name":"s9"'), {"index"}),
    "row of nothing": Harm(lambda root: index_row(root, IDS[1].encode(), NEW.encode()), {"index"}),
    "new file of the same content": Harm(
        lambda root: atomic.replace(str(file(root, 1)), file(root, 1).read_bytes()), {"index"}
    ),
    "damaged line of the log": Harm(lambda root: write(root / "sessions/index.log", '\n{"id":"01A\n'), {"index"}),
    "fold that was cut": Harm(left_fold, {"index"}),
    "unusable log": Harm(lambda root: write(root / "sessions/index.log.unusable-0123abcd", "x"), {"stranger"}),
    "state of garbage": Harm(lambda root: write(root / "state.toml", "current = [\n"), {"state"}),
    "state nested too deeply": Harm(lambda root: write(root / "state.toml", "a = " + "[" * 9999), {"state"}),
    "pointer to nothing": Harm(lambda root: edit(root / "state.toml", IDS[1].encode(), NEW.encode()), {"pointer"}),
    "pointer to no id": Harm(lambda root: edit(root / "state.toml", IDS[1].encode(), b"../x"), {"pointer"}),
    "no current prompt object": Harm(
        lambda root: edit(root / "state.toml", b'current = "greeter"', b'current = "x"'), {"pointer"}
    ),
    "temporary file": Harm(
        lambda root: write(root / "sessions" / f".{NEW}.json.{gone_pid()}.0123abcd.tmp", "x"), {"temporary"}
    ),
    "temporary file, empty": Harm(
        lambda root: write(root / f".state.toml.{gone_pid()}.0123abcd.tmp", ""), {"temporary"}
    ),
    "temporary file of a backup": Harm(
        lambda root: write(root / f"backups/{IDS[1]}/.20250103T100000.000Z.json.{gone_pid()}.0123abcd.tmp", "x"),
        {"temporary"},
    ),
    "lock": Harm(lambda root: write(root / "sessions/.locks" / IDS[1], f"{gone_pid()} send\n"), {"lock"}),
    "lock of a session that has gone": Harm(lambda root: write(root / "sessions/.locks" / NEW, ""), {"lock"}),
    "interrupted renaming": Harm(interrupted_renaming, {"renaming"}),
    "renaming of garbage": Harm(lambda root: write(root / "sessions/.rename", "{"), {"renaming"}),
    "prompt object that cannot be read": Harm(
        lambda root: (root / "objects/reader.md").write_text("---\nname: [\n---\n"), {"object"}, PERSON({"object"})
    ),
    "prompt object twice": Harm(
        lambda root: (root / "objects/greeter 2.md").write_bytes((root / "objects/greeter.md").read_bytes()),
        {"object"},
        PERSON({"object"}),
    ),
    "settings that cannot be read": Harm(
        lambda root: write(root / "config.toml", "model = "), {"settings"}, PERSON({"settings"})
    ),
    "settings that are large": Harm(
        lambda root: write(root / "config.toml", "#" * 20_000), {"settings"}, PERSON({"settings"})
    ),
    "settings written by others": Harm(
        lambda root: (write(root / "config.toml", "# Ours.\n"), (root / "config.toml").chmod(0o622)), {"mode"}
    ),
    "settings are a fifo": Harm(
        lambda root: os.mkfifo(root / "config.toml", 0o600), {"settings"}, PERSON({"settings"})
    ),
    "settings are a symlink": Harm(
        lambda root: (root / "config.toml").symlink_to("elsewhere"), {"settings"}, PERSON({"settings"})
    ),
    "settings are a directory": Harm(
        lambda root: (root / "config.toml").mkdir(mode=0o700), {"settings"}, PERSON({"settings"})
    ),
    "temporary file of the settings": Harm(
        lambda root: write(root / f".config.toml.{gone_pid()}.0123abcd.tmp", "x"), {"temporary"}
    ),
    "orphan": Harm(lambda root: (root / "objects/greeter.md").unlink(), {"orphan", "pointer"}, PERSON({"orphan"})),
    "one name twice": Harm(
        lambda root: open_storage("files", root=str(root)).create(session(id=NEW, name="s1")),
        {"same-name"},
        PERSON({"same-name"}),
    ),
}


def sound(root: Path) -> dict[str, tuple[Message, ...]]:
    """Return the conversations of the sessions that can be read and have their own names."""
    found = {}
    for path in (root / "sessions").glob("*.json"):
        if path.stem in IDS and path.is_file() and not path.is_symlink() and messages(path.read_bytes()):
            read = parsing.parse(path.read_bytes(), "").session
            if read.id == path.stem:
                found[read.id] = read.history
    return found


@pytest.mark.parametrize("name", sampled(HARMS, every=6))
def test_what_is_harmed_is_found_repaired_and_not_lost(name, root, store, doctor):
    harm = HARMS[name]
    assert doctor() == (0, [])
    harm.do(root)
    before, kept, conversations = tree(root), contents(root), sound(root)
    assert len(conversations) >= 3
    code, found = doctor()
    assert {one["kind"] for one in found if one["fault"]} == harm.kinds
    assert code == 1
    assert tree(root) == before, "looking has changed something"
    for one in found:
        assert one["version"] == 1
        assert str(root) in one["path"]
        assert one["message"].endswith(".")
        assert one["repair"] or one["hint"], "nothing is said of what can be done"
        assert (one["done"], one["failed"]) == (None, None)
    code, mended = doctor("--repair")
    assert code == bool(harm.left)
    assert [one["kind"] for one in mended if one["fault"] and not one["done"]] == [
        one["kind"] for one in found if one["kind"] in harm.left
    ]
    code, again = doctor()
    assert {one["kind"] for one in again if one["fault"]} == harm.left
    assert code == bool(harm.left)
    assert lost(kept, contents(root)) == []
    assert {id: read for id, read in sound(root).items() if id in conversations} == conversations
    in_place = {path.stem for path in (root / "sessions").glob("01*.json")}
    assert {one.id for one in open_storage("files", root=str(root)).list()} == in_place
    kept_aside = [
        *(root / "quarantine").rglob("*"),
        root / ".gitignore",
        root / "objects",
        *(root / "objects").iterdir(),
        *root.rglob(".kept"),
    ]
    open_to_others = [p for p in root.rglob("*") if not p.is_symlink() and p.stat().st_mode & 0o077]
    assert set(open_to_others) <= set(kept_aside)


def test_a_sound_store_is_left_as_it_is(root, store, doctor):
    before = tree(root)
    assert doctor() == (0, [])
    assert tree(root) == before
    assert doctor("--repair") == (0, [])
    assert tree(root) == before


def test_settings_are_no_stranger_and_may_be_read_by_others(root, store, doctor):
    write(root / "config.toml", "model = 'smollm2'\nmine = 1\n")
    (root / "config.toml").chmod(0o644)
    before = tree(root)
    assert doctor("--repair") == (0, [])
    assert tree(root) == before


def test_a_layout_of_others_is_none_of_its_business(root, store, doctor):
    pretty = json.dumps(json.loads(file(root, 1).read_bytes()), indent=2)
    file(root, 1).write_text(pretty)
    assert doctor("--repair")[0] == 0
    assert file(root, 1).read_text() == pretty
    assert doctor() == (0, [])


def test_a_newer_version_is_remarked_and_left(root, store, doctor):
    edit(file(root, 1), b'"version":1', b'"version":9')
    before = file(root, 1).read_bytes()
    store.rescan()
    store.close()
    code, (one,) = doctor("--repair")
    assert (code, one["kind"], one["fault"], one["done"]) == (0, "newer-version", False, None)
    assert file(root, 1).read_bytes() == before


def test_an_interrupted_turn_is_remarked(root, store, doctor, po):
    store.append(IDS[1], user("and?"))
    store.close()
    code, (one,) = doctor()
    assert (code, one["kind"], one["fault"], one["session_id"]) == (0, "interrupted", False, IDS[1])
    assert one["hint"] == f"'po session retry {IDS[1]}' asks again."
    with store.turn(IDS[1], "send"):
        assert doctor() == (0, [])


def test_backups_of_what_is_nowhere_else_are_remarked(root, store, doctor, po):
    file(root, 2).unlink()
    store.rescan()
    store.close()
    code, (one,) = doctor()
    assert (code, one["kind"], one["session_id"]) == (0, "stray-backup", IDS[2])
    assert po(*one["hint"].split("'")[1].split()[1:]).exit_code == 0
    assert doctor() == (0, [])


def test_a_damaged_session_comes_back_by_the_command_that_is_told(root, store, doctor, po):
    expected = store.load(IDS[2]).history
    edit(file(root, 2), b"2.1 Hello", b"2.1\n")
    (one,) = (one for one in doctor("--repair")[1] if one["fault"])
    assert "at byte " in one["message"]
    command = one["hint"].split("'")[1]
    assert command.startswith("po backup restore ")
    assert po(*command.split()[1:]).exit_code == 0
    assert store.load(IDS[2]).history == expected
    assert doctor() == (0, [])


def test_a_copy_that_differs_can_be_imported_from_the_quarantine(root, store, doctor, po):
    conflict_copy(root, "ID (1).json", lambda data: data.replace(b"Hello", b"HELLO"))
    _, (one,) = doctor("--repair")
    line = one["done"][one["done"].index("'po session import ") + 1 : one["done"].rindex("' brings")]
    done = subprocess.run(["bash", "-c", line.replace("po ", f"{PO} ", 1)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert {"1.0 Hello", "1.0 HELLO"} <= {store.load(one.id).history[0].content for one in store.list()}
    assert doctor() == (0, [])


def test_names_that_are_told_can_be_used(root, store, doctor, po):
    for number in (7, 8):
        store.create(session(id=f"{ULID[:-2]}8{number}", name="s1"))
    store.close()
    for one in doctor()[1]:
        assert po(*[word.strip("'") for word in one["hint"].split("' ")[0].strip("'").split(" ", 4)][1:]).exit_code == 0
    assert doctor() == (0, [])


def test_quarantine_never_overwrites(root, store, doctor):
    for text in "abc":
        write(root / "sessions/notes.txt", text)
        assert doctor("--repair")[0] == 0
    kept = [path.read_text() for path in (root / "quarantine").rglob("notes.txt")]
    assert sorted(kept) == ["a", "b", "c"]
    assert {path.stat().st_mode & 0o777 for path in (root / "quarantine").rglob("*") if path.is_dir()} == {0o700}


def test_the_owner_of_files_is_looked_at(root, store, doctor):
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(file(root, 1), 12345, 12345)
    code, (one,) = doctor("--repair")
    assert (code, one["kind"], one["hint"]) == (1, "owner", f"Run 'sudo chown 0 {file(root, 1)}'.")


def test_a_repair_is_refused_to_another_user(root, store, po):
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    for path in [root, *root.rglob("*")]:
        os.chown(path, 12345, 12345)
    before = tree(root)
    result = po("doctor", "--repair", "--root", str(root))
    assert (result.exit_code, result.stdout) == (2, "")
    result = po("doctor", "--root", str(root))
    assert (result.exit_code, result.stdout.split(":")[0]) == (1, "owner")
    assert tree(root) == before


# What others hold


def test_a_session_in_a_turn_is_left_alone(root, store, doctor):
    torn(root)
    before = file(root, 1).read_bytes()
    with store.turn(IDS[1], "send"):
        code, found = doctor("--repair")
        one = next(one for one in found if one["kind"] == "torn")
        assert (code, one["done"], one["failed"].endswith("(send).")) == (1, None, True)
        assert file(root, 1).read_bytes() == before
    assert doctor("--repair")[0] == 0


def test_a_damaged_session_that_another_process_writes_is_left_alone(root, store, doctor):
    edit(file(root, 2), b"2.1 Hello", b"2.1\n")
    with locks.locked(str(file(root, 2)), timeout=1):
        code, found = doctor("--repair")
    assert (code, [one["kind"] for one in found]) == (0, ["busy"])
    assert file(root, 2).exists()


def test_a_temporary_file_that_is_being_written_is_none(root, store, doctor):
    code = (
        "import sys, time\nfrom po_sessions import atomic\n"
        "with atomic.staged(sys.argv[1], [b'half']) as (fd, name):\n    print(name, flush=True)\n    time.sleep(60)\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(root / "sessions" / f"{NEW}.json")], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    name = writer.stdout.readline().strip()
    os.utime(name, (0, 0))
    assert doctor("--repair") == (0, [])
    assert Path(name).exists()
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert [one["kind"] for one in doctor()[1]] == ["temporary"]
    assert doctor("--repair")[0] == 0
    (kept,) = (root / "quarantine").rglob("*.tmp")
    assert kept.read_bytes() == b"half"


def test_what_a_killed_turn_leaves(root, store, doctor, monkeypatch):
    monkeypatch.setenv("PO_TEST_SCRIPT", '{"says": "a b c d", "delay": 5}')
    child = subprocess.Popen([*command(), "send", "greeter", "Hello"], stdout=subprocess.DEVNULL)
    lock, deadline = root / "sessions/.locks" / IDS[1], time.monotonic() + 20
    while store.load(IDS[1]).message_count < 7:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert doctor("--repair")[0] == 0
    assert lock.exists()
    child.send_signal(signal.SIGKILL)
    child.wait()
    code, found = doctor("--repair")
    assert (code, {one["kind"] for one in found if one["kind"] != "index"}) == (0, {"lock", "interrupted"})
    assert not lock.exists()


def test_nothing_is_found_while_others_write(root, store, po_process):
    """Writers append, make, rename and delete all the time; whatever is seen half done is looked at again."""
    code = """
import sys, itertools
from dataclasses import replace
from po_sessions.message import Message
from po_sessions.session import Session
from po_sessions.storage import open_storage
store = open_storage("files", root=sys.argv[1])
now = "2025-01-03T10:00:00.000Z"
for n in itertools.count():
    store.append(sys.argv[2], Message("user", "x" * (n % 7000), now))
    store.append(sys.argv[2], Message("assistant", "y", now))
    made = f"01ARZ3NDEKTSV4RRFF{sys.argv[3]}{n % 900000:06}"
    store.create(Session(made, made, "greeter", now, now))
    store.update(made, lambda one: replace(one, name="n" + made))
    store.delete(made, now)
    store.close()
"""
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(root), IDS[number], f"Q{number}"]) for number in (0, 1, 2)
    ]
    try:
        for _ in range(12):
            found = json.loads(po_process("doctor", "--json", real=True).stdout)
            assert [one for one in found if one["fault"]] == []
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()


# Several harms at once


@pytest.mark.parametrize("seed", slow_but(range(int(os.environ.get("PO_TEST_DOCTOR_ROUNDS", "12"))), 0))
def test_several_harms_at_once(seed, root, store, doctor):
    rng = random.Random(seed)
    alone = {"trash is a file", "interrupted renaming", "renaming of garbage"}
    done = []
    for name in rng.sample(sorted(HARMS), 12):
        if name in alone and done:
            continue
        try:
            HARMS[name].do(root)
            done.append(name)
        except (OSError, AssertionError, Unreadable, ValueError):
            continue  # an earlier one has taken what it needs
    kept, conversations = contents(root), sound(root)
    doctor("--repair")
    code, found = doctor()
    left = {one["kind"] for one in found if one["fault"]}
    assert left <= {"object", "orphan", "same-name", "settings"}, done
    assert code == bool(left)
    assert lost(kept, contents(root)) == [], done
    assert {id: read for id, read in sound(root).items() if id in conversations} == conversations, done
    for summary in list(open_storage("files", root=str(root)).list()):
        store.append(summary.id, assistant("after"))


# Where it is


MOUNTINFO = r"""22 27 0:20 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard,errors=remount-ro
103 27 0:49 / /home rw,relatime shared:57 - nfs4 server:/export/home rw,vers=4.2,rsize=1048576,addr=10.0.0.2
104 103 0:50 / /home/me/local rw,relatime - xfs /dev/vdb1 rw,attr2,inode64
110 27 0:55 / /mnt/My\040Share rw,relatime shared:60 - cifs //nas/share rw,vers=3.1.1,cache=strict,username=me
111 27 0:56 / /mnt/remote rw,nosuid,nodev,relatime - fuse.sshfs me@host:/srv rw,user_id=1000,group_id=1000
112 27 0:57 / /host_mnt rw,relatime - fuse.grpcfuse grpcfuse rw,user_id=0,group_id=0,allow_other
113 27 0:58 / /mnt/c rw,noatime - 9p C:\134 rw,dirsync,aname=drvfs;path=C:\;uid=1000
114 27 0:59 /x /workspaces rw,relatime - virtiofs share rw
115 27 0:60 / /crypt rw,relatime - fuse.gocryptfs /home/me/.c rw
116 27 0:61 / /cloud rw,relatime - fuse.unknownfs x rw
117 27 0:62 / /over rw,relatime - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w
118 27 0:63 / /twice rw - nfs server:/a rw
119 27 0:64 / /twice rw - tmpfs tmpfs rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind", "fault"),
    [
        ("/srv/x/.prompt_objects", "ext4", None),
        ("/home/me/.prompt_objects", "nfs4", True),
        ("/home", "nfs4", True),
        ("/homeless/.prompt_objects", "ext4", None),
        ("/home/me/local/.prompt_objects", "xfs", None),
        ("/mnt/My Share/.prompt_objects", "cifs", True),
        ("/mnt/remote/.prompt_objects", "fuse.sshfs", True),
        ("/host_mnt/Users/me/.prompt_objects", "fuse.grpcfuse", True),
        ("/mnt/c/Users/me/.prompt_objects", "9p", True),
        ("/workspaces/p/.prompt_objects", "virtiofs", True),
        ("/crypt/.prompt_objects", "fuse.gocryptfs", None),
        ("/cloud/.prompt_objects", "fuse.unknownfs", False),
        ("/over/.prompt_objects", "overlay", None),
        ("/twice/.prompt_objects", "tmpfs", None),
    ],
)
def test_the_file_system(path, kind, fault):
    assert file_system(MOUNTINFO, path) == kind
    found = judge(kind, path)
    assert (found and found.fault) == fault
    assert found is None or kind in found.message


def test_the_file_system_of_this_machine_is_found(tmp_path):
    mountinfo = Path("/proc/self/mountinfo")
    if not mountinfo.exists():
        pytest.skip("only Linux tells")
    named = subprocess.run(["stat", "-f", "-c", "%T", str(tmp_path)], capture_output=True, text=True, check=True)
    kind = file_system(mountinfo.read_text(), str(tmp_path.resolve())) or ""
    assert kind
    assert kind[:3] in named.stdout or kind == "overlay"


# On the command line


def test_a_clean_store_says_nothing_in_a_pipe(root, store, po):
    result = po("doctor")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    code, shown = on_terminal("doctor")
    assert (code, plain(shown)) == (0, "4 sessions, nothing is wrong.\n")


def test_what_is_found_is_readable(root, store, po):
    file(root, 1).chmod(0o644)
    (root / "objects/reader.md").write_text("---\nname: [\n---\n")
    result = po("doctor")
    lines = result.stdout.splitlines()
    assert (result.exit_code, result.stderr) == (1, "")
    assert lines[0] == f"mode: {file(root, 1)} can be read by other users (its mode is 0644)."
    assert lines[1] == "  --repair: it will get the mode 0600."
    assert lines[2].startswith(f"object: {root}/objects/reader.md: the front matter is not YAML")
    code, shown = on_terminal("doctor", "--root", str(root))
    assert code == 1
    assert shown.splitlines()[-1] == (
        f"4 sessions, 2 faults, 1 can be repaired: run 'po --root {root} doctor --repair'."
    )
    code, shown = on_terminal("doctor", "--repair")
    assert code == 1
    assert "  Its mode is 0600 now." in shown.splitlines()
    assert shown.splitlines()[-1] == "4 sessions, 2 faults, 1 repaired, 1 left."


def test_names_of_files_stay_on_their_line(root, store, po):
    write(root / "sessions/a\nmode: b\x1b[31m.txt", "x")
    lines = po("doctor").stdout.splitlines()
    assert len(lines) == 2
    assert "\x1b" not in lines[0]


def test_a_terminal_gets_the_first_of_many(root, store, po):
    for number in range(50):
        write(root / f"sessions/{number}.txt", "x")
    assert on_terminal("doctor")[1].splitlines()[-2:] == [
        "stranger: 30 more like these; --json has them all.",
        "4 sessions, 50 faults, 50 can be repaired: run 'po doctor --repair'.",
    ]
    assert len(po("doctor").stdout.splitlines()) == 100


def test_no_environment(po, tmp_path):
    assert (po("doctor").exit_code, po("doctor").stdout) == (0, "")
    assert json.loads(po("doctor", "--repair", "--json").stdout) == []
    assert not Path.home().joinpath(".prompt_objects").exists()
    result = po("doctor", "--root", str(tmp_path / "nowhere"))
    assert (result.exit_code, result.stderr.splitlines()[0]) == (
        3,
        f"po: There is no environment at {tmp_path}/nowhere.",
    )


def test_an_environment_without_sessions(root, doctor):
    before = tree(root)
    assert doctor("--repair") == (0, [])
    assert tree(root) == before


def test_a_store_that_cannot_be_written(root, store, po_process, tmp_path):
    """The repairs fail with exit code 9, after all that was found has been told."""
    conflict_copy(root, "ID (1).json")
    file(root, 2).chmod(0o644)
    shell = f"mount --bind {root} {root} && mount -o remount,bind,ro {root} && exec {PO} doctor --repair"
    done = subprocess.run(["unshare", "-m", "bash", "-c", shell], capture_output=True, text=True, check=False)
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("nothing can be mounted here")
    assert done.returncode == 9
    assert [line.split(":")[0] for line in done.stdout.splitlines() if line[0] != " "] == ["mode", "copy"]
    assert "  Not repaired: Cannot write" in done.stdout
    assert done.stderr.startswith("po: 2 repairs failed; the first: Cannot write ")
    reading = shell.replace(" --repair", "")
    done = subprocess.run(["unshare", "-m", "bash", "-c", reading], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("harm", ["damaged", "copied"])
def test_what_list_warns_of_leads_here(harm, root, store, po):
    if harm == "damaged":
        edit(file(root, 2), b"2.1 Hello", b"2.1\n")
        result = po("session", "show", IDS[2])
        assert (result.exit_code, "'po doctor' tells what can be done." in result.stderr) == (7, True)
    else:
        conflict_copy(root, "ID (1).json")
        assert "'po doctor' tells." in po("session", "list").stderr


def test_the_index_is_the_one_that_was_read(root, store, doctor):
    """What is brought in step is what later commands believe, without looking at the files."""
    index_row(root, b'"name":"s1"', b'"name":"s9"')
    assert doctor("--repair")[0] == 0
    assert {row["name"] for row in Index(str(root / "sessions")).rows()} == {"s0", "s1", "s2", "s3"}
