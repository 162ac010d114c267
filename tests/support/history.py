"""A history of what several processes did to one environment, and what in its files contradicts that history.

Each process writes a log of its own: a line before each operation, and a line after it, with what was acknowledged.
The checks are about what the acknowledged operations allow, whatever their order was where they overlapped.
"""

from __future__ import annotations

import json
import os
import re
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.hints import hint_of

from po_sessions.errors import (
    AmbiguousSelector,
    Busy,
    Conflict,
    InvalidInput,
    ModelError,
    NotFound,
    PoError,
    ReplyNotStored,
    Unfinished,
    Unreadable,
)
from po_sessions.message import Message
from po_sessions.storage import archive_ids

DOCUMENTED = (AmbiguousSelector, Busy, Conflict, InvalidInput, ModelError, NotFound, ReplyNotStored, Unfinished)
"""What an operation may meet while others work: no file is damaged and no disk is full."""
REFUSED = (AmbiguousSelector, Busy, Conflict, InvalidInput, NotFound)
"""What means that nothing was changed."""
FOR_GOOD = {"purge", "prune for good", "empty"}
REMOVING = {"delete", "purge", "prune", "prune for good"}
BRINGING = {"restore", "restore as", "put back", "put back as", "import", "create", "ensure", "begin", "duplicate"}
COPYING = {"duplicate", "import", "put back", "put back as"}
MOVING = {"restore", "restore as"}
TOKEN = re.compile(r"(w\d+)\.(\d+) ")
_FOREVER = float("inf")

Said = tuple[str, str]
"""A message's role and text. Each text is said once, by one process."""


def said(message: Message) -> Said:
    return message.role, message.content or ""


class Log:
    """What one process writes."""

    def __init__(self, directory: Path, worker: str) -> None:
        self.worker = worker
        self.number = 0
        self._fd = os.open(directory / f"{worker}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._write = os.write  # as it is before a test wraps it

    def line(self, **what: Any) -> None:
        self._write(self._fd, json.dumps({"at": time.monotonic(), **what}).encode() + b"\n")

    def notice(self, sentence: str) -> None:
        self.line(notice=sentence)

    def act(self, verb: str, do: Callable[[], dict[str, Any] | None], **about: Any) -> dict[str, Any] | None:
        """Do something and log it; return what came of it, None if it was refused.

        `about` has the `ids` of the sessions that it is about, and the `entry` of the trash; the result has what was
        `made`, the `entries` that it put into the trash, what is `gone` for good, and what was `stored` where.
        """
        self.number += 1
        self.line(n=self.number, verb=verb, **about)
        try:
            result = do() or {}
        except PoError as error:
            kinds = [one.__name__ for one in type(error).__mro__]
            self.line(
                n=self.number, error=kinds[0], refused=isinstance(error, REFUSED), message=f"{error} ({hint_of(error)})"
            )
            if not isinstance(error, DOCUMENTED) or type(error) is Unreadable:
                self.line(wrong=f"#{self.number} {verb}: {traceback.format_exc()}")
            return None
        except BaseException:
            self.line(n=self.number, error="died", refused=False, message=traceback.format_exc())
            self.line(wrong=f"#{self.number} {verb} ended in an exception: {traceback.format_exc()}")
            return None
        self.line(n=self.number, result=result)
        return result


@dataclass
class Operation:
    """One operation of one process."""

    worker: str
    number: int
    verb: str
    start: float
    ids: list[str]
    about: dict[str, Any]
    end: float = _FOREVER
    error: str | None = None
    refused: bool = False
    message: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    ok: bool = False

    @property
    def made(self) -> list[str]:
        return list(self.result.get("made", ()))

    @property
    def entries(self) -> list[str]:
        """The ids of what it put into the trash."""
        return list(self.result.get("entries", ()))

    @property
    def removed(self) -> list[str]:
        """The ids of the sessions that it took away, or may have taken."""
        if self.verb not in REMOVING or self.refused:
            return []
        return list(self.result.get("removed", self.ids)) if self.ok else self.ids

    @property
    def brought(self) -> list[str]:
        """The ids of the sessions that it made or brought back, or may have."""
        if self.verb not in BRINGING or self.refused:
            return []
        return self.made if self.ok else self.ids

    def __str__(self) -> str:
        about = " ".join(f"{key}={value}" for key, value in self.about.items())
        outcome = f"ok {self.result or ''}" if self.ok else f"{self.error}: {self.message}"
        return f"{self.start:.4f} to {self.end:.4f} {self.worker} #{self.number} {self.verb} {about}: {outcome}"


class History:
    """The logs of all processes in a directory."""

    def __init__(self, directory: Path) -> None:
        self.operations: list[Operation] = []
        self.wrong: list[str] = []
        for path in sorted(directory.glob("*.log")):
            self._read(path)
        self.operations.sort(key=lambda one: one.start)

    def _read(self, path: Path) -> None:
        begun: dict[int, Operation] = {}
        for text in path.read_text().splitlines():
            line = json.loads(text)
            at = line.pop("at")
            if sentence := line.get("notice"):
                if any(word in sentence for word in ("cannot be read", "Cannot ", "Repaired", "which is not")):
                    self.wrong.append(f"{path.stem} was told: {sentence}")
            elif "wrong" in line:
                self.wrong.append(f"{path.stem} {line['wrong']}")
            elif "verb" in line:
                one = Operation(path.stem, line.pop("n"), line.pop("verb"), at, line.pop("ids", []), line)
                begun[one.number] = one
                self.operations.append(one)
            else:
                one = begun[line["n"]]
                one.end, one.error, one.ok = at, line.get("error"), "result" in line
                one.refused, one.message = line.get("refused", False), line.get("message", "")
                one.result = line.get("result", {})

    def acknowledged(self) -> Iterator[tuple[Operation, str, Said]]:
        """Yield each message that was said to be stored, and in which session."""
        for one in self.operations:
            for id, role, text in one.result.get("stored", ()):
                yield one, id, (role, text)

    def about(self, ids: Iterable[str]) -> str:
        """Return the lines about some sessions, oldest first."""
        wanted = set(ids)
        entries = {name for one in self.operations for name in one.entries if archive_ids.split(name)[0] in wanted}
        found = [
            str(one)
            for one in self.operations
            if wanted & {*one.ids, *one.made}
            or one.about.get("entry") in entries
            or one.verb in ("empty", "rename object")
        ]
        return "\n    ".join(["", *found])

    def families(self) -> dict[str, set[str]]:
        """Return, for each session, the ids under which its messages may be after they were brought back."""
        return self.closure(MOVING)

    def closure(self, verbs: set[str]) -> dict[str, set[str]]:
        moves = [(one.ids, one.made) for one in self.operations if one.ok and one.verb in verbs]
        ids = {id for one in self.operations for id in (*one.ids, *one.made)}
        found = {id: {id} for id in ids}
        changed = True
        while changed:
            changed = False
            for family in found.values():
                for source, target in moves:
                    if family & set(source) and not family >= set(target):
                        family.update(target)
                        changed = True
        return found
