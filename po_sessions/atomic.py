"""Whole files, made and replaced so that a reader or a crash finds the old one or the new one, never a part."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from po_sessions import folders
from po_sessions.errors import Advice, PoError, Unreadable, WriteFailed

FILE_MODE = 0o600
DIR_MODE = 0o700
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # the last so that a fifo is refused instead of waited for


def write_failed(path: str, error: OSError) -> WriteFailed:
    """Return the error for a file that could not be written."""
    reason = error.strerror or str(error)
    return WriteFailed(f"Cannot write {path}: {reason}.", advice=Advice("write_failed"))


NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP}
"""Errors that say that a file cannot have a second name in that place."""
_WRITE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM}


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Turn an OSError of the block into WriteFailed."""
    try:
        yield
    except OSError as error:
        raise write_failed(path, error) from error


def make_dir(path: str) -> None:
    """Make a directory with DIR_MODE, whatever the umask, and its missing parents, durably.

    One that is there is left alone; while it is empty, whoever made it may not have brought it to the disk.
    Raises WriteFailed, Unreadable.
    """
    with writing(path):
        try:
            is_new = not folders.names(path)
        except FileNotFoundError:
            is_new = True
            make_parents(path)
            with suppress(FileExistsError):
                folders.mkdir(path, DIR_MODE)
                folders.chmod_dir(path, DIR_MODE)
                _give_away_dir(path)
        if is_new:
            sync_name(path)


def sync_name(path: str) -> None:
    """Bring the name of a new directory to the disk. Raises OSError."""
    # A directory that may not be read cannot be synced.
    with suppress(PermissionError), folders.opened(os.path.dirname(path)) as fd:
        os.fsync(fd)


def make_parents(path: str) -> None:
    """Make the missing directories above a path, durably. Raises WriteFailed, Unreadable."""
    parent = os.path.dirname(path)
    if parent and not folders.is_dir(parent):
        make_dir(parent)


def _give_away_dir(path: str) -> None:
    """Give a directory that root made to the owner of the directory that it is in."""
    if wanted := folders.owner_of(os.path.dirname(path)):
        folders.chown_dir(path, *wanted)


def _give_away(fd: int, path: str) -> None:
    """Give a file that root made to the owner of the directory that it is in."""
    if wanted := folders.owner_of(os.path.dirname(path)):
        os.fchown(fd, *wanted)


def open_regular(path: str, flags: int = os.O_RDONLY) -> int:
    """Open a store file without following a link and return its descriptor.

    Raises FileNotFoundError; Unreadable if it is not a regular file or may not be opened.
    """
    try:
        fd = folders.open(path, flags | _OPEN, FILE_MODE)
    except FileNotFoundError:
        raise
    except NotADirectoryError as error:
        raise FileNotFoundError(error.errno, error.strerror, path) from None
    except OSError as error:
        if error.errno in _WRITE_ERRORS and flags & (os.O_WRONLY | os.O_RDWR):
            raise write_failed(path, error) from error
        reason = "it is a symbolic link" if os.path.islink(path) else error.strerror or str(error)
        raise Unreadable(f"Cannot open {path}: {reason}.", advice=Advice("cannot_open")) from error
    about = os.fstat(fd)
    if not stat.S_ISREG(about.st_mode):
        os.close(fd)
        raise Unreadable(f"{path} is not a regular file.", advice=Advice("examine"))
    if flags & os.O_CREAT and about.st_nlink == 1:  # what has a second name may be a file outside
        with suppress(OSError):
            if stat.S_IMODE(about.st_mode) != FILE_MODE:
                os.fchmod(fd, FILE_MODE)
            if about.st_uid == 0:
                _give_away(fd, path)
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
        raise Unreadable(f"Cannot read {path}: {error.strerror}.", advice=Advice("disk_failed")) from error


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


def copy_range(source: int, target: int, start: int, end: int, offset: int) -> None:
    """Copy the bytes between two places of an open file to `offset` in another. Raises OSError."""
    done = start
    if hasattr(os, "copy_file_range"):
        with suppress(OSError):  # not between these two; if the disk is full, the next write says so
            while done < end and (
                copied := os.copy_file_range(source, target, end - done, done, offset + done - start)
            ):
                done += copied
    while done < end and (piece := os.pread(source, min(1 << 20, end - done), done)):
        write_at(target, piece, offset + done - start)
        done += len(piece)
    if done < end:
        raise OSError(errno.EIO, "the file was cut while it was copied")


def link_or_copy(source: str, target: str) -> None:
    """Give a file a second name, or a copy where it can have none: on another file system, for example.

    The copy is on the disk; the new name is once its directory is synced. Raises FileExistsError and other OSErrors,
    Unreadable.
    """
    try:
        folders.link(source, target)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        fd = open_regular(source)
        try:
            with staged(target, (), durable=False) as (made, temporary):
                copy(fd, made)
                sync(made)
                folders.link(temporary, target)
        finally:
            os.close(fd)


def sync(fd: int) -> None:
    """Bring a file's content to the disk."""
    if sys.platform == "darwin":
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(fd)


def sync_dir(path: str) -> None:
    """Bring a directory's entries to the disk. Raises WriteFailed: they are there, but a power cut may undo them."""
    try:
        with folders.opened(path or ".") as fd:
            os.fsync(fd)
    except OSError as error:
        raise WriteFailed(
            f"It is done, but the disk did not confirm a change in {path}: {error.strerror}.",
            advice=Advice("unconfirmed"),
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
    fd = folders.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | _OPEN, FILE_MODE)
    try:
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.fchmod(fd, FILE_MODE)
        _give_away(fd, path)
        size = 0
        for piece in pieces:
            write_at(fd, piece, size)
            size += len(piece)
        if durable:
            sync(fd)
        yield fd, temporary
    finally:
        with suppress(OSError, PoError):
            folders.unlink(temporary)
        os.close(fd)


def create(path: str, data: bytes) -> None:
    """Make a file that is not there yet, durably. Raises FileExistsError, WriteFailed."""
    try:
        with staged(path, [data]) as (_, temporary):
            folders.link(temporary, path)
        sync_dir(os.path.dirname(path))
    except FileExistsError:
        raise
    except OSError as error:
        raise write_failed(path, error) from error


def replace(path: str, data: bytes, *, durable: bool = True) -> None:
    """Make or replace a file; `durable=False` where a power cut may cost the new content. Raises WriteFailed."""
    with writing(path), staged(path, [data], durable=durable) as (_, temporary):
        folders.rename(temporary, path)
        if durable:
            sync_dir(os.path.dirname(path))
