"""The backups: earlier copies of sessions, `{session's id}/{time}.json`, each made once and never written to again.

A copy and no second link, since a session's file is written in place.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from po_sessions import atomic, folders
from po_sessions.errors import Advice, NotFound, PoError, Unreadable
from po_sessions.names import is_session_id
from po_sessions.session import Session, SessionSummary
from po_sessions.storage import Notice, archive_ids
from po_sessions.storage.files import appending, parsing
from po_sessions.storage.files.ends import sound_ends
from po_sessions.storage.records import Backup, no_backup


class Backups:
    """The backups of a directory."""

    def __init__(self, directory: str, notice: Notice) -> None:
        """`notice` hears of files that cannot be read."""
        self._directory = directory
        self._notice = notice

    def take(self, session: SessionSummary, fd: int, now: str) -> Backup:
        """Copy a session's open file, which nobody is writing, durably. Raises WriteFailed."""
        directory = os.path.join(self._directory, session.id)
        atomic.make_dir(self._directory)
        atomic.make_dir(directory)
        while True:
            id = archive_ids.new(session.id, now, lambda id: folders.lexists(self._path(id)))
            path = self._path(id)
            with (
                atomic.writing(path),
                suppress(FileExistsError),
                atomic.staged(path, (), durable=False) as (copy, temporary),
            ):
                atomic.copy(fd, copy)
                atomic.sync(copy)
                folders.link(temporary, path)
                atomic.sync_dir(directory)
                return Backup(id, session, os.fstat(copy).st_size)

    def ids(self, session_id: str | None = None) -> list[str]:
        """Return the ids of the backups, of one session if given, newest first; none is opened. Raises Unreadable."""
        if session_id is None:
            return sorted((id for one in self._listed() for id in self._ids_in(one)), key=_age, reverse=True)
        names = self._listed(session_id) if is_session_id(session_id) else []
        ids = (f"{session_id}.{name.removesuffix('.json')}" for name in names if name.endswith(".json"))
        return sorted(filter(archive_ids.is_one, ids), reverse=True)

    def _ids_in(self, name: str) -> list[str]:
        """Return the ids of the backups below one name, which others may have put there; tell what is wrong with it."""
        if not is_session_id(name):
            self._notice(f"{os.path.join(self._directory, name)} is not named like a session.")
            return []
        try:
            return self.ids(name)
        except Unreadable as error:
            self._notice(str(error))
            return []

    def entries(self, session_id: str | None = None) -> list[Backup]:
        """Return the backups, of one session if given, newest first; tell of those that cannot be read.

        Raises Unreadable.
        """
        found = []
        for id in self.ids(session_id):
            try:
                found.append(self._entry(id))
            except NotFound:
                continue
            except PoError as error:
                self._notice(str(error))
        return found

    def read(self, id: str) -> tuple[bytes, Session]:
        """Return the bytes of a backup, and what they hold. Raises NotFound, Unreadable."""
        with self._opened(id) as (fd, path):
            data = atomic.read_all(fd, path)
        session = parsing.parse(data, path).session
        _check_own(session.id, id, path)
        return data, session

    def discard(self, id: str) -> None:
        """Remove a backup for good. Raises NotFound, WriteFailed."""
        path = self.path(id)
        with atomic.writing(path):
            try:
                folders.unlink(path)
            except FileNotFoundError:
                raise no_backup(id) from None

    def clear(self, session_id: str) -> None:
        """Remove all of a session's backups for good. Raises Unreadable, WriteFailed."""
        for id in self.ids(session_id):
            with suppress(NotFound):
                self.discard(id)
        directory = os.path.join(self._directory, session_id)
        try:
            folders.rmdir(directory)
            atomic.sync_dir(self._directory)
        except FileNotFoundError:
            pass
        except OSError:  # something else is there too
            atomic.sync_dir(directory)

    def path(self, id: str) -> str:
        """Return the file of a backup. Raises NotFound if `id` cannot be one."""
        if not archive_ids.is_one(id):
            raise no_backup(id)
        return self._path(id)

    def _path(self, id: str) -> str:
        session_id, stamp = archive_ids.split(id)
        return os.path.join(self._directory, session_id, f"{stamp}.json")

    def _listed(self, *below: str) -> list[str]:
        """Return the names of what is in the directory, or in one below it, and is not hidden."""
        directory = os.path.join(self._directory, *below)
        try:
            return [name for name in folders.names(directory) if not name.startswith(".")]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Unreadable(f"Cannot read {directory}: {error.strerror}.", advice=Advice("mend_permissions")) from None

    @contextmanager
    def _opened(self, id: str) -> Iterator[tuple[int, str]]:
        path = self.path(id)
        try:
            fd = atomic.open_regular(path)
        except FileNotFoundError:
            raise no_backup(id) from None
        try:
            yield fd, path
        finally:
            os.close(fd)

    def _entry(self, id: str) -> Backup:
        """Return a backup, its history unread if it is sound."""
        with self._opened(id) as (fd, path):
            tail, size = appending.read_tail(fd) or sound_ends(fd, path), os.fstat(fd).st_size
            if tail is not None:
                _check_own(tail.summary.id, id, path)
                return Backup(id, tail.summary, size)
        return Backup(id, self.read(id)[1].summary(), size)


def _age(id: str) -> tuple[str, str]:
    return archive_ids.split(id)[::-1]


def _check_own(session_id: str, id: str, path: str) -> None:
    if session_id != archive_ids.split(id)[0]:
        message = f"{path} holds the session {session_id!r}, which is not its directory's."
        raise Unreadable(message, advice=Advice("examine"))
