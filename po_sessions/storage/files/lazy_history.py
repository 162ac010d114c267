"""A session whose history stays in its file until it is looked at, so that memory does not grow with the file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from operator import methodcaller
from typing import overload

from po_sessions import atomic
from po_sessions.errors import Unreadable
from po_sessions.layout import lines
from po_sessions.message import ROLES, Message
from po_sessions.session import Session, SessionSummary
from po_sessions.storage import OnGap
from po_sessions.storage.files.appending import Tail
from po_sessions.storage.files.codec import gap, read_message
from po_sessions.storage.files.parsing import OTHER_ENDS, parse
from po_sessions.text.strict_json import dumps

_BEGIN = b',{"role":"'
_begins = methodcaller("startswith", _BEGIN)


@dataclass(frozen=True, slots=True)
class OpenedSession(Session):
    """A session whose history is read from its file whenever it is looked at; good as long as that is open."""

    known: SessionSummary | None = None
    """What the file said of it when it was opened."""

    def summary(self) -> SessionSummary:
        """Return what the file said."""
        assert self.known is not None
        own = {key: getattr(self, key) for key in ("name", "po_name", "pinned", "parent")}
        return replace(self.known, **own, tags=tuple(self.tags))

    def newest_with(self, key: str, value: str | None = None) -> int | None:
        """Return where the newest message is that has this key, and this value, reading only lines like it."""
        assert isinstance(self.history, Lines)
        return self.history.newest_with(key, value)

    def _encoded_messages(self) -> Iterator[bytes]:
        assert isinstance(self.history, Lines)
        return self.history.encoded()


def opened(fd: int, path: str, tail: Tail, on_gap: OnGap | None = None) -> OpenedSession:
    """Return the session of an open file with sound ends, as it is now: what is appended later is not in it.

    With `on_gap` a gap stands for each damaged message, and `on_gap` is told of it.
    """
    session = Session.from_dict({**tail.head, "history": [], **tail.footer})
    history = Lines(fd, path, tail.history_at, tail.footer_at, range(tail.summary.message_count), on_gap)
    fields = {name: getattr(session, name) for name in Session.__dataclass_fields__}
    return OpenedSession(**{**fields, "history": history}, known=tail.summary)


class Lines(Sequence[Message]):
    """Messages of a file that are read when they are looked at. Slices are such too, and nothing is kept.

    A line that is not a message raises Unreadable, with the place, unless the whole file can be read in another layout.
    """

    def __init__(self, fd: int, path: str, start: int, end: int, numbers: range, on_gap: OnGap | None = None) -> None:
        """The messages with these numbers lie between `start` and `end`.

        `on_gap` is given the error of each line that is not a message, and a gap is read in its place.
        """
        self._fd = fd
        self._path = path
        self._start = start
        self._end = end
        self._numbers = numbers
        self._on_gap = on_gap
        self._damage: Unreadable | None = None

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[Message]:
        for number, line in enumerate(lines.forwards(self._read, self._start, self._end), self._numbers.start):
            # More lines than the footer says: a message was broken in two, or an earlier version doubled the file.
            if number == self._numbers.stop and (self._on_gap is None or line.startswith(OTHER_ENDS)):
                self._parsed()
                return
            try:
                message = read_message(line, first=number == 0)
            except ValueError:
                if (found := self._gap(line, number)) is None:
                    yield from self._parsed()[number : self._numbers.stop]
                    return
                message = found
            yield message

    def __reversed__(self) -> Iterator[Message]:
        backwards = lines.backwards(self._read, self._start, self._end)
        for number, line in zip(reversed(self._numbers), backwards, strict=False):
            try:
                message = read_message(line, first=number == 0)
            except ValueError:
                if (found := self._gap(line, number)) is None:
                    yield from reversed(self._parsed()[self._numbers.start : number + 1])
                    return
                message = found
            yield message

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | Sequence[Message]:
        if isinstance(index, int):
            index = range(len(self))[index]  # counts from the end, and raises IndexError
            return next(iter(self[index : index + 1]))
        numbers = self._numbers[index]
        if numbers.step != 1:
            return tuple(self)[index]
        start, end = (self._place(number - self._numbers.start) for number in (numbers.start, numbers.stop))
        return Lines(self._fd, self._path, start, end, numbers, self._on_gap)

    def _place(self, index: int) -> int:
        """Return where a message begins, looking from the nearer end."""
        if index <= len(self) // 2:
            return lines.after(self._read, self._start, self._end, index)
        return lines.before(self._read, self._start, self._end, len(self) - index)

    def newest_with(self, key: str, value: str | None) -> int | None:
        """Return the index of the newest message that has this key, and this value, reading only lines like it."""
        mark = dumps(key if value is None else value)
        backwards = lines.backwards(self._read, self._start, self._end)
        marked = (at for at, line in zip(reversed(range(len(self))), backwards, strict=False) if mark in line)
        return next((at for at in marked if self[at].has(key, value)), None)

    def _read(self, size: int, at: int) -> bytes:
        return atomic.read_some(self._fd, self._path, size, at)

    def _gap(self, line: bytes, number: int) -> Message | None:
        """Return the gap for a line that is not a message; None if none is wanted, or the file has another layout."""
        if self._on_gap is None:
            return None
        if self._damage is None:
            try:
                self._parsed()
            except Unreadable as error:
                self._damage = error
            else:
                return None
        self._on_gap(number + 1, self._damage)
        return gap(line)

    def _parsed(self) -> Sequence[Message]:
        return parse(atomic.read_all(self._fd, self._path), self._path).session.history

    def encoded(self) -> Iterator[bytes]:
        """Yield the lines as they are, in large pieces; from one that is not a message of ours on, as ours would be."""
        number = self._numbers.start
        for block in lines.blocks(self._read, self._start, self._end):
            some = block.split(b"\n")
            if not _is_sound(block, some, first=number == 0):
                break
            yield block
            number += len(some)
        else:
            return
        for at, message in enumerate(self[number - self._numbers.start :], number):
            yield b"," * (at > 0) + dumps(message.to_dict()) + b"\n"


def _is_sound(block: bytes, some: list[bytes], *, first: bool) -> bool:
    """Tell whether each line of a block is a message, as `read_message` reads it but for keys that occur twice.

    What is printed cannot be taken back, so all of it is read, by the fastest means there is.
    """
    if some.pop() or not some[0].startswith(_BEGIN[first:]) or not all(map(_begins, islice(some, 1, None))):
        return False
    try:
        found = json.loads(b"[%b]" % block.removeprefix(b","), parse_constant=_refuse)
        return len(found) == len(some) and all(
            one["role"] in ROLES and isinstance(one["content"], str | None) for one in found
        )
    except (ValueError, RecursionError, LookupError, TypeError):
        return False


def _refuse(text: str) -> None:
    raise ValueError(text)
