"""What only the backups in files do: copies of bytes, modes, damage, and every system call that can fail."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from support.builders import ULID, assistant, session, user
from support.named import NOW, OTHER
from support.named import session as named

from po_sessions import atomic, folders
from po_sessions.errors import Unreadable, WriteFailed
from po_sessions.sessions.backups import BackupPolicy
from po_sessions.sessions.manager import SessionManager
from po_sessions.storage import load, open_storage


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def said():
    return []


@pytest.fixture
def store(root, said):
    return open_storage("files", root=str(root), lock_timeout=0.2, notice=said.append)


def files(root: Path) -> list[Path]:
    return sorted((root / "backups").rglob("*.json"))


@pytest.mark.parametrize("umask", [0, 0o777])
def test_a_backup_is_a_private_copy_of_the_bytes_and_no_link(umask, root, store):
    store.create(session(user("a"), assistant("b")))
    path = root / "sessions" / f"{ULID}.json"
    before = path.read_bytes()
    old = os.umask(umask)
    try:
        store.back_up(ULID, NOW)
    finally:
        os.umask(old)
    (copy,) = files(root)
    assert copy == root / "backups" / ULID / "20250201T100000.000Z.json"
    assert copy.read_bytes() == before
    assert (copy.stat().st_nlink, copy.stat().st_ino != path.stat().st_ino) == (1, True)
    assert [stat.S_IMODE(one.stat().st_mode) for one in (copy, copy.parent, copy.parent.parent)] == [
        0o600,
        0o700,
        0o700,
    ]
    store.append(ULID, user("c"))
    assert copy.read_bytes() == before
    assert list(copy.parent.iterdir()) == [copy]


def test_a_name_that_another_took_meanwhile_is_not_overwritten(root, store, monkeypatch):
    store.create(session(user("a")))
    store.back_up(ULID, NOW)
    (first,) = files(root)
    before, looked = first.read_bytes(), iter([False])
    store.append(ULID, user("b"))
    real = os.path.lexists
    monkeypatch.setattr(os.path, "lexists", lambda path: next(looked, None) is None and real(path))
    assert store.back_up(ULID, NOW).made_at == "2025-02-01T10:00:00.001Z"
    assert (first.read_bytes(), len(files(root))) == (before, 2)
    assert len(list(first.parent.iterdir())) == 2


@pytest.mark.parametrize("how", ["missing", "refused", "cut"])
def test_where_the_system_cannot_copy_it_is_read_and_written(how, root, store, monkeypatch):
    store.create(session(*(user("x" * 100_000) for _ in range(30))))
    real = os.copy_file_range

    def other(source, target, count, at, to):
        if how == "refused" or at:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return real(source, target, min(count, 5000), at, to)

    if how == "missing":
        monkeypatch.delattr(os, "copy_file_range")
    else:
        monkeypatch.setattr(os, "copy_file_range", other)
    store.back_up(ULID, NOW)
    assert files(root)[0].read_bytes() == (root / "sessions" / f"{ULID}.json").read_bytes()


def test_a_backup_is_durable_before_it_is_told(root, store, monkeypatch):
    """The names of its directories are synced, the copy, its name."""
    store.create(session(user("a")))
    done = []
    for name in ("fsync", "fdatasync", "link"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *args, real=real, name=name, **more: (done.append(name), real(*args, **more))
        )
    store.back_up(ULID, NOW)
    assert done == ["fsync", "fsync", "fdatasync", "link", "fsync"]


def test_a_torn_end_is_copied_and_read(root, store):
    store.create(session(user("a"), assistant("b")))
    path = root / "sessions" / f"{ULID}.json"
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(b"],")] + b',{"role":"user","content":"PRECIOUS')
    torn = path.read_bytes()
    backup = store.back_up(ULID, NOW)
    assert files(root)[0].read_bytes() == torn
    assert [one.content for one in store.backed_up(backup.id).history] == ["a", "b"]
    store.append(ULID, user("c"))
    store.put_back(backup.id, "greeter", NOW)
    assert path.read_bytes() == torn


def test_another_layout_is_copied_and_put_back_as_it_is(root, store):
    store.create(session(user("a"), assistant("b")))
    path = root / "sessions" / f"{ULID}.json"
    subprocess.run(["python3", "-m", "json.tool", path, path], check=True)
    pretty = path.read_bytes()
    backup = store.back_up(ULID, NOW)
    assert backup.session.message_count == 2
    store.append(ULID, user("c"))
    store.put_back(backup.id, "greeter", NOW)
    assert path.read_bytes() == pretty


def test_a_damaged_session_is_not_copied_and_a_backup_takes_its_place(root, store, clock, said):
    store.create(session(user("a"), assistant("b"), user("c")))
    manager = SessionManager(store, clock=clock, notice=said.append)
    backup = manager.backups.create(ULID)
    path = root / "sessions" / f"{ULID}.json"
    path.write_bytes(path.read_bytes().replace(b'"content":"a"', b'"content":a"'))
    damaged = path.read_bytes()
    with pytest.raises(Unreadable):
        manager.backups.create(ULID)
    assert len(files(root)) == 1
    restored = manager.backups.restore(backup)
    assert (restored.session, restored.changed) == (backup.session, True)
    assert (root / "trash" / f"{restored.trash_id}.json").read_bytes() == damaged
    assert store.load(ULID).message_count == 3
    path.write_bytes(b"")
    manager.backups.restore(backup)
    assert store.load(ULID).message_count == 3


@pytest.mark.parametrize("harm", ["junk", "empty", "another", "link", "directory", "fifo"])
def test_what_cannot_be_read_is_told_and_hides_nothing(harm, root, store, said):
    store.create(named(ULID, "a"))
    store.create(named(OTHER, "b"))
    bad, good = store.back_up(ULID, NOW), store.back_up(OTHER, NOW)
    file = root / "backups" / ULID / "20250201T100000.000Z.json"
    data = file.read_bytes()
    file.unlink()
    if harm in ("junk", "empty"):
        file.write_text("{" if harm == "junk" else "")
    elif harm == "another":
        file.write_bytes(data.replace(ULID.encode(), OTHER.encode()))
    elif harm == "link":
        file.symlink_to(root / "sessions" / f"{ULID}.json")
    elif harm == "directory":
        file.mkdir()
    else:
        os.mkfifo(file)
    assert [one.id for one in store.backups()] == [good.id]
    assert len(said) == 1
    assert str(file) in said[0]
    store.append(ULID, user("x"))
    for ask in (store.backed_up, lambda id: store.put_back(id, "greeter", NOW)):
        with pytest.raises(Unreadable):
            ask(bad.id)
    assert (store.summary(ULID).message_count, store.trash()) == (1, [])


def test_what_others_put_there_is_told_and_left_alone(root, store, said):
    store.create(session(user("a")))
    store.back_up(ULID, NOW)
    (root / "backups" / "old").mkdir()
    (root / "backups" / "old" / "20250101T100000.000Z.json").write_text("{}")
    (root / "backups" / OTHER).write_text("a file")
    (root / "backups" / ULID / "notes.txt").write_text("mine")
    (root / "backups" / ULID / "2025-01-01.json").write_text("mine")
    assert len(store.backups()) == len(store.backup_ids()) == 1
    assert {sentence.partition(" is not named")[0].partition(": ")[0] for sentence in said} == {
        f"{root}/backups/old",
        f"{root}/backups/{OTHER} is not a directory.",
    }
    store.purge(ULID, NOW)
    assert sorted(one.name for one in (root / "backups" / ULID).iterdir()) == ["2025-01-01.json", "notes.txt"]


def tree(root: Path) -> dict[str, bytes]:
    kept = ("sessions", "backups", "trash")
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
        and path.relative_to(root).parts[0] in kept
        and path.suffix == ".json"
        and "index" not in path.name
    }


CALLS = ["mkdir", "open", "copy", "pwrite", "fdatasync", "fsync", "link", "replace"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("what", ["back_up", "put_back"])
def test_a_call_that_fails_leaves_the_state_before_or_the_whole_change(what, which, call, root, store, monkeypatch):
    store.create(session(user("a"), assistant("b")))
    backup = store.back_up(ULID, NOW)
    store.append(ULID, user("c"))
    if what == "back_up":
        shutil.rmtree(root / "backups")
    before, there = tree(root), store.load(ULID)
    module, name = (atomic, "copy") if call == "copy" else (os, call)
    real, seen = getattr(module, name), []

    def fail(*args, **more):
        made = call == "open" and not args[1] & os.O_CREAT
        if not made:
            seen.append(args)
        if not made and len(seen) == which + 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*args, **more)

    with monkeypatch.context() as harmed:
        harmed.setattr(module, name, fail)
        try:
            store.back_up(ULID, NOW) if what == "back_up" else store.put_back(backup.id, "greeter", NOW)
            failed = False
        except WriteFailed:
            failed = True
    if len(seen) <= which:
        return  # there are not as many of these calls
    after = tree(root)
    assert [name for name in os.listdir(root / "sessions") if name.endswith(".tmp")] == []
    if what == "back_up":
        assert {name: after[name] for name in before} == before
        assert len(after) - len(before) <= 1  # a whole copy, whose name may be lost in a power cut
        assert list((root / "backups").rglob("*.tmp")) == []
    elif store.load(ULID) == there:
        assert after == before or not failed
    else:
        assert store.load(ULID) == store.backed_up(backup.id)
        assert [store.trashed(one.id) for one in store.trash()] == [there]  # never both gone


def can_mount(directory: Path) -> bool:
    """Mount a memory disk of 200 KiB."""
    directory.mkdir()
    args = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(directory)]
    return os.geteuid() == 0 and subprocess.run(args, capture_output=True, check=False).returncode == 0


def test_on_a_disk_that_is_really_full_the_turn_goes_on(tmp_path, clock, said):
    disk = tmp_path / "disk"
    if not can_mount(disk):
        pytest.skip("this machine mounts no memory disk for us")
    try:
        root = disk / "store"
        store = open_storage("files", root=str(root), notice=said.append)
        store.create(session(*(user("x" * 10_000) for _ in range(8))))
        manager = SessionManager(store, clock=clock, backup_policy=BackupPolicy(keep=2), notice=said.append)
        backup = manager.backups.create(ULID)
        clock.now = clock.now.replace(year=2026)
        manager.backups.before_turn(load(manager.storage, ULID))
        assert len(said) == 1
        assert "No space left on device" in said[0]
        assert "No backup of 'Tea' was made" in said[0]
        assert [one.id for one in manager.backups.list()] == [backup.id]
        assert list(root.rglob("*.tmp")) == []
        assert store.append(ULID, user("small")).message_count == 9
        with pytest.raises(WriteFailed, match="No space left on device"):
            manager.backups.restore(backup)
        assert (store.load(ULID).message_count, store.trash()) == (9, [])
    finally:
        folders.let_go(str(disk / "store"))
        subprocess.run(["umount", str(disk)], check=True)
