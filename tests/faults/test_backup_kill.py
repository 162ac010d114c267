"""`po backup create` and `restore`, killed at random moments: whole copies or none, and nothing is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from support.builders import ULID, session, user
from support.running import command

from po_sessions.session import Session
from po_sessions.storage import open_storage

ROUNDS = int(os.environ.get("PO_TEST_KILL_ROUNDS", "40"))

COPY = """
import sys
from po_sessions.storage import open_storage
store = open_storage("files", root=sys.argv[1])
while True:
    print(store.back_up(sys.argv[2], "2025-01-03T10:00:00.000Z").id, flush=True)
"""

PUT_BACK = """
import sys
from datetime import UTC, datetime
from po_sessions.sessions.manager import SessionManager
from po_sessions.storage import open_storage
manager = SessionManager(open_storage("files", root=sys.argv[1]), clock=lambda: datetime.now(UTC))
backup = manager.backups.find(sys.argv[2])
print("ready", flush=True)
manager.backups.restore(backup)
print("done", flush=True)
"""


pytestmark = pytest.mark.slow


def killed(code: str, *args: str, after: float) -> list[str]:
    """Run a child, kill it some seconds after its first line, and return what it had printed."""
    child = subprocess.Popen([sys.executable, "-c", code, *args], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    first = child.stdout.readline()
    time.sleep(after)
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read()
    child.stdout.close()
    child.wait()
    return (first + rest).split()


def test_a_killed_copying_leaves_whole_backups(tmp_path):
    said: list[str] = []
    store = open_storage("files", root=str(tmp_path / "store"), notice=said.append)
    made = session(*(user("x" * 50_000) for _ in range(20)))
    store.create(made)
    rng = random.Random(1)
    for _ in range(ROUNDS):
        acknowledged = killed(COPY, str(tmp_path / "store"), ULID, after=rng.random() * 0.02)
        found = [one.id for one in store.backups()]
        assert set(acknowledged) <= set(found)
        assert len(found) - len(acknowledged) in (0, 1)
        assert all(store.backed_up(id) == made for id in found)
        assert said == []
        for id in found:
            store.discard_backup(id)


def test_a_killed_restoring_loses_neither_what_was_there_nor_the_session(tmp_path):
    store = open_storage("files", root=str(tmp_path / "store"))
    store.create(session(*(user("x" * 5_000) for _ in range(20))))
    backup = store.back_up(ULID, "2025-01-03T10:00:00.000Z")
    old = store.load(ULID)
    rng = random.Random(1)
    cut = 0
    for number in range(ROUNDS):
        store.append(ULID, user(f"PRECIOUS {number}"))
        before = store.load(ULID)
        said = killed(PUT_BACK, str(tmp_path / "store"), backup.id, after=rng.random() * 0.006)
        trashed = [store.trashed(one.id) for one in store.trash()]
        now = store.load(ULID)
        assert now in (before, old)
        assert before in (now, *trashed)
        if said[-1] == "done":
            assert now == old
        else:
            cut += 1
        assert [one.message_count for one in store.list()] == [now.message_count]
        store.append(ULID, user("next"))  # into a file of its own, whatever other names it had
        assert [store.trashed(one.id) for one in store.trash()] == trashed
        assert store.backed_up(backup.id) == old
        store.close()
        store.empty_trash("2025-03-01T10:00:00.000Z")
    assert cut >= 3, "hardly any restoring was cut; kill earlier"


def test_a_killed_command_can_be_repeated(root, po_process):
    store = open_storage("files", root=str(root))
    now = "2025-01-03T10:00:00.000Z"
    ids = [f"01ARZ3NDEKTSV4RRFFQ6900{number:03}" for number in range(100)]
    for number, id in enumerate(ids):
        store.create(Session(id, f"n{number}", "greeter", now, now, (user("x" * 1000),)))
    began = time.monotonic()
    assert po_process("backup", "create", "--all").returncode == 0
    whole = time.monotonic() - began
    cut = 0
    for _ in range(5):
        child = subprocess.Popen([*command(), "backup", "create", "--all"], stdout=subprocess.DEVNULL)
        time.sleep(random.uniform(0.2, 1) * whole)
        child.send_signal(signal.SIGKILL)
        cut += child.wait() != 0
        listed = po_process("backup", "list", "--all", "--json")
        assert (listed.returncode, listed.stderr) == (0, "")
        assert {one["message_count"] for one in json.loads(listed.stdout)} == {1}
        assert {one["session_id"] for one in json.loads(listed.stdout)} == set(ids)
    assert cut
    assert po_process("backup", "create", "--all").returncode == 0
    for id in ids:
        assert len(store.backup_ids(id)) <= 5
