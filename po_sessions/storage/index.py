"""The index: what listing needs of every session, one row each, in `index.json` and `index.log`.

A cache. Every change is one line at the end of the log, written before the session is; folding merges the log into
`index.json`, whose rows are in the order of their last turn. Readers open the log before `index.json` and merge the
two, so they need no lock, and read `index.json` from its end, so that the newest rows cost the same in a small store
and in a large one. A row is a plain dict: the fields of SessionSummary, and the `size` and `inode` of the file it was
taken from.
"""

from __future__ import annotations

import errno
import heapq
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from po_sessions.errors import Busy, Unreadable, WriteFailed
from po_sessions.json_text import dumps, loads
from po_sessions.session import is_session_id, normal_time
from po_sessions.storage import atomic, locks

Row = dict[str, Any]

_HEAD = b'{"version":1,"sessions":[\n'
_FOOT = b"]}\n"
_SMALL = 256 * 1024
_TYPES = {
    **dict.fromkeys(("name", "po_name", "created_at", "updated_at", "preview", "last_turn"), str),
    **dict.fromkeys(("message_count", "turn_count", "size", "inode"), int),
}
_BLOCK = 1 << 16


class IndexDamaged(Exception):
    """`index.json` is missing or not as it was written; the sessions have to be read again."""


def sort_key(row: Row) -> tuple[str, str]:
    """Return what rows are ordered by: the time of the last turn, then the id."""
    return row["updated_at"], row["id"]


class Index:
    """The index in one directory."""

    def __init__(self, directory: str, *, timeout: float) -> None:
        self._path = os.path.join(directory, "index.json")
        self._log = os.path.join(directory, "index.log")
        self._folding = self._log + ".1"
        self._lock = os.path.join(directory, ".locks", "index")
        self._seen = os.path.join(directory, ".locks", "seen")
        self._timeout = timeout

    def start(self) -> None:
        """Make the index of a store without sessions. Raises WriteFailed."""
        with suppress(FileExistsError):
            atomic.create(self._path, _HEAD + _FOOT)

    def record(self, row: Row, *, timeout: float | None = None) -> None:
        """Add what a session will be like after the change that follows. Raises WriteFailed, Busy.

        `timeout` in seconds stands in for the store's.
        """
        timeout = self._timeout if timeout is None else timeout
        try:
            self._append(row, timeout)
        except (WriteFailed, Unreadable):
            is_file = os.path.isfile(self._log) and not os.path.islink(self._log)
            if is_file and os.access(self._log, os.W_OK):
                raise
            # Another user's, or no file: the files are the truth, so it can go, and is made up for at the next look.
            with atomic.writing(self._log):
                os.replace(self._log, f"{self._log}.unusable-{os.urandom(4).hex()}")
                with suppress(FileNotFoundError):
                    os.unlink(self._seen)
            self._append(row, timeout)

    def _append(self, row: Row, timeout: float) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        # With a line end on both sides, a line that a crash cut never runs into the next one.
        line = b"\n" + dumps(row) + b"\n"
        with atomic.writing(self._log), locks.locked(self._log, timeout=timeout, flags=flags, shared=True) as fd:
            if os.write(fd, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def record_removal(self, id: str) -> None:
        """Add that a session is gone. Raises WriteFailed."""
        self.record({"id": id, "removed": True}, timeout=0)

    def rows(self, needle: bytes = b"") -> Iterator[Row]:
        """Yield the rows, newest turn first; with `needle`, at least those whose line contains it.

        Raises IndexDamaged, at the latest when the damaged place is reached.
        """
        changed: dict[str, Row] = {}
        for data in self._logs():
            for line in data.split(b"\n"):
                with suppress(ValueError):
                    row = _checked(loads(line))
                    changed[row["id"]] = row
        fresh = sorted((row for row in changed.values() if "removed" not in row), key=sort_key, reverse=True)
        folded = (row for row in self._folded(needle) if row["id"] not in changed)
        yield from heapq.merge(fresh, folded, key=sort_key, reverse=True)

    def _logs(self) -> list[bytes]:
        """Return the logs, oldest first; both are opened before `index.json` is."""
        newest_first = []
        for path in (self._log, self._folding):
            try:
                newest_first.append(atomic.read(path))
            except FileNotFoundError:
                continue
            except Unreadable:
                raise IndexDamaged from None
        return newest_first[::-1]

    def _folded(self, needle: bytes = b"") -> Iterator[Row]:
        """Yield the rows of `index.json` from its end."""
        try:
            fd = atomic.open_regular(self._path)
        except (FileNotFoundError, Unreadable):
            raise IndexDamaged from None
        try:
            end = os.fstat(fd).st_size - len(_FOOT)
            if os.pread(fd, len(_HEAD), 0) != _HEAD or os.pread(fd, len(_FOOT) + 1, end) != _FOOT:
                raise IndexDamaged
            for line in _lines_backwards(fd, len(_HEAD), end):
                if needle in line:
                    yield _checked(loads(line.removeprefix(b",")))
        except (ValueError, OSError):
            raise IndexDamaged from None
        finally:
            os.close(fd)

    def needs_folding(self) -> bool:
        """Tell whether the log is worth merging into `index.json`: always while that is small."""
        log = _size(self._log)
        if os.path.exists(self._folding):
            return True
        folded = _size(self._path)
        return log > 0 and (folded < _SMALL or log > folded // 10)

    def fold(self) -> None:
        """Merge the log into `index.json`, unless another process is doing so. Raises WriteFailed, IndexDamaged."""
        with suppress(Busy), locks.locked(self._lock, timeout=0):
            self._set_log_aside()
            rows = list(self.rows())
            self._write(rows)
            with suppress(FileNotFoundError):
                os.unlink(self._folding)

    def rebuild(self, read: Callable[[], Iterable[Row]]) -> None:
        """Replace `index.json` by the rows that are read, unless another process is writing it.

        What is in the log still overrides them. Raises WriteFailed.
        """
        with suppress(Busy), locks.locked(self._lock, timeout=0):
            self._write(sorted(read(), key=sort_key, reverse=True))

    def _set_log_aside(self) -> None:
        """Rename the log, so that appenders begin a new one; a log set aside by a fold that was cut is merged first."""
        if os.path.exists(self._folding):
            return
        with (
            suppress(FileNotFoundError),
            atomic.writing(self._log),
            locks.locked(self._log, timeout=0.5, flags=os.O_RDWR),
        ):
            os.rename(self._log, self._folding)

    def _write(self, newest_first: list[Row]) -> None:
        lines = b"".join(b"," * (i > 0) + dumps(row) + b"\n" for i, row in enumerate(reversed(newest_first)))
        atomic.replace(self._path, _HEAD + lines + _FOOT, durable=False)


def _checked(row: Any) -> Row:
    """Return a row that has everything in its type. Raises ValueError."""
    if isinstance(row, dict) and isinstance(row.get("id"), str) and is_session_id(row["id"]):
        if "removed" in row:
            return row
        if all(type(row.get(key)) is kind for key, kind in _TYPES.items()):
            return {**row, "updated_at": normal_time(row["updated_at"])}
    raise ValueError("it is no row")


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _lines_backwards(fd: int, start: int, end: int) -> Iterator[bytes]:
    """Yield the lines between two places of a file, the last one first, without their ends."""
    rest = b""
    while end > start:
        begin = max(start, end - _BLOCK)
        lines = (os.pread(fd, end - begin, begin) + rest).split(b"\n")
        end, rest = begin, lines[0]
        yield from (line for line in reversed(lines[1:]) if line)
    if rest:
        yield rest
