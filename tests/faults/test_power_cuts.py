"""Power cuts at each system call of each verb: nothing that was acknowledged is lost, and the next command works.

What a cut may leave is made by a simulated disk under two models, see `power`; each such state is opened as a command
does that comes after it, on a machine that was started anew. `PO_TEST_ALL_FAULTS=1` opens many, and else a sample.
"""

from __future__ import annotations

import functools
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from power import MODELS, Disk, State, Tree
from power_verbs import SCENARIOS, World
from power_view import Fault, Things, compare, look, use

from po_sessions import definition, quick_index
from po_sessions.errors import PoError
from po_sessions.storage import atomic

ALL = bool(os.environ.get("PO_TEST_ALL_FAULTS"))
MOST = 500 if ALL else 5
"""How many states of each scenario are opened under each model."""
WANTED = 50_000


class Machine:
    """Does what a scenario says, cuts the power, and is started again."""

    def __init__(self, room: str, po: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self._live, self._cut = f"{room}/live", f"{room}/cut"
        self._po, self._monkeypatch = po, monkeypatch
        monkeypatch.setattr(definition, "parse", functools.cache(definition.parse))  # of what is always the same

    def _started_as(self, boot: str) -> None:
        self._monkeypatch.setattr(quick_index, "boot_id", lambda: boot)

    def record(self, name: str) -> Disk:
        """Return the disk on which a scenario was done."""
        self._started_as("before")
        _empty(self._live)
        self._monkeypatch.setenv("HOME", f"{self._live}/home")
        world = World(self._live, self._po)
        SCENARIOS[name].begins(world)
        self._monkeypatch.chdir(f"{self._live}/work")
        disk = world.disk = Disk(self._live)
        with disk.recording():
            SCENARIOS[name].run(world)
        return disk

    def look(self, tree: Tree, root: str) -> Things:
        """Return what a command finds that comes after a cut."""
        self._started_as("after")
        _empty(self._cut)
        tree.put(self._cut)
        return look(self._cut, f"{self._cut}/{root}")

    def faults(self, name: str, model: str) -> tuple[int, list[str]]:
        """Cut the power wherever it may be cut; return how often, and what that cost."""
        scenario, disk, found = SCENARIOS[name], self.record(name), list[str]()
        views = [self.look(disk.live(at), scenario.root) for at in (0, *(at for at, _ in disk.marks))]
        states = states_of(disk, name, model)
        for number, state in enumerate(states):
            try:
                got = self.look(state.tree, scenario.root)
                lower, upper = views[state.lower], views[state.upper]
                compare(got, lower, upper, views[: state.lower], scenario.may_come_back)
                use(f"{self._cut}/{scenario.root}", got, _touched(disk, state), number)
            except (Fault, PoError, OSError) as error:
                found.append(f"{error}\n    {state.about}")
        return len(states), found


def states_of(disk: Disk, name: str, model: str) -> list[State]:
    return list(disk.states(model, random.Random(f"{name} {model}"), MOST))


def _touched(disk: Disk, state: State) -> set[str]:
    """Return the names, without their endings, of what is not as it was in the beginning."""
    before = {(path, data) for path, _, _, data in disk.live(0).flat()}
    changed = (path for path, _, _, data in state.tree.flat() if (path, data) not in before)
    return {os.path.basename(path).partition(".")[0] for path in changed}


def _empty(directory: str) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    os.mkdir(directory)


@pytest.fixture(scope="module")
def room() -> Iterator[str]:
    """A directory in memory, where there is one."""
    made = tempfile.mkdtemp(prefix="cuts-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def machine(room: str, po: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, backend: object) -> Machine:
    return Machine(room, po, monkeypatch)


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("model", MODELS)
def test_no_cut_loses_what_was_acknowledged(name: str, model: str, machine: Machine) -> None:
    count, found = machine.faults(name, model)
    shortest: dict[str, str] = {}
    for one in sorted(found, key=len):
        shortest.setdefault(" ".join(one.split()[:2]), one)
    assert not found, f"{len(found)} of {count} states:\n" + "\n".join(shortest.values())
