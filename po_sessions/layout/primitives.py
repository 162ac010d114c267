"""Reading what po itself wrote, in the one form in which it writes it, before anything large is imported.

For a shell prompt and a press of Tab, which wait for it. Each function answers None where a file is not as expected;
then whoever reads everything has to look: `storage`, which also says what is wrong. So nothing here judges, repairs or
writes. It imports nothing that takes as long as the whole answer: no `re`, `json`, `dataclasses`, `typing`.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    encode_basestring: Any
    make_scanner: Any
else:  # what `json` is made of, which takes half a start
    from _json import encode_basestring, make_scanner

_ULID = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_HEX = "0123456789abcdef"
_BARE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_LAST_DAYS = {"02": "28", "04": "30", "06": "30", "09": "30", "11": "30"}
_JOINERS = dict.fromkeys((0x200C, 0x200D))
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_BLOCK = 1 << 16
LARGEST = 1 << 20
"""Bytes of a file that holds no messages; one with more is for `storage` to judge."""
FOOTER_AT = "footer_at"
"""The key of a session file's footer that says at which byte of the file it begins."""
_FOOTER_KEYS = ["updated_at", "preview", "message_count", "turn_count"]
_FARTHEST = 1 << 22
"""How far from the ends of a file lines are looked for, in bytes."""


def is_absent(path: str) -> bool:
    """Tell whether there is surely nothing at `path`."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def open_regular(path: str) -> int | None:
    """Open a regular file that is no link, and return its descriptor."""
    try:
        fd = os.open(path, _FLAGS)
    except OSError:
        return None
    if os.fstat(fd).st_mode & 0o170000 != 0o100000:
        os.close(fd)
        return None
    return fd


def read(path: str, size: int = 1 << 30) -> bytes | None:
    """Return a file's bytes, or as many of them."""
    fd = open_regular(path)
    if fd is None:
        return None
    try:
        return read_range(fd, 0, min(size, os.fstat(fd).st_size))
    except OSError:
        return None
    finally:
        os.close(fd)


def read_range(fd: int, start: int, end: int) -> bytes:
    """Return an open file's bytes between two places. Raises OSError."""
    pieces = []
    while start < end and (piece := os.pread(fd, end - start, start)):
        pieces.append(piece)
        start += len(piece)
    return b"".join(pieces)


def is_session_id(text: str) -> bool:
    """Tell whether `text` is a ULID or a UUID, as `names.is_session_id` does."""
    if len(text) == 26:
        return text[0] in "01234567" and not text.strip(_ULID)
    return [len(part) for part in text.split("-")] == [8, 4, 4, 4, 12] and not text.replace("-", "").strip(_HEX)


def is_printable(text: str) -> bool:
    """Tell whether all of a text is seen, but for joiners: Persian and many emoji are spelt with them."""
    return text.isprintable() or text.translate(_JOINERS).isprintable()


def is_po_name(text: str) -> bool:
    """Tell whether a prompt object may have this name, as `names.check_po_name` does."""
    return 0 < len(text) <= 64 and not text.strip(_BARE)


def state(data: bytes) -> "tuple[str | None, dict[str, dict[str, str]]] | None":
    """Read a `state.toml`: the current prompt object, and `current` and `previous` of each that has them.

    Of at most LARGEST bytes, with names that prompt objects can have, and ids of sessions.
    """
    po_name: str | None = None
    sessions: dict[str, dict[str, str]] = {}
    table: dict[str, str] | None = None
    if len(data) > LARGEST:
        return None
    try:
        lines = data.decode("ascii").split("\n")
    except UnicodeDecodeError:
        return None
    if lines.pop():
        return None
    for number, line in enumerate(lines):
        if line.startswith("[sessions.") and line.endswith("]"):
            name = line[10:-1]
            if not is_po_name(name) or name in sessions:
                return None
            table = sessions[name] = {}
            continue
        if line == "[sessions]" and number == len(lines) - 1:
            break
        if not line:
            continue
        key, _, quoted = line.partition(" = ")
        value = quoted[1:-1]
        if quoted != f'"{value}"':
            return None
        if number == 0 and key == "current" and is_po_name(value):
            po_name = value
        elif table is not None and key in ("current", "previous") and key not in table and is_session_id(value):
            table[key] = value
        else:
            return None
    return po_name, sessions


def _unique(pairs: "list[tuple[str, Any]]") -> "dict[str, Any]":
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key occurs twice")
    return made


def _refuse(text: str) -> "Any":
    raise ValueError(text)


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise ValueError(text)
    return number


class _Strict:
    """What the scanner takes its rules from: those of `json_text`."""

    strict = True
    object_hook = None
    object_pairs_hook: "Any" = staticmethod(_unique)
    parse_float: "Any" = staticmethod(_finite)
    parse_int = int
    parse_constant = staticmethod(_refuse)


_scan = make_scanner(_Strict)


def json_object(data: bytes) -> "dict[str, Any] | None":
    """Read one JSON object that takes up all of `data`, as strictly as `json_text` does."""
    try:
        text = data.decode()
        value, end = _scan(text, 0)
    except (ValueError, StopIteration, RecursionError):
        return None
    return value if end == len(text) and isinstance(value, dict) else None


def is_time(value: object) -> bool:
    """Tell whether this is a time as the store writes it, and so one that `text.times.normal_time` leaves as it is."""
    if not (isinstance(value, str) and len(value) == 24 and value.isascii()):
        return False
    marks = value[4] + value[7] + value[10] + value[13] + value[16] + value[19] + value[23]
    digits = value[:4] + value[5:7] + value[8:10] + value[11:13] + value[14:16] + value[17:19] + value[20:23]
    if marks != "--T::.Z" or not digits.isdecimal():
        return False
    year, month, day = value[:4], value[5:7], value[8:10]
    last = "29" if month == "02" and _is_leap(int(year)) else _LAST_DAYS.get(month, "31")
    is_date = year > "0000" and "01" <= month <= "12" and "01" <= day <= last
    return is_date and value[11:13] < "24" and value[14:16] < "60" and value[17:19] < "60"


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def session(path: str, id: str) -> "tuple[str, str, int] | None":
    """Return the name, the prompt object and the number of messages of the session in a file, its history unread.

    Reads the first line, the last message and the footer, as `session_file.read_tail` does.
    """
    fd = open_regular(path)
    if fd is None:
        return None
    try:
        size = os.fstat(fd).st_size
        opening = _first_line(fd, size)
        end = _tail(fd, size, lines=4)
        head = _read_head(opening)
        footer = b"" if end is None else end[1] + b"\n" + end[2] + b"\n"
        count = _read_footer(footer, size - len(footer))
        if head is None or count is None or end is None or head["id"] != id:
            return None
        sound = end[0] + b"\n" == opening if count == 0 else _is_message(end[0], first=count == 1)
        return (head["name"], head["po_name"], count) if sound else None
    except OSError:
        return None
    finally:
        os.close(fd)


def _first_line(fd: int, size: int) -> bytes:
    end = min(size, _BLOCK)
    while True:
        data = read_range(fd, 0, end)
        at = data.find(b"\n")
        if at >= 0 or end == size or end >= _FARTHEST:
            return data[: at + 1]
        end = min(size, 4 * end)


def _tail(fd: int, size: int, lines: int) -> list[bytes] | None:
    """Return the last lines of a file but the first of as many, which may be cut; None if there are too few."""
    start = size
    while start > 0 and size - start < _FARTHEST:
        start = max(0, size - 4 * max(size - start, 1024))
        found = read_range(fd, start, size).rsplit(b"\n", lines)
        if found[-1]:
            return None
        if len(found) > lines:
            return found[1:]
        if start == 0:
            return found if len(found) == lines else None
    return None


def _read_head(line: bytes) -> "dict[str, Any] | None":
    if not line.endswith(b',"history":[\n'):
        return None
    head = json_object(line[:-13] + b"}")
    if head is None or type(head.get("version")) is not int or head["version"] < 1:
        return None
    texts = all(isinstance(head.get(key), str) and head[key] for key in ("id", "name", "po_name"))
    texts = texts and is_po_name(head["po_name"])
    return head if texts and isinstance(head.get("metadata"), dict) and is_time(head.get("created_at")) else None


def _read_footer(data: bytes, at: int) -> int | None:
    """Return the number of messages in a footer that is as po writes it at this place: this order, these escapes.

    Earlier versions write only the last four keys.
    """
    keys = json_object(b"{" + data[2:-2] + b"}") if data.startswith(b"],") and data.endswith(b"\n}\n") else None
    if keys is None or list(keys)[-4:] != _FOOTER_KEYS or (len(keys) > 4 and keys.get(FOOTER_AT) != at):
        return None
    time, preview, count, turns = (keys[key] for key in _FOOTER_KEYS)
    if not (is_time(time) and isinstance(preview, str) and type(count) is int and type(turns) is int and count >= 0):
        return None
    counts = f'"message_count":{count},"turn_count":{turns}'
    written = f',"updated_at":"{time}","preview":{encode_basestring(preview)},{counts}\n}}\n'.encode("utf-8", "replace")
    return count if data.endswith(written) and (len(keys) > 4 or len(data) == 1 + len(written)) else None


def _is_message(line: bytes, *, first: bool) -> bool:
    """Tell whether a line is one message, behind a comma unless it is the first."""
    if line.startswith(b",") == first:
        return False
    message = json_object(line.removeprefix(b",").rstrip(b" "))  # a short one has spaces behind it
    return (
        message is not None
        and message.get("role") in ("system", "user", "assistant", "tool")
        and isinstance(message.get("content"), str | None)
        and isinstance(message.get("created_at"), str | None)
    )
