"""Whole files, made and replaced so that a reader or a crash finds the old one or the new one, never a part."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from po_sessions.errors import Unreadable, WriteFailed

FILE_MODE = 0o600
DIR_MODE = 0o700
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # the last so that a fifo is refused instead of waited for


def write_failed(path: str, error: OSError) -> WriteFailed:
    """Return the error for a file that could not be written."""
    reason = error.strerror or str(error)
    return WriteFailed(
        f"Cannot write {path}: {reason}.", hint="Nothing was changed; make room or mend the permissions, and repeat."
    )


_WRITE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM}


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Turn an OSError of the block into WriteFailed."""
    try:
        yield
    except OSError as error:
        raise write_failed(path, error) from error


def make_dir(path: str) -> None:
    """Make a directory with DIR_MODE, whatever the umask, and its missing parents; leave one that is there alone."""
    if os.path.isdir(path):
        return
    with writing(path):
        os.makedirs(os.path.dirname(path) or ".", mode=DIR_MODE, exist_ok=True)
        with suppress(FileExistsError):
            os.mkdir(path, DIR_MODE)
            os.chmod(path, DIR_MODE)


def open_regular(path: str, flags: int = os.O_RDONLY) -> int:
    """Open a store file without following a link and return its descriptor.

    Raises FileNotFoundError; Unreadable if it is no regular file or may not be opened.
    """
    try:
        fd = os.open(path, flags | _OPEN, FILE_MODE)
    except FileNotFoundError:
        raise
    except NotADirectoryError as error:
        raise FileNotFoundError(error.errno, error.strerror, path) from None
    except OSError as error:
        if error.errno in _WRITE_ERRORS and flags & (os.O_WRONLY | os.O_RDWR):
            raise write_failed(path, error) from error
        reason = "it is a symbolic link" if os.path.islink(path) else error.strerror or str(error)
        raise Unreadable(
            f"Cannot open {path}: {reason}.",
            hint="Look at the file and its permissions; 'po doctor' tells what can be done.",
        ) from error
    mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode):
        os.close(fd)
        raise Unreadable(f"{path} is not a regular file.", hint="'po doctor' tells what can be done.")
    if flags & os.O_CREAT and stat.S_IMODE(mode) != FILE_MODE:
        with suppress(OSError):
            os.fchmod(fd, FILE_MODE)
    return fd


def read(path: str) -> bytes:
    """Return a store file's bytes. Raises like `open_regular`, and Unreadable if reading fails."""
    fd = open_regular(path)
    try:
        return read_all(fd, path)
    finally:
        os.close(fd)


def read_all(fd: int, path: str, start: int = 0) -> bytes:
    """Return an open file's bytes from `start` to its end. Raises Unreadable."""
    pieces = []
    while piece := read_some(fd, path, 1 << 20, start):
        pieces.append(piece)
        start += len(piece)
    return b"".join(pieces)


def read_some(fd: int, path: str, size: int, start: int) -> bytes:
    """Return at most `size` of an open file's bytes from `start` on. Raises Unreadable."""
    try:
        return os.pread(fd, size, start)
    except OSError as error:
        raise Unreadable(f"Cannot read {path}: {error.strerror}.", hint="Look at the disk and its log.") from error


def write_at(fd: int, data: bytes, offset: int) -> None:
    """Write all of `data` at `offset`. Raises OSError; then a part may have been written."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


def copy(source: int, target: int) -> None:
    """Copy an open file into an open, empty one; where the file system can, they share their blocks. Raises OSError."""
    size, done = os.fstat(source).st_size, 0
    if hasattr(os, "copy_file_range"):
        with suppress(OSError):  # not between these two; if the disk is full, the next write says so
            while done < size and (copied := os.copy_file_range(source, target, size - done, done, done)):
                done += copied
    while piece := os.pread(source, 1 << 20, done):
        write_at(target, piece, done)
        done += len(piece)


def sync(fd: int) -> None:
    """Bring a file's content to the disk."""
    if sys.platform == "darwin":
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(fd)


def sync_dir(path: str) -> None:
    """Bring a directory's entries to the disk. Raises WriteFailed: they are there, but a power cut may undo them."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise WriteFailed(
            f"It is done, but the disk did not confirm a change in {path}: {error.strerror}.",
            hint="Look at the disk: after a power cut the change may be gone.",
        ) from error


@contextmanager
def staged(
    path: str, pieces: Iterable[bytes], *, durable: bool = True, aside: str | None = None
) -> Iterator[tuple[int, str]]:
    """Write a new file beside `path`, or in the directory `aside` of the same file system.

    Yield its descriptor and name; it is gone afterwards unless renamed. It is locked, so that `po doctor` can tell it
    from what a killed process left.
    """
    directory, name = os.path.split(path)
    temporary = os.path.join(aside or directory, f".{name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | _OPEN, FILE_MODE)
    try:
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.fchmod(fd, FILE_MODE)
        size = 0
        for piece in pieces:
            write_at(fd, piece, size)
            size += len(piece)
        if durable:
            sync(fd)
        yield fd, temporary
    finally:
        with suppress(OSError):
            os.unlink(temporary)
        os.close(fd)


def create(path: str, data: bytes) -> None:
    """Make a file that is not there yet, durably. Raises FileExistsError, WriteFailed."""
    try:
        with staged(path, [data]) as (_, temporary):
            os.link(temporary, path)
        sync_dir(os.path.dirname(path))
    except FileExistsError:
        raise
    except OSError as error:
        raise write_failed(path, error) from error


def replace(path: str, data: bytes, *, durable: bool = True) -> None:
    """Make or replace a file; `durable=False` where a power cut may cost the new content. Raises WriteFailed."""
    with writing(path), staged(path, [data], durable=durable) as (_, temporary):
        os.replace(temporary, path)
        if durable:
            sync_dir(os.path.dirname(path))
