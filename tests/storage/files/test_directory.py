"""Whether files came or went that the index does not know of: own changes are known, nobody else's are missed."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.builders import ULID, user
from support.named import OTHER, UUID
from support.named import session as named

from po_sessions.pointers import PointerFile
from po_sessions.session import Session
from po_sessions.storage.files.index import Index
from po_sessions.storage.files.publish import link_new
from po_sessions.storage.files.store import FileStore

NOW = "2025-01-03T10:00:00.000Z"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def opened(root):
    """Open the store as the next command would."""
    return lambda **more: FileStore(str(root), lock_timeout=0.2, **more)


@pytest.fixture
def store(opened):
    """A store with one session, looked at, and in need of no other look for a long time."""
    made = opened()
    made.create(named(ULID, "a"))
    made.close()
    made.rescan()
    made.close()
    took(made, 1000.0)
    return made


def seen(store: FileStore) -> Path:
    return Path(store._index.directory.path) / ".locks" / "seen"


def took(store: FileStore, seconds: float) -> None:
    """Make it as if the last look had taken so long."""
    path = seen(store)
    path.write_text(json.dumps({**json.loads(path.read_text()), "took": seconds}))


def names(store: FileStore) -> set[str]:
    return {one.name for one in store.list()}


def put(store: FileStore, one: Session) -> None:
    """Put a file there as another program would."""
    Path(store._index.directory.path, f"{one.id}.json").write_text(json.dumps(one.to_dict()))


def no_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def scandir(path: str) -> object:
        assert Path(path).name != "sessions", "looked through"
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)


OWN = {
    "create": lambda s: s.create(named(OTHER, "b")),
    "append": lambda s: s.append(ULID, user("more")),
    "rename": lambda s: s.update(ULID, lambda one: replace(one, name="c")),
    "cut": lambda s: (s.append(ULID, user("more")), s.cut(ULID, 0, 9, NOW)),
    "delete": lambda s: s.delete(ULID, NOW),
    "purge": lambda s: s.purge(ULID, NOW),
    "restore": lambda s: s.restore(s.delete(ULID, NOW)),
    "put back": lambda s: s.put_back(s.back_up(ULID, NOW).id, "greeter", NOW),
    "turn": lambda s: s.turn(ULID, "send").__enter__(),
    "pointers": lambda s: PointerFile(s._root).change(lambda now: now.with_po("greeter")),
    "settle": lambda s: s.close(),
}


@pytest.mark.parametrize("what", OWN)
def test_own_changes_need_no_look(what, store, opened, monkeypatch):
    OWN[what](store)
    expected = names(opened())
    for _ in range(2):
        no_scan(monkeypatch)
        OWN["settle"](opened())
        assert names(opened()) == expected
    monkeypatch.undo()
    assert {path.stem for path in Path(store._index.directory.path).glob("01*.json")} == {
        one.id for one in opened().list()
    }


def test_a_look_is_believed_at_once(store, opened, monkeypatch):
    put(store, named(OTHER, "b"))
    assert names(opened()) == {"a", "b"}
    no_scan(monkeypatch)
    assert names(opened()) == {"a", "b"}


def test_what_others_bring_between_own_changes_is_seen_at_once(store, opened):
    expected = {"a"}
    for number in range(30):
        mine, foreign = (f"01ARZ3NDEKTSV4RRFFQ6{kind}{number:05}" for kind in "AB")
        store.create(named(mine, mine))
        put(store, named(foreign, foreign))
        expected |= {mine, foreign}
        assert names(opened()) == expected
        took(store, 1000.0)
        put(store, named(foreign, foreign + "!"))
        os.unlink(store.path(foreign))
        assert names(opened()) == expected - {foreign}
        assert foreign not in {row["id"] for row in store._index.rows()}
        took(store, 1000.0)
        store.update(mine, lambda one: replace(one, name=one.name + "?"))
        expected = expected - {mine, foreign} | {mine + "?"}
        assert names(opened()) == expected
        took(store, 1000.0)


def test_what_others_bring_while_we_change_something_is_seen_in_the_end(store, opened):
    def both(temporary: str, path: str) -> None:
        put(store, named(UUID, "foreign"))
        link_new(OTHER)(temporary, path)

    store._files.publish(named(OTHER, "b"), both)
    took(store, 1000.0)
    assert names(opened()) == {"a", "b"}  # the price of not looking at all files after each change
    took(store, 0.0)
    assert names(opened()) == {"a", "b", "foreign"}


def test_a_look_that_was_cut_is_not_believed(store, opened, monkeypatch):
    put(store, named(OTHER, "b"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            names(opened())
    assert names(opened()) == {"a", "b"}


def test_after_a_restart_sizes_are_compared_until_a_look_at_them_has_ended(store, monkeypatch):
    directory = store._index.directory
    assert not directory.begin_look(closely=False)[1]
    monkeypatch.setattr("po_sessions.layout.index.boot_id", lambda: "another")
    assert directory.known() is None
    assert directory.begin_look(closely=False)[1]
    look, sizes = directory.begin_look(closely=False)
    assert sizes
    directory.end_look(look, [], [], compared=None)
    assert directory.known()
    assert not directory.begin_look(closely=False)[1]


def test_a_removal_that_a_power_cut_took_is_not_believed_beside_a_torn_index(store, root, opened, monkeypatch):
    sessions = root / "sessions"
    (sessions / "index.log").write_text(f'\n{{"id":"{ULID}","removed":true}}\n')
    (sessions / "index.json").write_bytes(bytes((sessions / "index.json").stat().st_size))
    monkeypatch.setattr("po_sessions.layout.index.boot_id", lambda: "another")
    assert names(opened()) == {"a"}
    assert names(opened()) == {"a"}


def test_own_changes_while_another_looks_cost_no_second_look(store, opened, monkeypatch):
    directory = store._index.directory
    look, _ = directory.begin_look(closely=False)
    store.create(named(OTHER, "b"))
    directory.end_look(look, [], [], compared=None)
    took(store, 1000.0)
    no_scan(monkeypatch)
    assert names(opened()) == {"a", "b"}


def test_of_two_looks_the_one_that_began_last_counts(store, opened):
    directory = store._index.directory
    first, _ = directory.begin_look(closely=False)
    put(store, named(OTHER, "b"))
    second, _ = directory.begin_look(closely=False)
    directory.end_look(first, [], [], compared=None)
    assert directory.known() is None
    directory.end_look(second, [], [], compared=None)
    directory.end_look(first, [], [], compared=None)
    assert directory.known()


def test_a_look_takes_out_no_row_whose_file_is_just_coming(store, opened):
    def late(temporary: str, path: str) -> None:
        opened().rescan()
        link_new(OTHER)(temporary, path)

    store._files.publish(named(OTHER, "b"), late)
    assert {row["name"] for row in Index(store._index.directory.path).rows()} == {"a", "b"}


def test_a_copy_of_a_store_is_looked_at(store, root, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    (copy / "sessions" / f"{OTHER}.json").write_text(json.dumps(named(OTHER, "b").to_dict()))
    about = os.stat(root / "sessions")
    os.utime(copy / "sessions", ns=(about.st_atime_ns, about.st_mtime_ns))  # as rsync does
    assert names(FileStore(str(copy))) == {"a", "b"}


def test_where_the_time_cannot_be_set_it_is_believed_two_seconds_later(store, opened, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "utime", refuse)
    put(store, named(OTHER, "b"))
    for _ in range(2):  # the first look begins a log
        assert names(opened()) == {"a", "b"}
    directory = store._index.directory
    assert directory.known() is None
    monkeypatch.undo()
    mtime = os.stat(directory.path).st_mtime_ns
    os.utime(seen(store), ns=(mtime, mtime + 2_000_000_001))
    assert directory.known()
    store.create(named(UUID, "c"))
    assert directory.known() is None


def test_a_file_that_cannot_be_read_costs_no_look_and_is_told_each_time(store, opened, monkeypatch):
    put(store, named(OTHER, "b"))
    path = Path(store.path(OTHER))
    sound = path.read_bytes()
    path.write_bytes(b"")
    Path(store._index.directory.path, "copy (1).json").write_text("")
    names(opened())
    no_scan(monkeypatch)
    for _ in range(2):
        heard: list[str] = []
        assert names(opened(notice=heard.append)) == {"a"}
        assert len(heard) == 2
    path.write_bytes(sound)
    assert names(opened()) == {"a", "b"}


def test_a_fold_without_a_log_is_no_failure(store):
    store._index.fold()
    assert names(store) == {"a"}


def test_whoever_waits_for_many_files_to_be_read_can_be_told(store, opened, root):
    given = []

    def watch(label, things):
        given.append((label, sorted(things)))
        return things

    put(store, named(OTHER, "b"))
    assert names(opened(watch=watch)) == {"a", "b"}
    (root / "sessions" / "index.json").unlink()
    assert names(opened(watch=watch)) == {"a", "b"}
    assert given == [("Reading what changed", [OTHER]), ("Reading the sessions", [ULID, OTHER])]


@pytest.mark.parametrize("mend", [FileStore.close, lambda store: list(store.list())])
def test_a_file_that_could_not_be_read_when_the_index_was_made_anew_is_looked_at_again(mend, store, opened, root):
    path = Path(store.path(ULID))
    sound = path.read_bytes()
    path.write_bytes(b"")
    index = root / "sessions" / "index.json"
    index.write_bytes(index.read_bytes().replace(b'"message_count":0', b'"message_count":""'))
    store._index.record_removal(OTHER)
    mend(opened())
    took(store, 1000.0)
    path.write_bytes(sound)
    assert names(opened()) == {"a"}


def test_what_could_not_be_kept_is_taken_in_by_the_next_command(store, opened, monkeypatch):
    put(store, named(OTHER, "b"))
    with monkeypatch.context() as patch:
        patch.setattr(Index, "record", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        names(opened())
    no_scan(monkeypatch)
    assert names(opened()) == {"a", "b"}


def test_what_goes_while_it_is_listed_costs_no_look(store, opened, monkeypatch):
    put(store, named(OTHER, "b"))
    assert names(opened()) == {"a", "b"}
    took(store, 1000.0)
    listing = opened().list()
    next(listing)
    for id in (ULID, OTHER):
        opened().delete(id, NOW)
    list(listing)
    no_scan(monkeypatch)
    assert names(opened()) == set()
