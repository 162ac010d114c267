"""A session file read whole: this layout, this layout with a torn end, or any JSON document with the same keys."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, NamedTuple

from po_sessions import atomic, schema
from po_sessions.errors import Advice, InvalidInput, Unreadable
from po_sessions.message import Message
from po_sessions.names import check_po_name
from po_sessions.session import FOOTER_KEYS, Session
from po_sessions.storage.files.codec import gap, read_footer, read_head, read_header, read_message, times_of
from po_sessions.text.strict_json import loads

_BLOCK = 1 << 16
_SMALL = 1 << 20
LARGE = 8 << 20
"""Files of more bytes are not read whole to tell what is in them, if they are of this layout."""
LARGEST = 128 << 20
"""What is not laid out as po writes it is read up to so many bytes."""
MOST_TORN = 1000
"""So many lines are not left by one write that was cut."""
OTHER_ENDS = (b'{"version"', b"],")
"""How a header and a footer begin, which a file has once."""


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
        raise _NoOwner(f"{path} cannot be read: {error}", advice=Advice("no_owner", path=path)) from None


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


def readable_part(data: bytes, path: str) -> Parsed:
    """Read what can be read of a damaged file of this layout: a gap stands for each line that is not a message.

    Raises Unreadable if the first line is damaged, or if another file may have got into this one.
    """
    with readable(path):
        parsed = _parse_lines(data, read_header(data[: data.find(b"\n") + 1]), with_gaps=True)
    _check_owner(parsed.session, path)
    return parsed


def _parse(data: bytes, path: str) -> Parsed:
    with readable(path):
        try:
            head = read_header(data[: data.find(b"\n") + 1])
        except ValueError:
            return _parse_document(data)
        try:
            parsed = _parse_lines(data, head)
        except ValueError:
            with suppress(ValueError):  # an editor may have laid it out anew below the first line
                return _parse_document(data)
            raise
        if parsed.torn is not None:
            # Half a footer in front of the rest of the old one can be a document, with a key made of two.
            keys = FOOTER_KEYS if parsed.torn.startswith(b"]") else ()
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
            advice=Advice("damaged"),
        ) from None


def read(fd: int, path: str) -> Parsed:
    """Read a whole open file, if its beginning is that of a session. Raises Unreadable as `parse` does."""
    size = os.fstat(fd).st_size
    if size > _SMALL and read_head(fd) is None:
        with readable(path):
            start = atomic.read_some(fd, path, _BLOCK, 0)
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
        raise ValueError("no footer")
    return Parsed(Session.from_dict(found))


class Damage(ValueError):
    """Damage at a place in a file."""

    def __init__(self, at: int, what: str) -> None:
        super().__init__(what)
        self.at = at


def _parse_lines(data: bytes, head: dict[str, Any], *, with_gaps: bool = False) -> Parsed:
    at, sound_at = data.find(b"\n") + 1, 0
    messages: list[Message] = []
    while True:
        end = data.find(b"\n", at) + 1
        line = data[at : end or None]
        try:
            if line.startswith(b"]"):
                return Parsed(_session(head, messages, read_footer(data[at:])))
            if not end:
                raise ValueError("the last line is cut")
            messages.append(read_message(line, first=not messages))
        except ValueError as error:
            # What was found behind one line says the same of the next.
            if at >= sound_at:
                found = _uncut(data, at)
                if found is None:
                    return Parsed(_session(head, messages, _last_turn(messages)), data[at:])
                sound_at = found
            if not with_gaps or line.startswith(OTHER_ENDS):
                raise Damage(at, str(error)) from None
            messages.append(gap(line))
        at = end


def _uncut(data: bytes, at: int) -> int | None:
    """Return where something begins that one cut append cannot have left from `at` on; None if there is no such thing.

    One message was being written, so no line is whole, and there are few. A line that is whole and not a message of
    ours is damage too: it may be of another program.
    """
    number = 0
    while end := data.find(b"\n", at) + 1:
        number += 1
        if number > MOST_TORN or is_json(data[at : end - 1]):
            return at
        at = end
    return None


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
    """Return the key of a lost footer that the messages still tell."""
    times = list(times_of(messages))
    return {"updated_at": max(times)} if times else {}


def _session(head: dict[str, Any], messages: list[Message], footer: dict[str, Any]) -> Session:
    keys = {**head, **footer}
    spent = schema.spent_by(keys, schema.tokens_of(schema.totals_of(messages)))
    return replace(Session.from_dict({**keys, "history": []}), history=tuple(messages), spent=spent)
