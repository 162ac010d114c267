"""Power cuts at each system call of each verb: nothing that was acknowledged is lost, and the next command works.

What a cut may leave is made by a simulated disk under two models, see `power`; each such state is opened as a command
does that comes after it, on a machine that was started anew. `PO_TEST_ALL_FAULTS=1` opens many, and else a sample.
"""

from __future__ import annotations

import functools
import os
import random
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from support.power import MODELS, State, Tree
from support.power_disk import Disk
from support.power_verbs import SCENARIOS, VERBS, Scenario, World, fresh, used
from support.power_view import Fault, Things, check_kept, compare, look, use
from support.selection import sampled

from po_sessions import atomic
from po_sessions.doctor import Store, examine
from po_sessions.environment import Environment
from po_sessions.errors import PoError
from po_sessions.layout import index
from po_sessions.prompt_objects import definition

ALL = bool(os.environ.get("PO_TEST_ALL_FAULTS"))
MOST = 750 if ALL else 5
"""How many states of each scenario are opened under each model."""
DOCTOR = 40
"""Of so many states the doctor repairs one."""


class Machine:
    """Does what a scenario says, cuts the power, and is started again."""

    def __init__(self, room: str, po: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self._live, self._cut = f"{room}/live", f"{room}/cut"
        self._po, self._monkeypatch = po, monkeypatch
        # The few files of prompt objects are the same in nearly all states, and YAML takes most of the time.
        monkeypatch.setattr(definition, "parse", functools.cache(definition.parse))

    def _started_as(self, boot: str) -> None:
        self._monkeypatch.setattr(index, "boot_id", lambda: boot)

    def record(self, scenario: Scenario) -> Disk:
        """Return the disk on which a scenario was done."""
        self._started_as("before")
        _empty(self._live)
        self._monkeypatch.setenv("HOME", f"{self._live}/home")
        world = World(self._live, self._po)
        scenario.begins(world)
        self._monkeypatch.chdir(f"{self._live}/work")
        disk = world.disk = Disk(self._live)
        with disk.recording():
            scenario.run(world)
        return disk

    def look(self, tree: Tree, root: str) -> Things:
        """Return what a command finds that comes after a cut."""
        self._started_as("after")
        _empty(self._cut)
        tree.put(self._cut)
        return look(self._cut, f"{self._cut}/{root}")

    def faults(self, scenario: Scenario, models: Sequence[str] = MODELS) -> tuple[int, list[str]]:
        """Cut the power wherever it may be cut; return how often, and what that cost."""
        disk, found = self.record(scenario), list[str]()
        views = [self.look(disk.live(at), scenario.root) for at in (0, *disk.marks)]
        root, states = f"{self._cut}/{scenario.root}", states_of(disk, scenario, models)
        first = sum(map(ord, "".join(scenario.verbs)))
        for number, state in enumerate(states, first):
            try:
                got = self.look(state.tree, scenario.root)
                lower, upper = views[state.lower], views[state.upper]
                compare(got, lower, upper, views[: state.lower], scenario.may_come_back)
                use(root, got, _touched(disk, state), number)
                if number % DOCTOR == 0 and os.path.isdir(root):
                    repair(root)
                    check_kept(got, look(self._cut, root))
            except (Fault, PoError, OSError) as error:
                found.append(f"{error}\n    {state.about}")
        return len(states), found


def states_of(disk: Disk, scenario: Scenario, models: Sequence[str]) -> list[State]:
    return [state for model in models for state in disk.states(model, random.Random(f"{scenario.verbs} {model}"), MOST)]


def repair(root: str) -> None:
    for one in examine(Store(root, datetime(2025, 3, 1, tzinfo=UTC)), repair=True):
        if one.failed is not None:
            raise one.failed


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


@pytest.mark.parametrize("name", sampled(SCENARIOS, every=16))
def test_no_cut_loses_what_was_acknowledged(name: str, machine: Machine) -> None:
    count, found = machine.faults(SCENARIOS[name])
    shortest: dict[str, str] = {}
    for one in sorted(found, key=len):
        shortest.setdefault(" ".join(one.split()[:2]), one)
    assert not found, f"{len(found)} of {count} states:\n" + "\n".join(shortest.values())


@pytest.mark.skipif(not ALL, reason="it counts the states of the long form")
def test_the_cuts_are_many(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    counts = dict.fromkeys(MODELS, 0)
    for scenario in SCENARIOS.values():
        disk = machine.record(scenario)
        for model in MODELS:
            counts[model] += len(states_of(disk, scenario, [model]))
    with capsys.disabled():
        sys.stdout.write(f"\n{counts} states that a power cut may leave are opened.\n")
    assert sum(counts.values()) >= 50_000


def test_a_verb_that_syncs_no_directory_is_found_out(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def delete(world: World, env: Environment) -> None:
        synced = os.fsync
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", lambda fd: None if stat.S_ISDIR(os.fstat(fd).st_mode) else synced(fd))
            VERBS["delete"](world, env)

    monkeypatch.setitem(VERBS, "delete and sync no directory", delete)
    for model in MODELS:
        assert machine.faults(Scenario(used, ("delete and sync no directory",)), [model])[1], model
    assert any(
        one.startswith("LOST")
        for one in machine.faults(Scenario(fresh, ("delete and sync no directory",)), ["posix"])[1]
    )


def test_a_verb_that_syncs_no_file_is_found_out(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def append(world: World, env: Environment) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(atomic, "sync", lambda _: None)
            VERBS["append"](world, env)

    monkeypatch.setitem(VERBS, "append and sync no file", append)
    for model in MODELS:
        found = machine.faults(Scenario(fresh, ("append and sync no file",)), [model])[1]
        assert any(one.startswith("CHANGED ('session'") for one in found), found


def test_a_new_directory_that_is_not_synced_into_its_parent_is_found_out(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep(world: World, env: Environment) -> None:
        directory = f"{world.root}/quarantine"
        os.mkdir(directory)
        atomic.create(f"{directory}/x", b"kept")

    monkeypatch.setitem(VERBS, "keep", keep)
    assert machine.faults(Scenario(fresh, ("keep",)), ["ordered"])[1] == []
    found = machine.faults(Scenario(fresh, ("keep",)), ["posix"])[1]
    assert any(one.startswith("LOST ('file'") for one in found), found
