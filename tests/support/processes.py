"""Processes of a test that work at once, and how they ended."""

from __future__ import annotations

import faulthandler
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

PATIENCE = 90.0
"""Seconds after which a process that has not ended is said to hang."""
ORDERED = "open write pwrite pread rename replace link unlink ftruncate mkdir scandir listdir"
"""The calls that others can see, or that see what others did."""
CALLS = f"{ORDERED} fsync fdatasync fchmod chmod"


@contextmanager
def in_memory(otherwise: Path) -> Iterator[Path]:
    """Make a directory in memory, where the machine has such: what is looked for is an order, and not a disk."""
    memory = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="po-", dir=memory if os.access(memory, os.W_OK) else otherwise))
    try:
        yield made
    finally:
        shutil.rmtree(made)


_start = subprocess.Popen.__init__


@contextmanager
def children_ended() -> Iterator[None]:
    """End what is started in the block by `subprocess` and runs at its end, as it does when a test fails."""
    begun: list[subprocess.Popen[Any]] = []
    before = subprocess.Popen.__init__

    def start(self: subprocess.Popen[Any], *args: Any, **more: Any) -> None:
        before(self, *args, **more)
        begun.append(self)

    subprocess.Popen.__init__ = start
    try:
        yield
    finally:
        subprocess.Popen.__init__ = before
        for child in begun:
            if child.poll() is None:
                child.kill()
                with child:  # which closes its pipes
                    pass


@contextmanager
def outliving() -> Iterator[None]:
    """Leave alone what is started in the block: several tests share it, and one of them may be the first to ask."""
    ended = subprocess.Popen.__init__
    subprocess.Popen.__init__ = _start
    try:
        yield
    finally:
        subprocess.Popen.__init__ = ended


def forked(work: Callable[[], None], stacks: Path) -> int:
    """Run something in a process of its own and return its id; it writes its stacks if it hangs."""
    if pid := os.fork():
        return pid
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        file = stacks.open("w")
        faulthandler.dump_traceback_later(PATIENCE, exit=True, file=file)
        work()
        status = 0
    except BaseException:
        traceback.print_exc(file=file)
        file.flush()
    finally:
        os._exit(status)


def ended(pid: int, stacks: Path) -> list[str]:
    """Wait for a process; return what is wrong with its end."""
    deadline = time.monotonic() + PATIENCE + 10
    while (done := os.waitpid(pid, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return [f"HANGS: {stacks.stem} did not end"]
        time.sleep(0.002)
    return [] if done[1] == 0 else [f"HANGS or died: {stacks.stem}: {stacks.read_text()}"]


def at_once(logs: Path, workers: int, work: Callable[[int], None]) -> list[str]:
    """Have so many processes work, each told its number; return what is wrong with how they ended."""
    stacks = [logs / f"w{worker}.stacks" for worker in range(1, workers + 1)]
    pids = [forked(partial(work, worker), file) for worker, file in enumerate(stacks, 1)]
    return [wrong for pid, file in zip(pids, stacks, strict=True) for wrong in ended(pid, file)]


def wrapped(calls: str, around: Callable[[str], None]) -> None:
    """Have something done before each system call of this process, which ends without taking that back."""
    for module, name in [*((os, name) for name in calls.split()), (fcntl, "flock")]:
        real = getattr(module, name)

        def call(*args: Any, real: Any = real, name: str = name, **more: Any) -> Any:
            around(name)
            return real(*args, **more)

        setattr(module, name, call)
