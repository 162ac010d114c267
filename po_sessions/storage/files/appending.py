"""An append to a sound session file: what is read of the file before it, how it is planned, and how it is written."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, NamedTuple

from po_sessions import atomic
from po_sessions.errors import Advice, PoError, WriteFailed
from po_sessions.layout import lines
from po_sessions.layout.primitives import FOOTER_AT, is_po_name
from po_sessions.session import FOOTER_KEYS, End, Message, Session, SessionSummary, check_writable
from po_sessions.storage.files.codec import (
    END,
    LONGEST_HEAD,
    about,
    encoded_footer,
    first_line,
    line_start,
    read_footer,
    read_header,
    read_message,
)
from po_sessions.storage.records import SessionStat
from po_sessions.text.strict_json import dumps


class Tail(NamedTuple):
    """A sound file as an append sees it, its history unread."""

    head: dict[str, Any]
    footer: dict[str, Any]
    footer_at: int
    """Where the footer begins, in bytes."""
    size: int
    summary: SessionSummary
    history_at: int
    """Where the first message begins, in bytes."""
    last: Message | None
    """The last message, None if there is none."""
    footer_text: bytes = b""
    """The footer as it stands in a file that an append can extend."""


class Found(NamedTuple):
    """What a file was found to be."""

    tail: Tail
    whole: bool
    """Whether it has a footer, though not in the form in which it is written here."""


def read_tail(fd: int) -> Tail | None:
    """Read the first line, the last message and the footer; None if they are not whole or not of this layout.

    None too if the footer says that it lies elsewhere: the file was doubled or spliced, or an earlier version, which
    carries the offset along, added a message. And if the file cannot be read. Reads as much as those lines are long,
    whatever the history.
    """
    size = os.fstat(fd).st_size
    try:
        opening = first_line(fd, size)
        head = read_header(opening)
        if os.pread(fd, len(END), size - len(END)) != END:
            return None
        footer_at = line_start(fd, size - len(END), LONGEST_HEAD)
        data = os.pread(fd, size - footer_at, footer_at)
        footer = read_footer(data)
        if FOOTER_AT in head or footer.get(FOOTER_AT, footer_at) != footer_at:
            return None
        # A longer one, written by hand, would leave a rest behind the next.
        if data != encoded_footer(footer):
            return None
        last = None
        if footer["message_count"]:
            start = line_start(fd, footer_at - 1)
            last = read_message(os.pread(fd, footer_at - start, start), first=footer["message_count"] == 1)
        elif line_start(fd, footer_at - 1) != 0:
            return None
        summary = _summary(head, footer, last)
        if not is_po_name(summary.po_name):
            return None
    except (ValueError, OSError):
        return None
    return Tail(head, footer, footer_at, size, summary, len(opening), last, data)


def is_counted(fd: int, tail: Tail) -> bool:
    """Tell whether a file has as many messages as its footer says.

    One whose footer has its offset needs no look. Of another, which an earlier version wrote, all lines are read, once:
    the append that follows gives it the offset.
    """
    if FOOTER_AT in tail.footer:
        return True
    found = lines.forwards(lambda size, at: os.pread(fd, size, at), tail.history_at, tail.footer_at)
    count = 0
    try:
        for count, line in enumerate(found, 1):
            read_message(line, first=count == 1)
    except (ValueError, OSError):
        return False
    return count == tail.summary.message_count


def _summary(head: dict[str, Any], footer: dict[str, Any], last: Message | None) -> SessionSummary:
    summary = Session.from_dict({**head, "history": [], **footer}).summary()
    return replace(
        summary,
        **{key: footer[key] for key in FOOTER_KEYS},
        last_turn=last.turn_state if last else "empty",
    )


def about_tail(tail: Tail) -> SessionStat:
    """Return the same of a sound file, whose footer is believed."""
    made = about(Session.from_dict({**tail.head, "history": [], **tail.footer}), tail.size)
    return made._replace(summary=tail.summary)


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
    old = tail.footer_text
    line = b"," * (tail.summary.message_count > 0) + dumps(message.to_dict())
    # The new footer begins where the old one ended or later, so that no cut of the write can mix the two.
    line = line.ljust(len(old) - 1) + b"\n"
    at = {FOOTER_AT: tail.footer_at + len(line)}
    data = line + encoded_footer({**at, **tail.footer, **at, **{key: getattr(summary, key) for key in FOOTER_KEYS}})
    return Append(data, tail.footer_at, old, tail.footer_at + len(data), summary)


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
                advice=Advice("maybe_stored"),
            ) from error
