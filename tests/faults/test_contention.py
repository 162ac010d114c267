"""Many processes at one store: nothing lost, nothing doubled, order kept, no spurious failure.

`PO_TEST_ALL_FAULTS=1` has as many of them send as the goals say.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter

import pytest
from support.builders import ULID, session
from support.running import command
from support.selection import slow_but

from po_sessions.message import Message
from po_sessions.pointers import PointerFile
from po_sessions.storage import open_storage
from po_sessions.storage.files.index import Index

APPEND = """
import sys
from po_sessions.message import Message
from po_sessions.storage import open_storage
root, worker, count, ids = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
store = open_storage("files", root=root)
for number in range(count):
    for id in ids:
        store.append(id, Message("user", f"{worker} {number}", "2025-01-03T10:00:00.000Z"))
    store.close()
"""

ENSURE = """
import sys
from datetime import UTC, datetime
from po_sessions.pointers import PointerFile
from po_sessions.sessions.manager import SessionManager
from po_sessions.storage import open_storage
store, pointers = open_storage("files", root=sys.argv[1]), PointerFile(sys.argv[1])
manager = SessionManager(store, pointers=pointers, clock=lambda: datetime.now(UTC))
print(manager.begin("greeter").id)
manager.storage.close()
"""

LIST = """
import sys
from po_sessions.storage import open_storage
store = open_storage("files", root=sys.argv[1])
for _ in range(int(sys.argv[2])):
    assert sorted(s.id for s in store.list()) == sorted(sys.argv[3:])
    store.close()
"""


def start(code: str, *args: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, args)], stdout=subprocess.PIPE, text=True)


def wait(processes: list[subprocess.Popen[str]]) -> list[str]:
    out = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return out


@pytest.mark.parametrize("workers", slow_but([2, 8, 32], 2))
def test_one_session(workers, tmp_path):
    root, count = tmp_path / "store", 192 // workers
    store = open_storage("files", root=str(root))
    store.create(session())
    wait([start(APPEND, root, worker, count, ULID) for worker in range(workers)])
    history = [(one.content or "").split() for one in store.load(ULID).history]
    assert Counter(worker for worker, _ in history) == dict.fromkeys(map(str, range(workers)), count)
    for worker in range(workers):
        assert [int(n) for w, n in history if w == str(worker)] == list(range(count))
    assert [one.message_count for one in store.list()] == [workers * count]
    json.loads((root / "sessions" / f"{ULID}.json").read_text())


RENAME = """
import sys
from dataclasses import replace
from po_sessions.storage import open_storage
store = open_storage("files", root=sys.argv[1])
for number in range(int(sys.argv[2])):
    store.update(sys.argv[3], lambda one: replace(one, name=f"name {number}"))
"""


@pytest.mark.slow
def test_one_session_while_it_is_renamed(tmp_path):
    root = tmp_path / "store"
    store = open_storage("files", root=str(root))
    store.create(session())
    wait([*(start(APPEND, root, worker, 40, ULID) for worker in range(4)), start(RENAME, root, 60, ULID)])
    loaded = store.load(ULID)
    assert (loaded.message_count, loaded.name) == (160, "name 59")
    assert [(one.message_count, one.name) for one in store.list()] == [(160, "name 59")]


@pytest.mark.parametrize("workers", slow_but([2, 8, 32], 2))
def test_many_sessions_while_others_list_and_fold(workers, tmp_path):
    root, count = tmp_path / "store", 64 // workers
    store = open_storage("files", root=str(root))
    ids = [ULID[:-2] + f"{number:02}" for number in range(32)]
    for number, id in enumerate(ids):
        store.create(
            session().__class__(id, f"s{number}", "greeter", "2025-01-03T10:00:00.000Z", "2025-01-03T10:00:00.000Z")
        )
    own = [ids[w::workers] if workers == 32 else ids for w in range(workers)]
    listing = [start(LIST, root, 30, *ids) for _ in range(3)]
    wait([*(start(APPEND, root, w, count, *own[w]) for w in range(workers)), *listing])
    expected = count if workers == 32 else workers * count
    assert {one.message_count for one in store.list()} == {expected}
    for id in ids:
        said = [(one.content or "").split() for one in store.load(id).history]
        for worker in range(workers):
            assert [int(n) for w, n in said if w == str(worker)] == (list(range(count)) if id in own[worker] else [])
    store.close()
    rows = json.loads((root / "sessions" / "index.json").read_text())["sessions"]
    assert {row["id"]: row["message_count"] for row in rows} == dict.fromkeys(ids, expected)
    assert not Index(str(root / "sessions")).needs_folding()


CREATE = """
import sys
from datetime import UTC, datetime
from po_sessions.errors import Conflict
from po_sessions.pointers import PointerFile
from po_sessions.sessions.manager import SessionManager
from po_sessions.storage import open_storage
store, pointers = open_storage("files", root=sys.argv[1]), PointerFile(sys.argv[1])
manager = SessionManager(store, pointers=pointers, clock=lambda: datetime.now(UTC))
for number in range(5):
    try:
        print(manager.create("greeter", f"name {number}").id)
    except Conflict:
        pass
    manager.create("greeter")
    manager.storage.close()
"""


@pytest.mark.parametrize("workers", slow_but([2, 8, 32], 2))
def test_a_name_is_given_once(workers, tmp_path):
    root = tmp_path / "store"
    made = "".join(wait([start(CREATE, root) for _ in range(workers)])).split()
    store = open_storage("files", root=str(root))
    found = {one.name: one.id for one in store.list()}
    assert len(list(store.list())) == len(found) == 5 + 5 * workers
    assert sorted(made) == sorted(found[f"name {number}"] for number in range(5))
    numbered = {"Session"} | {f"Session {number}" for number in range(2, 5 * workers + 1)}
    assert set(found) == numbered | {f"name {number}" for number in range(5)}


SENDERS = 50 if os.environ.get("PO_TEST_ALL_FAULTS") else 10
"""How many send at once; `test_end_to_end` has as many as the embedded model can answer in time."""


def send_at_once(count: int, *options: str) -> None:
    """Run as many `po send`, which all succeed and print their reply alone; `{}` in an option is the number of each."""
    children = []
    for number in range(count):
        args = [option.format(number) for option in options]
        children.append(
            subprocess.Popen(
                [*command(), "send", "greeter", f"message {number}", *args],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    done = [child.communicate(timeout=300) for child in children]
    found = [(child.returncode, *said) for child, said in zip(children, done, strict=True)]
    assert found == [(0, f"message {number}\n", "") for number in range(count)]


def turns(history: tuple[Message, ...]) -> list[str]:
    """Return what was asked, in order; each was answered before the next."""
    assert [one.role for one in history] == ["user", "assistant"] * (len(history) // 2)
    assert not [one for one in history if one.failed]
    return [str(one.content) for one in history[::2]]


@pytest.mark.parametrize("to", ["one", "each its own"])
def test_sends_at_once(to, root, monkeypatch):
    monkeypatch.setenv("PO_TEST_SCRIPT", '{"delay": 0.03}')  # long enough to get in between
    send_at_once(SENDERS, *(["--session", "s{}", "--create"] if to == "each its own" else []))
    store = open_storage("files", root=str(root))
    asked = {one.name: turns(store.load(one.id).history) for one in store.list()}
    if to == "one":
        assert sorted(asked.pop("Default")) == sorted(f"message {number}" for number in range(SENDERS))
        assert asked == {}
    else:
        assert asked == {f"s{number}": [f"message {number}"] for number in range(SENDERS)}
    assert not os.path.exists(root / "sessions" / "index.log")


@pytest.mark.slow
def test_twenty_first_uses_make_one_default(tmp_path):
    root = tmp_path / "store"
    found = wait([start(ENSURE, root) for _ in range(20)])
    store = open_storage("files", root=str(root))
    (only,) = store.list()
    assert (only.name, only.po_name) == ("Default", "greeter")
    assert set(found) == {f"{only.id}\n"}
    assert PointerFile(str(root)).read().pointer("greeter").current == only.id


MAKE = """
import sys
from po_sessions.session import Session
from po_sessions.storage import open_storage
store = open_storage("files", root=sys.argv[1])
for number in range(int(sys.argv[3])):
    id = f"01ARZ3NDEKTSV4RRF{sys.argv[2]}{number:08}"
    store.create(Session(id, id, "greeter", "2025-01-03T10:00:00.000Z", "2025-01-03T10:00:00.000Z"))
    if number % 4 == 0:
        store.delete(id, "2025-01-03T10:00:00.000Z")
    if number % 8 == 0:
        assert id in {one.id for one in store.list()} or number % 4 == 0
        store.close()
"""

BRING = """
import os, sys, time
directory, worker, count = sys.argv[1] + "/sessions", sys.argv[2], int(sys.argv[3])
for number in range(count):
    id = f"01ARZ3NDEKTSV4RRF{worker}{number:08}"
    with open(f"{directory}/{id}.json", "w") as file:
        file.write(f'{{"id":"{id}","name":"{id}","po_name":"greeter","history":[]}}')
    if number % 3 == 0:
        os.unlink(f"{directory}/{id}.json")
    time.sleep(0.0003)
"""


@pytest.mark.slow
def test_creators_and_other_programs_at_once_leave_nothing_unseen(tmp_path):
    root = tmp_path / "store"
    store = open_storage("files", root=str(root))
    store.create(session())
    count = 400
    wait(
        [
            *(start(MAKE, root, worker, count) for worker in "ABC"),
            *(start(BRING, root, worker, count) for worker in "XY"),
        ]
    )
    there = {path.stem for path in (root / "sessions").glob("01*.json")}
    assert len(there) == 1 + 3 * count * 3 // 4 + 2 * (count - (count + 2) // 3)
    deadline = time.monotonic() + 30
    while (listed := {one.id for one in store.list()}) != there and time.monotonic() < deadline:
        time.sleep(0.1)  # until it is time to look at what may have come at the same instant
    assert listed == there
