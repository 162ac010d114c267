"""Output that is longer than the screen, through the user's pager."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

_DEFAULT = "less"
_LESS = "FRX"
"""What `less` does unless the user has said otherwise: end if all fits, show colours, leave the text on the screen."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Pager:
    """Takes what is written to a terminal, and starts `$PAGER` as soon as it is more than a screen."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        """Without a pager, `write` gets it all."""
        size = shutil.get_terminal_size()
        self._columns, self._room = max(size.columns, 1), size.lines - 1
        self._write = write
        self._command = _command()
        self._waiting = list[bytes]()
        self._process: subprocess.Popen[bytes] | None = None
        self._on_interrupt: Any = None

    def write(self, data: bytes) -> None:
        """Take a piece of text. Raises BrokenPipeError when the pager has ended."""
        if not self._command:
            self._write(data)
        elif self._process is None:
            self._waiting.append(data)
            self._room -= self._height(data.decode())
            if self._room < 0:
                self._start()
        else:
            self._send(data)

    def close(self) -> int:
        """Show what is left, and wait until the user has seen enough. Return the pager's exit status."""
        if self._process is None:
            waiting, self._waiting = self._waiting, []
            if waiting:
                self._write(b"".join(waiting))
            return 0
        pipe = self._process.stdin
        assert pipe is not None
        with suppress(BrokenPipeError):
            pipe.close()
        status = self._process.wait()
        signal.signal(signal.SIGINT, self._on_interrupt)
        return status

    def _height(self, text: str) -> int:
        """Return how many lines of the screen a text takes."""
        from rich.cells import cell_len

        lines = _COLOURS.sub("", text).split("\n")[:-1]
        return sum(1 + max(0, cell_len(line) - 1) // self._columns for line in lines)

    def _start(self) -> None:
        import subprocess  # which a screenful does not need

        less = os.environ.get("LESS")
        about = {**os.environ, "LESS": _LESS if less is None else f"-R {less}"}
        # Ctrl-C is for the pager from here on, as when it stops a search; a function is not handed down to it.
        self._on_interrupt = signal.signal(signal.SIGINT, lambda _signal, _frame: None)
        try:
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, env=about)
        except OSError:
            signal.signal(signal.SIGINT, self._on_interrupt)
            self._command = []
            waiting, self._waiting = self._waiting, []
            self._write(b"".join(waiting))
        else:
            waiting, self._waiting = self._waiting, []
            self._send(b"".join(waiting))

    def _send(self, data: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()


def _command() -> list[str]:
    """Return the words of the user's pager; none if there is no use for one."""
    try:
        words = shlex.split(os.environ.get("PAGER", _DEFAULT))
    except ValueError:
        return []
    dumb = os.environ.get("TERM", "dumb") == "dumb"
    return words if words and words != ["cat"] and not dumb and shutil.which(words[0]) else []
