"""Large session files whose last write was cut, read a block at a time, so that memory does not grow with the file.

A line that begins and ends like a message is taken for one, as in the middle of a sound file; only the last one and the
first user's are read. `session_file.parse` reads smaller files whole.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from po_sessions import atomic
from po_sessions.message import Message, preview
from po_sessions.session import FOOTER_KEYS, Session
from po_sessions.storage.files.appending import Found, Tail
from po_sessions.storage.files.codec import line_start, read_head, read_message
from po_sessions.storage.files.parsing import LARGEST, MOST_TORN, Damage, is_json, readable
from po_sessions.text.strict_json import loads
from po_sessions.text.times import normal_time

_BLOCK = 1 << 20
_BEGIN = b',{"role":"'
_USER = b'{"role":"user"'
_TIME = re.compile(rb'"created_at":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"')


def scan(fd: int, path: str) -> Found | None:
    """Read an open file of our layout; None if it is not of it. Raises Unreadable, with the place, if it is damaged."""
    opening = read_head(fd)
    if opening is None:
        return None
    with readable(path):
        return _Scan(fd, path).found(*opening)


class _Scan:
    """The messages at the beginning of a file, counted."""

    def __init__(self, fd: int, path: str) -> None:
        self._fd = fd
        self._path = path
        self._size = os.fstat(fd).st_size
        self.count = 0
        self.users = 0
        self.preview = ""
        self.newest = ""

    def found(self, head: dict[str, Any], start: int) -> Found:
        """Return what the file is, whose first message begins at `start`. Raises ValueError."""
        end = start
        for block in self._blocks(start):
            taken = self._take(block)
            end += taken
            if taken < len(block):
                break
        last = None
        if end > start:
            last, end = self._last(start, end)
        footer, whole = self._closing(end)
        summary = replace(
            Session.from_dict({**head, "history": [], **footer}).summary(),
            message_count=self.count,
            turn_count=self.users,
            preview=self.preview,
            last_turn=last.turn_state if last else "empty",
            totals=None,
        )
        return Found(Tail(head, footer, end, self._size, summary, start, last), whole)

    def _last(self, start: int, end: int) -> tuple[Message | None, int]:
        """Read the last message; if the line only looks like one, it is where the torn end begins."""
        at = line_start(self._fd, end - 1)
        line = self._read(end - at, at)
        try:
            return read_message(line, first=self.count == 1), end
        except ValueError:
            self.count -= 1
            self.users -= line.startswith(b"," + _USER)
        if at == start:
            return None, at
        before = line_start(self._fd, at - 1)
        try:
            return read_message(self._read(at - before, before), first=self.count == 1), at
        except ValueError as error:
            raise Damage(before, str(error)) from None

    def _closing(self, end: int) -> tuple[dict[str, Any], bool]:
        """Return the keys behind the history as far as they are known, and whether they are all there."""
        if self._size - end <= _BLOCK and (rest := self._read(self._size - end, end)).startswith(b"]"):
            with suppress(ValueError, TypeError):
                keys = loads(b'{"history":[' + rest)
                if all(key in keys for key in FOOTER_KEYS):
                    del keys["history"]
                    return {**keys, "updated_at": normal_time(keys["updated_at"])}, True
        for number, line in enumerate(self._lines_without_nul(end)):
            if number >= MOST_TORN or is_json(line):
                raise Damage(end, "a line is not a message")
        return ({"updated_at": self.newest} if self.newest else {}), False

    def _blocks(self, at: int) -> Iterator[bytes]:
        """Yield whole lines, many at once, up to a NUL or a line without measure."""
        rest = b""
        while len(rest) <= LARGEST and (piece := self._read(max(_BLOCK, len(rest)), at)):
            at += len(piece)
            sound, nul, _ = piece.partition(b"\0")
            whole, found, rest = (rest + sound).rpartition(b"\n")
            if found:
                yield whole + found
            if nul:
                return

    def _take(self, block: bytes) -> int:
        """Count the messages at the beginning of some lines; return how many bytes they are."""
        lines = block[:-1].split(b"\n")
        times = _TIME.findall(block)
        like_ours = self.count and all(line.startswith(_BEGIN) and line.endswith((b"}", b" ")) for line in lines)
        if like_ours and self.users and len(times) == block.count(b'"created_at":') == len(lines):
            self.count += len(lines)
            self.users += block.count(b"\n," + _USER) + block.startswith(b"," + _USER)
            self.newest = max(self.newest, max(times).decode())
            return len(block)
        taken = 0
        for line in lines:
            try:
                message = read_message(line, first=self.count == 0)
            except ValueError:
                if not (self.count and line.startswith(_BEGIN) and line.endswith((b"}", b" "))):
                    break
                self.count += 1
                self.users += line.startswith(b"," + _USER)
            else:
                self._count(message)
            taken += len(line) + 1
        return taken

    def _count(self, message: Message) -> None:
        self.count += 1
        if message.role == "user":
            self.preview = self.preview if self.users else preview(message.content)
            self.users += 1
        with suppress(ValueError):
            self.newest = max(self.newest, normal_time(message.created_at or ""))

    def _lines_without_nul(self, at: int) -> Iterator[bytes]:
        """Yield the lines that end, each without its end, but for those with a NUL or without measure."""
        rest, sound = b"", True
        while at < self._size and (piece := self._read(max(_BLOCK, len(rest)), at)):
            at += len(piece)
            if b"\n" not in piece:
                sound = sound and b"\0" not in piece and len(rest) <= LARGEST
                rest = rest + piece if sound else b""
                continue
            first, *others = piece.split(b"\n")
            for line in ([rest + first] if sound else []) + others[:-1]:
                if b"\0" not in line:
                    yield line
            rest, sound = others[-1], b"\0" not in others[-1]

    def _read(self, size: int, at: int) -> bytes:
        return atomic.read_some(self._fd, self._path, size, at)
