"""What comes in: text given as an argument, from standard input or from files; points in time."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime

from po_sessions.errors import InvalidInput, NotFound, Unreadable

_MOMENT = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?)?"


def as_text(argument: str) -> str:
    """Return an argument that is text. Raises InvalidInput if it is not UTF-8."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        raise InvalidInput("The text is not valid UTF-8.", hint="Convert it first, with iconv for example.") from None
    return argument


def read_text(argument: str | None) -> str:
    """Return a text given as an argument, or standard input for `-` and None. Raises InvalidInput."""
    if argument is not None and argument != "-":
        return as_text(argument)
    return "" if sys.stdin is None else _decode(sys.stdin.buffer.read(), "Standard input")


def read_file(path: str) -> str:
    """Return the text of any file that can be read to its end. Raises as `read_bytes` does."""
    return _decode(read_bytes(path), repr(path))


def read_bytes(path: str) -> bytes:
    """Return what is in any file that can be read to its end. Raises NotFound, InvalidInput, Unreadable."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        hint = "Standard input is read with --stdin." if path == "-" else "Check the spelling and the directory."
        raise NotFound(f"There is no file {path!r}.", hint=hint) from None
    except IsADirectoryError:
        raise InvalidInput(f"{path!r} is a directory.", hint="Name a file.") from None
    except OSError as error:
        raise Unreadable(
            f"Cannot read {path!r}: {error.strerror}.", hint="Look at its permissions, or name another file."
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
            f"{text!r} is not a date or time.", hint="Write 2025-03-01, 2025-03-01T14:30 or 2025-03-01T14:30Z."
        ) from None


def _decode(data: bytes, what: str) -> str:
    """Return text without the one line end that echo, editors and here-documents add."""
    try:
        return data.decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{what} is not valid UTF-8 (byte {error.start}).", hint="Convert it first, with iconv for example."
        ) from None
