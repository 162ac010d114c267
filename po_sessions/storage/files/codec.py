"""One session in one file: plain JSON, laid out so that a message is added without reading the others.

::

    {"version":1,"id":"…","name":"…","po_name":"…","created_at":"…","metadata":{},"history":[
    {"role":"user","content":"Hello","created_at":"…"}
    ,{"role":"assistant","content":"Hi there!",…}
    ],"updated_at":"…","preview":"Hello","message_count":2,"turn_count":1
    }

One message a line, the comma leading; then the closing, with what changes. An append writes the new message and a new
closing over the old closing, in one positioned write. The last brace stands alone so that no cut of that write, with
what is left of the old closing behind it, looks like a whole message; and a message shorter than the old closing has
spaces behind it, so that none looks like a whole closing. Everything here works on bytes and descriptors; locks, the
index and other files are the caller's.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, NamedTuple

from po_sessions import atomic
from po_sessions.errors import InvalidInput, PoError, Unreadable, WriteFailed
from po_sessions.layout.primitives import is_po_name
from po_sessions.session import (
    CLOSING_KEYS,
    End,
    Message,
    Session,
    SessionSummary,
    check_po_name,
    check_writable,
    normal_time,
)
from po_sessions.shell import command_line
from po_sessions.storage.records import SessionStat
from po_sessions.text.strict_json import dumps, loads

_OPENING = b',"history":[\n'
_END = b"\n}\n"
_BLOCK = 4096
_LARGEST_BLOCK = 1 << 20
_SMALL = 1 << 20
_LONGEST_HEAD = 16 << 20
"""A first or a last line of more bytes is not ours."""
LARGE = 8 << 20
"""Files of more bytes are not read whole to tell what is in them, if they are of this layout."""
LARGEST = 128 << 20
"""What is not laid out as it is here is read up to so many bytes."""
MOST_TORN = 1000
"""So many lines are not left by one write that was cut."""


def encode(session: Session) -> bytes:
    """Return a whole file."""
    return b"".join(session.encoded())


def _closing(keys: dict[str, Any]) -> bytes:
    """Return the closing; the counts come last, so that its line never ends in a brace."""
    others = {key: value for key, value in keys.items() if key not in CLOSING_KEYS}
    return b"]," + dumps({**others, **{key: keys[key] for key in CLOSING_KEYS}})[1:-1] + _END


def _read_opening(line: bytes) -> dict[str, Any]:
    """Read the first line. Raises ValueError if it is not one of this layout."""
    if not line.endswith(_OPENING):
        raise ValueError("no opening line")
    head = loads(line[: -len(_OPENING)] + b"}")
    if not isinstance(head, dict) or type(head.get("version")) is not int:
        raise ValueError("no opening line")
    return head


class _NoOwner(Unreadable):
    kind = "unreadable"


def needs_owner(error: Unreadable) -> bool:
    """Tell whether all that is wrong is the prompt object's name, so that the session can be imported with another."""
    return isinstance(error, _NoOwner)


def _check_owner(session: Session, path: str) -> None:
    """See that a prompt object can be named as a file says, since the name gets into paths and messages."""
    try:
        check_po_name(session.po_name)
    except InvalidInput as error:
        command = command_line("session import", path, po="PO")
        raise _NoOwner(f"{path} cannot be read: {error}", hint=f"'{command}' makes a session of it.") from None


def _read_closing(data: bytes) -> dict[str, Any]:
    """Read the closing. Raises ValueError if it is not one of this layout, or not whole."""
    if not (data.startswith(b"],") and data.endswith(_END)):
        raise ValueError("no closing")
    keys = loads(b"{" + data[2:])
    count = keys.get("message_count")
    turns = keys.get("turn_count")
    if type(count) is not int or count < 0 or type(turns) is not int or not isinstance(keys.get("preview"), str):
        raise ValueError("no closing")
    if not isinstance(keys.get("updated_at"), str):
        raise ValueError("no closing")
    return {**keys, "updated_at": normal_time(keys["updated_at"])}


class Tail(NamedTuple):
    """A sound file as an append sees it, its history unread."""

    head: dict[str, Any]
    closing: dict[str, Any]
    closing_at: int
    """Where the closing begins, in bytes."""
    size: int
    summary: SessionSummary
    history_at: int
    """Where the first message begins, in bytes."""
    last: Message | None
    """The last message, None if there is none."""
    closing_text: bytes = b""
    """The closing as it stands in a file that an append can extend."""


class Found(NamedTuple):
    """What a file was found to be."""

    tail: Tail
    whole: bool
    """Whether it has a closing, though not in the form in which it is written here."""


def read_tail(fd: int) -> Tail | None:
    """Read the first line, the last message and the closing; None if they are not whole or not of this layout.

    Reads as much as those lines are long, whatever the history. None too if the file cannot be read.
    """
    size = os.fstat(fd).st_size
    try:
        opening = _first_line(fd, size)
        head = _read_opening(opening)
        if os.pread(fd, len(_END), size - len(_END)) != _END:
            return None
        closing_at = line_start(fd, size - len(_END), _LONGEST_HEAD)
        data = os.pread(fd, size - closing_at, closing_at)
        closing = _read_closing(data)
        if data != _closing(closing):  # written by hand: the next one could be shorter, and leave a rest behind
            return None
        last = None
        if closing["message_count"]:
            start = line_start(fd, closing_at - 1)
            last = read_message(os.pread(fd, closing_at - start, start), first=closing["message_count"] == 1)
        elif line_start(fd, closing_at - 1) != 0:
            return None
        summary = _summary(head, closing, last)
        if not is_po_name(summary.po_name):
            return None
    except (ValueError, OSError):
        return None
    return Tail(head, closing, closing_at, size, summary, len(opening), last, data)


def _summary(head: dict[str, Any], closing: dict[str, Any], last: Message | None) -> SessionSummary:
    summary = Session.from_dict({**head, "history": [], **closing}).summary()
    return replace(
        summary,
        **{key: closing[key] for key in CLOSING_KEYS},
        last_turn=last.turn_state if last else "empty",
    )


def about(session: Session, size: int, *, whole: bool = True) -> SessionStat:
    """Return what there is to know of a session of so many bytes but its messages."""
    times = [session.created_at, session.updated_at, *_times(session.history)]
    return SessionStat(
        session.summary(), size, session.version, bool(session.extra.get("pinned")), active_at=max(times), whole=whole
    )


def about_tail(tail: Tail) -> SessionStat:
    """Return the same of a sound file, whose closing is believed."""
    made = about(Session.from_dict({**tail.head, "history": [], **tail.closing}), tail.size)
    return made._replace(summary=tail.summary)


def read_head(fd: int) -> tuple[dict[str, Any], int] | None:
    """Read the first line of an open file; return it and where the second one begins; None if it is not ours."""
    try:
        line = _first_line(fd, os.fstat(fd).st_size)
        return _read_opening(line), len(line)
    except (ValueError, OSError):
        return None


def _first_line(fd: int, size: int) -> bytes:
    """Return the first line, with its end; nothing if it cannot be ours."""
    pieces, at = [], 0
    while at < min(size, _LONGEST_HEAD) and (piece := os.pread(fd, 16 * _BLOCK, at)):
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


class Append(NamedTuple):
    """One append, ready to be written."""

    data: bytes
    offset: int
    old: bytes
    """What stands at `offset` now, to be put back if the write fails."""
    size: int
    """The file's size after it."""
    summary: SessionSummary


def plan_append(tail: Tail, message: Message, after: End | None = None) -> Append:
    """Return what adds `message` to a sound file. Raises NewerVersion; Conflict if it does not end like `after`."""
    check_writable(tail.summary, tail.head["version"])
    if after is not None:
        after.check(tail.summary, tail.last)
    Message.from_dict(message.to_dict())  # never write what could not be read
    summary = tail.summary.with_message(message)
    closing = {**tail.closing, **{key: getattr(summary, key) for key in CLOSING_KEYS}}
    old = tail.closing_text
    line = b"," * (tail.summary.message_count > 0) + dumps(message.to_dict())
    # The new closing begins where the old one ended or later, so that no cut of the write can mix the two.
    data = line.ljust(len(old) - 1) + b"\n" + _closing(closing)
    return Append(data, tail.closing_at, old, tail.closing_at + len(data), summary)


def write_append(fd: int, path: str, append: Append) -> None:
    """Write an append durably. Raises WriteFailed; then the file is as it was, unless the message says otherwise."""
    try:
        atomic.write_at(fd, append.data, append.offset)
    except OSError as error:
        with atomic.writing(path):
            atomic.write_at(fd, append.old, append.offset)
            os.ftruncate(fd, append.offset + len(append.old))
        raise atomic.write_failed(path, error) from error
    try:
        atomic.sync(fd)
    except OSError:
        # After a failed sync the kernel may have dropped what it could not write: only a new file is certain.
        try:
            atomic.replace(path, atomic.read_all(fd, path))
        except PoError as error:
            raise WriteFailed(
                f"{path} was written, but the disk did not confirm it: whether the message is stored is unknown.",
                hint="Look at the disk, then at the end of the session, before you send it again.",
            ) from error


class Parsed(NamedTuple):
    """A file that could be read."""

    session: Session
    torn: bytes | None = None
    """The end of a file whose last write was cut, from the end of its last whole message; None if the file is whole."""


def parse(data: bytes, path: str) -> Parsed:
    """Read a whole file: this layout, this layout with a torn end, or any JSON document with the same keys.

    Raises Unreadable, with the place, if anything but the end of the last write is damaged, or no prompt object can be
    named as it says.
    """
    parsed = _parse(data, path)
    _check_owner(parsed.session, path)
    return parsed


def _parse(data: bytes, path: str) -> Parsed:
    with readable(path):
        try:
            head = _read_opening(data[: data.find(b"\n") + 1])
        except ValueError:
            return _parse_document(data)
        try:
            parsed = _parse_lines(data, head)
        except ValueError:
            with suppress(ValueError):  # an editor may have laid it out anew below the first line
                return _parse_document(data)
            raise
        if parsed.torn is not None:
            # Half a closing in front of the rest of the old one can be a document, with a key made of two.
            keys = CLOSING_KEYS if parsed.torn.startswith(b"]") else ()
            with suppress(ValueError):
                return _parse_document(data, keys)
        return parsed


@contextmanager
def readable(path: str) -> Iterator[None]:
    """Turn a ValueError of the block into Unreadable, with the place."""
    try:
        yield
    except ValueError as error:
        at = getattr(error, "at", None)
        place = f" at byte {at}" if at is not None else ""
        raise Unreadable(
            f"{path} cannot be read{place}: {' '.join(str(error).split())}.",
            hint="It was left as it is; 'po doctor' tells what can be done.",
        ) from None


def read(fd: int, path: str) -> Parsed:
    """Read a whole open file, if its beginning is that of a session. Raises Unreadable as `parse` does."""
    size = os.fstat(fd).st_size
    if size > _SMALL and read_head(fd) is None:
        with readable(path):
            start = atomic.read_some(fd, path, 16 * _BLOCK, 0)
            if b"\0" in start:
                raise Damage(start.index(b"\0"), "there is a NUL")
            if not start.lstrip().startswith(b"{"):
                raise ValueError("it is not a JSON object")
            if size > LARGEST:
                raise ValueError(f"it is not as po writes it, and larger than {LARGEST >> 20} MiB")
    return parse(atomic.read_all(fd, path), path)


def _parse_document(data: bytes, needed: Iterable[str] = ()) -> Parsed:
    found = loads(data)
    if not all(key in found for key in needed):
        raise ValueError("no closing")
    return Parsed(Session.from_dict(found))


class Damage(ValueError):
    """Damage at a place in a file."""

    def __init__(self, at: int, what: str) -> None:
        super().__init__(what)
        self.at = at


def _parse_lines(data: bytes, head: dict[str, Any]) -> Parsed:
    at = data.find(b"\n") + 1
    messages: list[Message] = []
    while True:
        end = data.find(b"\n", at) + 1
        line = data[at : end or None]
        try:
            if line.startswith(b"]"):
                return Parsed(_session(head, messages, _read_closing(data[at:])))
            if not end:
                raise ValueError("the last line is cut")
            messages.append(read_message(line, first=not messages))
        except ValueError as error:
            if _is_torn_end(data[at:]):
                return Parsed(_session(head, messages, _last_turn(messages)), data[at:])
            raise Damage(at, str(error)) from None
        at = end


def _is_torn_end(rest: bytes) -> bool:
    """Tell whether a cut append can have left `rest`: one message was being written, so no line is a whole one.

    A line that is whole and no message of ours is damage too: it may be somebody else's.
    """
    lines = rest.split(b"\n")[:-1]
    return len(lines) <= MOST_TORN and not any(map(is_json, lines))


def is_json(line: bytes) -> bool:
    """Tell whether a line, behind a comma or not, is JSON, or nested so deep that nobody can tell."""
    try:
        json.loads(line.removeprefix(b","))
    except ValueError:
        return False
    except RecursionError:
        pass
    return True


def _last_turn(messages: list[Message]) -> dict[str, Any]:
    """Return the key of a lost closing that the messages still tell."""
    times = list(_times(messages))
    return {"updated_at": max(times)} if times else {}


def _times(messages: Iterable[Message]) -> Iterator[str]:
    for message in messages:
        with suppress(ValueError):
            yield normal_time(message.created_at or "")


def _session(head: dict[str, Any], messages: list[Message], closing: dict[str, Any]) -> Session:
    return replace(Session.from_dict({**head, "history": [], **closing}), history=tuple(messages))
