"""The file store's backups: copies of session files, and their way back."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from po_sessions import atomic, folders
from po_sessions.changes import check_writable
from po_sessions.errors import SessionNotFound
from po_sessions.session import Session, SessionSummary
from po_sessions.storage.files import appending, codec, parsing
from po_sessions.storage.files.base import Base
from po_sessions.storage.files.deletions import described
from po_sessions.storage.files.publish import link_new, not_its_own

if TYPE_CHECKING:
    from po_sessions.storage.records import Backup


class WithBackups(Base):
    """A file store that keeps earlier copies of sessions."""

    def back_up(self, id: str, now: str) -> Backup:
        """Copy a session's file as it is. Raises SessionNotFound, Busy, Unreadable."""
        path = self._files.path(id)
        with self._files.write_locked(id, shared=True) as fd:
            tail = appending.read_tail(fd)
            summary = tail.summary if tail else parsing.parse(atomic.read_all(fd, path), path).session.summary()
            if summary.id != id:
                raise not_its_own(path, summary.id)
            return self._backups.take(self._renamed(summary), fd, now)

    def backup_ids(self, session_id: str | None = None) -> Sequence[str]:
        """Return the ids of the backups, newest first; none is opened. Raises Unreadable."""
        return self._backups.ids(session_id)

    def backups(self, session_id: str | None = None) -> Sequence[Backup]:
        """Return the backups, newest first; `notice` hears of what cannot be read. Raises Unreadable."""
        return self._backups.entries(session_id)

    def backed_up(self, backup_id: str) -> Session:
        """Return the session that a backup holds. Raises NotFound, Unreadable."""
        return self._backups.read(backup_id)[1]

    def discard_backup(self, backup_id: str) -> None:
        """Remove a backup for good. Raises NotFound, WriteFailed."""
        self._backups.discard(backup_id)

    def put_back(self, backup_id: str, po_name: str, now: str) -> tuple[SessionSummary, str | None]:
        """Put a session back to what a backup holds; what was there goes to the trash as it is.

        Raises NotFound, Unreadable (NewerVersion), Busy.
        """
        data, session = self._backups.read(backup_id)
        if session.po_name != po_name:
            check_writable(session, session.version)
            session = replace(session, po_name=po_name)
            data = codec.encode(session)
        self._make_dirs()
        path = self._files.path(session.id)
        try:
            with self._files.write_locked(session.id) as fd:
                entry_id = self._trash.take(path, session.id, now)
                try:
                    mode = os.fstat(fd).st_mode & 0o777
                    summary = self._files.publish(session, folders.rename, mode=mode, data=data)
                except BaseException:
                    self._take_out_of_trash(entry_id, fd, path)
                    raise
                gone = described(fd)
        except SessionNotFound:
            return self._files.publish(session, link_new(session.id), data=data), None
        self._deletions.add("backup restore", now, {"id": session.id, **gone}, trash_id=entry_id, purged=False)
        return summary, entry_id
