"""An amended session file: another header and a new footer around the same messages, which are copied unread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from po_sessions.changes import check_writable, with_header
from po_sessions.session import Session, SessionSummary
from po_sessions.storage.files.appending import Tail
from po_sessions.storage.files.codec import encoded_footer, footer_keys, header


class Amended(NamedTuple):
    """A file that takes its messages from another one."""

    head: bytes
    start: int
    """Where the messages begin in the other file, in bytes."""
    end: int
    foot: bytes
    summary: SessionSummary


def amended(tail: Tail, change: Callable[[Session], Session]) -> Amended:
    """Return what `change` makes of a sound file, given its header without the history.

    Raises NewerVersion, and what `change` raises.
    """
    before = Session.from_dict({**tail.head, "history": [], **tail.footer})
    check_writable(before, before.version)
    after = with_header(before, change)
    own = {key: getattr(after, key) for key in ("name", "po_name", "created_at", "updated_at", "pinned", "parent")}
    summary = replace(tail.summary, **own, tags=tuple(after.tags))
    head = header(after)
    foot = encoded_footer(footer_keys(summary, len(head) + tail.footer_at - tail.history_at))
    return Amended(head, tail.history_at, tail.footer_at, foot, summary)
