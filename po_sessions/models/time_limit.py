"""How long a model may take: for everything it says, and between two pieces of it.

What a model says comes from a thread of its own, through a queue, so that waiting for it can end: a read from a socket
that nobody writes to cannot be ended from outside, and a library may use no signals.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from po_sessions.errors import Advice, TimedOut

T = TypeVar("T")

_LONGEST_WAIT = 86_400.0  # seconds; a queue takes no more than 292 years


class TimeLimit:
    """When to give up on a model; None is never."""

    def __init__(self, total: float | None = None, idle: float | None = None) -> None:
        """Give up `total` seconds after the first wait began, and after `idle` seconds without anything new."""
        self._total = math.inf if total is None else total
        self._idle = math.inf if idle is None else idle
        self._end: float | None = None

    def next_of(self, queue: SimpleQueue[T], who: str) -> T:
        """Return what comes next out of `queue`, into which `who` puts what it says. Raises TimedOut."""
        now = time.monotonic()
        if self._end is None:
            self._end = now + self._total
        end = min(self._end, now + self._idle)
        while (left := end - time.monotonic()) > 0:
            with suppress(Empty):
                return queue.get(timeout=min(left, _LONGEST_WAIT))
        raise self._over(who, is_total=end == self._end)

    def _over(self, who: str, *, is_total: bool) -> TimedOut:
        if is_total:
            return TimedOut(
                f"{who} did not answer in full within {_span(self._total)}.",
                advice=Advice("not_in_time"),
            )
        return TimedOut(
            f"{who} has sent nothing for {_span(self._idle)}.",
            advice=Advice("silent"),
        )


def _span(seconds: float) -> str:
    for length, unit in ((3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length and seconds % length == 0:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:g} second{'s' * (seconds != 1)}"
