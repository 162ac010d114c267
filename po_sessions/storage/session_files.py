"""The session files of one directory: where they are, their write locks, and how a new one gets to its place.

Whatever a file will be is in the index first; `session_file` knows what is in it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields

from po_sessions.errors import Conflict, PoError, SessionNotFound, Unreadable
from po_sessions.session import Session, SessionSummary, is_session_id
from po_sessions.storage import atomic, locks, session_file
from po_sessions.storage.index import Index, Row
from po_sessions.storage.trash import id_taken

SUMMARY_FIELDS = tuple(field.name for field in fields(SessionSummary))


class SessionFiles:
    """The session files of a directory."""

    def __init__(self, directory: str, index: Index, *, timeout: float) -> None:
        """`timeout` is in seconds, for each lock."""
        self._directory = directory
        self._aside = os.path.join(directory, ".locks")
        self._index = index
        self._timeout = timeout

    def path(self, id: str) -> str:
        """Return where a session's file is, or would be. Raises SessionNotFound if `id` cannot be one."""
        if not is_session_id(id):
            raise SessionNotFound(id)
        return os.path.join(self._directory, id + ".json")

    @contextmanager
    def opened(self, id: str) -> Iterator[int]:
        """Open a file to be read; yield its descriptor. Raises SessionNotFound, Unreadable."""
        try:
            fd = atomic.open_regular(self.path(id))
        except FileNotFoundError:
            raise SessionNotFound(id) from None
        try:
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def write_locked(self, id: str, *, shared: bool = False) -> Iterator[int]:
        """Hold a file's write lock, or with `shared` keep others from it; yield its descriptor.

        Raises SessionNotFound, Busy, Unreadable.
        """
        flags = os.O_RDONLY if shared else os.O_RDWR
        try:
            with locks.locked(self.path(id), timeout=self._timeout, flags=flags, shared=shared) as fd:
                yield fd
        except FileNotFoundError:
            raise SessionNotFound(id) from None

    def publish(
        self,
        session: Session,
        move: Callable[[str, str], None],
        *,
        mode: int = atomic.FILE_MODE,
        data: bytes | None = None,
    ) -> SessionSummary:
        """Write a session, as `data` if given, to a new file, locked before others see it; `move` it to its place."""
        path, summary = self.path(session.id), session.summary()
        data = session_file.encode(session) if data is None else data
        atomic.make_dir(self._aside)
        with atomic.writing(path), atomic.staged(path, [data], aside=self._aside) as (fd, temporary):
            os.fchmod(fd, mode)
            fcntl.flock(fd, fcntl.LOCK_EX)
            self.place(summary, fd, lambda: move(temporary, path))
        return summary

    def place(self, summary: SessionSummary, fd: int, move: Callable[[], None]) -> None:
        """Have an open file moved to its place, which the index knows of first. Raises Busy, and what `move` raises."""
        about = os.fstat(fd)
        with self._index.directory.coming(timeout=self._timeout):
            self._index.record(to_row(summary, about.st_size, about.st_ino))
            try:
                with self._index.directory.own_change():
                    move()
            except Conflict:  # the row is not of the file that is there
                with suppress(OSError):
                    self._index.directory.forget()
                raise
        atomic.sync_dir(self._directory)

    def remove(self, id: str) -> None:
        """Take a file from its place, and its row from the index. Raises Busy, WriteFailed."""
        path = self.path(id)
        with self._index.directory.going(timeout=self._timeout):
            with atomic.writing(path), self._index.directory.own_change():
                os.unlink(path)
            with suppress(PoError):  # else it is compared with the missing file
                self._index.record_removal(id)
        atomic.sync_dir(self._directory)


def link_new(id: str) -> Callable[[str, str], None]:
    """Return what moves a new file to its place. It raises Conflict if there is a session with this id."""

    def link(temporary: str, path: str) -> None:
        try:
            os.link(temporary, path, follow_symlinks=False)
        except FileExistsError:
            raise id_taken(id) from None

    return link


def to_row(summary: SessionSummary, size: int, inode: int) -> Row:
    """Return what the index has of a session in a file of this size, in bytes."""
    return {**{name: getattr(summary, name) for name in SUMMARY_FIELDS}, "size": size, "inode": inode}


def not_its_own(path: str, id: str) -> Unreadable:
    """Return the error for a file that holds another session than it is named after."""
    return Unreadable(
        f"{path} holds the session {id!r}, which is not its name.", hint="'po doctor' tells what can be done."
    )
