"""The index of the sessions, and whether it can be believed, read before anything large is imported.

What `quick` is for files. The rules are those of `storage`, which uses what is here; where anything is not as it
should be, it has to look.
"""

import os
import time

from po_sessions.layout import primitives

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Row = dict[str, Any]

HEAD = b'{"version":1,"sessions":[\n'
FOOT = b"]}\n"
TYPES: "dict[str, type]" = {
    **dict.fromkeys(("name", "po_name", "created_at", "updated_at", "preview", "last_turn"), str),
    **dict.fromkeys(("message_count", "turn_count", "size", "inode"), int),
}
"""What a row has beside its id."""
LARGEST_LOG = 64 << 20
"""A log of more bytes is not read: the index is made anew."""
MERGED_LOG = 256 << 10
"""Bytes of a log that is merged in memory without a sign of it in the time that a listing takes."""
NEAR = 100_000_000
"""How far from the time in its row a file's change time may lie, in nanoseconds, where the row was written first."""
ROOM = 100_000
"""How far from a mark steps may lead, in nanoseconds."""

_KINDS = list(TYPES.values())
_BLOCK = 1 << 16
_SETTLED = 2_000_000_000
"""A time that is no mark is believed if it was looked at this long after it: two changes can fall into one tick."""
_PUT_OFF = 100
_LONG = 1e12
"""More seconds than any machine is up."""
_LOOK = {"mtime", "marked", "inode", "boot", "at", "took", "compared_at", "comparing_took", "strange", "unread"}
_SPANS = ("at", "took", "compared_at", "comparing_took")
_LONGEST_LOG = 4 << 20
"""Bytes of a log that the fast commands read at most."""


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


def rows(sessions: str, keep: "Callable[[bytes], bool]", farthest: int | None = None) -> "Iterator[Row | None]":
    """Yield the rows of the index, newest turn first, of `index.json` those whose line `keep` likes.

    As they stand there: nothing is compared with the files. There is None wherever `storage` would read something else.
    Of `index.json` no more lines are looked at than `farthest`.
    """
    logged: dict[str, Row] = {}
    texts = []
    for path in (f"{sessions}/index.log", f"{sessions}/index.log.1"):
        text = None if _size(path) > _LONGEST_LOG else primitives.read(path)
        if text is not None:
            texts.append(text)
        elif not primitives.is_absent(path):
            yield None
    for text in reversed(texts):
        for line in filter(None, text.split(b"\n")):
            if row := _row(line):
                logged[row["id"]] = row
            else:
                yield None
    fresh = [row for row in logged.values() if "removed" not in row]
    fresh.sort(key=lambda row: (row["updated_at"], row["id"]))  # popped from its end
    for number, one in enumerate(_folded(f"{sessions}/index.json")):
        if number == farthest:
            break
        if one is not None and not keep(one):
            continue
        row = None if one is None else _row(one.removeprefix(b","))
        if row is None or "removed" in row:
            yield None
        elif row["id"] not in logged:
            while fresh and (fresh[-1]["updated_at"], fresh[-1]["id"]) > (row["updated_at"], row["id"]):
                yield fresh.pop()
            yield row
    yield from reversed(fresh)


def _row(line: bytes) -> "Row | None":
    row = primitives.json_object(line)
    if row is None or not isinstance(row.get("id"), str) or not primitives.is_session_id(row["id"]):
        return None
    whole = "removed" in row or ([*map(type, map(row.get, TYPES))] == _KINDS and is_ours(row))
    return row if whole and ("removed" in row or primitives.is_time(row["updated_at"])) else None


def _folded(path: str) -> "Iterator[bytes | None]":
    """Yield the lines of `index.json`, the last one first, None if it is not as it was written."""
    fd = primitives.open_regular(path)
    if fd is None:
        yield None
        return
    try:
        end, rest = os.fstat(fd).st_size - len(FOOT), b""
        if os.pread(fd, len(HEAD), 0) != HEAD or os.pread(fd, len(FOOT) + 2, end - 1) != b"\n" + FOOT:
            yield None
        elif end > len(HEAD):
            end -= 1  # the end of the last line
            while end > len(HEAD):
                start = max(len(HEAD), end - max(_BLOCK, len(rest)))
                data = primitives.read_range(fd, start, end)
                if b"\0" in data:
                    yield None
                    return
                rest, *lines = (data + rest).split(b"\n")
                end = start
                yield from reversed(lines)
            yield rest
    except OSError:
        yield None
    finally:
        os.close(fd)
