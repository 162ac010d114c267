"""The index of the sessions: its rows, its log, and the record of the last look at the directory.

The file store reads the index with what is here, through files that it has opened; so do the fast commands, before
anything large is imported. Damage is an exception here, and never mended: the store makes the index anew, a fast
command leaves the answer to the commands.
"""

import os
import time

from po_sessions.layout import lines, primitives

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    Row = dict[str, Any]
    """What the index has of a session; with `removed`, a tombstone: the session is gone."""

HEAD = b'{"version":1,"sessions":[\n'
FOOT = b"]}\n"
TYPES: "dict[str, type]" = {
    **dict.fromkeys(("name", "po_name", "created_at", "updated_at", "preview", "last_turn"), str),
    **dict.fromkeys(("message_count", "turn_count", "size", "inode"), int),
}
"""What a row has beside its id."""
LARGEST_LOG = 64 << 20
"""A log of more bytes is not read: the index is made anew."""
NEAR = 100_000_000
"""How far from the time in its row a file's change time may lie, in nanoseconds, where the row was written first."""
ROOM = 100_000
"""How far from a mark steps may lead, in nanoseconds."""

_KINDS = list(TYPES.values())
_SETTLED = 2_000_000_000
"""A time that is no mark is believed if it was looked at this long after it: two changes can fall into one tick."""
_PUT_OFF = 100
_LONG = 1e12
"""More seconds than any machine is up."""
_LOOK = {"mtime", "marked", "inode", "boot", "at", "took", "compared_at", "comparing_took", "strange", "unread"}
_SPANS = ("at", "took", "compared_at", "comparing_took")


class Damaged(Exception):
    """`index.json` or a log is missing, too large to be read, or not as it was written."""


def boot_id() -> str:
    """Return what changes when the machine is restarted, where the system tells."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return file.read().decode("ascii").strip()
    except OSError:
        return ""


def last_look(sessions: str) -> "dict[str, Any] | None":
    """Return the last look at all files in the directory `sessions`, as `storage.directory` wrote it.

    None if there is none, or it is of another directory. Raises OSError.
    """
    look = primitives.json_object(primitives.read(f"{sessions}/.locks/seen", primitives.LARGEST) or b"")
    if look is None or look.keys() != _LOOK:
        return None
    lists = all(isinstance(look[key], list) for key in ("strange", "unread"))
    lists = lists and all(isinstance(one, str) for one in look["strange"] + look["unread"])
    lists = lists and all(map(primitives.is_session_id, look["unread"]))
    numbers = all(type(look[key]) is int for key in ("mtime", "inode"))
    spans = all(type(look[key]) in (int, float) and 0 <= look[key] < _LONG for key in _SPANS)
    return look if lists and numbers and spans and look["inode"] == os.stat(sessions).st_ino else None


def known(sessions: str) -> "dict[str, Any] | None":
    """Return the last look if it can be believed that the index has known of all that came or went since.

    Raises OSError.
    """
    look = last_look(sessions)
    if look is None or look["boot"] != boot_id():
        return None
    steps = os.stat(sessions).st_mtime_ns - look["mtime"]
    if not look["marked"]:
        settled = os.stat(f"{sessions}/.locks/seen").st_mtime_ns - look["mtime"] > _SETTLED
        return look if steps == 0 and settled else None
    return look if steps == 0 or (0 < steps < ROOM and is_put_off(look["at"], look["took"])) else None


def is_put_off(at: float, took: float) -> bool:
    """Tell whether what ended at a moment since the start of the machine, and took so long, is not to be repeated."""
    return 0 <= time.monotonic() - at < _PUT_OFF * took


def is_ours(row: "Row") -> bool:
    """Tell whether a row with all its keys is one that po writes; a damaged file may not tell its prompt object."""
    if (row["size"] < 0) != (type(row.get("damaged")) is str):
        return False
    return primitives.is_po_name(row["po_name"]) or (row["size"] < 0 and not row["po_name"])


def is_of(row: "Row", about: os.stat_result) -> bool:
    """Tell whether a row was taken from a file as it is now.

    It has the file's change time as `changed`; or, written before the file was, its own time as `written`. The size of
    a file that cannot be read is stored as its complement, so that earlier versions read the file again.
    """
    size = row["size"]
    if (about.st_size, about.st_ino) != (size if size >= 0 else ~size, row["inode"]):
        return False
    if (changed := row.get("changed")) is not None:
        return bool(changed == about.st_ctime_ns)
    written = row.get("written")
    return type(written) is int and -NEAR <= about.st_ctime_ns - written <= NEAR


def log_size(sessions: str) -> int:
    """Return how many bytes the logs have that are not merged into `index.json`. Raises OSError."""
    return _size(f"{sessions}/index.log") + _size(f"{sessions}/index.log.1")


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def read_row(line: bytes) -> "Row | None":
    """Return the row or the tombstone that a line is, None if it is neither; its time may be written in any form."""
    row = primitives.json_object(line)
    if row is None or not isinstance(row.get("id"), str) or not primitives.is_session_id(row["id"]):
        return None
    is_whole = "removed" in row or ([*map(type, map(row.get, TYPES))] == _KINDS and is_ours(row))
    return row if is_whole else None


def sort_key(row: "Row") -> tuple[str, str]:
    """Return what rows are ordered by: the time of the last turn, then the id."""
    return row["updated_at"], row["id"]


def last_changes(logs: "Iterable[bytes]", read: "Callable[[bytes], Row | None]" = read_row) -> "dict[str, Row]":
    """Return what logs, the oldest first, say last of each session. A line that is not a row was cut by a crash."""
    changes = {}
    for log in logs:
        for line in filter(None, log.split(b"\n")):
            if row := read(line):
                changes[row["id"]] = row
    return changes


def bounds(fd: int) -> tuple[int, int]:
    """Return where the rows of an open `index.json` begin and end. Raises Damaged, OSError."""
    end = os.fstat(fd).st_size - len(FOOT)
    if os.pread(fd, len(HEAD), 0) != HEAD or os.pread(fd, len(FOOT) + 2, end - 1) != b"\n" + FOOT:
        raise Damaged
    return len(HEAD), end


def read_part(fd: int, size: int, at: int) -> bytes:
    """Return a part of an open `index.json`. Raises Damaged if it has a NUL, since there may be no end to them."""
    data = os.pread(fd, size, at)
    if b"\0" in data:
        raise Damaged
    return data


def stored_lines(fd: int, needle: bytes = b"") -> "Iterator[bytes]":
    """Yield the lines of an open `index.json` that contain `needle`, the last one first. Raises Damaged, OSError."""
    found = lines.backwards(lambda size, at: read_part(fd, size, at), *bounds(fd), needle)
    return (line.removeprefix(b",") for line in found)


def merged(
    changes: "dict[str, Row]", stored: "Iterable[bytes]", read: "Callable[[bytes], Row | None]" = read_row
) -> "Iterator[Row]":
    """Yield the rows of the logs and of `index.json`, whose lines are `stored`, the one with the newest turn first.

    Raises Damaged when the damaged line is reached.
    """
    fresh = sorted((row for row in changes.values() if "removed" not in row), key=sort_key)
    for line in stored:
        row = read(line)
        if row is None or "removed" in row:
            raise Damaged
        if row["id"] not in changes:
            while fresh and sort_key(fresh[-1]) > sort_key(row):
                yield fresh.pop()
            yield row
    yield from reversed(fresh)


def logs(sessions: str, longest: int) -> list[bytes]:
    """Return the logs of a directory of sessions, the oldest first, for `rows`; the newer one is opened first.

    Raises Damaged if one has more than `longest` bytes or cannot be read, OSError.
    """
    found = []
    for path in (f"{sessions}/index.log", f"{sessions}/index.log.1"):
        text = None if _size(path) > longest else primitives.read(path)
        if text is not None:
            found.append(text)
        elif not primitives.is_absent(path):
            raise Damaged
    return found[::-1]


def rows(
    sessions: str,
    logs: "Iterable[bytes]",
    needle: bytes = b"",
    keep: "Callable[[bytes], bool] | None" = None,
    farthest: int | None = None,
) -> "Iterator[Row]":
    """Yield the rows of a directory of sessions as they stand there: nothing is compared with the files.

    `logs` are those that were read before. Of the `farthest` newest lines of `index.json` that contain `needle`, those
    that `keep` accepts are read. Raises Damaged, at the latest when the damaged line is reached, OSError.
    """
    changes = last_changes(logs, _exact)
    fd = primitives.open_regular(f"{sessions}/index.json")
    if fd is None:
        raise Damaged
    try:
        stored = stored_lines(fd, needle)
        if farthest is not None:
            stored = (line for _, line in zip(range(farthest), stored, strict=False))
        yield from merged(changes, stored if keep is None else filter(keep, stored), _exact)
    finally:
        os.close(fd)


def _exact(line: bytes) -> "Row | None":
    """Return a row whose time is written as the store writes it; the commands read others too."""
    row = read_row(line)
    return row if row is not None and ("removed" in row or primitives.is_time(row["updated_at"])) else None
