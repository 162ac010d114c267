"""`deletions.log`: a line for whatever is taken away, never with what a message says, and never in the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from support.builders import ULID, assistant, session, user
from support.terminal import on_terminal

from po_sessions.errors import WriteFailed
from po_sessions.storage import open_storage
from po_sessions.storage.files.deletions import Deletions

NOW = "2025-02-01T10:00:00.000Z"
SECRET = "xyzzy"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def store(root, said):
    """The file store of the environment `root`, with one session of two turns."""
    made = open_storage("files", root=str(root), notice=said.append)
    made.create(session(user(SECRET), assistant(SECRET), user(SECRET), assistant(SECRET)))
    return made


def lines(root) -> list[dict]:
    text = (root / "deletions.log").read_text()
    assert SECRET not in text
    return [json.loads(line) for line in text.splitlines()]


def test_each_verb_leaves_its_line(store, root):
    size = os.stat(store.path(ULID)).st_size
    _, undone = store.cut(ULID, 2, 9, NOW)
    trashed = store.delete(ULID, NOW, "prune")
    store.restore(trashed)
    store.purge(ULID, NOW)
    assert (root / "deletions.log").stat().st_mode & 0o777 == 0o600
    (root / "trash" / "reader.00000000.md").write_text(SECRET)
    (root / "trash" / "foreign").write_text(SECRET)
    (root / "trash" / f"{ULID}.20250103T100000.000Z.json").write_text(SECRET)
    assert len(store.empty_trash("2025-03-01T10:00:00.000Z")) == 3
    assert (root / "trash" / "foreign").exists()
    about = {"version": 1, "time": NOW, "id": ULID, "name": "Tea", "po_name": "greeter", "messages": 2}
    undo, prune, purge, *emptied = lines(root)
    assert undo == {
        **about,
        "undone_at": 2,
        "verb": "undo",
        "bytes": undo["bytes"],
        "trash_id": undone,
        "purged": False,
    }
    assert prune == {**about, "verb": "prune", "bytes": prune["bytes"], "trash_id": trashed, "purged": False}
    assert purge == {**about, "verb": "delete", "bytes": prune["bytes"], "trash_id": None, "purged": True}
    assert 0 < undo["bytes"] < size
    assert {(one["verb"], one["time"], one["purged"]) for one in emptied} == {
        ("trash empty", "2025-03-01T10:00:00.000Z", True)
    }
    assert [one.get("name") for one in emptied] == [None, "Tea", None]
    assert [one.get("file") for one in emptied] == [None, None, "reader.00000000.md"]
    assert emptied[0] == {**emptied[0], "bytes": len(SECRET), "trash_id": f"{ULID}.20250103T100000.000Z"}


def test_backups_outlive_what_is_not_sure_to_have_been_deleted(root, store):
    store.back_up(ULID, NOW)
    store.cut(ULID, 2, 9, NOW)
    os.unlink(store.path(ULID))  # it is in quarantine, or lost
    store.empty_trash(NOW)
    assert len(store.backups()) == 1
    (root / "trash" / f"{ULID}.20250103T100000.000Z.json").write_text("damaged")
    store.empty_trash(NOW)
    assert len(store.backups()) == 1


def test_an_emptying_that_fails_has_taken_the_backups_of_what_went(root, store, monkeypatch):
    other = ULID[:-1] + "W"
    store.create(replace(session(), id=other))
    for id in (ULID, other):
        store.back_up(id, NOW)
        store.delete(id, NOW)
    unlink = os.unlink

    def fail(path, **more):
        if other in str(path):
            raise OSError(5, "Input/output error")
        unlink(path, **more)

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", fail)
        with pytest.raises(WriteFailed):
            store.empty_trash(NOW)
    assert [one.session.id for one in store.trash()] == [other]
    assert [one.session.id for one in store.backups()] == [other]


def test_commands_leave_lines(root, po, store, backend):
    assert po("session", "undo", ULID).exit_code == 0
    assert po("session", "delete", ULID).exit_code == 0
    assert po("trash", "empty", "--yes").exit_code == 0
    assert [(one["verb"], one["purged"]) for one in lines(root)] == [
        ("undo", False),
        ("delete", False),
        ("trash empty", True),
        ("trash empty", True),
    ]


def test_what_takes_nothing_away_leaves_none(root, po, store):
    entry = store.delete(ULID, NOW)
    assert po("trash", "restore", entry).exit_code == 0
    assert len(lines(root)) == 1
    assert po("session", "delete", "nope").exit_code == 3
    assert po("session", "prune", "--older-than", "1d", "--all").exit_code == 0
    assert po("send", "greeter", "x", "--dry-run").exit_code == 0
    assert len(lines(root)) == 1


def test_what_a_restored_backup_replaces_leaves_a_line(root, store):
    backup = store.back_up(ULID, NOW).id
    _, entry = store.put_back(backup, "greeter", NOW)
    (line,) = lines(root)
    assert (line["verb"], line["id"], line["messages"]) == ("backup restore", ULID, 4)
    assert (line["trash_id"], line["purged"]) == (entry, False)
    store.delete(ULID, NOW)
    assert store.put_back(backup, "greeter", NOW)[1] is None  # nothing was replaced
    assert [one["verb"] for one in lines(root)] == ["backup restore", "delete"]


def test_any_layout_is_described(root, store):
    file = root / "sessions" / f"{ULID}.json"
    file.write_text(json.dumps(json.loads(file.read_text()), indent=2))
    store.purge(ULID, NOW)
    assert [(one["name"], one["messages"]) for one in lines(root)] == [("Tea", 4)]


def full(*_, **__):
    raise OSError(28, "No space left on device")


def test_a_full_disk_is_told_once_and_keeps_nobody_from_deleting(root, store, said, monkeypatch):
    store.create(replace(session(), id=ULID[:-1] + "W"))
    with monkeypatch.context() as patched:
        patched.setattr("po_sessions.storage.files.deletions.os.write", full)
        store.purge(ULID, NOW)
        store.purge(ULID[:-1] + "W", NOW)
    assert list(store.list()) == []
    (sentence,) = said
    assert sentence == (
        f"Cannot write {root}/deletions.log: No space left on device; what was to be done is done all the same."
    )


def test_a_line_that_does_not_fit_is_told_and_spoils_only_itself(root, store, said, monkeypatch):
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr("po_sessions.storage.files.deletions.os.write", lambda fd, data: write(fd, data[:20]))
        store.delete(ULID, NOW)
    assert len(said) == 1
    (entry,) = store.trash()
    store.restore(entry.id)
    store.purge(ULID, NOW)
    cut, line = (root / "deletions.log").read_text().splitlines()
    assert (len(cut), json.loads(line)["purged"]) == (20, True)


@pytest.mark.parametrize("kind", ["directory", "link", "fifo", "second name", "not ours"])
def test_a_log_that_is_no_file_of_ours_is_left_alone(kind, root, store, said, tmp_path):
    log, other = root / "deletions.log", tmp_path / "other"
    other.write_text("keep\n")
    if kind == "directory":
        log.mkdir()
    elif kind == "link":
        log.symlink_to(other)
    elif kind == "fifo":
        os.mkfifo(log)
    elif kind == "second name":
        os.link(other, log)
    else:
        log.write_text("keep\n")
        log.chmod(0o644)
    store.purge(ULID, NOW)
    assert other.read_text() == "keep\n"
    assert len(said) == (kind != "not ours")
    assert list(store.list()) == []
    if kind == "not ours":
        assert log.read_text().startswith("keep\n{")


def test_on_the_command_line_it_is_a_warning(root, po, store):
    (root / "deletions.log").mkdir()
    result = po("session", "delete", ULID)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith(f"po: warning: Cannot open {root}/deletions.log")
    assert on_terminal("session", "list", "--ids")[0] == 0


def test_a_line_that_was_cut_spoils_only_itself(root, store):
    (root / "deletions.log").write_text('{"version":1,"ti')
    store.purge(ULID, NOW)
    cut, line = (root / "deletions.log").read_text().splitlines()
    assert (cut, json.loads(line)["id"]) == ('{"version":1,"ti', ULID)


WRITER = """
import sys
from po_sessions.storage.files.deletions import Deletions
log = Deletions(sys.argv[1], print)
for number in range(400):
    log.add("delete", "2025-01-03T10:00:00.000Z", {"id": sys.argv[2], "name": "x" * 9000}, trash_id=None, purged=True)
"""


def test_lines_of_many_processes_do_not_mix(tmp_path):
    path = tmp_path / "deletions.log"
    running = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(n)], stdout=-1) for n in range(6)]
    assert [one.communicate()[0] for one in running] == [b""] * 6
    found = [json.loads(line)["id"] for line in path.read_text().splitlines()]
    assert sorted(found) == sorted(str(n) for n in range(6) for _ in range(400))


def test_a_name_of_any_kind_stays_on_its_line(tmp_path):
    log = Deletions(str(tmp_path / "log"), print)
    log.add("delete", NOW, {"name": "a\nb\u2028\ud800"}, trash_id=None, purged=True)
    assert json.loads((tmp_path / "log").read_bytes())["name"] == "a\nb\u2028\ud800"
