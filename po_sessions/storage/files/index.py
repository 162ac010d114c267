"""The index: what listing needs of every session, one row each, in `index.json` and `index.log`.

A cache. Every change is one line at the end of the log, written before the session is; folding merges the log into
`index.json`, whose rows are in the order of their last turn. Readers open the log before `index.json` and merge the
two, so they need no lock, and read `index.json` from its end, so that the newest rows cost the same in a small store
and in a large one. Appenders need none either: after the line is written they look whether the log is still in its
place, and write the line again if a fold has set it aside.

A row is a plain dict: the fields of SessionSummary; the `size` and the `inode` of the file that it was taken from; and
the file's change time as `changed`, or, in a row that was written before the file, its own time as `written`. The row
of a file that cannot be read has the reason as `damaged`, and the complement of the size.
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

from po_sessions import atomic, folders, locks
from po_sessions.errors import Busy, PoError, Unreadable, WriteFailed
from po_sessions.layout import index, primitives
from po_sessions.layout.index import FOOT, HEAD, LARGEST_LOG, Damaged, sort_key
from po_sessions.storage.files.directory import Directory
from po_sessions.text.strict_json import dumps
from po_sessions.text.times import normal_time

Row = dict[str, Any]
Key = tuple[str, str]
"""What rows are ordered by: the time of the last turn, then the id."""

_BLOCK = 1 << 16
_SMALL = 256 << 10
"""Bytes of an `index.json` that is quickly written, and of a log that is quickly read."""
_NEXT = b"\n,"
"""What stands between two rows."""
_ROW = re.compile(
    rb'\{"id":"([0-9A-Za-z-]+)",".*,"updated_at":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)",".*,'
    rb'"(changed|written)":(\d+),"size":(-?\d+),"inode":(\d+)\}'
)
"""A row as it is written here: no quote in a string of JSON is bare. Several times as fast as parsing it."""


class Index:
    """The index in one directory."""

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, "index.json")
        self._log = os.path.join(directory, "index.log")
        self._folding = self._log + ".1"
        self._lock = os.path.join(directory, ".locks", "index")
        self._aside = os.path.join(directory, ".locks")
        self.directory = Directory(directory)
        self.has_changed = False
        """Whether this process has recorded a change."""

    def start(self) -> None:
        """Make the index of a store without sessions. Raises WriteFailed."""
        with suppress(FileExistsError):
            atomic.create(self._path, HEAD + FOOT)

    def record(self, row: Row) -> None:
        """Add what a session will be like after the change that follows. Raises WriteFailed."""
        self.has_changed = True
        try:
            self._append(row)
        except (WriteFailed, Unreadable):
            is_file = os.path.isfile(self._log) and not os.path.islink(self._log)
            if is_file and os.access(self._log, os.W_OK):
                raise
            # Another user's, or no file: the files are the truth, so it can go, and is made up for at the next look.
            with atomic.writing(self._log):
                folders.rename(self._log, f"{self._log}.unusable-{os.urandom(4).hex()}")
                self.directory.forget()
            self._append(row)

    def _append(self, row: Row) -> None:
        # With a line end on both sides, a line that a crash cut never runs into the next one.
        line = b"\n" + dumps(row) + b"\n"
        with atomic.writing(self._log):
            while not self._written_to_log(line):
                pass

    def _written_to_log(self, line: bytes) -> bool:
        """Write a line to the log; False if that was set aside, and perhaps read, before it had the line."""
        flags = os.O_WRONLY | os.O_APPEND
        try:
            fd = atomic.open_regular(self._log, flags)
        except FileNotFoundError:
            with self.directory.own_change():
                fd = atomic.open_regular(self._log, flags | os.O_CREAT)
        try:
            if os.fstat(fd).st_nlink > 1:  # what is ours to make is never another file under a second name
                folders.unlink(self._log)
                return False
            if os.write(fd, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return locks.is_at(fd, self._log)
        finally:
            os.close(fd)

    def record_removal(self, id: str) -> None:
        """Add that a session is gone. Raises WriteFailed."""
        self.record({"id": id, "removed": True})

    def has_removed(self, id: str) -> bool:
        """Tell whether the logs say that a session is gone. Raises Damaged."""
        return "removed" in self._changed().get(id, ())

    def rows(self, needle: bytes = b"") -> Iterator[Row]:
        """Yield the rows, newest turn first; with `needle`, at least those whose line contains it.

        Raises Damaged, at the latest when the damaged place is reached.
        """
        changed = self._changed()
        with self._opened() as fd:
            yield from index.merged(changed, index.stored_lines(fd, needle), _read_row)

    def files(self) -> Iterator[Row]:
        """Yield of each row the id and what tells its file, in no order. Raises Damaged as `rows` does."""
        changed = self._changed()
        yield from (row for row in changed.values() if "removed" not in row)
        for block in self._blocks():
            yield from (row for row in _found(block) if row["id"] not in changed)

    def _changed(self) -> dict[str, Row]:
        """Return what the logs say last of each id in them; both are opened before `index.json` is."""
        newest_first = []
        for path in (self._log, self._folding):
            try:
                if _size(path) > LARGEST_LOG:
                    raise Damaged
                newest_first.append(atomic.read(path))
            except FileNotFoundError:
                continue
            except Unreadable:
                raise Damaged from None
        return index.last_changes(newest_first[::-1], _read_row)

    def _blocks(self) -> Iterator[bytes]:
        """Yield the rows of `index.json` from its beginning, many at once. Raises Damaged."""
        with self._opened() as fd:
            (start, end), rest = index.bounds(fd), b""
            while start < end:
                data = rest + index.read_part(fd, min(max(_BLOCK, len(rest)), end - start), start)
                start += len(data) - len(rest)
                block, found, rest = data.rpartition(_NEXT) if start < end else (data[:-1], True, b"")
                if found:
                    yield block

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """Open `index.json`; yield its descriptor. Raises Damaged if it cannot be read, also in the block."""
        try:
            fd = atomic.open_regular(self._path)
        except (FileNotFoundError, Unreadable):
            raise Damaged from None
        try:
            yield fd
        except OSError:
            raise Damaged from None
        finally:
            os.close(fd)

    def needs_folding(self) -> bool:
        """Tell whether the log is worth merging into `index.json`: always while that is small. Raises OSError."""
        if os.path.exists(self._folding):
            return True
        log, folded = index.log_size(self.directory.path), _size(self._path)
        return log > 0 and (folded < _SMALL or log > min(folded // 10, _SMALL))

    def fold(self) -> None:
        """Merge the log into `index.json`, unless another process is doing so. Raises WriteFailed, Damaged."""
        with suppress(Busy), locks.locked(self._lock, timeout=0):
            self._set_log_aside()
            changed = self._changed()
            fresh = sorted(_written(self._settled(row)) for row in changed.values() if "removed" not in row)
            self._write(heapq.merge(fresh, self._kept(set(changed), [key for key, _ in fresh])))
            with atomic.writing(self._folding), suppress(FileNotFoundError), self.directory.own_change():
                folders.unlink(self._folding)

    def _settled(self, row: Row) -> Row:
        """Return a row with its file's change time in the place of its own, if the file is the one it tells of.

        A file that is being written may not be on the disk yet, so its row stays as it is.
        """
        if "written" in row:
            path = os.path.join(self.directory.path, row["id"] + ".json")
            with suppress(OSError, PoError), locks.locked(path, timeout=0, flags=os.O_RDONLY, shared=True) as fd:
                about = os.fstat(fd)
                if index.is_of(row, about):
                    at = {"written": ("changed", about.st_ctime_ns)}
                    return dict(at.get(key, (key, value)) for key, value in row.items())
        return row

    def _kept(self, changed: set[str], keys: list[Key]) -> Iterator[tuple[Key, bytes]]:
        """Yield the rows of `index.json` but those that `changed`, with the key of the last.

        They come as they are written, and many at once where none of `keys` lies between them. Raises Damaged.
        """
        for block in self._blocks():
            found = _found(block)
            keyed = [sort_key(row) for row in found]
            if changed.isdisjoint(row["id"] for row in found) and bisect(keys, keyed[0]) == bisect(keys, keyed[-1]):
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
        if folders.lexists(self._folding):
            return
        with (
            atomic.writing(self._log),
            suppress(FileNotFoundError),
            locks.locked(self._log, timeout=0, flags=os.O_RDWR),  # earlier versions lock it while they write a line
            self.directory.own_change(),
        ):
            folders.rename(self._log, self._folding)

    def drop_large_logs(self) -> None:
        """Remove logs that are too large to be read, when no session is between its row and its file.

        All files have to be read afterwards. Raises WriteFailed.
        """
        large = [path for path in (self._log, self._folding) if _size(path) > LARGEST_LOG]
        if large:
            with suppress(Busy), locks.locked(self._lock, timeout=0), self.directory.going(timeout=0) as alone:
                for path in large if alone else ():
                    with atomic.writing(path), suppress(FileNotFoundError), self.directory.own_change():
                        folders.unlink(path)

    def _write(self, rows: Iterable[tuple[Key, bytes]]) -> None:
        """Replace `index.json` by rows as they are written, in order. Raises WriteFailed."""
        with (
            atomic.writing(self._path),
            atomic.staged(self._path, _file(rows), durable=False, aside=self._aside) as (_, temporary),
            self.directory.own_change(),
        ):
            folders.rename(temporary, self._path)


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


def _read_row(line: bytes) -> Row | None:
    """Return the row or the tombstone that a line is, with its time in the form that is written here."""
    row = index.read_row(line)
    if row is not None and "removed" not in row and not primitives.is_time(row["updated_at"]):
        try:
            row["updated_at"] = normal_time(row["updated_at"])
        except ValueError:
            return None
    return row


def _found(block: bytes) -> list[Row]:
    """Return of some rows what `files` tells, and the time of the last turn. Raises Damaged."""
    found = _ROW.findall(block)
    if len(found) == block.count(_NEXT) + 1:
        return [
            {
                "id": id.decode(),
                "updated_at": updated_at.decode(),
                kind.decode(): int(time),
                "size": int(size),
                "inode": int(inode),
            }
            for id, updated_at, kind, time, size, inode in found
        ]
    rows = [row for row in map(_read_row, block.split(_NEXT)) if row is not None and "removed" not in row]
    if len(rows) != block.count(_NEXT) + 1:
        raise Damaged
    return rows


def _size(path: str) -> int:
    """Return the bytes of a file; 0 if there is none."""
    try:
        return os.stat(path, follow_symlinks=False).st_size
    except OSError:
        return 0
