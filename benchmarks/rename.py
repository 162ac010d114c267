"""What renaming a large session costs, against `cp` and an idle `po`. Prints ratios beside their goals."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from measure import row, scratch

from po_sessions.message import Message
from po_sessions.session import Session
from po_sessions.storage.files.store import FileStore

ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
WHEN = "2025-01-03T10:00:00.000Z"
MESSAGES = (Message("user", "x" * 1000, WHEN),) * 48_000
"""About 50 MB."""
ROUNDS = 9


def run(*command: str) -> tuple[float, float]:
    """Return the seconds and the megabytes that a command takes."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def main() -> None:
    po = str(Path(sys.executable).with_name("po"))
    with scratch() as directory:
        store = FileStore(str(Path(directory, "store")))
        store.create(Session(ID, "Default", "greeter", WHEN, WHEN, MESSAGES))
        of_it = (po, "--root", str(Path(directory, "store")), "session")
        renames, copies, idles = [], [], []
        for number in range(ROUNDS):
            renames.append(run(*of_it, "rename", ID, f"Name {number}"))
            copies.append(run("cp", store.path(ID), str(Path(directory, "copy"))))
            idles.append(run(*of_it, "path", ID))
        seconds = [statistics.median(one for one, _ in found) for found in (renames, idles, copies)]
        memory = [max(one for _, one in found) for found in (renames, idles)]
        row("renaming 50 MB without the start of `po` / `cp`", f"{(seconds[0] - seconds[1]) / seconds[2]:.2f}", "≤ 3")
        row("memory over an idle `po`", f"{memory[0] - memory[1]:.1f} MB", "≤ 20 MB")


if __name__ == "__main__":
    main()
