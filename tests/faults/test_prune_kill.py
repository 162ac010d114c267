"""`po session prune`, killed at random moments: every session is in its place or in the trash, whole."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections import Counter

import pytest
from support.builders import user
from support.running import command

from po_sessions.session import Session
from po_sessions.storage import open_storage
from po_sessions.storage.files import codec

SESSIONS = 300
ROUNDS = 12

pytestmark = pytest.mark.slow


def test_a_killed_pruning_loses_nothing_and_is_finished_by_the_next(root, po_process):
    store, old = open_storage("files", root=str(root)), "2025-01-03T10:00:00.000Z"
    (root / "sessions").mkdir(0o700)
    made = {}
    for number in range(SESSIONS):
        one = Session(f"01ARZ3NDEKTSV4RRFFQ6900{number:03}", f"n{number}", "greeter", old, old, (user(f"m{number}"),))
        made[one.id] = codec.encode(one)
        (root / "sessions" / f"{one.id}.json").write_bytes(made[one.id])
    assert po_process("session", "list", "--all").returncode == 0
    args = ["session", "prune", "--older-than", "30d", "--all", "--yes"]
    rng, cut = random.Random(3), 0
    for _ in range(ROUNDS):
        before = len(list((root / "sessions").glob("01*.json")))
        child = subprocess.Popen([*command(), *args])
        end = time.monotonic() + 30
        while len(list((root / "sessions").glob("01*.json"))) == before and child.poll() is None:
            assert time.monotonic() < end
        time.sleep(rng.random() * 0.02)
        child.send_signal(signal.SIGKILL)
        cut += child.wait() == -signal.SIGKILL
        here = {path.stem: path.read_bytes() for path in (root / "sessions").glob("01*.json")}
        there = {path.name.partition(".")[0]: path.read_bytes() for path in (root / "trash").glob("01*.json")}
        assert there | here == made == here | there
        listed = json.loads(po_process("session", "list", "--all", "--json").stdout)
        assert {one["id"] for one in listed} == set(here)
    assert cut >= 3, "hardly any pruning was cut; kill earlier"
    assert po_process(*args).returncode == 0
    assert list(store.list()) == []
    assert {one.session.id for one in store.trash()} == set(made)
    # A cut between the two names of a file leaves it in both places, and then it goes into the trash a second time.
    assert Counter(one.session.id for one in store.trash()).most_common(1)[0][1] <= 2
