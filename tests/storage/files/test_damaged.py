"""A damaged session keeps its name, is read once until it changes, and costs others little, however large it is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.builders import ULID, assistant, session, user
from support.named import OTHER
from support.named import session as named

from po_sessions.environment import Environment
from po_sessions.errors import Unreadable
from po_sessions.layout import primitives
from po_sessions.storage.files import appending, codec, parsing, torn
from po_sessions.storage.files.index import Index
from po_sessions.storage.files.store import FileStore

GIB = 1 << 30


# Its name


def later(env: Environment) -> None:
    """Have the index folded, and the clock that files get their times from go on."""
    env.session_manager.storage.close()
    time.sleep(0.02)


def zeroed(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))


def cut_in_the_head(path: Path) -> None:
    os.truncate(path, 40)


def followed_by_another_line(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b'{"not":"a message"}\n')


def replaced_by_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


HARM = [zeroed, cut_in_the_head, followed_by_another_line, replaced_by_a_directory]


@pytest.fixture
def alpha(root, env) -> str:
    """The id of a session `alpha` of greeter, beside a sound one."""
    manager = env.session_manager
    manager.switch_po("greeter")
    id = manager.create("greeter", "alpha").id
    manager.append(id, user("Hi"))
    manager.create("greeter", "beta")
    later(env)
    return id


@pytest.mark.parametrize("harm", HARM)
def test_nothing_is_sent_to_another_session_of_that_name(harm, root, env, po, backend):
    for name in ("alpha", "Default"):
        id = env.session_manager.ensure("greeter", name)[0].id
        later(env)
        harm(root / "sessions" / f"{id}.json")
    for args in (["-s", "alpha", "--create"], ["-s", "alpha"], []):
        result = po("send", *args, "greeter", "Hi")
        assert (result.exit_code, result.stdout) == (7, ""), (args, result.stderr)
    assert len(list((root / "sessions").glob("01*.json"))) == 2
    assert not backend.asked


@pytest.mark.parametrize("harm", HARM)
def test_a_damaged_session_keeps_its_name(harm: Callable[[Path], None], alpha, root, po):
    harm(root / "sessions" / f"{alpha}.json")
    for args in (
        ["ensure", "alpha"],
        ["new", "alpha"],
        ["rename", "beta", "alpha"],
        ["show", "alpha"],
        ["duplicate", "beta", "alpha"],
    ):
        for _ in range(2):
            result = po("session", *args)
            assert (result.exit_code, result.stdout) == (7, ""), (args, result.stderr)
            assert alpha in result.stderr
            assert "po doctor" in result.stderr
    assert po("session", "list", "--ids").stdout.count("\n") == 1
    assert po("session", "list", "--po", "greeter").stderr.count("\n") == 1


def test_a_damaged_default_is_no_reason_to_begin_another(root, env, po):
    id = env.session_manager.ensure("greeter", "Default")[0].id
    later(env)
    zeroed(root / "sessions" / f"{id}.json")
    with pytest.raises(Unreadable, match=id):
        env.session_manager.begin("greeter")
    assert [path.stem for path in (root / "sessions").glob("01*.json")] == [id]


def test_the_error_names_the_command_that_brings_a_damaged_session_back(alpha, root, env, po):
    env.session_manager.storage.back_up(alpha, env.session_manager.now())
    zeroed(root / "sessions" / f"{alpha}.json")
    said = po("session", "ensure", "alpha").stderr
    [command] = re.findall(r"'po (backup restore \w+)'", said)
    result = po(*command.split())
    assert result.exit_code == 0, result.stderr
    assert po("session", "ensure", "alpha").stdout == alpha + "\n"
    assert po("session", "list").stderr == ""


def test_no_name_that_po_makes_up_is_that_of_a_damaged_session(root, env):
    manager = env.session_manager
    first = manager.create("greeter")
    later(env)
    cut_in_the_head(root / "sessions" / f"{first.id}.json")
    assert manager.create("greeter").name == "Session 2"
    [imported] = manager.import_sessions([named(OTHER, "Session")], po_name="greeter", format_name="json")
    assert imported.session.name == "Session 3"


def test_the_name_is_held_when_the_index_is_made_anew_out_of_the_first_lines(alpha, root, po):
    followed_by_another_line(root / "sessions" / f"{alpha}.json")
    (root / "sessions" / "index.json").unlink()
    assert po("session", "ensure", "alpha").exit_code == 7


def test_a_sound_session_of_that_name_is_found_all_the_same(alpha, root, env):
    zeroed(root / "sessions" / f"{alpha}.json")
    env.session_manager.storage.create(named(OTHER, "alpha", "greeter"))
    assert env.session_manager.find("alpha", "greeter").id == OTHER


def test_a_damaged_session_that_is_mended_is_back(alpha, root, env, po):
    path = root / "sessions" / f"{alpha}.json"
    sound = path.read_bytes()
    zeroed(path)
    assert po("session", "show", "alpha").exit_code == 7
    path.write_bytes(sound)
    assert po("session", "ensure", "alpha").stdout == alpha + "\n"


def test_a_damaged_session_that_went_gives_its_name_back(alpha, root, po):
    zeroed(root / "sessions" / f"{alpha}.json")
    assert po("session", "show", "alpha").exit_code == 7
    (root / "sessions" / f"{alpha}.json").unlink()
    assert po("session", "new", "alpha").exit_code == 0


def test_a_store_with_a_damaged_session_can_be_moved(alpha, root, po):
    zeroed(root / "sessions" / f"{alpha}.json")
    assert po("session", "list").stderr
    moved = root.parent / "elsewhere" / root.name
    shutil.move(root, moved)
    assert str(moved) in po("--root", str(moved), "session", "list").stderr


# Edits


def rename_in_place(path: Path, name: str, new: str) -> None:
    with path.open("r+b") as file:
        data = file.read()
        file.seek(0)
        file.write(data.replace(f'"name":"{name}"'.encode(), f'"name":"{new}"'.encode()))


@pytest.mark.parametrize("give", ["new", "rename", "ensure"])
def test_a_name_that_a_file_was_given_in_place_is_taken(give, root, po, monkeypatch):
    first = po("session", "new", "s1", "--po", "greeter").stdout.strip()
    po("session", "new", "s2", "--po", "greeter")
    po("session", "list", "--po", "greeter")
    rename_in_place(root / "sessions" / f"{first}.json", "s1", "zz")
    seen = root / "sessions" / ".locks" / "seen"
    seen.write_text(json.dumps({**json.loads(seen.read_text()), "comparing_took": 0.0}))
    if give == "ensure":
        assert po("session", "ensure", "zz", "--po", "greeter").stdout.strip() == first
        return
    result = po("session", give, *(["s2"] if give == "rename" else []), "zz", "--po", "greeter")
    assert result.exit_code == 5, result.stderr
    assert po("session", "show", "zz", "--po", "greeter").exit_code == 0


def test_files_are_not_compared_again_before_a_hundred_times_as_long(root, env, monkeypatch):
    manager = env.session_manager
    manager.create("greeter", "a")
    seen = root / "sessions" / ".locks" / "seen"
    seen.write_text(json.dumps({**json.loads(seen.read_text()), "took": 1000.0, "comparing_took": 1000.0}))
    monkeypatch.setattr(os, "scandir", lambda path: pytest.fail("looked through"))
    manager.create("greeter", "b")


def test_a_row_written_before_its_file_is_believed_and_then_exact(tmp_path, monkeypatch):
    store = FileStore(str(tmp_path / "store"))
    store.create(session(user("a")))
    assert len(list(store.list())) == 1  # the first look at all files
    store.append(ULID, assistant("b"))
    row = next(store._index.rows())
    assert "written" in row
    monkeypatch.setattr(appending, "read_tail", lambda fd: pytest.fail("read again"))
    assert len(list(store.list())) == 1
    store.close()
    row = next(store._index.rows())
    assert row["changed"] == os.stat(store.path(ULID)).st_ctime_ns
    assert "written" not in row


def test_rows_of_an_earlier_version_are_read_again(tmp_path):
    store = FileStore(str(tmp_path / "store"))
    store.create(session(user("a")))
    store.close()
    index = tmp_path / "store" / "sessions" / "index.json"
    index.write_bytes(re.sub(rb'"changed":\d+,', b"", index.read_bytes()).replace(b'"preview":"a"', b'"preview":"b"'))
    assert [one.preview for one in FileStore(str(tmp_path / "store")).list()] == ["a"]


def test_a_line_of_the_log_that_a_fold_did_not_see_is_written_again(tmp_path, monkeypatch):
    """The fold set the log aside, read it and removed it while the line was on its way."""
    (tmp_path / ".locks").mkdir()
    index, real = Index(str(tmp_path)), os.write
    index.start()

    def late(fd: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", real)
        index.fold()
        return real(fd, data)

    index.record({**ROW, "name": "before"})
    monkeypatch.setattr(os, "write", late)
    index.record(ROW)
    assert [one["name"] for one in index.rows()] == ["a"]


NOW = "2025-01-03T10:00:00.000Z"
ROW = {
    "id": ULID,
    "name": "a",
    "po_name": "greeter",
    **dict.fromkeys(("preview", "last_turn"), ""),
    **dict.fromkeys(("created_at", "updated_at"), NOW),
    **dict.fromkeys(("message_count", "turn_count", "size", "inode"), 1),
}


# Size


class Counted:
    """How many bytes are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes = 0
        for name in ("read", "pread"):
            monkeypatch.setattr(os, name, self._counting(getattr(os, name)))

    def _counting(self, real: Callable[..., bytes]) -> Callable[..., bytes]:
        def read(*args: int) -> bytes:
            data = real(*args)
            self.bytes += len(data)
            return data

        return read


@pytest.fixture
def store(tmp_path) -> FileStore:
    """A store with a session that is to be damaged, and a sound one."""
    made = FileStore(str(tmp_path / "store"), lock_timeout=0.2)
    made.create(session(user("Hello"), assistant("Hi")))
    made.create(named(OTHER, "sound"))
    made.close()
    return made


def again(store: FileStore, heard: list[str] | None = None) -> FileStore:
    return FileStore(store._root, lock_timeout=0.2, notice=(heard if heard is not None else []).append)


def written_at(path: Path, data: bytes, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def all_zeros(path: Path) -> None:
    os.truncate(path, 0)
    os.truncate(path, GIB)


def an_endless_first_line(path: Path) -> None:
    path.write_bytes(b'{"version":1,"id":"' + b"x" * 100_000)
    os.truncate(path, GIB)


def another_layout_with_a_hole(path: Path) -> None:
    path.write_bytes(json.dumps(json.loads(path.read_bytes()), indent=1).encode())
    os.truncate(path, GIB)


def zeros_with_a_closing(path: Path) -> None:
    data = path.read_bytes()
    closing = data[data.index(b"\n]") + 1 :]
    os.truncate(path, 0)
    written_at(path, closing, GIB)


def zeros_between_the_lines(path: Path) -> None:
    """The first line and the closing are sound, and the last message is a hole."""
    data = path.read_bytes()
    closing = data[data.index(b"\n]") + 1 :]
    os.truncate(path, data.index(b"\n,") + 1)
    written_at(path, b"\n" + closing, GIB)


@pytest.mark.parametrize(
    "harm",
    [all_zeros, an_endless_first_line, another_layout_with_a_hole, zeros_with_a_closing],
)
def test_what_is_no_session_is_not_read_whole_however_large(harm, store, monkeypatch):
    harm(Path(store.path(ULID)))
    counted = Counted(monkeypatch)
    for _ in range(2):
        heard: list[str] = []
        assert [one.id for one in again(store, heard).list()] == [OTHER]
        assert len(heard) == 1
    with pytest.raises(Unreadable):
        again(store).load(ULID)
    assert counted.bytes < 2 << 20


@pytest.mark.parametrize(
    "harm",
    [all_zeros, an_endless_first_line, another_layout_with_a_hole, zeros_with_a_closing, zeros_between_the_lines],
)
def test_a_prompt_that_asks_for_it_reads_little_of_it(harm, store, monkeypatch):
    harm(Path(store.path(ULID)))
    counted = Counted(monkeypatch)
    assert primitives.session(store.path(ULID), ULID) is None
    assert counted.bytes < 40 << 20


def torn_with_a_hole(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 20)
    os.truncate(path, GIB // 8)


@pytest.mark.parametrize("harm", [torn_with_a_hole, zeros_between_the_lines])
def test_what_takes_long_to_read_is_read_once(harm, store, monkeypatch):
    harm(Path(store.path(ULID)))
    # A listing that believes the last look yields what was changed in place where its old row stands.
    store._index.directory.forget()
    first = list(again(store).list())
    counted = Counted(monkeypatch)
    store.close()
    for _ in range(3):
        assert list(again(store).list()) == first
    if first[0].id == ULID:
        assert again(store).summary(ULID) == first[0]
    assert counted.bytes < 1 << 20


def test_many_damaged_files_are_read_once(store, monkeypatch):
    for number in range(100):
        Path(store.path(OTHER)).with_name(f"01ARZ3NDEKTSV4RRFFQ68{number:05}.json").write_bytes(b"{" * 100_000)
    heard: list[str] = []
    list(again(store, heard).list())
    assert len(heard) == 100
    counted = Counted(monkeypatch)
    heard.clear()
    list(again(store, heard).list())
    assert len(heard) == 100
    assert counted.bytes < 1_000_000


@pytest.mark.parametrize("harm", ["zeros", "a head and a foot around zeros"])
def test_an_index_of_zeros_is_not_read_whole(harm, store, monkeypatch):
    path = Path(store.path(OTHER)).with_name("index.json")
    data = path.read_bytes()
    os.truncate(path, 0 if harm == "zeros" else 26)
    written_at(path, b"\n]}\n" if harm != "zeros" else b"\0", GIB)
    counted = Counted(monkeypatch)
    assert {one.id for one in again(store).list()} == {ULID, OTHER}
    assert counted.bytes < 8 << 20
    assert abs(path.stat().st_size - len(data)) < 100


def test_a_log_beyond_measure_is_dropped_and_the_index_made_anew(store, monkeypatch):
    log = Path(store.path(OTHER)).with_name("index.log")
    log.write_bytes(b"x")
    os.truncate(log, GIB)
    store.create(named("01ARZ3NDEKTSV4RRFFQ6900009", "new"))  # its row is behind all that
    counted = Counted(monkeypatch)
    assert {one.name for one in again(store).list()} == {session().name, "sound", "new"}
    assert not log.exists()
    assert counted.bytes < 1 << 20


MEASURE = """
import resource, sys
from po_sessions.storage.files.store import FileStore
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
store = FileStore(sys.argv[1])
for one in store.list():
    print(one.id, one.message_count, one.turn_count, one.preview)
    with store.reading(one.id) as opened:
        list(opened.history[:1])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


@pytest.mark.slow
def test_a_large_file_with_a_torn_end_takes_little_memory(store):
    path = Path(store.path(ULID))
    line = b',{"role":"user","content":"%s","created_at":"2025-01-03T10:00:00.000Z"}\n' % (b"x" * 10_000)
    head = path.read_bytes().partition(b"\n]")[0] + b"\n"
    path.write_bytes(head + line * 20_000 + line[:77])
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, store._root], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.splitlines()
    assert f"{ULID} 20002 20001 Hello" in done
    assert int(done[-1]) < 60, "MiB"


# A large torn file is what a small one is


ENDS = [
    b"",
    b"\0" * 3000,
    b"],",
    b'],"updated_at":"2025',
    b',{"role":"user","content":"x',
    b',{"role":"user","content":"x","turn_count":1\n}\n',
    b'],"updated_at":"2026-01-03T10:00:00.000Z","preview":"p","message_count":9,"turn_count":9,"pinned":1}',
    b'],\n"updated_at":"2026-01-03T10:00:00.000Z",\n"preview":"p","message_count":9,"turn_count":9}\n',
    b'{"role":"user","content":"no comma"}\n',
    b',{"role":"user","content":"no role"}\n,{"role":5}\n',
    b"garbage\n" * 2000,
]
LAST = [
    b"",
    b',{"content":"later","role":"user","created_at":"2025-03-03T10:00:00.000Z"}\n',
    b',{"role":"assistant","content":"x","usage":{"created_at":"2029-03-03T10:00:00.000Z"}}\n',
    b',{"role":"assistant","content":"no time"}   \n',
    b',{"role":"assistant","content":"zone","created_at":"2025-03-03T10:00:00.000+02:00"}\n',
]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("last", LAST)
@pytest.mark.parametrize("messages", [0, 1, 5])
def test_a_scan_says_what_parsing_all_of_it_says(messages, last, end, store, tmp_path):
    made = session(*(one for n in range(messages) for one in (user(f"u{n}"), assistant("a"))))
    data = codec.encode(made)
    at = data.index(b"\n]") + 1
    path = tmp_path / "torn"
    path.write_bytes(data[:at] + (last if messages else b"") + end)
    with path.open("rb") as file:
        try:
            expected = parsing.parse(path.read_bytes(), "it")
        except Unreadable:
            with pytest.raises(Unreadable):
                torn.scan(file.fileno(), "it")
            return
        found = torn.scan(file.fileno(), "it")
        assert found is not None
        assert found.tail.summary == replace(expected.session.summary(), totals=None)  # counted by the next write
        assert found.whole == (expected.torn is None)
        if not found.whole:
            assert path.read_bytes()[found.tail.footer_at :] == expected.torn
