"""Each system call of each operation fails in turn: a clear error and what there was before, or the whole change.

Each is also the last one that a process gets to, since it is killed there. `PO_TEST_ALL_FAULTS=1` fails each call with
each error, and also that call with all like it that follow, and kills at each. Python itself repeats what a signal
interrupts (EINTR), so nothing of that reaches this code.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from po_sessions.definition import Definition
from po_sessions.doctor import Store, examine
from po_sessions.environment import Environment
from po_sessions.errors import NotFound, PoError
from po_sessions.session import Message, Session
from po_sessions.storage import folders

IDS = [f"01ARZ3NDEKTSV4RRFFQ6900{number:03}" for number in range(4)]
NOW = "2025-01-03T10:00:00.000Z"
CALLS = (
    "open write pwrite pread fsync fdatasync rename replace link unlink ftruncate mkdir fchmod chmod scandir listdir"
)
ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)
ALL = bool(os.environ.get("PO_TEST_ALL_FAULTS"))
UNSURE = ("did not confirm", "whether the message is stored is unknown", " is back: ", "finishes what is left")


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


def view(root: Path) -> dict[str, Any]:
    """Return all there is, read by a command that comes later; see that it agrees with itself and can be written to."""
    said: list[str] = []
    env = Environment.open(root, lock_timeout=1, notice=said.append)
    manager = env.session_manager
    listed = {one.id: one for one in manager.list()}
    sessions = {id: manager.load(id) for id in listed}
    assert {id: one.summary() for id, one in sessions.items()} == listed, root
    assert {path.stem for path in (root / "sessions").glob("01*.json")} == set(listed)
    state = manager.storage.state()
    trash = sorted((one.session.id, one.kind, one.session.message_count) for one in manager.trash())
    found = {
        "sessions": {id: one.to_dict() for id, one in sessions.items()},
        "objects": sorted(one.name if isinstance(one, Definition) else str(one) for one in env.definitions),
        "pointers": [state.po_name, *sorted((name, one.current) for name, one in state.pointers.items())],
        "trash": trash,
    }
    for id in listed:
        assert manager.append(id, Message("user", "after", NOW)).message_count == len(sessions[id].history) + 1
        json.loads((root / "sessions" / f"{id}.json").read_bytes())
    manager.storage.settle()
    assert not [one for one in said if "Repaired" not in one and "Finished renaming" not in one], said
    return found


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
    manager.storage.settle()
    return root


def summary(env: Environment, number: int) -> Any:
    return env.session_manager.find(IDS[number], None)


def entry(env: Environment, kind: str) -> Any:
    found = [one for one in env.session_manager.trash() if one.kind == kind]
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
            raise one.failed or PoError(f"{one.message} {one.hint}")


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
    "restore": lambda env: env.session_manager.restore(entry(env, "deleted")),
    "restore under another name": lambda env: env.session_manager.restore(entry(env, "deleted"), "Back"),
    "restore messages": lambda env: env.session_manager.restore(entry(env, "undone")),
    "duplicate": lambda env: env.session_manager.duplicate(summary(env, 0), to="reader"),
    "adopt": lambda env: env.session_manager.adopt(summary(env, 0), "reader"),
    "import": lambda env: list(env.session_manager.import_(IMPORTED[:1], format_name="json")),
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
    "load": lambda env: env.session_manager.load(IDS[0]),
    "refresh": lambda env: env.session_manager.storage.refresh(),
    "doctor": repaired,
    "settle": lambda env: env.session_manager.storage.settle(),
}
REMOVALS = {"delete", "purge", "adopt", "delete a prompt object"}


def run(name: str, root: Path, faults: Faults) -> tuple[PoError | None, list[str]]:
    """Do an operation as a command does, with what it leaves to do; return the error that it met, and warnings."""
    said: list[str] = []
    with faults.active():
        try:
            env = open_(root, said)
            OPERATIONS[name](env)
        except PoError as error:
            return error, said
        env.session_manager.storage.settle()
    return None, said


def known(found: dict[str, Any]) -> dict[str, Any]:
    """Return a view in which ids that are made by chance are all the same."""
    return {
        **found,
        "sessions": sorted(
            json.dumps({**one, **({} if id in IDS else {"id": "", "created_at": "", "updated_at": ""})})
            for id, one in found["sessions"].items()
        ),
    }


def plan(name: str, count: int) -> Iterator[tuple[int, int, bool]]:
    """Yield which call fails, how, and whether those like it go on failing."""
    for at in range(count):
        for code in ERRORS if ALL else (ERRORS[(at + len(name)) % len(ERRORS)],):
            for lasting in (False, True) if ALL else (bool((at + len(name)) % 2),):
                yield at, code, lasting


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_call_fails_in_turn(name: str, prepared: Path, tmp_path: Path) -> None:
    def fresh() -> Path:
        shutil.rmtree(tmp_path / "x", ignore_errors=True)
        return Path(shutil.copytree(prepared, tmp_path / "x" / ".prompt_objects", symlinks=True))

    before = known(view(fresh()))
    root = fresh()
    counted = Faults()
    assert run(name, root, counted)[0] is None
    done = known(view(root))
    failed = 0
    for at, code, lasting in plan(name, len(counted.names)):
        root = fresh()
        error, said = run(name, root, Faults(at, code, lasting=lasting))
        about = (
            f"{name}: {counted.names[at]} ({at} of {len(counted.names)}) {errno.errorcode[code]}, {lasting=}: {error}"
        )
        after = known(view(root))
        failed += error is not None
        if any("It keeps the prompt object" in one for one in said):
            continue  # a session that cannot be read is left alone, and told
        if error is None:
            assert {**after, "pointers": []} == {**done, "pointers": []}, about
            # What went may still be pointed at.
            assert after["pointers"] == done["pointers"] or name in REMOVALS, about
        else:
            assert str(error), about
            whole = after["sessions"] == done["sessions"] and after["objects"] == done["objects"]
            kept = after["sessions"] == before["sessions"] and after["objects"] == before["objects"]
            assert kept or (whole and any(word in f"{error} {error.hint}" for word in UNSURE)), about
    assert failed or name in ("settle", "list"), "nothing failed, so nothing was shown"


FOR_GOOD = {"purge", "empty the trash"}


def said(found: dict[str, Any]) -> set[str]:
    """Return all messages that are in a session or in the trash."""
    return {message["content"] for one in found["sessions"].values() for message in one["history"]} | found["kept"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_process_is_killed_at_each_call(name: str, prepared: Path, tmp_path: Path) -> None:
    """The next command finds what there was before, or the whole change, and all that was said."""

    def fresh() -> Path:
        shutil.rmtree(tmp_path / "x", ignore_errors=True)
        return Path(shutil.copytree(prepared, tmp_path / "x" / ".prompt_objects", symlinks=True))

    def seen(root: Path) -> dict[str, Any]:
        trash = Environment.open(root).session_manager
        kept = {str(one.content) for entry in trash.trash() for one in trash.storage.trashed(entry.id).history}
        return {**view(root), "kept": kept}

    before = seen(fresh())
    root, counted = fresh(), Faults()
    assert run(name, root, counted)[0] is None
    done = seen(root)
    for at in range(0 if ALL else len(name) % 4, len(counted.names), 1 if ALL else 4):
        root = fresh()
        folders.let_go(str(root))
        open_before = set(os.listdir("/dev/fd"))
        with suppress(Killed):  # how often a look at the directory is believed depends on the time it takes
            run(name, root, Faults(at))
        folders.let_go(str(root))
        for fd in set(os.listdir("/dev/fd")) - open_before:  # which ends the locks, as the end of a process does
            with suppress(OSError):
                os.close(int(fd))
        about, after = f"{name}: killed at {counted.names[at]} ({at} of {len(counted.names)})", seen(root)
        whole = [(known(one)["sessions"], one["objects"]) for one in (before, done)]
        assert (known(after)["sessions"], after["objects"]) in whole, about
        assert name in FOR_GOOD or said(after) >= said(before), about
