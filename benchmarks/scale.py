"""What a store of a million sessions costs beside one of a thousand. Prints ratios, and peaks of memory, beside goals.

    python benchmarks/scale.py [SMALL LARGE]

SMALL and LARGE are how many sessions; a million takes 4 GB of disk and some minutes to make and to remove.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from measure import BARE, PO, compile_all, interleaved, ratio, row, scratch
from stores import fill, session

from po_sessions.storage.files.store import FileStore

RUNNER = """
import os, sys, time
null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1)]
for line in sys.stdin:
    args = line.rstrip("\\n").split("\\t")
    began = time.perf_counter()
    _, status, usage = os.wait4(os.posix_spawn(args[0], args, os.environ, file_actions=null), 0)
    print(time.perf_counter() - began, usage.ru_maxrss, status, flush=True)
"""


def measured(args: list[str], peaks: list[int]) -> Callable[[], float]:
    """Return a job that runs a process and times it as a whole; its peak of memory, in MB, goes to `peaks`."""
    runner = _runner()

    def job() -> float:
        assert runner.stdin is not None
        assert runner.stdout is not None
        runner.stdin.write("\t".join(args) + "\n")
        runner.stdin.flush()
        took, peak, status = runner.stdout.readline().split()
        if status != "0":
            raise SystemExit(f"{args} failed.")
        peaks.append(int(peak) // (1024 * 1024 if sys.platform == "darwin" else 1024))
        return float(took)

    return job


@cache
def _runner() -> subprocess.Popen[str]:
    """Start a small process that runs the others: what their parent takes counts for their peak."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", RUNNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def seconds(what: str, job: Callable[[], object]) -> None:
    began = time.perf_counter()
    job()
    row(what, f"{time.perf_counter() - began:.1f} s", "")


def main() -> None:
    small, large = map(int, sys.argv[1:] or ("1000", "1000000"))
    compile_all()
    with scratch() as directory:
        roots = {"small": Path(directory) / "small", "large": Path(directory) / "large"}
        jobs, peaks = {}, dict[str, list[int]]()
        for size, count in (("small", small), ("large", large)):
            fill(roots[size], count)
            measured([PO, "--root", str(roots[size]), "session", "list", "-n", "20"], [])()  # the first look
            verbs = {
                "list": ["-q", "session", "list", "-n", "20"],  # by the command, not before Typer is imported
                "status": ["status"],
                "objects": ["object", "list"],  # what completion asks
                "id": ["send", "--dry-run", "greeter", "-s", session(7, 2).id, "Hello"],
                "name": ["send", "--dry-run", "greeter", "-s", "Topic 7", "Hello"],
                "new": ["session", "new"],
                "after": ["-q", "session", "list", "-n", "20"],
            }
            for verb, words in verbs.items():
                peaks[f"{verb} {size}"] = []
                jobs[f"{verb} {size}"] = measured([PO, "--root", str(roots[size]), *words], peaks[f"{verb} {size}"])
        peaks["bare"], peaks["nothing"] = [], []
        jobs["bare"] = measured(BARE, peaks["bare"])
        jobs["nothing"] = measured([PO, "--root", str(roots["small"]), "-q", "status"], peaks["nothing"])
        times = interleaved(jobs)

        def beside(verb: str) -> str:
            return f"{ratio(times, f'{verb} large', f'{verb} small'):.2f}"

        sizes = f"at {large:,} sessions / at {small:,}"
        row(f"`po -q session list -n 20` {sizes}", beside("list"), "≤ 1.10")
        bare, nothing = (statistics.median(peaks[name]) for name in ("bare", "nothing"))
        peak = max(peaks["list large"])
        row(
            f"its peak memory (`python -c pass`: {bare:.0f} MB; `po -q status`: {nothing:.0f} MB)",
            f"{peak} MB",
            "≤ 20 MB",
        )
        row(f"the same just after another made a session, {sizes}", beside("after"), "≤ 1.10")
        row(f"`po status` {sizes}", beside("status"), "≤ 1.10")
        row(f"`po object list`, which completion asks, {sizes}", beside("objects"), "≤ 1.10")
        row(f"`po send -s ID` up to the model, {sizes}", beside("id"), "≤ 1.10")
        row(f"`po send -s NAME` up to the model, {sizes}", beside("name"), "the reading of the index")
        row(f"`po session new`, {sizes}", beside("new"), "the same")
        store = FileStore(str(roots["large"]))
        catalogue, index = store._catalogue, store._index
        seconds(f"folding the index of {large:,} sessions", index.fold)
        seconds("a look at all their files", catalogue._look)
        seconds("making the index anew", lambda: catalogue._look(anew=True))


if __name__ == "__main__":
    main()
