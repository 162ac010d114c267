"""Many processes at one store: nothing lost, nothing doubled, order kept, no spurious failure."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter

import pytest
from test_session import ULID, session

from po_sessions.storage import open_storage
from po_sessions.storage.index import Index

APPEND = """
import sys
from po_sessions.session import Message
from po_sessions.storage import open_storage
root, worker, count, ids = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
store = open_storage("files", root=root)
for number in range(count):
    for id in ids:
        store.append(id, Message("user", f"{worker} {number}", "2025-01-03T10:00:00.000Z"))
    store.settle()
"""

ENSURE = """
import sys
from datetime import UTC, datetime
from po_sessions.manager import SessionManager
from po_sessions.storage import open_storage
manager = SessionManager(open_storage("files", root=sys.argv[1]), clock=lambda: datetime.now(UTC))
print(manager.begin("greeter").id)
manager.storage.settle()
"""

LIST = """
import sys
from po_sessions.storage import open_storage
store = open_storage("files", root=sys.argv[1])
for _ in range(int(sys.argv[2])):
    assert sorted(s.id for s in store.summaries()) == sorted(sys.argv[3:])
    store.settle()
"""


def start(code: str, *args: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, args)], stdout=subprocess.PIPE, text=True)


def wait(processes: list[subprocess.Popen[str]]) -> list[str]:
    out = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return out


@pytest.mark.parametrize("workers", [2, 8, 32])
def test_one_session(workers, tmp_path):
    root, count = tmp_path / "store", 192 // workers
    store = open_storage("files", root=str(root))
    store.create(session())
    wait([start(APPEND, root, worker, count, ULID) for worker in range(workers)])
    history = [(one.content or "").split() for one in store.load(ULID).history]
    assert Counter(worker for worker, _ in history) == dict.fromkeys(map(str, range(workers)), count)
    for worker in range(workers):
        assert [int(n) for w, n in history if w == str(worker)] == list(range(count))
    assert [one.message_count for one in store.summaries()] == [workers * count]
    json.loads((root / "sessions" / f"{ULID}.json").read_text())


RENAME = """
import sys
from dataclasses import replace
from po_sessions.storage import open_storage
store = open_storage("files", root=sys.argv[1])
for number in range(int(sys.argv[2])):
    store.update(sys.argv[3], lambda one: replace(one, name=f"name {number}"))
"""


def test_one_session_while_it_is_renamed(tmp_path):
    root = tmp_path / "store"
    store = open_storage("files", root=str(root))
    store.create(session())
    wait([*(start(APPEND, root, worker, 40, ULID) for worker in range(4)), start(RENAME, root, 60, ULID)])
    loaded = store.load(ULID)
    assert (loaded.message_count, loaded.name) == (160, "name 59")
    assert [(one.message_count, one.name) for one in store.summaries()] == [(160, "name 59")]


def test_many_sessions_while_others_list_and_fold(tmp_path):
    root = tmp_path / "store"
    store = open_storage("files", root=str(root))
    ids = [ULID[:-2] + f"{number:02}" for number in range(16)]
    for number, id in enumerate(ids):
        store.create(
            session().__class__(id, f"s{number}", "greeter", "2025-01-03T10:00:00.000Z", "2025-01-03T10:00:00.000Z")
        )
    wait([*(start(APPEND, root, w, 10, *ids) for w in range(4)), *(start(LIST, root, 30, *ids) for _ in range(3))])
    assert {one.message_count for one in store.summaries()} == {40}
    store.settle()
    rows = json.loads((root / "sessions" / "index.json").read_text())["sessions"]
    assert {row["id"]: row["message_count"] for row in rows} == dict.fromkeys(ids, 40)
    assert not Index(str(root / "sessions"), timeout=1).needs_folding()


def test_twenty_first_uses_make_one_default(tmp_path):
    root = tmp_path / "store"
    found = wait([start(ENSURE, root) for _ in range(20)])
    store = open_storage("files", root=str(root))
    (only,) = store.summaries()
    assert (only.name, only.po_name) == ("Default", "greeter")
    assert set(found) == {f"{only.id}\n"}
    assert store.state().pointer("greeter").current == only.id


CREATE = """
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
        assert id in {one.id for one in store.summaries()} or number % 4 == 0
        store.settle()
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


def test_creators_and_other_programs_at_once_leave_nothing_unseen(tmp_path):
    root = tmp_path / "store"
    store = open_storage("files", root=str(root))
    store.create(session())
    count = 400
    wait(
        [
            *(start(CREATE, root, worker, count) for worker in "ABC"),
            *(start(BRING, root, worker, count) for worker in "XY"),
        ]
    )
    there = {path.stem for path in (root / "sessions").glob("01*.json")}
    assert len(there) == 1 + 3 * count * 3 // 4 + 2 * (count - (count + 2) // 3)
    deadline = time.monotonic() + 30
    while (listed := {one.id for one in store.summaries()}) != there and time.monotonic() < deadline:
        time.sleep(0.1)  # until it is time to look at what may have come at the same instant
    assert listed == there
