"""An earlier version on the same store, in turns with this one: nothing is lost, and stale totals are counted anew.

The earlier version is the commit EARLIER, out of the repository's own history; where that is not at hand, only the
files that it wrote are tried.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from support.builders import ULID, assistant, session, user

from po_sessions import schema
from po_sessions.schema import Parent
from po_sessions.storage import load, open_storage

EARLIER = "0ee0937"
TOP = Path(__file__).parents[3]
REPLY = {"model": "m", "usage": {"input": 10, "output": 5}, "duration_ms": 7}
MINE = {"parent": Parent(ULID, 3, "fork"), "tags": ("a",), "pinned": True, "note": "n", "budget": 1000}
WRITTEN = (
    '{"version":1,"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","name":"Tea","po_name":"greeter",'
    '"created_at":"2025-01-03T10:00:00.000Z","metadata":{},"history":[\n'
    '{"role":"user","content":"Hello","created_at":"2025-01-03T10:00:00.000Z"}\n'
    ',{"role":"assistant","content":"Hi","created_at":"2025-01-03T10:00:01.000Z","model":"m",'
    '"usage":{"input":10,"output":5},"duration_ms":7}\n'
    '],"updated_at":"2025-01-03T10:00:01.000Z","preview":"Hello","message_count":2,"turn_count":1\n}\n'
)
"""A file as it writes one."""
ROW = (
    '\n{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","name":"Tea","po_name":"greeter","created_at":"2025-01-03T10:00:00.000Z",'
    '"updated_at":"2025-01-03T10:00:01.000Z","message_count":2,"turn_count":1,"preview":"Hello","last_turn":"done",'
    '"changed":%d,"size":%d,"inode":%d}\n'
)
"""Its row in the index."""


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def store(root):
    return open_storage("files", root=str(root))


@pytest.fixture(scope="session")
def earlier(tmp_path_factory):
    """Return what runs a program with the earlier version, given a store and its session."""
    git = ["git", "-C", str(TOP), "archive", EARLIER, "po_sessions"]
    try:
        archive = subprocess.run(git, capture_output=True, check=True, timeout=60).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"the history of this repository does not have {EARLIER}")
    there = tmp_path_factory.mktemp("earlier")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(there, filter="data")

    def run(root: Path, program: str) -> str:
        begin = (
            f"import json, sys\nsys.path.insert(0, {str(there)!r})\n"
            "from dataclasses import replace\nfrom po_sessions.session import Message\n"
            "from po_sessions.storage import open_storage\n"
            f"store, id = open_storage('files', root={str(root)!r}), {ULID!r}\n"
            "def reply(text): return Message('assistant', text, '2025-01-03T11:00:00.000Z', "
            f"{REPLY!r})\n"
        )
        done = subprocess.run(
            [sys.executable, "-I", "-c", begin + program], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def counts(replies: int) -> dict[str, dict[str, int]]:
    one = schema.totals_of([assistant(**REPLY)])["m"]
    return {"m": {key: replies * value for key, value in one.items()}}


def footer(root: Path) -> dict:
    return json.loads((root / "sessions" / f"{ULID}.json").read_text())


def test_a_file_of_the_earlier_version_gets_its_totals_with_the_next_message(store, root):
    store.create(session())
    path = Path(store.path(ULID))
    path.write_text(WRITTEN)
    assert load(store, ULID).summary().totals == counts(1)
    store.append(ULID, assistant("more", **REPLY))
    found = footer(root)
    assert found["totals"] == {"message_count": 3, "updated_at": found["updated_at"], "models": counts(2)}
    assert found["spent"] == 30
    assert path.read_text().startswith(WRITTEN[: WRITTEN.index("\n],")])


def test_a_row_of_the_earlier_version_is_read_again_where_the_new_keys_are_needed(store, root):
    store.create(replace(session(), **MINE))
    path = Path(store.path(ULID))
    about = path.stat()
    (root / "sessions" / "index.log").write_text(ROW % (about.st_ctime_ns, about.st_size, about.st_ino))
    (row,) = open_storage("files", root=str(root)).list()
    assert (row.totals, row.tags, row.message_count) == (None, (), 2)
    (row,) = open_storage("files", root=str(root)).list(complete=True)
    assert (row.totals, row.tags, row.pinned, row.parent) == ({}, ("a",), True, MINE["parent"])
    (row,) = open_storage("files", root=str(root)).list()  # it was kept
    assert (row.totals, row.tags) == ({}, ("a",))


@pytest.mark.parametrize("again", ["append", "rename"])
@pytest.mark.parametrize(
    ("program", "texts", "replies", "spent"),
    [
        ("store.append(id, reply('2'))", ["Hello", "1", "2"], 2, 30),
        ("store.update(id, lambda one: replace(one, name='Tee'))", ["Hello", "1"], 1, 15),
        ("store.append(id, reply('2'))\nstore.update(id, lambda one: one)", ["Hello", "1", "2"], 2, 30),
        ("store.cut(id, 1, 2, '2025-01-03T12:00:00.000Z')", ["Hello"], 0, 15),
        ("store.cut(id, 1, 2, '2025-01-03T12:00:00.000Z')\nstore.append(id, reply('2'))", ["Hello", "2"], 1, 15),
    ],
)
def test_the_earlier_version_in_between_loses_nothing(earlier, store, root, program, texts, replies, spent, again):
    store.create(replace(session(user(), assistant("1", **REPLY)), **MINE))
    earlier(root, program)
    store = open_storage("files", root=str(root))
    found = load(store, ULID)
    assert [one.content for one in found.history] == texts
    assert {key: getattr(found, key) for key in MINE} == MINE
    assert (found.extra, found.summary().totals) == ({}, counts(replies) if replies else {})
    if again == "append":
        store.append(ULID, assistant("9", **REPLY))
        texts, replies, spent = [*texts, "9"], replies + 1, spent + 15
    else:
        store.amend(ULID, lambda one: replace(one, name="Chai"))
    written = footer(root)
    assert [one["content"] for one in written["history"]] == texts
    assert written["totals"]["models"] == (counts(replies) if replies else {})
    assert (written["spent"], written["tags"]) == (spent, ["a"])
    assert earlier(root, "print([one.content for one in store.load(id).history])").strip() == str(texts)
    assert store.summary(ULID).totals == (counts(replies) if replies else {})
    assert json.loads(earlier(root, "print(json.dumps([one.message_count for one in store.summaries()]))")) == [
        len(texts)
    ]
