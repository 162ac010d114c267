"""`deletions.log`: one line for each thing that was taken away, so that nobody has to guess what did it, and when.

It never holds what a message says. A line that cannot be written is told and no failure: a full disk must not keep
anybody from making room.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import Any

from po_sessions import atomic, locks
from po_sessions.errors import PoError, WriteFailed
from po_sessions.session import Session, SessionSummary
from po_sessions.storage import Notice
from po_sessions.storage.files import appending, parsing
from po_sessions.storage.records import UNDONE_AT
from po_sessions.text.strict_json import dumps

_PATIENCE = 1.0
"""Seconds to wait for others, who hold the log for an instant."""


def described(fd: int) -> dict[str, Any]:
    """Return what the log says of an open session file, as far as it can be read."""
    about: dict[str, Any] = {"bytes": os.fstat(fd).st_size}
    tail = appending.read_tail(fd)
    found: Session | SessionSummary | None = tail.summary if tail else None
    undone_at = tail.head.get(UNDONE_AT) if tail else None
    with suppress(PoError):
        if found is None:
            found = parsing.parse(atomic.read_all(fd, ""), "").session
            undone_at = found.extra.get(UNDONE_AT)
    if found is not None:
        about |= {"id": found.id, "name": found.name, "po_name": found.po_name, "messages": found.message_count}
        about |= {} if undone_at is None else {UNDONE_AT: undone_at}
    return about


def described_at(path: str) -> dict[str, Any]:
    """Return the same of the file at a path; nothing if it cannot be opened."""
    try:
        fd = atomic.open_regular(path)
    except (OSError, PoError):
        return {}
    try:
        return described(fd)
    finally:
        os.close(fd)


class Deletions:
    """The log of one environment."""

    def __init__(self, path: str, notice: Notice) -> None:
        """`notice` hears of it, once, if the log cannot be written."""
        self._path = path
        self._notice = notice
        self._told = False

    def add(self, verb: str, now: str, what: dict[str, Any], *, trash_id: str | None, purged: bool) -> None:
        """Add a line: which verb took what away; `purged` if for good."""
        line = {"version": 1, "time": now, "verb": verb, **what, "trash_id": trash_id, "purged": purged}
        try:
            self._append(dumps(line) + b"\n")
        except PoError as error:
            if not self._told:
                self._notice(f"{str(error).removesuffix('.')}; what was to be done is done all the same.")
            self._told = True

    def _append(self, line: bytes) -> None:
        with atomic.writing(self._path):
            fd = atomic.open_regular(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
            try:
                if os.fstat(fd).st_nlink != 1:
                    raise WriteFailed(f"Cannot write {self._path}: it has a second name.")
                # Locked, since while another writes, what is there of its line looks like one that was cut.
                with locks.holding(fd, self._path, timeout=_PATIENCE, shared=False):
                    size = os.fstat(fd).st_size
                    if size and os.pread(fd, 1, size - 1) != b"\n":
                        line = b"\n" + line  # a full disk had cut the line before
                    if os.write(fd, line) != len(line):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(fd)
