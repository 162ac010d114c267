"""A session file made of another one: its header and its footer are new, its messages are copied unread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from po_sessions import atomic, schema
from po_sessions.changes import check_writable, with_header
from po_sessions.layout import lines
from po_sessions.message import Message
from po_sessions.session import Session, SessionSummary
from po_sessions.storage.files.appending import Tail
from po_sessions.storage.files.codec import encoded_footer, footer_keys, header, read_message
from po_sessions.storage.files.parsing import readable
from po_sessions.storage.records import UNDONE_AT

if TYPE_CHECKING:
    from po_sessions.layout.lines import Read


class Amended(NamedTuple):
    """A file that takes its messages from another one."""

    head: bytes
    ranges: Sequence[tuple[int, int]]
    """Where they begin and end in the other file, in bytes."""
    foot: bytes
    summary: SessionSummary

    def write(self, source: int, fd: int) -> None:
        """Write the file to `fd`, with the messages of the open file `source`. Raises OSError."""
        atomic.write_at(fd, self.head, 0)
        at = len(self.head)
        for start, end in self.ranges:
            atomic.copy_range(source, fd, start, end, at)
            at += end - start
        atomic.write_at(fd, self.foot, at)


def _made(head: bytes, ranges: Sequence[tuple[int, int]], summary: SessionSummary) -> Amended:
    footer_at = len(head) + sum(end - start for start, end in ranges)
    return Amended(head, ranges, encoded_footer(footer_keys(summary, footer_at)), summary)


def amended(tail: Tail, change: Callable[[Session], Session]) -> Amended:
    """Return what `change` makes of a sound file, given its header without the history.

    Raises NewerVersion, and what `change` raises.
    """
    before = Session.from_dict({**tail.head, "history": [], **tail.footer})
    check_writable(before, before.version)
    after = with_header(before, change)
    own = {key: getattr(after, key) for key in ("name", "po_name", "created_at", "updated_at", "pinned", "parent")}
    summary = replace(tail.summary, **own, tags=tuple(after.tags))
    return _made(header(after), [(tail.history_at, tail.footer_at)], summary)


class Cut(NamedTuple):
    """A session in two."""

    gone: Session
    """The messages that go to the trash."""
    left: Amended


def cut(tail: Tail, fd: int, path: str, start: int, end: int, renamed: Callable[[Session], Session]) -> Cut | None:
    """Take the messages from `start` on, before `end`, out of a sound open file.

    Of the other messages only the last one is read. `renamed` returns a session with its prompt object's name of now.
    None if the file has to be written anew: if its first message goes, or a question in its middle, and others stay.
    Raises NewerVersion, Unreadable.
    """
    count, summary = tail.summary.message_count, tail.summary
    before = renamed(Session.from_dict({**tail.head, "history": [], **tail.footer}))
    check_writable(before, before.version)

    def read(size: int, at: int) -> bytes:
        return atomic.read_some(fd, path, size, at)

    if end == count:
        first, last = lines.before(read, tail.history_at, tail.footer_at, count - start), tail.footer_at
    else:
        first = lines.after(read, tail.history_at, tail.footer_at, start)
        last = lines.after(read, first, tail.footer_at, end - start)
    with readable(path):
        found = enumerate(lines.forwards(read, first, last), start)
        gone = [read_message(line, first=number == 0) for number, line in found]
        newest = tail.last
        if end == count:
            newest = _message_before(read, tail.history_at, first, is_first=start == 1)
    questions = sum(one.role == "user" for one in gone)
    if not gone or len(gone) != end - start or (end < count and (start == 0 or questions)):
        return None
    left = summary.turn_count - questions
    kept = replace(
        summary,
        po_name=before.po_name,
        message_count=count - len(gone),
        turn_count=left,
        preview=summary.preview if left else "",
        last_turn=newest.turn_state if newest else "empty",
        totals=None if summary.totals is None else schema.without(summary.totals, gone),
    )
    undone = replace(before, history=tuple(gone), extra={**before.extra, UNDONE_AT: start})
    return Cut(undone, _made(header(before), [(tail.history_at, first), (last, tail.footer_at)], kept))


def _message_before(read: Read, start: int, end: int, *, is_first: bool) -> Message | None:
    line = next(lines.backwards(read, start, end), None)
    return None if line is None else read_message(line, first=is_first)
