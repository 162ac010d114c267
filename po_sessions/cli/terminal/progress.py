"""Bars on standard error, for work that takes over a second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

_LONG = 1.0


class Bar:
    """How far some work is: bytes, or a number of things. It is shown when the work has taken a second."""

    def __init__(self, label: str, *, in_bytes: bool) -> None:
        self._label, self._in_bytes = label, in_bytes
        self._began = time.monotonic()
        self.shown: Progress | None = None

    def advance(self, done: int, total: int) -> None:
        """Take how much is done, and how much there is."""
        if self.shown is None and time.monotonic() - self._began > _LONG:
            self.shown = self._show()
        if self.shown is not None:
            self.shown.update(self.shown.task_ids[0], completed=done, total=total)

    def _show(self) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn

        amount = DownloadColumn() if self._in_bytes else MofNCompleteColumn()
        columns = (TextColumn("{task.description}"), BarColumn(), amount)
        shown = Progress(*columns, console=Console(stderr=True, highlight=False), transient=True)
        shown.add_task(self._label)
        shown.start()
        return shown


@contextmanager
def bar(label: str, *, in_bytes: bool) -> Iterator[Bar]:
    """Yield a bar that goes when the block ends."""
    made = Bar(label, in_bytes=in_bytes)
    try:
        yield made
    finally:
        if made.shown is not None:
            made.shown.stop()
