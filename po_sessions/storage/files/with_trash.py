"""The file store's trash: what is deleted or undone gets there, and back."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from po_sessions import atomic, folders
from po_sessions.errors import Advice, Advised, WriteFailed
from po_sessions.session import Session, SessionSummary
from po_sessions.storage import archive_ids
from po_sessions.storage.files import amending
from po_sessions.storage.files.base import Base, counted_tail
from po_sessions.storage.files.deletions import described, described_at
from po_sessions.storage.files.publish import link_new
from po_sessions.storage.records import UNDONE_AT, TrashEntry, cut_apart, not_in_trash, with_undone


class WithTrash(Base):
    """A file store that keeps what is deleted or undone."""

    def delete(self, id: str, now: str, verb: str = "delete") -> str:
        """Move a session's file to the trash as it is; return the entry's id. Raises SessionNotFound, Busy."""
        with self._files.write_locked(id) as fd:
            # First the second name, so that a crash leaves the session in its place.
            path = self._files.path(id)
            entry_id = self._trash.take(path, id, now)
            try:
                self._files.remove(id)
            except BaseException:
                self._take_out_of_trash(entry_id, fd, path)
                raise
            gone = described(fd)
        self._deletions.add(verb, now, {"id": id, **gone}, trash_id=entry_id, purged=False)
        if damage := self._trash.damage(entry_id):
            self._notice(Advised(damage, Advice("damaged_in_trash", entry_id=entry_id)))
        return entry_id

    def cut(self, id: str, start: int, end: int, now: str) -> tuple[SessionSummary, str]:
        """Move the messages from `start` on, before `end`, to the trash; return the session and the entry's id.

        Those that stay are copied unread where that can be. Raises as `append` does.
        """
        path, entry_id, repaired = self._files.path(id), "", ""

        def keep(before: Session) -> Session:
            nonlocal entry_id
            undone, after = cut_apart(before, start, end)
            entry_id = self._trash.keep(undone, now)
            return after

        with self._files.write_locked(id) as fd:
            tail = counted_tail(fd)
            cut = None
            if tail is not None and tail.summary.id == id:
                cut = amending.cut(tail, fd, path, start, end, self._renamed)
            try:
                if cut is None:
                    summary, repaired = self._rewrite(id, fd, keep, may_cut=True)
                else:
                    entry_id = self._trash.keep(cut.gone, now)
                    self._files.publish_amended(cut.left, fd)
                    summary = cut.left.summary
            except BaseException:
                self._take_out_of_trash(entry_id, fd, path)
                raise
        self._tell_repaired(path, repaired)
        self._deletions.add("undo", now, described_at(self._trash.path(entry_id)), trash_id=entry_id, purged=False)
        return summary, entry_id

    def restore(self, entry_id: str, change: Callable[[Session], Session] | None = None) -> SessionSummary:
        """Put a deleted session's file back as it is, damaged or not, or made anew by `change`; the entry goes.

        Raises NotFound, Busy, Unreadable, Conflict; WriteFailed with the session's id if it is back and the entry
        stays.
        """
        with self._trash.held(entry_id, timeout=self._timeout):
            one = self._trash.entry(entry_id)
            owner = self.po_name(one.session.po_name) if one.session.po_name else ""
            if change is not None or (owner != one.session.po_name and not one.damage):
                parsed = self._trash.parse(entry_id)
                summary = self.create(parsed.session if change is None else change(parsed.session))
                self._tell_repaired(self._files.path(summary.id), self._keep_torn(summary.id, parsed))
            else:
                summary = one.session
                self._put_back(one)
            self._discard(entry_id, summary)
        return summary

    def _put_back(self, one: TrashEntry) -> None:
        """Bring the file of an entry to its session's place."""
        self._make_dirs()
        source, path = self._trash.path(one.id), self._files.path(one.session.id)
        try:
            fd = atomic.open_regular(source)
        except FileNotFoundError:
            raise not_in_trash(one.id) from None
        try:
            with atomic.writing(path):
                self._bring(one, source, path, fd)
        finally:
            os.close(fd)

    def _bring(self, one: TrashEntry, source: str, path: str, fd: int) -> None:
        """Bring a file out of the trash to a session's place, by a second name or, from another file system, a copy."""
        link = link_new(one.session.id)
        try:
            if one.damage:  # no row can be made of it: it is seen as what another program brings
                link(source, path)
                atomic.sync_dir(self._sessions)
            else:
                self._files.place(one.session, fd, lambda: link(source, path))
        except OSError as error:
            if error.errno not in atomic.NO_LINKS:
                raise
            with atomic.staged(path, (), durable=False, aside=self._locks) as (copy, temporary):
                atomic.copy(fd, copy)
                atomic.sync(copy)
                self._bring(one, temporary, path, copy)

    def _discard(self, entry_id: str, summary: SessionSummary) -> None:
        """Remove an entry whose session is back."""
        try:
            self._trash.discard(entry_id)
        except WriteFailed as error:
            error.session_id = summary.id
            raise

    def restore_messages(self, entry_id: str) -> SessionSummary:
        """Add undone messages to the end of their session, if it ends where they began; the entry goes.

        Raises as `restore` does; SessionNotFound, Conflict if the session has gone or moved on.
        """
        with self._trash.held(entry_id, timeout=self._timeout):
            one = self._trash.entry(entry_id)
            messages = self._trash.load(entry_id).history
            summary = self.update(one.session.id, lambda session: with_undone(session, one, messages))
            self._discard(entry_id, summary)
        return summary

    def trash(self) -> Sequence[TrashEntry]:
        """Return what is in the trash, newest first; `notice` hears of what cannot be read."""
        return self._trash.entries()

    def trash_entry(self, entry_id: str) -> TrashEntry:
        """Return one of what is in the trash. Raises NotFound."""
        return self._trash.entry(entry_id)

    def trashed(self, entry_id: str) -> Session:
        """Return what an entry holds. Raises NotFound, Unreadable."""
        return self._trash.load(entry_id)

    def discard(self, entry_id: str) -> None:
        """Remove an entry for good. Raises NotFound, WriteFailed."""
        self._trash.discard(entry_id)

    def trash_names(self, before: str | None = None) -> Sequence[str]:
        """Return the names of what po put into the trash, or of what came `before` then. Raises Unreadable."""
        return self._trash.names(before)

    def trash_others(self) -> Sequence[str]:
        """Return the names of the files in the trash that po did not put there. Raises Unreadable."""
        return self._trash.others()

    def empty_trash(self, now: str, before: str | None = None) -> Sequence[str]:
        """Remove for good what `trash_names` tells, and the backups of a session with its last trace; return the names.

        Raises Unreadable, WriteFailed.
        """
        gone = []
        staying = set(self._trash.names()) - set(self._trash.names(before))
        with_traces = {archive_ids.split(name)[0] for name in staying}
        for name, what, entry_id in self._trash.clear(before, timeout=self._timeout):
            self._deletions.add("trash empty", now, what, trash_id=entry_id, purged=True)
            gone.append(name)
            id = archive_ids.split(name)[0]
            # Of what cannot be read, and of what only lost its end, the backups may be all that there is.
            is_deleted = bool(entry_id) and what.get("id") == id and UNDONE_AT not in what
            if is_deleted and id not in with_traces and not folders.lexists(self._files.path(id)):
                with atomic.writing(self._files.path(id)):
                    self._backups.clear(id)
        return gone
