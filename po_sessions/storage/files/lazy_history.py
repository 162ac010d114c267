"""A session whose history stays in its file until it is looked at, so that memory does not grow with the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from operator import methodcaller
from typing import overload

from po_sessions import atomic
from po_sessions.layout import lines
from po_sessions.session import Message, Session, SessionSummary
from po_sessions.storage.files.appending import Tail
from po_sessions.storage.files.codec import read_message
from po_sessions.storage.files.parsing import parse
from po_sessions.text.strict_json import dumps

_BEGIN = b',{"role":"'
_begins = methodcaller("startswith", _BEGIN)
_ends = methodcaller("endswith", (b"}", b" "))  # a short one has spaces behind it


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


def opened(fd: int, path: str, tail: Tail) -> OpenedSession:
    """Return the session of a sound open file, as it is now: what is appended later is not in it."""
    session = Session.from_dict({**tail.head, "history": [], **tail.footer})
    history = Lines(fd, path, tail.history_at, tail.footer_at, range(tail.summary.message_count))
    fields = {name: getattr(session, name) for name in Session.__dataclass_fields__}
    return OpenedSession(**{**fields, "history": history}, known=tail.summary)


class Lines(Sequence[Message]):
    """Messages of a file that are read when they are looked at. Slices are such too, and nothing is kept.

    A line that is no message raises Unreadable, with the place, unless the whole file can be read in another layout.
    """

    def __init__(self, fd: int, path: str, start: int, end: int, numbers: range) -> None:
        """The messages with these numbers lie between `start` and `end`."""
        self._fd = fd
        self._path = path
        self._start = start
        self._end = end
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[Message]:
        found = lines.forwards(self._read, self._start, self._end)
        for number, line in zip(self._numbers, found, strict=False):
            try:
                message = read_message(line, first=number == 0)
            except ValueError:
                yield from self._parsed(number, self._numbers.stop)
                return
            yield message
        if next(found, None) is not None:  # more than the footer of an earlier version says: the file may be doubled
            self._parsed(0, 0)

    def __reversed__(self) -> Iterator[Message]:
        backwards = lines.backwards(self._read, self._start, self._end)
        for number, line in zip(reversed(self._numbers), backwards, strict=False):
            try:
                message = read_message(line, first=number == 0)
            except ValueError:
                yield from reversed(self._parsed(self._numbers.start, number + 1))
                return
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
        return Lines(self._fd, self._path, start, end, numbers)

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

    def _parsed(self, first: int, end: int) -> Sequence[Message]:
        return parse(atomic.read_all(self._fd, self._path), self._path).session.history[first:end]

    def encoded(self) -> Iterator[bytes]:
        """Yield the lines as they are, in large pieces; from where one does not look like ours on, as ours would be."""
        number = self._numbers.start
        for block in lines.blocks(self._read, self._start, self._end):
            some = block.split(b"\n")
            if not _looks_sound(block, some, first=number == 0):
                break
            yield block
            number += len(some)
        else:
            return
        for at, message in enumerate(self[number - self._numbers.start :], number):
            yield b"," * (at > 0) + dumps(message.to_dict()) + b"\n"


def _looks_sound(block: bytes, some: list[bytes], *, first: bool) -> bool:
    """Tell whether the lines of a block begin and end like messages and are text.

    To read all that is between would take ten times as long.
    """
    if some.pop() or b"\0" in block or not some[0].startswith(_BEGIN[first:]):
        return False
    if not (all(map(_begins, islice(some, 1, None))) and all(map(_ends, some))):
        return False
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True
