"""Operations of the store that are made to fail at each of their system calls."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from po_sessions.doctor import Store, examine
from po_sessions.environment import Environment
from po_sessions.errors import NotFound, PoError
from po_sessions.message import Message
from po_sessions.prompt_objects.definition import Definition
from po_sessions.session import Session
from po_sessions.storage import load

IDS = [f"01ARZ3NDEKTSV4RRFFQ6900{number:03}" for number in range(4)]

NOW = "2025-01-03T10:00:00.000Z"

CALLS = (
    "open write pwrite pread fsync fdatasync rename replace link unlink ftruncate mkdir fchmod chmod scandir listdir"
)

ALL = bool(os.environ.get("PO_TEST_ALL_FAULTS"))


class Killed(BaseException):
    """The process ends here."""


class Faults:
    """Counts the system calls of a block; the one that is due fails, in `lasting` all of its name that follow too.

    Without a `code` the process is killed there: neither that call nor any later one is made.
    """

    def __init__(self, due: int = -1, code: int = 0, *, lasting: bool = False) -> None:
        self.names: list[str] = []
        self._due, self._code, self._lasting = due, code, lasting

    @contextmanager
    def active(self) -> Iterator[None]:
        real = [(os, name, getattr(os, name)) for name in CALLS.split()] + [(fcntl, "flock", fcntl.flock)]
        for module, name, call in real:
            setattr(module, name, self._wrapped(name, call))
        try:
            yield
        finally:
            for module, name, call in real:
                setattr(module, name, call)

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **more: Any) -> Any:
            self.names.append(name)
            at = len(self.names) - 1
            if at >= self._due >= 0 and not self._code:
                raise Killed
            if at == self._due or (self._lasting and at > self._due >= 0 and name == self.names[self._due]):
                raise OSError(self._code, os.strerror(self._code), args[0] if isinstance(args[0], str) else None)
            return call(*args, **more)

        return wrapper


def open_(root: Path, said: list[str] | None = None) -> Environment:
    moments = (datetime(2025, 2, 1, tzinfo=UTC) + timedelta(seconds=n) for n in range(10_000))
    notice = (said if said is not None else []).append
    return Environment.open(root, clock=lambda: next(moments), lock_timeout=0.2, notice=notice)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with sessions of each kind: long, short, empty, with a torn end, deleted, undone."""
    root = tmp_path_factory.mktemp("faults") / ".prompt_objects"
    Environment.create(root)
    env = open_(root)
    manager = env.session_manager
    for number, id in enumerate(IDS):
        history = tuple(
            Message(role, f"{role} {turn}", NOW) for turn in range(3 - number) for role in ("user", "assistant")
        )
        manager.storage.create(Session(id, f"n{number}", "greeter", NOW, NOW, history))
    manager.switch(manager.find(IDS[0], None))
    manager.delete(manager.find(IDS[3], None))
    manager.undo(manager.find(IDS[1], None))
    torn = root / "sessions" / f"{IDS[2]}.json"
    torn.write_bytes(torn.read_bytes()[:-20])
    manager.storage.close()
    return root


def summary(env: Environment, number: int) -> Any:
    return env.session_manager.find(IDS[number], None)


def entry(env: Environment, kind: str) -> Any:
    found = [one for one in env.session_manager.trash.list() if one.kind == kind]
    if not found:
        raise NotFound(f"Nothing in the trash matches {kind}.")  # as the command line says
    return found[0]


def read(env: Environment, id: str, look: Callable[[Any], Any] = iter) -> None:
    with env.session_manager.reading(id) as opened:
        list(look(opened.history))
        list(opened.encoded())


def repaired(env: Environment) -> None:
    """Repair all that is wrong, as `po doctor --repair` does, and raise what went wrong with that."""
    found = list(examine(Store(env.root, datetime(2025, 2, 1, tzinfo=UTC)), repair=True))
    for one in found:
        if one.remains:
            raise one.failed or PoError(one.message, advice=one.advice)


IMPORTED = [
    Session(f"01ARZ3NDEKTSV4RRFFQ6901{n:03}", "i", "reader", NOW, NOW, (Message("user", "Hi"),)) for n in (0, 1)
]

OPERATIONS: dict[str, Callable[[Environment], object]] = {
    "create": lambda env: env.session_manager.create("greeter", "New"),
    "ensure": lambda env: env.session_manager.ensure("reader", "Default"),
    "append": lambda env: env.session_manager.append(IDS[0], Message("user", "More", NOW)),
    "append to a torn end": lambda env: env.session_manager.append(IDS[2], Message("user", "More", NOW)),
    "rename": lambda env: env.session_manager.rename(summary(env, 0), "Other"),
    "delete": lambda env: env.session_manager.delete(summary(env, 0)),
    "purge": lambda env: env.session_manager.delete(summary(env, 1), purge=True),
    "undo": lambda env: env.session_manager.undo(summary(env, 0)),
    "restore": lambda env: env.session_manager.trash.restore(entry(env, "deleted")),
    "restore under another name": lambda env: env.session_manager.trash.restore(entry(env, "deleted"), "Back"),
    "restore messages": lambda env: env.session_manager.trash.restore(entry(env, "undone")),
    "duplicate": lambda env: env.session_manager.duplicate(summary(env, 0), to="reader"),
    "adopt": lambda env: env.session_manager.adopt(summary(env, 0), "reader"),
    "import": lambda env: list(env.session_manager.import_sessions(IMPORTED[:1], format_name="json")),
    "switch": lambda env: env.session_manager.switch(summary(env, 1)),
    "rename a prompt object": lambda env: env.rename_prompt_object("greeter", "host"),
    "delete a prompt object": lambda env: env.delete_prompt_object("reader"),
    "create a prompt object": lambda env: env.definitions.create(Definition("new")),
    "empty the trash": lambda env: env.session_manager.storage.empty_trash(NOW),
    "list": lambda env: list(env.session_manager.list()),
    "cut from the middle": lambda env: env.session_manager.storage.cut(IDS[0], 1, 2, NOW),
    "read": lambda env: read(env, IDS[0]),
    "read backwards": lambda env: read(env, IDS[0], reversed),
    "read a torn end": lambda env: read(env, IDS[2]),
    "load": lambda env: load(env.session_manager.storage, IDS[0]),
    "refresh": lambda env: env.session_manager.storage.rescan(),
    "doctor": repaired,
    "settle": lambda env: env.session_manager.storage.close(),
}


def said(found: dict[str, Any]) -> set[str]:
    """Return all messages that are in a session or in the trash."""
    return {message["content"] for one in found["sessions"].values() for message in one["history"]} | found["kept"]
