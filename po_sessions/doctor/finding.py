"""What the doctor says: a finding, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from po_sessions.errors import Advice, PoError


@dataclass(frozen=True, slots=True)
class Repair:
    """What `--repair` does about a finding."""

    will: str
    """A sentence that says so before."""
    do: Callable[[], str]
    """Look again, under the lock, and do it; return what was done, as a sentence, which may have advice.

    Raises PoError and OSError; then all is as it was, or the error says otherwise.
    """


@dataclass(slots=True)
class Finding:
    """One thing that is not as it should be, or that a user may want to know."""

    kind: str
    """A stable word for scripts; `po-formats(5)` has the list."""
    path: str
    message: str
    """A sentence that names the file."""
    session_id: str | None = None
    fault: bool = True
    """False for a remark: nothing is wrong."""
    repair: Repair | None = None
    advice: Advice | None = None
    """What a person can do."""
    done: str | None = None
    """What the repair did."""
    failed: PoError | None = None
    """Why the repair was not done."""

    @property
    def remains(self) -> bool:
        """Whether it is a fault that has not been repaired."""
        return self.fault and self.done is None
