"""An append to a sound session file: what is read of the file before it, how it is planned, and how it is written."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from po_sessions import atomic, schema
from po_sessions.changes import End, check_writable
from po_sessions.errors import Advice, PoError, WriteFailed
from po_sessions.layout import lines
from po_sessions.layout.primitives import FOOTER_AT, is_po_name
from po_sessions.message import Message
from po_sessions.session import FOOTER_KEYS, OWN_FOOTER_KEYS, Session, SessionSummary
from po_sessions.storage.files.codec import (
    END,
    LONGEST_HEAD,
    about,
    encoded_footer,
    first_line,
    footer_keys,
    line_start,
    read_footer,
    read_header,
    read_message,
)
from po_sessions.storage.records import SessionStat
from po_sessions.text.strict_json import dumps
from po_sessions.text.times import UNKNOWN_TIME, normal_time, timestamp

_OWN = {FOOTER_AT, *OWN_FOOTER_KEYS}
_IN_SUMMARY = {"tags", "pinned", "parent"}


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


def read_tail(fd: int, *, moved: bool = False) -> Tail | None:
    """Read the first line, the last message and the footer; None if they are not whole or not of this layout.

    None too if the file cannot be read, or if the footer says that it lies elsewhere: the file was doubled or spliced,
    or an earlier version, which carries the offset along, added a message; with `moved` the offset does not matter.
    Reads as much as those lines are long, whatever the history.
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
        if not _OWN.isdisjoint(head) or (not moved and footer.get(FOOTER_AT, footer_at) != footer_at):
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


def counted(fd: int, tail: Tail) -> Tail | None:
    """Return a sound file with its totals; None if it has not as many messages as its footer says.

    One whose footer has its offset and its totals needs no look. Of another, to which an earlier version wrote, all
    lines are read, once: the append that follows writes both.
    """
    if FOOTER_AT in tail.footer and tail.summary.totals is not None:
        return tail
    found = lines.forwards(lambda size, at: os.pread(fd, size, at), tail.history_at, tail.footer_at)
    try:
        count, totals = 0, schema.NO_TOTALS
        for line in found:
            message = read_message(line, first=count == 0)
            count, totals = count + 1, schema.with_message(totals, message)
    except (ValueError, OSError):
        return None
    if count != tail.summary.message_count:
        return None
    spent = schema.spent_by(tail.footer, schema.tokens_of(totals))
    return tail._replace(summary=replace(tail.summary, totals=totals, spent=spent))


def _summary(head: dict[str, Any], footer: dict[str, Any], last: Message | None) -> SessionSummary:
    """Return what a file tells without its history. Raises ValueError."""
    told: dict[str, Any] = {
        **{key: footer[key] for key in FOOTER_KEYS},
        "last_turn": last.turn_state if last else "empty",
        "totals": schema.stored_totals(footer),
    }
    if not _IN_SUMMARY.isdisjoint(head):
        return replace(Session.from_dict({**head, "history": [], **footer}).summary(), **told)
    # Most have none of these, and every append comes by.
    texts: dict[str, Any] = {key: head.get(key) for key in ("id", "name", "po_name")}
    if not all(isinstance(text, str) and text for text in texts.values()) or head["version"] < 1:
        raise ValueError("a key is missing")
    if not isinstance(head.get("metadata", {}), dict) or not isinstance(head.get("created_at", ""), str):
        raise ValueError("a key is not of its type")
    created_at, spent = normal_time(head.get("created_at", UNKNOWN_TIME)), footer.get("spent")
    return SessionSummary(**texts, created_at=created_at, spent=spent if type(spent) is int else 0, **told)


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
    """Return what adds `message` to a sound file that is `counted`.

    Raises NewerVersion; Conflict if it does not end like `after`.
    """
    check_writable(tail.summary, tail.head["version"])
    if after is not None:
        after.check(tail.summary, tail.last)
    Message.from_dict(message.to_dict())  # never write what could not be read
    # The clock is only asked about a last turn that lies ahead of the message.
    is_behind = (message.created_at or "") < tail.summary.updated_at
    summary = tail.summary.with_message(message, timestamp(datetime.now(UTC)) if is_behind else "")
    old = tail.footer_text
    line = b"," * (tail.summary.message_count > 0) + dumps(message.to_dict())
    # The new footer begins where the old one ended or later, so that no cut of the write can mix the two.
    line = line.ljust(len(old) - 1) + b"\n"
    data = line + encoded_footer(footer_keys(summary, tail.footer_at + len(line), tail.footer))
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
