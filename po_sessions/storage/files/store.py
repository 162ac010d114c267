"""The file store: one JSON file a session, an index beside them, locks between processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from po_sessions import atomic, folders
from po_sessions.changes import End, check_writable
from po_sessions.errors import Advice, Conflict, Unreadable, WriteFailed
from po_sessions.message import Message
from po_sessions.session import Session, SessionSummary
from po_sessions.storage import OnGap
from po_sessions.storage.files import appending, codec, parsing
from po_sessions.storage.files.deletions import described
from po_sessions.storage.files.listing import Listing
from po_sessions.storage.files.publish import coming_row, not_its_own, to_summary
from po_sessions.storage.files.with_backups import WithBackups
from po_sessions.storage.files.with_trash import WithTrash
from po_sessions.storage.records import HeldTurn, SessionStat

_ROUNDS = 3
"""How often an append finds a file that it cannot extend, and makes it anew, before it gives up."""


class FileStore(WithTrash, WithBackups, Listing):
    """Sessions in the directory `root`, which need not be there before the first change."""

    def load(self, id: str, on_gap: OnGap | None = None) -> Session:
        """Return a session with its history; a write that was cut is left out. Raises SessionNotFound, Unreadable."""
        try:
            session = self._parsed(id).session
        except Unreadable as error:
            if on_gap is None:
                raise
            session = self._readable_part(id, error)
            for number, message in enumerate(session.history, 1):
                if message.is_gap:
                    on_gap(number, error)
        return self._renamed(self._own(session, id))

    @contextmanager
    def reading(self, id: str, *, on_gap: OnGap | None = None) -> Iterator[Session]:
        """Open a session, as it is now, and read its history only when it is looked at, each time anew.

        With `on_gap` a gap stands for each damaged message. Raises SessionNotFound, Unreadable; so does looking at the
        history.
        """
        path = self._files.path(id)
        with self._files.opened(id) as fd:
            found = self._files.tail(fd, path)
            if found is not None:
                from po_sessions.storage.files.lazy_history import opened  # which few commands need

                yield self._renamed(self._own(opened(fd, path, found.tail, on_gap), id))
                return
        yield self.load(id, on_gap)

    def _readable_part(self, id: str, error: Unreadable) -> Session:
        """Return what can be read of a damaged session, with its gaps. Raises `error` if it is not laid out as ours."""
        with self._files.opened(id) as fd:
            if codec.read_head(fd) is None:
                raise error
            path = self._files.path(id)
            return parsing.readable_part(atomic.read_all(fd, path), path).session

    def head(self, id: str) -> SessionStat:
        """Return what its file says of a session but its messages. Raises SessionNotFound, Unreadable."""
        with self._files.opened(id) as fd:
            size, found = os.fstat(fd).st_size, self._files.tail(fd, self._files.path(id))
        if found is None:
            parsed = self._parsed(id)
            own = self._renamed(self._own(parsed.session, id))
            return codec.about(own, size, whole=parsed.torn is None)
        if found.tail.summary.id != id:
            raise not_its_own(self._files.path(id), found.tail.summary.id)
        about = appending.about_tail(found.tail)
        return about._replace(summary=self._renamed(about.summary), whole=found.whole)

    def summary(self, id: str) -> SessionSummary:
        """Return a session without its history. Raises SessionNotFound, Unreadable."""
        return self._renamed(to_summary(self._read_row(id)))

    def append(
        self,
        id: str,
        message: Message,
        *,
        after: End | None = None,
        turn: HeldTurn | None = None,  # noqa: ARG002 -- its lock ends with its process
    ) -> SessionSummary:
        """Add one message at the end, durably; the cost does not depend on the history.

        Raises SessionNotFound, Busy, Unreadable (NewerVersion); Conflict if the session does not end like `after`.
        """

        def keep(session: Session) -> Session:
            if after is not None:
                after.check(session.summary(), End.of(session).last)
            return session

        path = self._files.path(id)
        for _ in range(_ROUNDS):
            with self._files.write_locked(id) as fd:
                tail = appending.read_tail(fd)
                if tail is not None and os.fstat(fd).st_nlink == 1 and (tail := appending.counted(fd, tail)):
                    if tail.summary.id != id:
                        raise not_its_own(path, tail.summary.id)
                    append = appending.plan_append(tail, message, after)
                    summary = self._renamed(append.summary)
                    self._index.record(coming_row(append.summary, append.size, os.fstat(fd).st_ino))
                    appending.write_append(fd, path, append)
                    return summary
                # Another layout, a torn end, a footer for another place or a second hard link: a new file has none.
                _, repaired = self._rewrite(id, fd, keep)
            self._tell_repaired(path, repaired)
        raise WriteFailed(f"{path} changes whenever it is written.", advice=Advice("written_by_others"))

    def salvage(self, id: str, keep: Callable[[str], str]) -> str:
        """Replace a damaged session by what can be read of it, a gap for each of its other messages.

        `keep` is given the path first, and puts the file as it is where it stays; what it returns is returned. Raises
        SessionNotFound, Busy, Unreadable (NewerVersion); Conflict if it is not damaged.
        """
        path = self._files.path(id)
        with self._files.write_locked(id) as fd:
            data, about = atomic.read_all(fd, path), os.fstat(fd)
            with suppress(Unreadable):
                parsing.parse(data, path)
                raise Conflict(f"{path} has changed since.", advice=Advice("examine_again"))
            session = self._renamed(self._own(parsing.readable_part(data, path).session, id))
            check_writable(session, session.version)
            kept = keep(path)
            self._files.publish(session, folders.rename, mode=about.st_mode & 0o777)
        return kept

    def purge(self, id: str, now: str, verb: str = "delete") -> None:
        """Remove a session and its backups for good. Raises SessionNotFound, Busy."""
        with self._files.write_locked(id) as fd:
            with atomic.writing(self._files.path(id)):
                self._backups.clear(id)  # first, so that it can be repeated
            self._files.remove(id)
            gone = described(fd)
        self._deletions.add(verb, now, {"id": id, **gone}, trash_id=None, purged=True)
