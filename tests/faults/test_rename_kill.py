"""`po object rename`, killed at random moments: the next command finishes it."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time

import pytest
from support.running import command

from po_sessions.pointers import PointerFile
from po_sessions.session import Session
from po_sessions.storage import open_storage

SESSIONS = 200
ROUNDS = 20

pytestmark = pytest.mark.slow


def test_a_killed_renaming_is_finished_by_the_next_command(root, po_process):
    store = open_storage("files", root=str(root))
    now = "2025-01-03T10:00:00.000Z"
    for number in range(SESSIONS):
        store.create(Session(f"01ARZ3NDEKTSV4RRFFQ6900{number:03}", f"n{number}", "greeter", now, now))
    PointerFile(str(root)).change(
        lambda now: now.with_po("greeter").with_session("greeter", "01ARZ3NDEKTSV4RRFFQ6900007")
    )
    names = ["greeter"]
    cut = 0
    began = time.monotonic()
    assert po_process("object", "rename", "greeter", "n").returncode == 0
    whole = time.monotonic() - began
    names.append("n")
    for number in range(ROUNDS):
        old, new = names[-1], f"po{number}"
        child = subprocess.Popen([*command(), "object", "rename", old, new], stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0.1, 1) * whole)
        child.send_signal(signal.SIGKILL)
        child.wait()
        cut += (root / "sessions" / ".rename").exists()
        listed = json.loads(po_process("session", "list", "--all", "--json").stdout)
        (name,) = {one["po_name"] for one in listed}
        assert name in (old, new)
        assert len(listed) == SESSIONS
        assert {one["orphaned"] for one in listed} == {False}
        assert not (root / "sessions" / ".rename").exists()
        stored = {json.loads(path.read_bytes())["po_name"] for path in (root / "sessions").glob("01*.json")}
        assert stored == {name}
        assert po_process("status").stdout == f"{name}: n7 (0 msgs)\n"
        objects = json.loads(po_process("object", "list", "--json").stdout)
        assert {one["name"]: one["current"] for one in objects} == {"coordinator": False, "reader": False, name: True}
        assert (root / "objects" / f"{name}.md").exists()
        names.append(name)
    assert cut >= 3, "hardly any renaming was cut; kill earlier"
