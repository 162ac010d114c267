"""Each system call of each operation fails in turn: a clear error and what there was before, or the whole change.

Each is also the last one that a process gets to, since it is killed there. `PO_TEST_ALL_FAULTS=1` fails each call with
each error, and also that call with all like it that follow, and kills at each. Python itself repeats what a signal
interrupts (EINTR), so nothing of that reaches this code.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support.hints import hint_of
from support.selection import slow_but
from support.system_calls import ALL, IDS, NOW, OPERATIONS, Faults, Killed, open_, said
from support.system_calls import prepared as prepared  # a fixture

from po_sessions import folders
from po_sessions.environment import Environment
from po_sessions.errors import PoError
from po_sessions.message import Message
from po_sessions.prompt_objects.definition import Definition
from po_sessions.storage import load

ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)
UNSURE = ("did not confirm", "whether the message is stored is unknown", " is back: ", "finishes what is left")


def view(root: Path) -> dict[str, Any]:
    """Return all there is, read by a command that comes later; see that it agrees with itself and can be written to."""
    said: list[str] = []
    env = Environment.open(root, lock_timeout=1, notice=said.append)
    manager = env.session_manager
    listed = {one.id: one for one in manager.list()}
    sessions = {id: load(manager.storage, id) for id in listed}
    assert {id: one.summary() for id, one in sessions.items()} == listed, root
    assert {path.stem for path in (root / "sessions").glob("01*.json")} == set(listed)
    state = manager.pointers.read()
    trash = sorted((one.session.id, one.kind, one.session.message_count) for one in manager.trash.list())
    found = {
        "sessions": {id: one.to_dict() for id, one in sessions.items()},
        "objects": sorted(one.name if isinstance(one, Definition) else str(one) for one in env.definitions),
        "pointers": [state.po_name, *sorted((name, one.current) for name, one in state.pointers.items())],
        "trash": trash,
    }
    for id in listed:
        assert manager.append(id, Message("user", "after", NOW)).message_count == len(sessions[id].history) + 1
        json.loads((root / "sessions" / f"{id}.json").read_bytes())
    manager.storage.close()
    assert not [one for one in said if "Repaired" not in one and "Finished renaming" not in one], said
    return found


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
        env.session_manager.storage.close()
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


@pytest.mark.parametrize("name", slow_but(OPERATIONS, "append", "delete"))
def test_each_call_fails_in_turn(name: str, prepared: Path, fast: Path) -> None:
    def fresh() -> Path:
        shutil.rmtree(fast / "x", ignore_errors=True)
        return Path(shutil.copytree(prepared, fast / "x" / ".prompt_objects", symlinks=True))

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
            assert kept or (whole and any(word in f"{error} {hint_of(error)}" for word in UNSURE)), about
    assert failed or name in ("settle", "list"), "nothing failed, so nothing was shown"


FOR_GOOD = {"purge", "empty the trash"}


@pytest.mark.parametrize("name", slow_but(OPERATIONS, "append", "delete"))
def test_a_process_is_killed_at_each_call(name: str, prepared: Path, fast: Path) -> None:
    """The next command finds what there was before, or the whole change, and all that was said."""

    def fresh() -> Path:
        shutil.rmtree(fast / "x", ignore_errors=True)
        return Path(shutil.copytree(prepared, fast / "x" / ".prompt_objects", symlinks=True))

    def seen(root: Path) -> dict[str, Any]:
        trash = Environment.open(root).session_manager
        kept = {str(one.content) for entry in trash.trash.list() for one in trash.storage.trashed(entry.id).history}
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
