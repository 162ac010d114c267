"""What the store costs, against the system calls that it cannot do without. Prints ratios beside their goals."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from measure import interleaved, ratio, row, scratch

from po_sessions import locks
from po_sessions.message import Message
from po_sessions.session import Session
from po_sessions.storage import open_storage
from po_sessions.storage.files.index import Index
from po_sessions.storage.files.store import FileStore

WHEN = "2025-01-03T10:00:00.000Z"
IDS = [f"01ARZ3NDEKTSV4RRFFQ69G{number:04}" for number in range(64)]
MESSAGE = Message("user", "x" * 400, WHEN)

WRITER = """
import sys, time
from po_sessions.message import Message
from po_sessions.storage import open_storage
store = open_storage("files", root=sys.argv[1])
message = Message("user", "x" * 400, "2025-01-03T10:00:00.000Z")
sys.stdin.readline()
for _ in range(int(sys.argv[3])):
    store.append(sys.argv[2], message)
"""

BARE_WRITER = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    os.write(fd, b"x" * 500)
    os.fdatasync(fd)
"""


def make(root: Path, count: int) -> FileStore:
    """Return a store with one session of `count` messages."""
    store = FileStore(str(root))
    store.create(Session(IDS[0], "Default", "greeter", WHEN, WHEN, (MESSAGE,) * count))
    return store


def per_second(root: Path, ids: list[str], total: int) -> float:
    """Return how many appends a second the processes reach together, one for each of `ids`."""
    store = open_storage("files", root=str(root))
    for id in set(ids):
        store.create(Session(id, id, "greeter", WHEN, WHEN))
    count = total // len(ids)
    return together([[WRITER, str(root), id, str(count)] for id in ids], count)


def bare_per_second(root: Path, processes: int, total: int) -> float:
    """Return how many bare writes with a sync the processes reach together, each in its own file."""
    root.mkdir()
    count = total // processes
    return together([[BARE_WRITER, str(root / str(number)), str(count)] for number in range(processes)], count)


def together(args: list[list[str]], count: int) -> float:
    """Return how many rounds a second the processes reach together that do `count` each."""
    writers = [subprocess.Popen([sys.executable, "-c", *one], stdin=subprocess.PIPE) for one in args]
    time.sleep(0.3 + 0.12 * len(args))  # until all have started
    began = time.perf_counter()
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"\n")
        writer.stdin.flush()
    for writer in writers:
        assert writer.wait() == 0
        assert writer.stdin is not None
        writer.stdin.close()
    return count * len(args) / (time.perf_counter() - began)


def appends(directory: Path) -> None:
    """Time one append against a bare write and sync, in a short and in a long session."""
    short, long = make(directory / "short", 10), make(directory / "long", 100_000)
    data = b"x" * 500
    bare = os.open(directory / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write_and_sync() -> float:
        began = time.perf_counter()
        fd = os.open(directory / "bare", os.O_WRONLY | os.O_APPEND)
        os.write(fd, data)
        os.fdatasync(fd)
        os.close(fd)
        return time.perf_counter() - began

    def append(store: FileStore) -> float:
        began = time.perf_counter()
        store.append(IDS[0], MESSAGE)
        return time.perf_counter() - began

    jobs = {"bare": write_and_sync, "short": lambda: append(short), "long": lambda: append(long)}
    times = interleaved(jobs, rounds=401)
    os.close(bare)
    row("durable append / open, write, `fdatasync`", f"{ratio(times, 'short', 'bare'):.2f}", "≤ 1.25")
    row("the same at 100,000 messages / at 10", f"{ratio(times, 'long', 'short'):.2f}", "≤ 1.10")


def microseconds(directory: Path) -> None:
    """Time what needs no sync."""
    index = Index(str(directory / "short" / "sessions"))
    line = {"id": IDS[0], "name": "Default", "po_name": "greeter", "updated_at": WHEN, "preview": "x" * 80, "size": 500}

    def record() -> None:
        index.record(line)

    def lock() -> None:
        with locks.locked(str(directory / "lock"), timeout=1):
            pass

    held = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)

    def bare_lock() -> None:
        with locks.holding(held, str(directory / "lock"), timeout=1, shared=False):
            locks.is_at(held, str(directory / "lock"))

    def opened() -> None:
        os.close(os.open(directory / "lock", os.O_RDWR | os.O_CREAT))

    jobs = [
        ("recording a change in the index", record, "≤ 10 µs"),
        ("an uncontended lock: `flock`, whether the file is still there, unlock", bare_lock, "≤ 5 µs"),
        ("the same with opening and closing the file", lock, ""),
        ("opening and closing it alone", opened, ""),
    ]
    for what, job, goal in jobs:
        times = []
        for _ in range(2001):
            began = time.perf_counter()
            job()
            times.append(time.perf_counter() - began)
        row(what, f"{statistics.median(times) * 1e6:.0f} µs", goal)


def contention(directory: Path) -> None:
    """Compare many writers with one."""
    rounds: dict[str, list[float]] = {"one": [], "crowd": [], "spread": [], "bare": [], "bare spread": []}
    for number in range(5):
        rounds["one"].append(per_second(directory / f"one{number}", IDS[:1], 800))
        rounds["crowd"].append(per_second(directory / f"crowd{number}", IDS[:1] * 32, 3200))
        rounds["spread"].append(per_second(directory / f"spread{number}", IDS[:8], 3200))
        rounds["bare"].append(bare_per_second(directory / f"bare-one{number}", 1, 800))
        rounds["bare spread"].append(bare_per_second(directory / f"bare-spread{number}", 8, 3200))
    limit = ratio(rounds, "bare spread", "bare")
    crowd, spread = ratio(rounds, "crowd", "one"), ratio(rounds, "spread", "one")
    row("32 processes on one session / one process, appends a second", f"{crowd:.2f}", "≥ 0.40")
    row("8 processes on 8 sessions / one process", f"{spread:.2f}", "≥ 2.5")
    row("8 processes that only write and sync 8 files / one: what this machine can do", f"{limit:.2f}", "")


def main() -> None:
    with scratch() as directory:
        appends(Path(directory))
        microseconds(Path(directory))
        contention(Path(directory))


if __name__ == "__main__":
    main()
