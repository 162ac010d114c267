"""All verbs against each other, in 2 to 16 processes: what was acknowledged is there in the end, once, in its place.

`PO_TEST_ALL_FAULTS=1` makes 300 runs, and stops each verb before each of its system calls while each other verb runs.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from crowd import Actor, Crowd, ended, forked
from history import History, Log, Verdict

from po_sessions.doctor import Store, examine
from po_sessions.environment import Environment
from po_sessions.session import Message

ALL = bool(os.environ.get("PO_TEST_ALL_FAULTS"))
SEEDS = range(300) if ALL else range(8)
CALLS = "open write pwrite pread fsync fdatasync rename replace link unlink ftruncate mkdir fchmod chmod scandir listdir"


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory, where the machine has one: what is looked for here are orders, not disks."""
    memory = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="po-", dir=memory if os.access(memory, os.W_OK) else tmp_path))
    yield made
    shutil.rmtree(made)


def wrapped(calls: str, around: Callable[[str], None]) -> None:
    """Have something done before each system call of this process, which ends without taking that back."""
    for module, name in [*((os, name) for name in calls.split()), (fcntl, "flock")]:
        real = getattr(module, name)

        def call(*args: Any, real: Any = real, name: str = name, **more: Any) -> Any:
            around(name)
            return real(*args, **more)

        setattr(module, name, call)


def judged(root: Path, logs: Path, *, by_turns: bool) -> list[str]:
    """Return what is wrong in the end, and after a repair."""
    found = [*Verdict(History(logs), root, by_turns=by_turns).faults(), *agreement(root, History(logs))]
    for repair in (False, True):
        renamed = {one.verb for one in History(logs).operations} & {"rename object", "delete object"}
        for one in examine(Store(str(root), datetime.now(UTC)), repair=repair):
            if one.fault and (one.kind, bool(renamed)) != ("orphan", True):
                found.append(f"DOCTOR{' --repair' * repair}: {one.kind}: {one.message} {one.done or one.failed or ''}")
    after = [*Verdict(History(logs), root, by_turns=by_turns).faults(), *agreement(root, History(logs))]
    return [*found, *(f"AFTER REPAIR {one}" for one in after if one not in found)]


def agreement(root: Path, history: History) -> Iterator[str]:
    """Yield what a command that comes later finds wrong: the index and the files, the pointers."""
    notices: list[str] = []
    env = Environment.open(root, lock_timeout=1, notice=notices.append)
    manager = env.session_manager
    listed = {one.id: one for one in manager.list()}
    files = {path.stem for path in (root / "sessions").glob("[0-9A-Z]*.json")}
    if files != set(listed):
        yield f"INDEX: {sorted(files ^ set(listed))} are files or listed, and not both"
    for id in files & set(listed):
        if manager.load(id).summary() != listed[id]:
            yield f"INDEX: {listed[id]} is not what its file says: {manager.load(id).summary()}"
    removed = {id for one in history.operations for id in one.removed}
    for name, pointer in manager.storage.state().pointers.items():
        for id in {*pointer} - {None} - set(listed) - removed:
            yield f"POINTER: {name} points at {id}, which nothing removed"
    yield from (f"NOTICE: {one}" for one in notices)
    manager.storage.settle()


@dataclass
class Plan:
    """What is done in one run."""

    workers: int
    steps: int
    timeout: float
    by_turns: bool
    for_good: bool
    objects: bool
    pause: float
    """How probable it is that a process waits before a system call."""

    @classmethod
    def of(cls, rng: random.Random) -> Plan:
        workers = rng.choice([2, 3, 4, 6, 6, 8, 16])
        return cls(
            workers=workers,
            steps=max(12, 200 // workers),
            timeout=rng.choice([0, 0.2, 10, 10]),
            by_turns=rng.random() < 0.7,
            for_good=rng.random() < 0.4,
            objects=rng.random() < 0.4,
            pause=rng.choice([0, 0.01, 0.05]),
        )


def begin(root: Path, logs: Path) -> None:
    """Make an environment with sessions, and a log that tells of them."""
    logs.mkdir()
    Environment.create(root)
    log = Log(logs, "w0")
    actor = Actor(root, log)
    for po_name in ("greeter", "reader", "coordinator"):
        for name in ("alpha", "beta"):
            actor.create(po_name, name)
    for one in list(actor.manager.list()):
        for _ in range(2):
            actor.send(one)
        actor.back_up(one)
    actor.settle()


def crowded(root: Path, logs: Path, seed: int, plan: Plan, worker: int) -> None:
    rng = random.Random(f"{seed} {worker}")
    if plan.pause:
        pauses = random.Random(f"{seed} {worker} pauses")
        wrapped(CALLS, lambda _: time.sleep(pauses.random() * 0.005) if pauses.random() < plan.pause else None)
    actor = Actor(root, Log(logs, f"w{worker}"), timeout=plan.timeout, by_turns=plan.by_turns)
    Crowd(actor, rng, for_good=plan.for_good, objects=plan.objects).run(plan.steps)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_between_verbs_at_random(seed: int, fast: Path) -> None:
    plan, root, logs = Plan.of(random.Random(seed)), fast / ".prompt_objects", fast / "logs"
    begin(root, logs)
    workers = range(1, plan.workers + 1)
    stacks = [logs / f"w{worker}.stacks" for worker in workers]
    pids = [forked(partial(crowded, root, logs, seed, plan, worker), stacks[worker - 1]) for worker in workers]
    found = [wrong for pid, file in zip(pids, stacks, strict=True) for wrong in ended(pid, file)]
    found += judged(root, logs, by_turns=plan.by_turns)
    assert not found, f"seed {seed}, {plan}:\n" + "\n".join(found)
