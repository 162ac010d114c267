"""What only the store of files does: layout, modes, the index, files that other programs touch."""

from __future__ import annotations

import json
import os
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.builders import ULID, assistant, session, user
from support.named import OTHER, UUID
from support.named import session as named
from support.settled import settled

from po_sessions import atomic, locks
from po_sessions.errors import Busy, SessionNotFound, Unreadable, WriteFailed
from po_sessions.message import Message
from po_sessions.pointers import PointerFile
from po_sessions.storage import open_storage
from po_sessions.storage.files import appending
from po_sessions.storage.files.index import Index


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def said():
    return []


@pytest.fixture
def store(root, said):
    return open_storage("files", root=str(root), lock_timeout=0.2, notice=said.append)


@pytest.fixture
def again(root):
    """Open the store as the next command would."""
    return lambda **more: open_storage("files", root=str(root), lock_timeout=0.2, **more)


def rows(root: Path) -> list[dict]:
    return json.loads((root / "sessions" / "index.json").read_text())["sessions"]


@pytest.mark.parametrize("umask", [0, 0o777])
def test_files_are_private_whatever_the_umask(umask, root, store):
    before = os.umask(umask)
    try:
        store.create(session(user()))
        PointerFile(str(root)).change(lambda now: now.with_po("greeter"))
        with store.turn(ULID, "send"):
            store.append(ULID, user())
            modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [root, *root.rglob("*")]}
        store.close()
    finally:
        os.umask(before)
    modes |= {path: stat.S_IMODE(path.stat().st_mode) for path in [root, *root.rglob("*")]}
    assert len(modes) > 8
    assert {mode for path, mode in modes.items() if path.suffix or path.name == ULID} == {0o600}
    assert {modes[path] for path in (root, root / "sessions", root / "sessions" / ".locks")} == {0o700}


def test_the_index_agrees_with_the_files_after_each_change(root, store):
    store.create(session())
    store.close()
    for message in (user(), assistant()):
        summary = store.append(ULID, message)
        store.close()
        (row,) = rows(root)
        about = (root / "sessions" / f"{ULID}.json").stat()
        assert (row["message_count"], row["size"], row["inode"]) == (summary.message_count, about.st_size, about.st_ino)
    assert not (root / "sessions" / "index.log").exists()


@pytest.mark.parametrize("harm", ["missing", "empty", "garbage", "cut", "directory"])
def test_the_index_is_only_a_cache(harm, root, store, again):
    for id in (ULID, OTHER, UUID):
        store.create(named(id, id))
    store.close()
    path = root / "sessions" / "index.json"
    data = path.read_bytes()
    path.unlink()
    if harm == "directory":
        path.mkdir()
    elif harm != "missing":
        path.write_bytes({"empty": b"", "garbage": b'{"version":1,"sessions":[\n{"id"]}\n', "cut": data[:-20]}[harm])
    assert {one.id for one in again().list()} == {ULID, OTHER, UUID}
    again().close()
    assert {one.id for one in again().list()} == {ULID, OTHER, UUID}


def test_a_torn_line_of_the_log_never_runs_into_the_next(root, store, again):
    store.create(named(ULID, "a"))
    with (root / "sessions" / "index.log").open("ab") as log:
        log.write(b'\n{"id":"01A')
    store.create(named(OTHER, "b"))
    assert {row["name"] for row in Index(str(root / "sessions")).rows()} == {"a", "b"}
    assert {one.name for one in again().list()} == {"a", "b"}


@pytest.mark.parametrize(
    "row",
    [
        {"id": ULID}, {"id": [1]}, {"id": "../x"}, {"id": 5}, {}, [], 5, None, {"id": ULID, "updated_at": 5},
        {"id": ULID, "name": "a", "po_name": None}, {"id": "boot", "boot": "x"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["index.log", "index.json"])
def test_a_row_of_the_wrong_kind_does_no_harm(place, row, root, store, again):
    store.create(named(ULID, "a"))
    store.create(named(OTHER, "b"))
    store.close()
    list(store.list())
    line = json.dumps(row).encode()
    path = root / "sessions" / place
    if place == "index.log":
        path.write_bytes(b"\n" + line + b"\n")
    else:
        path.write_bytes(path.read_bytes().replace(b'[\n{"id"', b"[\n" + line + b'\n,{"id"'))
    settled(root)
    assert {one.name for one in again().list()} == {"a", "b"}
    again().close()
    assert {one.name for one in again().list()} == {"a", "b"}
    assert {row["name"] for row in rows(root)} == {"a", "b"}


@pytest.mark.parametrize("seen", ["", "[]", "5", '{"mtime":"x"}', '{"mtime":5,"boot":"x","problems":5}', "{}", "\0"])
def test_a_look_of_the_wrong_kind_does_no_harm(seen, root, store, again):
    store.create(named(ULID, "a"))
    list(again().list())
    (root / "sessions" / ".locks" / "seen").write_text(seen)
    assert [one.name for one in again().list()] == ["a"]


def test_a_log_that_cannot_be_used_is_no_reason_to_list_nothing(root, store, again):
    store.create(named(ULID, "a"))
    store.close()
    (root / "sessions" / "index.log").mkdir()
    assert [one.name for one in again().list()] == ["a"]


def test_a_reader_never_puts_an_older_row_behind_a_newer_one(root, store, again, monkeypatch):
    """A reader that saw the log before the file was written must not record what it then read."""
    store.create(session(user("a")))
    store.close()
    real = appending.write_append

    def listed_meanwhile(fd, path, append):
        assert [one.message_count for one in again().list()] == [1]
        real(fd, path, append)

    monkeypatch.setattr(appending, "write_append", listed_meanwhile)
    store.append(ULID, user("b"))
    row = next(Index(str(root / "sessions")).rows())
    assert row["message_count"] == 2


def test_readers_do_not_wait_for_the_log(root, store, again):
    store.create(named(ULID, "a"))
    store.create(named(OTHER, "b"))
    store.close()
    for path in (root / "sessions").glob("01*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()), indent=1))
    with locks.locked(str(root / "sessions" / "index.log"), timeout=1):
        began = time.monotonic()
        assert len(list(open_storage("files", root=str(root), lock_timeout=30).list())) == 2
        assert time.monotonic() - began < 10


def test_a_repair_is_told_when_the_file_is_free_again(root, again):
    def say(sentence):
        with locks.locked(str(root / "sessions" / f"{ULID}.json"), timeout=0, flags=os.O_RDWR):
            said.append(sentence)

    said: list[str] = []
    store = again(notice=say)
    store.create(session(user("a")))
    path = Path(store.path(ULID))
    path.chmod(0o640)
    path.write_bytes(path.read_bytes()[:-20])
    store.append(ULID, user("b"))
    assert len(said) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_an_update_tells_of_a_repair_too(store, said):
    store.create(session(user("a")))
    path = Path(store.path(ULID))
    path.write_bytes(path.read_bytes()[:-20])
    assert store.update(ULID, lambda one: replace(one, name="Mended")).message_count == 1
    assert len(said) == 1
    assert "its last write had been cut" in said[0]


def test_a_file_that_cannot_be_extended_however_often_it_is_made_is_given_up(store, monkeypatch):
    store.create(session(user("a")))
    monkeypatch.setattr(appending, "read_tail", lambda fd: None)
    with pytest.raises(WriteFailed, match="changes whenever it is written"):
        store.append(ULID, user("b"))
    assert [one.content for one in store.load(ULID).history] == ["a"]


def test_a_name_is_found_beside_a_lone_surrogate(store):
    store.create(named(ULID, "Café", history=(user("\ud800"),)))
    store.close()
    assert [one.id for one in store.list(po_name="greeter", name="Café")] == [ULID]


def test_a_file_mended_in_place_is_listed_again(root, store, again):
    store.create(named(ULID, "a"))
    store.close()
    path = Path(store.path(ULID))
    sound = path.read_bytes()
    path.write_bytes(b"")
    assert list(again().list()) == []
    settled(root)
    path.write_bytes(sound)
    settled(root)
    assert [one.name for one in again().list()] == ["a"]


def test_a_fold_that_was_cut_is_finished(root, store, again):
    store.create(named(ULID, "a"))
    log = root / "sessions" / "index.log"
    log.rename(log.with_name("index.log.1"))
    store.create(named(OTHER, "b"))
    assert {one.name for one in again().list()} == {"a", "b"}
    again().close()
    again().close()
    assert {row["name"] for row in rows(root)} == {"a", "b"}
    assert not log.exists()
    assert not log.with_name("index.log.1").exists()


def test_files_that_others_bring_change_and_take_away_are_noticed(root, store, again):
    store.create(named(ULID, "a"))
    store.close()
    assert [one.name for one in again().list()] == ["a"]
    foreign = root / "sessions" / f"{OTHER}.json"
    foreign.write_text(json.dumps(named(OTHER, "b").to_dict(), indent=2))
    assert {one.name for one in again().list()} == {"a", "b"}
    foreign.write_text(json.dumps(named(OTHER, "bee").to_dict(), indent=2))
    assert {one.name for one in again().list()} == {"a", "bee"}
    foreign.unlink()
    again().close()
    assert {one.name for one in again().list()} == {"a"}


def test_a_file_of_another_layout_is_rewritten_at_the_first_write(root, store):
    store.create(session(user("a"), assistant("b")))
    path = Path(store.path(ULID))
    path.write_text(json.dumps({**json.loads(path.read_text()), "mood": "calm"}, indent=4))
    assert store.append(ULID, user("c")).message_count == 3
    data = path.read_bytes()
    assert data.count(b"\n") == 6
    assert json.loads(data)["mood"] == "calm"
    assert [one["content"] for one in json.loads(data)["history"]] == ["a", "b", "c"]


def test_a_hard_linked_snapshot_does_not_change(root, store, tmp_path):
    store.create(session(user("a")))
    snapshot = tmp_path / "snapshot.json"
    os.link(store.path(ULID), snapshot)
    before = snapshot.read_bytes()
    store.append(ULID, user("b"))
    assert snapshot.read_bytes() == before
    assert store.load(ULID).message_count == 2


def make_symlink(path: Path) -> None:
    target = path.with_name("elsewhere")
    path.rename(target)
    path.symlink_to(target)


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        (lambda p: p.write_bytes(b""), "cannot be read"),
        (lambda p: p.write_bytes(b"\0" * 300), "cannot be read"),
        (lambda p: p.write_bytes(b"\xff" + p.read_bytes()), "cannot be read"),
        (lambda p: p.write_bytes(p.read_bytes()[:40]), "cannot be read"),
        (lambda p: p.write_text("[" * 50_000), "nested too deep"),
        (lambda p: p.write_bytes(p.read_bytes().replace(ULID.encode(), UUID.encode())), "holds the session"),
        (lambda p: (p.unlink(), p.mkdir()), "not a regular file"),
        (lambda p: (p.unlink(), os.mkfifo(p)), "not a regular file"),
        (make_symlink, "symbolic link"),
    ],
)
def test_a_bad_file_is_named_not_written_to_and_the_others_are_listed(harm, complaint, store, again, said):
    store.create(session(user("a")))
    store.create(named(UUID, "fine"))
    store.close()
    path = Path(store.path(ULID))
    harm(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(Unreadable, match=complaint) as error:
        store.load(ULID)
    assert str(path) in str(error.value)
    with pytest.raises((Unreadable, WriteFailed)):
        store.append(ULID, user("b"))
    assert (path.read_bytes() if path.is_file() else None) == before
    for _ in range(2):
        heard: list[str] = []
        listed = again(notice=heard.append)
        assert [one.name for one in listed.list()] == ["fine"]
        assert len(heard) == 1
        assert str(path) in heard[0]
        listed.close()


def test_a_directory_in_which_nothing_came_or_went_is_not_looked_through(root, store, again, monkeypatch):
    store.create(session())
    store.close()
    list(again().list())
    settled(root)
    monkeypatch.setattr(os, "scandir", lambda path: pytest.fail("looked through"))
    assert len(list(again().list())) == 1
    os.utime(root / "sessions")
    with pytest.raises(pytest.fail.Exception):
        list(again().list())


def test_after_a_restart_every_file_is_looked_at(root, store, again, monkeypatch):
    store.create(session(user("a")))
    store.close()
    list(again().list())
    row = rows(root)[0]
    index = root / "sessions" / "index.json"
    index.write_bytes(index.read_bytes().replace(b'"preview":"a"', b'"preview":"b"').replace(b'"size":', b'"size":1'))
    monkeypatch.setattr("po_sessions.layout.index.boot_id", lambda: "another")
    again().rescan()
    again().close()
    assert rows(root)[0] == row


def test_what_is_no_session_file_is_told(root, store, again, said):
    store.create(session())
    (root / "sessions" / f"{ULID} (1).json").write_text("{}")
    (root / "sessions" / "notes.txt").write_text("mine")
    assert len(list(store.list())) == 1
    assert len(said) == 1
    assert "sync client" in said[0]


def test_an_id_never_leads_out_of_the_directory(root, store, tmp_path):
    (tmp_path / "secret.json").write_text(json.dumps(session().to_dict()))
    with pytest.raises(SessionNotFound):
        store.load("../../secret")


def test_a_full_disk_while_appending_leaves_the_file_as_it_was(root, store, monkeypatch):
    store.create(session(user("a")))
    path = Path(store.path(ULID))
    before = path.read_bytes()
    real, failed = os.pwrite, []

    def full(fd, data, offset):
        if not failed and b'"role"' in bytes(data):
            real(fd, bytes(data)[:-10], offset)  # a part arrives
            failed.append(True)
            raise OSError(28, "No space left on device")
        return real(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(WriteFailed, match="No space left"):
        store.append(ULID, user("b"))
    assert failed
    assert path.read_bytes() == before
    assert [one.message_count for one in store.list()] == [1]
    assert store.append(ULID, user("b")).message_count == 2


def test_a_sync_that_fails_is_made_good_by_a_new_file(root, store, monkeypatch):
    store.create(session())
    inode = os.stat(store.path(ULID)).st_ino
    real, failed = atomic.sync, []

    def fail_once(fd):
        if not failed:
            failed.append(True)
            raise OSError(5, "Input/output error")
        real(fd)

    monkeypatch.setattr(atomic, "sync", fail_once)
    store.append(ULID, user("b"))
    assert os.stat(store.path(ULID)).st_ino != inode
    assert [one.content for one in store.load(ULID).history] == ["b"]
    assert store.append(ULID, Message("user", "c")).message_count == 2


def test_a_directory_that_does_not_confirm_is_told_as_what_it_is(store, monkeypatch):
    real = os.fsync

    def refuse(fd):
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(5, "Input/output error")
        real(fd)

    store.create(session())
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(WriteFailed, match="It is done, but"):
        store.create(named(OTHER, "Coffee"))
    assert store.load(OTHER).name == "Coffee"


def test_a_lock_on_a_file_that_was_replaced_is_not_believed(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    looked = []

    class Replaced:
        """Puts another file in the place the first time the lock is taken."""

        def __call__(self, fd, there):
            looked.append(there)
            if len(looked) == 1:
                other = tmp_path / "other"
                other.write_text("new")
                other.rename(path)
            return real(fd, there)

    real = locks.is_at
    locks.is_at = Replaced()
    try:
        with locks.locked(str(path), timeout=1, flags=os.O_RDWR) as fd:
            assert os.pread(fd, 3, 0) == b"new"
    finally:
        locks.is_at = real
    assert len(looked) == 2


def test_lock_files_of_killed_processes_do_no_harm(root, store):
    store.create(session())
    (root / "sessions" / ".locks" / ULID).write_text("999999 send\n")
    assert store.turn_owner(ULID) is None
    with store.turn(ULID, "send"):
        pass
    assert not (root / "sessions" / ".locks" / ULID).exists()


def test_a_renaming_begins_when_nobody_is_making_a_session(store, root):
    with store.claim_name("greeter", "x"), pytest.raises(Busy):
        open_storage("files", root=str(root), lock_timeout=0.1).rename_po("coordinator", "new", lambda *_: None)
    assert not (root / "sessions" / ".rename").exists()
