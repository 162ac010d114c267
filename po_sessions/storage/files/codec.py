"""One session in one file: plain JSON, laid out so that a message is added without reading the others.

::

    {"version":1,"id":"…","name":"…","po_name":"…","created_at":"…","metadata":{},"history":[
    {"role":"user","content":"Hello","created_at":"…"}
    ,{"role":"assistant","content":"Hi there!",…}
    ],"footer_at":226,"totals":{…},"spent":35,"updated_at":"…","preview":"Hello","message_count":2,"turn_count":1
    }

The header; one message a line, the comma leading; then the footer: what changes, and the offset where it begins, so
that a doubled or spliced file is noticed at its end. An append writes the new message and a new footer over the old
footer, in one positioned write. The last brace stands alone so that no cut of that write, with what is left of the old
footer behind it, looks like a whole message; and a message shorter than the old footer has spaces behind it, so that
none looks like a whole footer. Everything here works on bytes and descriptors; locks, the index and other files are the
caller's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from po_sessions.layout.primitives import FOOTER_AT
from po_sessions.message import ROLES, Message
from po_sessions.session import FOOTER_KEYS, OWN_FOOTER_KEYS, Session, SessionSummary
from po_sessions.storage.records import SessionStat
from po_sessions.text.strict_json import dumps, loads
from po_sessions.text.times import normal_time

_HEADER_END = b',"history":[\n'
END = b"\n}\n"
_OWN = {FOOTER_AT, *OWN_FOOTER_KEYS, *FOOTER_KEYS}
_BLOCK = 4096
_LARGEST_BLOCK = 1 << 20
LONGEST_HEAD = 16 << 20
"""A first or a last line of more bytes is not ours."""


def encode(session: Session) -> bytes:
    """Return a whole file."""
    before = b"".join(session.encoded_history())
    return before + encoded_footer(footer_keys(session.summary(), len(before)))


def header(session: Session) -> bytes:
    """Return the first line."""
    return dumps(session.head())[:-1] + _HEADER_END


def footer_keys(summary: SessionSummary, at: int, others: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the keys of a footer that begins at this offset, `others` that are not known here among them.

    All new ones stand before those of earlier versions, which carry along only what is there.
    """
    known = {key: getattr(summary, key) for key in FOOTER_KEYS}
    made_for = {key: known[key] for key in ("message_count", "updated_at")}
    others = {key: value for key, value in (others or {}).items() if key not in _OWN}
    return {FOOTER_AT: at, **others, "totals": {**made_for, "models": summary.totals}, "spent": summary.spent, **known}


def encoded_footer(keys: dict[str, Any]) -> bytes:
    """Return the footer; the counts come last, so that its line never ends in a brace."""
    others = {key: value for key, value in keys.items() if key not in FOOTER_KEYS}
    return b"]," + dumps({**others, **{key: keys[key] for key in FOOTER_KEYS}})[1:-1] + END


def read_header(line: bytes) -> dict[str, Any]:
    """Read the first line. Raises ValueError if it is not one of this layout."""
    if not line.endswith(_HEADER_END):
        raise ValueError("no header line")
    head = loads(line[: -len(_HEADER_END)] + b"}")
    if not isinstance(head, dict) or type(head.get("version")) is not int:
        raise ValueError("no header line")
    return head


def read_footer(data: bytes) -> dict[str, Any]:
    """Read the footer. Raises ValueError if it is not one of this layout, or not whole."""
    if not (data.startswith(b"],") and data.endswith(END)):
        raise ValueError("no footer")
    keys = loads(b"{" + data[2:])
    count = keys.get("message_count")
    turns = keys.get("turn_count")
    if type(count) is not int or count < 0 or type(turns) is not int or not isinstance(keys.get("preview"), str):
        raise ValueError("no footer")
    if not isinstance(keys.get("updated_at"), str):
        raise ValueError("no footer")
    return {**keys, "updated_at": normal_time(keys["updated_at"])}


def read_head(fd: int) -> tuple[dict[str, Any], int] | None:
    """Read the first line of an open file; return it and where the second one begins; None if it is not ours."""
    try:
        line = first_line(fd, os.fstat(fd).st_size)
        return read_header(line), len(line)
    except (ValueError, OSError):
        return None


def first_line(fd: int, size: int) -> bytes:
    """Return the first line, with its end; nothing if it cannot be ours."""
    pieces, at = [], 0
    while at < min(size, LONGEST_HEAD) and (piece := os.pread(fd, 16 * _BLOCK, at)):
        pieces.append(piece)
        at += len(piece)
        if b"\n" in piece:
            break
        if b"\0" in piece:
            return b""
    data = b"".join(pieces)
    return data[: data.find(b"\n") + 1]


def line_start(fd: int, end: int, longest: int = sys.maxsize) -> int:
    """Return where the line that ends before the newline at `end` begins. Raises ValueError if it cannot be ours."""
    at, block = end, _BLOCK
    while at > 0:
        start = max(0, at - block)
        piece = os.pread(fd, at - start, start)
        found = piece.rfind(b"\n")
        if found >= 0:
            return start + found + 1
        if b"\0" in piece or end - start > longest:
            raise ValueError("a line is too long")
        at, block = start, min(2 * block, _LARGEST_BLOCK)
    return 0


def read_message(line: bytes, *, first: bool) -> Message:
    """Read a message's line; only the `first` has no comma. Raises ValueError."""
    if line.startswith(b",") == first:
        raise ValueError("a comma is missing or too many")
    return Message.from_dict(loads(line.removeprefix(b",")))


def gap(line: bytes) -> Message:
    """Return the message that stands for a line that is not one, in the role that its beginning still tells."""
    role = next((role for role in ROLES if line.removeprefix(b",").startswith(b'{"role":"%s"' % role.encode())), None)
    return Message.gap(len(line.rstrip(b"\n")), role or "system")


def about(session: Session, size: int, *, whole: bool = True) -> SessionStat:
    """Return what there is to know of a session of so many bytes but its messages."""
    times = [session.created_at, session.updated_at, *times_of(session.history)]
    return SessionStat(session.summary(), size, session.version, session.pinned, active_at=max(times), whole=whole)


def times_of(messages: Iterable[Message]) -> Iterator[str]:
    """Yield the times of messages, of those that have one."""
    for message in messages:
        with suppress(ValueError):
            yield normal_time(message.created_at or "")
