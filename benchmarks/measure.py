"""What the benchmarks share: interleaved rounds, medians, and a table of ratios beside their goals."""

from __future__ import annotations

import compileall
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import po_sessions

ROUNDS = int(os.environ.get("ROUNDS", "21"))
PO = str(Path(sys.executable).with_name("po"))
BARE = [sys.executable, "-c", "pass"]


def scratch() -> tempfile.TemporaryDirectory[str]:
    """Return a directory to work in, on the disk of the working directory: a memory disk has no sync to wait for."""
    return tempfile.TemporaryDirectory(prefix=".benchmark-", dir=os.environ.get("BENCHMARK_DIR", "."))


def compile_all() -> None:
    """Compile everything once, so that no start is measured compiling."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    compileall.compile_dir(str(Path(po_sessions.__file__).parent), quiet=1)


def interleaved(jobs: Mapping[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Run all jobs in turn, as often as there are rounds; each returns its time. The first round does not count."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds + 1):
        for name, job in jobs.items():
            took = job()
            if number:
                times[name].append(took)
    return times


def process(args: Sequence[str], **settings: object) -> Callable[[], float]:
    """Return a job that runs a process and times it as a whole."""

    def job() -> float:
        began = time.perf_counter()
        subprocess.run(args, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **settings)  # type: ignore[call-overload]
        return time.perf_counter() - began

    return job


def ratio(times: Mapping[str, Sequence[float]], name: str, floor: str) -> float:
    """Return the median of the ratios of two jobs, round by round."""
    return statistics.median(a / b for a, b in zip(times[name], times[floor], strict=True))


def row(what: str, value: str, goal: str) -> None:
    """Print a row of the README's table."""
    print(f"| {what} | {value} | {goal} |", flush=True)
