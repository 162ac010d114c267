"""What exporting a long session to a pipe costs, against `cat` of its file. Prints the ratio and the peak of memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from measure import PO, compile_all, interleaved, ratio, row, scratch

from po_sessions.environment import Environment
from po_sessions.message import Message
from po_sessions.session import Session
from po_sessions.storage.files import codec

WHEN = "2025-01-03T10:00:00.000Z"
ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
MEGABYTES = 100


def make(root: Path, file: Path) -> None:
    """Make an environment with one long session."""
    Environment.create(root)
    file.parent.mkdir(0o700)
    history = tuple(
        Message(("user", "assistant")[at % 2], f"{at} {'word ' * 185}", WHEN) for at in range(MEGABYTES * 1000)
    )
    file.write_bytes(codec.encode(Session(ID, "Long", "greeter", WHEN, WHEN, history)))


def main() -> None:
    compile_all()
    with scratch() as directory:
        root = Path(directory) / "store"
        file = root / "sessions" / f"{ID}.json"
        if (child := os.fork()) == 0:  # what this process takes would count for the peak of those that it starts
            make(root, file)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        peaks: dict[str, int] = {}

        def piped(name: str, *args: str) -> float:
            began = time.perf_counter()
            with subprocess.Popen(args, stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                while os.read(process.stdout.fileno(), 1 << 16):
                    pass
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0
            peaks[name] = usage.ru_maxrss // (1024 * 1024 if sys.platform == "darwin" else 1024)
            return time.perf_counter() - began

        export = [PO, "--root", str(root), "session", "export", ID, "--format"]
        formats = ("json", "jsonl", "markdown")
        jobs = {name: lambda name=name: piped(name, *export, name) for name in formats}
        times = interleaved({"cat": lambda: piped("cat", "cat", str(file)), **jobs}, rounds=7)
    for name in formats:
        speed = 1 / ratio(times, name, "cat")
        goal = "≥ 0.5" if name == "json" else ""
        row(f"export of a {MEGABYTES} MB session to a pipe as {name}, speed / `cat`", f"{speed:.3f}", goal)
        row("its peak memory", f"{peaks[name]} MB", "≤ 64 MB")


if __name__ == "__main__":
    main()
