"""The directory of the session files: whether files came or went that the index does not know of.

Whatever brings or takes away a file moves the directory's time to the present. So a look at all files begins by setting
that time to one in the past that nothing else gives it, the mark: while it stands there, nothing has come or gone,
however coarse the clock. What this package does itself is in the index before it is done, and moves the time on by a
step of two nanoseconds instead, so that the mark can still be told. Another program's change can go unseen only between
the two system calls around one of ours. So after steps the files are looked at again, when a hundred times as long has
passed as a look takes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import NamedTuple

from po_sessions import atomic, folders, locks
from po_sessions.errors import Busy, PoError
from po_sessions.layout import index
from po_sessions.layout.index import ROOM
from po_sessions.text.strict_json import dumps

_SECOND = 1_000_000_000
_SHORT = 0.01
"""Seconds of a look that costs less than the listing it spares."""
_PATIENCE = 1.0
"""Seconds to wait for others, who hold the directory for two system calls unless they are stopped between them."""


class Look(NamedTuple):
    """What a look at all files found."""

    mtime: int
    """The directory's time when it began, in nanoseconds."""
    marked: bool
    """Whether that could be set, and so finely that there is room for steps."""
    inode: int
    """The directory's: in a copy of a store, all files have others."""
    boot: str
    """Since when all files have been compared with their rows: what the machine was started as."""
    at: float
    """When it began, and then when it ended, in seconds since the machine was started."""
    took: float = 0.0
    compared_at: float = 0.0
    """When the last comparison of all files with their rows ended, in the same seconds."""
    comparing_took: float = 0.0
    strange: tuple[str, ...] = ()
    """Sentences about files that are named like no session."""
    unread: tuple[str, ...] = ()
    """The ids of files that could not be read; they may be mended in place, which the directory does not show."""


class Directory:
    """The directory of the session files."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._seen = os.path.join(path, ".locks", "seen")
        self._entries = os.path.join(path, ".locks", "entries")

    @contextmanager
    def own_change(self) -> Iterator[None]:
        """Let the block, one system call, change the directory in a way that the index knows of."""
        before = folders.stat_dir(self.path)
        yield
        if before.st_mtime_ns % 2:  # as all marks are; if it is none, it is none after a step
            with suppress(OSError):
                folders.utime_dir(self.path, ns=(before.st_atime_ns, before.st_mtime_ns + 2))

    @contextmanager
    def coming(self, *, timeout: float) -> Iterator[None]:
        """Hold the directory while a session gets its row and then its file. Raises WriteFailed.

        A process that is stopped may hold it for itself. Then the block is run all the same, and all files are looked
        at again, since that process may take the row for one whose file is gone.
        """
        with self._held(shared=True, timeout=timeout) as held:
            try:
                yield
            finally:
                if not held:
                    with suppress(OSError):
                        self.forget()

    @contextmanager
    def _held(self, *, shared: bool, timeout: float) -> Iterator[bool]:
        """Hold the directory, or not if another process does so for longer than it should; yield whether it is held."""
        with ExitStack() as stack:
            try:
                stack.enter_context(locks.locked(self._entries, timeout=min(timeout, _PATIENCE), shared=shared))
            except Busy:
                yield False
            else:
                yield True

    def going(self, *, timeout: float) -> AbstractContextManager[bool]:
        """Hold the directory while a file goes and its row does, when no session is between its row and its file.

        Yield False if that cannot be had: then no row may go. Raises WriteFailed.
        """
        return self._held(shared=False, timeout=timeout)

    def known(self) -> Look | None:
        """Return the last look if it can be believed that the index has known of all that came or went since."""
        look = index.known(self.path)
        return None if look is None else Look(**look)

    def is_to_be_looked_at(self) -> bool:
        """Tell whether a look now lets later listings believe the index: after steps it will expire, if it has not.

        A look that takes long is left until it has expired, and one that found something to report, to a listing.
        """
        look = index.last_look(self.path)
        if look is None:
            return True
        if look["strange"] or look["unread"]:
            return False
        is_short = look["took"] < _SHORT and folders.stat_dir(self.path).st_mtime_ns != look["mtime"]
        return is_short or index.known(self.path) is None

    def has_compared(self) -> bool:
        """Tell whether all files were compared with their rows lately: as often as costs a hundredth of the time."""
        look = index.last_look(self.path)
        if look is None or look["boot"] != index.boot_id():
            return False
        return index.is_put_off(look["compared_at"], look["comparing_took"])

    def begin_look(self, *, closely: bool) -> tuple[Look, bool]:
        """Begin to look at all files; return what to end it with, and whether each is to be compared with its row.

        They are if `closely`, or if that has not been done since the machine was started, or nobody knows.
        """
        boot, before, at = index.boot_id(), index.last_look(self.path), time.monotonic()
        with suppress(PoError):
            atomic.make_dir(os.path.dirname(self._seen))  # first, since it changes the directory's time
        about = folders.stat_dir(self.path)
        chance = int.from_bytes(os.urandom(2)) % (_SECOND // ROOM)  # so that of two at once each has its own
        mark = (about.st_mtime_ns // _SECOND - 1) * _SECOND + chance * ROOM + 1
        with suppress(OSError):
            folders.utime_dir(self.path, ns=(about.st_atime_ns, mark))
            about = folders.stat_dir(self.path)
        look = Look(about.st_mtime_ns, about.st_mtime_ns == mark, about.st_ino, boot, at)
        if before is None or before["boot"] != boot:
            return look, True
        return look._replace(compared_at=before["compared_at"], comparing_took=before["comparing_took"]), closely

    def end_look(self, look: Look, strange: list[str], unread: list[str], *, compared: float | None) -> None:
        """Keep what was found, unless there has been another change since.

        `compared` is how many seconds it took to compare all files with their rows, None if that was not done.
        """
        if 0 <= folders.stat_dir(self.path).st_mtime_ns - look.mtime < ROOM:
            now = time.monotonic()
            found = look._replace(at=now, took=now - look.at, strange=tuple(strange), unread=tuple(unread))
            if compared is not None:
                found = found._replace(compared_at=now, comparing_took=compared)
            with suppress(PoError):
                atomic.replace(self._seen, dumps(found._asdict()), durable=False)

    def forget(self) -> None:
        """Have all files looked at again. Raises OSError."""
        with suppress(FileNotFoundError):
            folders.unlink(self._seen)
