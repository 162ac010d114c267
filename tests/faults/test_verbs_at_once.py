"""All verbs against each other, in 2 to 16 processes: what was acknowledged is there in the end, once, in its place.

`PO_TEST_ALL_FAULTS=1` makes 300 runs, and 6 with the command line.
"""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from support.actor import Actor
from support.crowd import Crowd, begin
from support.crowd_commands import Commands
from support.history import Log
from support.processes import CALLS, at_once, wrapped
from support.selection import slow_but
from support.verdict import judged

ALL = bool(os.environ.get("PO_TEST_ALL_FAULTS"))
SEEDS = range(300) if ALL else range(8)


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


def crowded(root: Path, logs: Path, seed: int, plan: Plan, worker: int) -> None:
    rng = random.Random(f"{seed} {worker}")
    if plan.pause:
        pauses = random.Random(f"{seed} {worker} pauses")
        wrapped(CALLS, lambda _: time.sleep(pauses.random() * 0.005) if pauses.random() < plan.pause else None)
    actor = Actor(root, Log(logs, f"w{worker}"), timeout=plan.timeout, by_turns=plan.by_turns)
    Crowd(actor, rng, for_good=plan.for_good, objects=plan.objects).run(plan.steps)


@pytest.mark.parametrize("seed", slow_but(SEEDS, 0))
def test_nothing_is_lost_between_verbs_at_random(seed: int, fast: Path) -> None:
    plan, root, logs = Plan.of(random.Random(seed)), fast / ".prompt_objects", fast / "logs"
    begin(root, logs)
    found = at_once(logs, plan.workers, partial(crowded, root, logs, seed, plan))
    found += judged(root, logs, by_turns=plan.by_turns)
    assert not found, f"seed {seed}, {plan}:\n" + "\n".join(found)


def commanded(root: Path, logs: Path, seed: int, worker: int, *, steps: int) -> None:
    Commands(root, Log(logs, f"w{worker}"), random.Random(f"{seed} {worker}"), for_good=bool(seed % 2)).run(steps)


@pytest.mark.parametrize("seed", range(6) if ALL else range(1))
@pytest.mark.slow
def test_nothing_is_lost_between_commands_at_random(seed: int, fast: Path) -> None:
    root, logs, (count, steps) = fast / ".prompt_objects", fast / "logs", (6, 12) if ALL else (2, 4)
    begin(root, logs)
    found = at_once(logs, count, partial(commanded, root, logs, seed, steps=steps))
    found += judged(root, logs, by_turns=True)
    assert not found, f"seed {seed}:\n" + "\n".join(found)
