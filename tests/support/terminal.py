"""`po` on a pseudo-terminal."""

from __future__ import annotations

import os
import pty
import re

from support.running import command


def on_terminal(*args: str, keys: bytes = b"", columns: int = 100) -> tuple[int, str]:
    """Run `po` on a pseudo-terminal; return its exit code and what it showed."""
    return shown_on_terminal([*command(), *args], keys=keys, columns=columns)


def shown_on_terminal(line: list[str], *, keys: bytes = b"", columns: int = 100) -> tuple[int, str]:
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(COLUMNS=str(columns), TERM="xterm", TZ="UTC")
        os.execvp(line[0], line)
    if keys:
        os.write(fd, keys)
    shown = b""
    while True:
        try:
            piece = os.read(fd, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode().replace("\r\n", "\n")


def plain(shown: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", shown)
