"""A session file that is damaged between sound ends: an edit in its middle moved the footer, and broke a message."""

from __future__ import annotations

import os

from po_sessions.errors import Unreadable
from po_sessions.layout import lines
from po_sessions.storage.files import appending, parsing
from po_sessions.storage.files.appending import Tail


def sound_ends(fd: int, path: str) -> Tail | None:
    """Return what the ends of an open file of at most `parsing.LARGE` bytes tell; None if they cannot be believed.

    They are believed if a message between them is damaged and nothing there looks like another file's header or footer.
    A file that can be read whole needs no such look.
    """
    if os.fstat(fd).st_size > parsing.LARGE or (tail := appending.read_tail(fd, moved=True)) is None:
        return None
    try:
        parsing.read(fd, path)
    except Unreadable:
        middle = lines.forwards(lambda size, at: os.pread(fd, size, at), tail.history_at, tail.footer_at)
        return None if any(line.startswith(parsing.OTHER_ENDS) for line in middle) else tail
    return None
