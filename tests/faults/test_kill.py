"""A writer killed with SIGKILL at random moments: every acknowledged message is there, and the next append works."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from support.builders import ULID, session, user
from support.selection import slow

from po_sessions.storage import open_storage

ROUNDS = int(os.environ.get("PO_TEST_KILL_ROUNDS", "40"))
FEW = 4

WRITER = """
import sys
from po_sessions.message import Message
from po_sessions.storage import open_storage
store = open_storage("files", root=sys.argv[1])
number, sizes = int(sys.argv[2]), [500, 5_000, 70_000, 1_000_000]
while True:
    store.append(sys.argv[3], Message("user", f"{number}:" + "x" * sizes[number % 4], "2025-01-03T10:00:00.000Z"))
    print(number, flush=True)
    number += 1
"""


@pytest.mark.parametrize("rounds", [FEW, slow(ROUNDS)])
def test_a_killed_writer_loses_nothing_that_it_acknowledged(rounds, tmp_path):
    root = str(tmp_path / "store")
    store = open_storage("files", root=root)
    store.create(session())
    rng = random.Random(1)
    written = 0
    for _ in range(rounds):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, root, str(written), ULID], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(rng.random() * 0.03)
        writer.send_signal(signal.SIGKILL)
        acknowledged = int(([first, *writer.stdout] if first else ["-1"])[-1]) + 1
        writer.wait()
        writer.stdout.close()
        found = [int((one.content or "").partition(":")[0]) for one in store.load(ULID).history]
        assert found == list(range(len(found)))
        assert len(found) in (acknowledged, acknowledged + 1)  # the one in hand may have been stored unheard
        store.append(ULID, user(f"{len(found)}:next"))
        written = len(found) + 1
        if written > 150:  # keep the file small
            os.unlink(store.path(ULID))
            store.create(session())
            written = 0
        store.close()
        assert [one.message_count for one in store.list()] == [written]
