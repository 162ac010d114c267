"""How long commands take as whole processes, against a bare interpreter. Prints ratios beside their goals."""

from __future__ import annotations

import os
import pty
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from measure import BARE, PO, compile_all, interleaved, process, ratio, row, scratch
from ulid import ULID

from po_sessions.environment import Environment
from po_sessions.session import Message, Session, timestamp
from po_sessions.storage import session_file


def fill(root: Path, count: int) -> None:
    """Make an environment with sessions of two messages each."""
    Environment.create(root)
    sessions = root / "sessions"
    sessions.mkdir(0o700)
    began = datetime(2025, 1, 1, tzinfo=UTC)
    for number in range(count):
        moment = began + timedelta(minutes=number)
        now = timestamp(moment)
        history = (Message("user", f"Question {number}", now), Message("assistant", f"Answer {number}", now))
        one = Session(str(ULID.from_datetime(moment)), f"Session {number}", "greeter", now, now, history)
        (sessions / f"{one.id}.json").write_bytes(session_file.encode(one))


def on_terminal(args: list[str]) -> Callable[[], float]:
    """Return a job that runs a command on a pseudo-terminal."""

    def job() -> float:
        began = time.perf_counter()
        pid, fd = pty.fork()
        if pid == 0:
            os.execv(args[0], args)
        try:
            while os.read(fd, 65536):
                pass
        except OSError:
            pass
        os.close(fd)
        os.waitpid(pid, 0)
        return time.perf_counter() - began

    return job


def main() -> None:
    compile_all()
    with scratch() as directory:
        small, large = Path(directory) / "small", Path(directory) / "large"
        fill(small, 3)
        fill(large, 10_000)
        for root in (small, large):
            process([PO, "--root", str(root), "session", "list"])()
        time.sleep(2.1)  # until then a change in the same tick of the directory's clock could have been missed
        for root in (small, large):
            process([PO, "--root", str(root), "session", "list"])()
        in_small, in_large = [PO, "--root", str(small)], [PO, "--root", str(large)]
        times = interleaved(
            {
                "bare": process(BARE),
                "version": process([PO, "--version"]),
                "help": process([PO, "--help"]),
                "status": process([*in_small, "status"]),
                "list": process([*in_large, "session", "list", "-n", "20"]),
                "table": on_terminal([*in_large, "session", "list", "-n", "20"]),
                "everything": process([*in_large, "session", "list", "--all"]),
                "prune": process([*in_large, "session", "prune", "--older-than", "1d", "--all"]),
            }
        )
    row("`po --version` / bare", f"{ratio(times, 'version', 'bare'):.1f}", "≤ 4.8; ≤ 1.15 once answered before Typer")
    row("`po status` / bare", f"{ratio(times, 'status', 'bare'):.1f}", "≤ 4.8; ≤ 1.15 once answered before Typer")
    row("`po --help` / bare", f"{ratio(times, 'help', 'bare'):.1f}", "≤ 6")
    row("`po session list -n 20`, 10,000 sessions / `po status`", f"{ratio(times, 'list', 'status'):.2f}", "≤ 1.10")
    row("a table of 10,000 sessions' newest 20 on a terminal / bare", f"{ratio(times, 'table', 'bare'):.1f}", "≤ 8")
    row(
        "`po session prune` showing 10,000 / `po session list` of them",
        f"{ratio(times, 'prune', 'everything'):.1f}",
        "",
    )


if __name__ == "__main__":
    main()
