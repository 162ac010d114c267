"""What comes in: text given as an argument, from standard input or from files; points in time."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import BinaryIO

from po_sessions.cli.app.hints import Hint
from po_sessions.errors import InvalidInput, NotFound, Unreadable

_PIECE = 1 << 16
_MOMENT = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?)?"


def as_text(argument: str) -> str:
    """Return an argument that is text. Raises InvalidInput if it is not UTF-8."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        raise InvalidInput(
            "The text is not valid UTF-8.", advice=Hint("Convert it first, with iconv for example.")
        ) from None
    return argument


class Room:
    """How many bytes may still come in, over all the parts of one thing: a pipe or a device may have no end."""

    def __init__(self, size: int, what: str, hint: Hint) -> None:
        """`what` begins the sentence that it is too large, and `hint` says what to do then."""
        self._size = size
        self._left = size
        self._what = what
        self._hint = hint

    def take(self, size: int) -> None:
        """Count what came in. Raises InvalidInput if it is too much."""
        self._left -= size
        if self._left < 0:
            raise InvalidInput(f"{self._what} is too large: it has more than {self._size} bytes.", advice=self._hint)

    def read(self, stream: BinaryIO) -> bytes:
        """Return the rest of a stream, and count it. Raises InvalidInput as soon as it is too much; OSError."""
        pieces = []
        while True:
            piece = stream.read(_PIECE)
            self.take(len(piece))
            pieces.append(piece)
            if len(piece) < _PIECE:  # the end: to read on would ask a terminal for another Ctrl-D
                return b"".join(pieces)


def read_text(argument: str | None, room: Room) -> str:
    """Return a text given as an argument, or standard input for `-` and None. Raises InvalidInput."""
    if argument is not None and argument != "-":
        text = as_text(argument)
        room.take(len(text.encode()))
        return text
    return "" if sys.stdin is None else _text(sys.stdin.buffer, "Standard input", room)


def read_stdin(room: Room) -> bytes:
    """Return standard input. Raises InvalidInput."""
    return b"" if sys.stdin is None else room.read(sys.stdin.buffer)


def read_file(path: str, room: Room) -> str:
    """Return the text of any file that can be read to its end. Raises as `read_bytes` does."""
    with _opened(path) as file:
        return _text(file, repr(path), room)


def read_bytes(path: str, room: Room) -> bytes:
    """Return what is in any file that can be read to its end. Raises NotFound, InvalidInput, Unreadable."""
    with _opened(path) as file:
        return room.read(file)


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    try:
        with open(path, "rb") as file:
            yield file
    except (FileNotFoundError, NotADirectoryError):
        hint = Hint("Standard input is read with --stdin." if path == "-" else "Check the spelling and the directory.")
        raise NotFound(f"There is no file {path!r}.", advice=hint) from None
    except IsADirectoryError:
        raise InvalidInput(f"{path!r} is a directory.", advice=Hint("Name a file.")) from None
    except OSError as error:
        raise Unreadable(
            f"Cannot read {path!r}: {error.strerror}.", advice=Hint("Look at its permissions, or name another file.")
        ) from None


def parse_moment(text: str) -> datetime:
    """Return the moment that an ISO-8601 date or time means, aware of its zone; without one, in the zone of this run.

    A date is its first moment. Raises InvalidInput.
    """
    try:
        if not re.fullmatch(_MOMENT, text, re.ASCII):
            raise ValueError
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.astimezone()).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidInput(
            f"{text!r} is not a date or time.", advice=Hint("Write 2025-03-01, 2025-03-01T14:30 or 2025-03-01T14:30Z.")
        ) from None


def _text(stream: BinaryIO, what: str, room: Room) -> str:
    """Return text without the one line end that echo, editors and here-documents add, which does not count."""
    room.take(-1)
    data = room.read(stream)
    room.take(1 - data.endswith(b"\n"))
    try:
        return data.decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{what} is not valid UTF-8 (byte {error.start}).", advice=Hint("Convert it first, with iconv for example.")
        ) from None
