"""Locks between processes: `flock` on a file, believed only while the path still names that file.

Without the second look, a process that waited for a file which was then replaced or unlinked would hold a lock that
nobody else can see.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from po_sessions import atomic, bounded, folders
from po_sessions.errors import Advice, Busy, Unreadable

_OWNER = re.compile(rb"([0-9]{1,10}) ([a-z ]{1,20})\n")
_GRACE = 0.05
"""Seconds that even `timeout=0` waits: a look at a lock holds it for an instant and must not make another fail."""


@contextmanager
def locked(
    path: str,
    *,
    timeout: float,
    flags: int = os.O_RDWR | os.O_CREAT,
    shared: bool = False,
    busy: Callable[[], str] | None = None,
) -> Iterator[int]:
    """Hold a lock on the file at `path`, opened with `flags`; yield its descriptor.

    `busy` makes the sentence of the Busy that is raised after `timeout` seconds. Raises FileNotFoundError if the file
    is not there and `flags` do not create it, and like `open_regular`.
    """
    deadline = time.monotonic() + max(timeout, _GRACE)
    while True:
        fd = atomic.open_regular(path, flags)
        try:
            _wait(fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, deadline, path, busy)
            if is_at(fd, path):
                if not flags & os.O_CREAT or os.fstat(fd).st_nlink == 1:
                    yield fd
                    return
                with atomic.writing(path):
                    folders.unlink(path)  # what is ours to make is never another file under a second name
        finally:
            os.close(fd)
        if time.monotonic() > deadline:  # some network file systems never give one file the same inode twice
            raise _busy(path, busy)


@contextmanager
def holding(fd: int, path: str, *, timeout: float, shared: bool) -> Iterator[None]:
    """Hold a lock on a file that is open, whether or not the path still names it. Raises Busy."""
    deadline = time.monotonic() + max(timeout, _GRACE)
    _wait(fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, deadline, path, None)
    try:
        yield
    finally:
        with suppress(OSError):  # closing it unlocks it too
            fcntl.flock(fd, fcntl.LOCK_UN)


def is_held(path: str) -> bool:
    """Tell whether another process holds the file at `path` for itself now."""
    try:
        fd = atomic.open_regular(path)
    except FileNotFoundError:
        return False
    except Unreadable:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


@contextmanager
def owned(path: str, verb: str, *, timeout: float, what: str) -> Iterator[None]:
    """Hold the lock file at `path`, which is made for it, names this process and `verb`, and is removed at the end.

    Raises Busy with the owner after `timeout` seconds; `what` names what is held.
    """

    def busy() -> str:
        return f"{what} is in use by {owner(path) or 'another process'}."

    with locked(path, timeout=timeout, busy=busy) as fd:
        try:
            with suppress(OSError):  # only a word for others; on a full disk one must still be able to delete
                os.ftruncate(fd, 0)
                atomic.write_at(fd, f"{os.getpid()} {verb}\n".encode(), 0)
            yield
        finally:
            with suppress(OSError):
                folders.unlink(path)


def owner(path: str) -> str | None:
    """Return who wrote a lock file, as words; None if it does not say so as `owned` does."""
    try:
        said = _OWNER.fullmatch(bounded.beginning(path, 64))
    except (FileNotFoundError, Unreadable):
        return None
    return f"process {said[1].decode()} ({said[2].decode()})" if said else None


def _wait(fd: int, operation: int, deadline: float, path: str, busy: Callable[[], str] | None) -> None:
    pause = 0.0001
    while True:
        try:
            fcntl.flock(fd, operation | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise _busy(path, busy) from None
            time.sleep(min(remaining, pause * (0.5 + os.urandom(1)[0] / 255)))  # in step, they would meet again
            pause = min(pause * 2, 0.02)
        except OSError as error:
            raise atomic.write_failed(path, error) from error


def _busy(path: str, busy: Callable[[], str] | None) -> Busy:
    message = busy() if busy else f"{path} is locked by another process."
    return Busy(message, advice=Advice("wait_longer"))


def is_at(fd: int, path: str) -> bool:
    """Tell whether a path still names an open file."""
    mine = os.fstat(fd)
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (mine.st_ino, mine.st_dev) == (there.st_ino, there.st_dev)
