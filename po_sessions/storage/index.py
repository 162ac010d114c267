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
import re
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from po_sessions import quick_index
from po_sessions.errors import Busy, Unreadable, WriteFailed
from po_sessions.json_text import dumps, loads
from po_sessions.quick import is_po_name
from po_sessions.quick_index import FOOT, HEAD, TYPES
from po_sessions.session import is_session_id, normal_time
from po_sessions.storage import atomic, lines, locks
from po_sessions.storage.directory import Directory

Row = dict[str, Any]
Key = tuple[str, str]
"""What rows are ordered by: the time of the last turn, then the id."""

_BLOCK = 1 << 16
_NEXT = b"\n,"
"""What stands between two rows."""
_ROW = re.compile(
    rb'\{"id":"([0-9A-Za-z-]+)",".*,"updated_at":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)",".*,'
    rb'"size":(\d+),"inode":(\d+)\}'
)
"""A row as it is written here: no quote in a string of JSON is bare. Several times as fast as parsing it."""


class IndexDamaged(Exception):
    """`index.json` is missing or not as it was written; the sessions have to be read again."""


def sort_key(row: Row) -> Key:
    """Return what the row is ordered by."""
    return row["updated_at"], row["id"]


class Index:
    """The index in one directory."""

    def __init__(self, directory: str, *, timeout: float) -> None:
        self._path = os.path.join(directory, "index.json")
        self._log = os.path.join(directory, "index.log")
        self._folding = self._log + ".1"
        self._lock = os.path.join(directory, ".locks", "index")
        self._aside = os.path.join(directory, ".locks")
        self._timeout = timeout
        self.directory = Directory(directory)

    def start(self) -> None:
        """Make the index of a store without sessions. Raises WriteFailed."""
        with suppress(FileExistsError):
            atomic.create(self._path, HEAD + FOOT)

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
                self.directory.forget()
            self._append(row, timeout)

    def _append(self, row: Row, timeout: float) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        # With a line end on both sides, a line that a crash cut never runs into the next one.
        line = b"\n" + dumps(row) + b"\n"
        if not os.path.exists(self._log):
            with atomic.writing(self._log), self.directory.own_change():
                os.close(atomic.open_regular(self._log, flags))
        with atomic.writing(self._log), locks.locked(self._log, timeout=timeout, flags=flags, shared=True) as fd:
            if os.write(fd, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def record_removal(self, id: str) -> None:
        """Add that a session is gone. Raises WriteFailed."""
        self.record({"id": id, "removed": True}, timeout=0)

    def has_removed(self, id: str) -> bool:
        """Tell whether the logs say that a session is gone. Raises IndexDamaged."""
        return "removed" in self._changed().get(id, ())

    def rows(self, needle: bytes = b"") -> Iterator[Row]:
        """Yield the rows, newest turn first; with `needle`, at least those whose line contains it.

        Raises IndexDamaged, at the latest when the damaged place is reached.
        """
        changed = self._changed()
        fresh = sorted((row for row in changed.values() if "removed" not in row), key=sort_key, reverse=True)
        folded = (row for row in map(_parsed, self._folded(needle)) if row["id"] not in changed)
        try:
            yield from heapq.merge(fresh, folded, key=sort_key, reverse=True)
        except ValueError:
            raise IndexDamaged from None

    def files(self) -> Iterator[tuple[str, int, int]]:
        """Yield the id, the size and the inode of each row, in no order. Raises IndexDamaged as `rows` does."""
        changed = self._changed()
        for row in changed.values():
            if "removed" not in row:
                yield row["id"], row["size"], row["inode"]
        for block in self._blocks():
            for id, _, size, inode in _found(block):
                if id not in changed:
                    yield id, size, inode

    def _changed(self) -> dict[str, Row]:
        """Return what the logs say last of each id in them."""
        changed: dict[str, Row] = {}
        for data in self._logs():
            for line in data.split(b"\n"):
                with suppress(ValueError):
                    row = _checked(loads(line))
                    changed[row["id"]] = row
        return changed

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

    def _folded(self, needle: bytes) -> Iterator[bytes]:
        """Yield the lines of `index.json` that contain `needle`, from its end. Raises IndexDamaged."""
        with self._opened() as (fd, start, end):
            found = lines.backwards(lambda size, at: os.pread(fd, size, at), start, end, needle)
            yield from (line.removeprefix(b",") for line in found)

    def _blocks(self) -> Iterator[bytes]:
        """Yield the rows of `index.json` from its beginning, many at once. Raises IndexDamaged."""
        with self._opened() as (fd, start, end):
            rest = b""
            while start < end:
                data = rest + os.pread(fd, min(_BLOCK, end - start), start)
                start += len(data) - len(rest)
                block, found, rest = data.rpartition(_NEXT) if start < end else (data[:-1], True, b"")
                if found:
                    yield block

    @contextmanager
    def _opened(self) -> Iterator[tuple[int, int, int]]:
        """Open `index.json`; yield its descriptor, and where its rows begin and end."""
        try:
            fd = atomic.open_regular(self._path)
        except (FileNotFoundError, Unreadable):
            raise IndexDamaged from None
        try:
            end = os.fstat(fd).st_size - len(FOOT)
            if os.pread(fd, len(HEAD), 0) != HEAD or os.pread(fd, len(FOOT) + 1, end) != FOOT:
                raise IndexDamaged
            yield fd, len(HEAD), end
        except OSError:
            raise IndexDamaged from None
        finally:
            os.close(fd)

    def needs_folding(self) -> bool:
        """Tell whether the log is worth merging into `index.json`: always while that is small."""
        return quick_index.needs_folding(self.directory.path)

    def fold(self) -> None:
        """Merge the log into `index.json`, unless another process is doing so. Raises WriteFailed, IndexDamaged."""
        with suppress(Busy), locks.locked(self._lock, timeout=0):
            self._set_log_aside()
            changed = self._changed()
            fresh = sorted(_written(row) for row in changed.values() if "removed" not in row)
            self._write(heapq.merge(fresh, self._kept(set(changed), [key for key, _ in fresh])))
            with atomic.writing(self._folding), suppress(FileNotFoundError), self.directory.own_change():
                os.unlink(self._folding)

    def _kept(self, changed: set[str], keys: list[Key]) -> Iterator[tuple[Key, bytes]]:
        """Yield the rows of `index.json` but those that `changed`, with the key of the last.

        They come as they are written, and many at once where none of `keys` lies between them. Raises IndexDamaged.
        """
        for block in self._blocks():
            found = _found(block)
            keyed = [(updated_at, id) for id, updated_at, _, _ in found]
            if changed.isdisjoint(id for id, _, _, _ in found) and bisect(keys, keyed[0]) == bisect(keys, keyed[-1]):
                yield keyed[-1], block
            else:
                yield from (one for one in zip(keyed, block.split(_NEXT), strict=True) if one[0][1] not in changed)

    def rebuild(self, read: Callable[[], Iterable[Row]]) -> bool:
        """Replace `index.json` by the rows that are read; False if another process is writing it.

        What is in the log still overrides them. Raises WriteFailed.
        """

        def rows() -> Iterator[tuple[Key, bytes]]:  # read only once a file for them could be made
            yield from sorted(map(_written, read()))

        with suppress(Busy), locks.locked(self._lock, timeout=0):
            self._write(rows())
            return True
        return False

    def _set_log_aside(self) -> None:
        """Rename the log, so that appenders begin a new one; a log set aside by a fold that was cut is merged first."""
        if os.path.exists(self._folding):
            return
        with (
            atomic.writing(self._log),
            suppress(FileNotFoundError),
            locks.locked(self._log, timeout=0.5, flags=os.O_RDWR),
            self.directory.own_change(),
        ):
            os.rename(self._log, self._folding)

    def _write(self, rows: Iterable[tuple[Key, bytes]]) -> None:
        """Replace `index.json` by rows as they are written, in order. Raises WriteFailed."""
        with (
            atomic.writing(self._path),
            atomic.staged(self._path, _file(rows), durable=False, aside=self._aside) as (_, temporary),
            self.directory.own_change(),
        ):
            os.replace(temporary, self._path)


def _file(rows: Iterable[tuple[Key, bytes]]) -> Iterator[bytes]:
    """Yield the file of rows as they are written, in pieces."""
    piece, size, first = [HEAD], 0, True
    for _, row in rows:
        piece += [row] if first else [_NEXT, row]
        size, first = size + len(row), False
        if size > _BLOCK:
            yield b"".join(piece)
            piece, size = [], 0
    yield b"".join([*piece, b"" if first else b"\n", FOOT])


def _written(row: Row) -> tuple[Key, bytes]:
    """Return a row's key, and how it is written."""
    return sort_key(row), dumps(row)


def _parsed(line: bytes) -> Row:
    """Return a row that was written. Raises ValueError."""
    row = _checked(loads(line))
    if "removed" in row:
        raise ValueError("it is no row")
    return row


def _found(block: bytes) -> list[tuple[str, str, int, int]]:
    """Return the id, the time of the last turn, the size and the inode of some rows. Raises IndexDamaged."""
    found = _ROW.findall(block)
    if len(found) == block.count(_NEXT) + 1:
        return [(id.decode(), time.decode(), int(size), int(inode)) for id, time, size, inode in found]
    try:
        rows = list(map(_parsed, block.split(_NEXT)))
    except ValueError:
        raise IndexDamaged from None
    return [(row["id"], row["updated_at"], row["size"], row["inode"]) for row in rows]


def _checked(row: Any) -> Row:
    """Return a row that has everything in its type. Raises ValueError."""
    if isinstance(row, dict) and isinstance(row.get("id"), str) and is_session_id(row["id"]):
        if "removed" in row:
            return row
        if all(type(row.get(key)) is kind for key, kind in TYPES.items()) and is_po_name(row["po_name"]):
            return {**row, "updated_at": normal_time(row["updated_at"])}
    raise ValueError("it is no row")
