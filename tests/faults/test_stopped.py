"""A process that is stopped before any of its system calls: nobody who only reads waits for it.

The clock of the locks is one that goes on only while they wait, so a wait of a minute takes no time and is seen.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from support.selection import slow_but
from support.system_calls import ALL, IDS, NOW, OPERATIONS, Faults
from support.system_calls import prepared as prepared  # a fixture

from po_sessions import locks
from po_sessions.cli.fast import complete, session_list
from po_sessions.environment import Environment
from po_sessions.errors import Busy, NotFound
from po_sessions.message import Message
from po_sessions.storage import load

STOPPED = [
    *("append", "append to a torn end", "create", "rename", "delete", "undo", "restore", "switch", "settle", "import"),
    "rename a prompt object",
]
GRACE = 0.1
PATIENCE = 1.2


class Stops(Faults):
    """Stops the process before the call that is due, or in the middle of a write."""

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **more: Any) -> Any:
            self.names.append(name)
            if len(self.names) - 1 == self._due:
                if name == "pwrite":
                    fd, data, at = args
                    call(fd, data[: len(data) // 2], at)
                os.kill(os.getpid(), signal.SIGSTOP)
            return call(*args, **more)

        return wrapper


class Clock:
    """A clock that goes on only while somebody waits."""

    def __init__(self) -> None:
        self.offset = 0.0
        self.longest = 0.0

    def monotonic(self) -> float:
        return 1000.0 + self.offset

    def sleep(self, seconds: float) -> None:
        self.offset += seconds

    def wait(self, real: Callable[..., None], *args: Any) -> None:
        began = self.offset
        try:
            real(*args)
        finally:
            self.longest = max(self.longest, self.offset - began)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made, real = Clock(), locks._wait
    monkeypatch.setattr(locks, "time", made)
    monkeypatch.setattr(locks, "_wait", lambda *args: made.wait(real, *args))
    return made


def fresh(prepared: Path, tmp_path: Path) -> Path:
    """Return a copy of the environment, its index in step with the files and not folded."""
    shutil.rmtree(tmp_path / "x", ignore_errors=True)
    root = Path(shutil.copytree(prepared, tmp_path / "x" / ".prompt_objects", symlinks=True))
    manager = open_(root).session_manager
    manager.storage.rescan()
    manager.storage.close()
    manager.append(IDS[1], Message("user", "More", NOW))
    return root


def open_(root: Path) -> Environment:
    return Environment.open(root, lock_timeout=60)


@contextmanager
def stopped(name: str, root: Path, at: int) -> Iterator[bool]:
    """Have another process do an operation up to a call; yield whether it got there. It goes on afterwards."""
    pid = os.fork()
    if pid == 0:
        try:
            with Stops(at).active():
                env = open_(root)
                OPERATIONS[name](env)
                env.session_manager.storage.close()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        yield False
        return
    try:
        yield True
    finally:
        os.kill(pid, signal.SIGCONT)
        os.waitpid(pid, 0)


def read_one(env: Environment, id: str) -> None:
    manager = env.session_manager
    with suppress(NotFound), manager.reading(id) as opened:
        list(opened.history)
        list(opened.encoded())
    for look in (
        lambda id: load(manager.storage, id),
        manager.storage.head,
        lambda id: manager.find(id, None),
        manager.storage.turn_owner,
    ):
        with suppress(NotFound):
            look(id)


READERS: dict[str, Callable[[Environment], object]] = {
    "list": lambda env: list(env.session_manager.list()),
    "find by name": lambda env: env.session_manager.find("n1", "greeter"),
    "read the same session": lambda env: read_one(env, IDS[0]),
    "read others": lambda env: [read_one(env, id) for id in IDS[1:]],
    "pointers": lambda env: env.session_manager.pointers.read(),
    "trash": lambda env: env.session_manager.trash.list(),
    "list early": lambda env: session_list.answer(env.root, ["--all"]),
    "complete": lambda env: complete.answer(["zsh", "--root", env.root, "session", "show", ""]),
    "fold": lambda env: env.session_manager.storage.close(),
}


@pytest.mark.parametrize("name", slow_but(STOPPED, "append"))
def test_no_reader_waits_for_a_process_that_is_stopped(name: str, prepared: Path, tmp_path: Path, clock: Clock) -> None:
    step = 1 if ALL or name == "append" else 4
    at = len(name) % step
    while True:
        root = fresh(prepared, tmp_path)
        with stopped(name, root, at) as there:
            if not there:
                break
            for what, look in READERS.items():
                clock.longest = clock.offset = 0.0
                with suppress(NotFound):
                    look(open_(root))
                about = f"{name} stopped before call {at}: {what} waited {clock.longest} of {clock.offset}"
                assert clock.longest <= GRACE, about
                assert clock.offset <= 5 * GRACE, about
        at += step
    assert at >= 3 * step


@pytest.mark.parametrize("name", slow_but([name for name in STOPPED if name != "rename a prompt object"], "rename"))
def test_changes_of_other_sessions_go_on(name: str, prepared: Path, tmp_path: Path, clock: Clock) -> None:
    step = 1 if ALL or name == "append" else 4
    at = len(name) % step
    while True:
        root = fresh(prepared, tmp_path)
        other = IDS[0] if name in ("append to a torn end", "restore") else IDS[1 if name != "undo" else 2]
        with stopped(name, root, at) as there:
            if not there:
                break
            manager = open_(root).session_manager
            count = manager.append(other, Message("user", "meanwhile", NOW)).message_count
            with suppress(Busy):  # it may hold the names
                manager.create("reader", f"made {at}")
            manager.storage.create(
                load(manager.storage, other).__class__("01ARZ3NDEKTSV4RRFFQ6999999", "x", "reader", NOW, NOW)
            )
            manager.storage.delete(other, NOW)
        manager = open_(root).session_manager
        [entry] = [one for one in manager.trash.list() if one.session.id == other and one.kind == "deleted"]
        assert entry.session.message_count == count
        manager.storage.rescan()
        listed = {one.id for one in manager.list()}
        assert listed == {path.stem for path in (root / "sessions").glob("01*.json")}
        assert "01ARZ3NDEKTSV4RRFFQ6999999" in listed
        at += step
