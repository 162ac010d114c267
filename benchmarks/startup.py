"""How long commands take as whole processes, against a bare interpreter. Prints ratios beside their goals."""

from __future__ import annotations

import os
import pty
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from measure import BARE, PO, compile_all, interleaved, process, ratio, row, scratch
from ulid import ULID

from po_sessions.environment import Environment
from po_sessions.message import Message
from po_sessions.session import Session
from po_sessions.storage.files import codec
from po_sessions.text.times import timestamp


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
        (sessions / f"{one.id}.json").write_bytes(codec.encode(one))


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
        for root in (in_small, in_large):
            process([*root, "session", "switch", "Session 1", "--po", "greeter"])()
        tab = [PO, "__complete", "zsh"]
        times = interleaved(
            {
                "bare": process(BARE),
                "version": process([PO, "--version"]),
                "status": process([*in_small, "status"]),
                "tab": process([*tab, "session", "sw"]),
                "tab few": process([*tab, "--root", str(small), "session", "switch", ""]),
                "tab many": process([*tab, "--root", str(large), "session", "switch", ""]),
                "tab none": process([*tab, "--root", str(large), "session", "switch", "zzz"]),
                "nothing": process([*in_small, "-q", "status"]),
                "typer": process([sys.executable, "-c", "import gc; gc.disable(); import typer, os; os._exit(0)"]),
                "help": process([PO, "--help"]),
                "list": process([*in_large, "session", "list", "-n", "20"]),
                "by the command": process([*in_large, "-q", "session", "list", "-n", "20"]),
                "table": on_terminal([*in_large, "session", "list", "-n", "20"]),
                "everything": process([*in_large, "-q", "session", "list", "--all"]),
                "prune": process([*in_large, "session", "prune", "--older-than", "1d", "--all"]),
            }
        )
    for name, what, goal in [
        ("version", "`po --version`", "≤ 1.15"),
        ("status", "`po status`", "≤ 1.15"),
        ("tab", "what Tab asks: a command", "≤ 1.15"),
        ("tab few", "the same: one of 3 sessions", "≤ 1.15"),
        ("tab many", "the same: the newest 100 of 10,000 sessions", "≤ 1.15"),
        ("tab none", "the same: none of 10,000 begins so", ""),
        ("list", "`po session list -n 20` of 10,000 in a pipe", "≤ 1.6"),
        ("nothing", "a command that does nothing (`po -q status`)", "≤ 4.8"),
        ("typer", "`import typer` alone", ""),
        ("help", "`po --help`", "≤ 6"),
        ("table", "`po session list -n 20` of 10,000 as a table on a terminal", "≤ 8"),
    ]:
        row(f"{what} / bare", f"{ratio(times, name, 'bare'):.2f}", goal)
    row("a command that does nothing / `import typer` alone", f"{ratio(times, 'nothing', 'typer'):.2f}", "")
    slow = ratio(times, "by the command", "nothing")
    row("`po -q session list -n 20`, 10,000 sessions / that nothing", f"{slow:.2f}", "≤ 1.10")
    row(
        "`po session prune` showing 10,000 / `po -q session list` of them",
        f"{ratio(times, 'prune', 'everything'):.1f}",
        "",
    )


if __name__ == "__main__":
    main()
