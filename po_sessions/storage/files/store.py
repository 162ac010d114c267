"""The file store: one JSON file a session, an index beside them, locks between processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from po_sessions import atomic, folders, locks, tree
from po_sessions.changes import End, check_kept, check_writable, with_header
from po_sessions.errors import Advice, Advised, Busy, Conflict, PoError, SessionNotFound, Unreadable, WriteFailed
from po_sessions.message import Message
from po_sessions.names import check_po_name
from po_sessions.session import Session, SessionSummary
from po_sessions.storage import Notice, OnGap, Watch, archive_ids
from po_sessions.storage.files import amending, appending, codec, parsing
from po_sessions.storage.files.appending import Tail
from po_sessions.storage.files.catalogue import Catalogue
from po_sessions.storage.files.deletions import Deletions, described, described_at
from po_sessions.storage.files.index import Index, Row
from po_sessions.storage.files.publish import (
    SessionFiles,
    coming_row,
    link_new,
    not_its_own,
    to_summary,
    why_damaged,
)
from po_sessions.storage.files.rename_journal import Renaming
from po_sessions.storage.files.trash import Trash
from po_sessions.storage.records import (
    UNDONE_AT,
    HeldTurn,
    SessionStat,
    TrashEntry,
    cut_apart,
    id_taken,
    not_in_trash,
    with_undone,
)
from po_sessions.text.strict_json import dumps

if TYPE_CHECKING:
    from po_sessions.storage.files.backups import Backups
    from po_sessions.storage.records import Backup

S = TypeVar("S", Session, SessionSummary)

_ROUNDS = 3
"""How often an append finds a file that it cannot extend, and makes it anew, before it gives up."""


class FileStore:
    """Sessions in the directory `root`, which need not be there before the first change."""

    def __init__(
        self,
        root: str,
        *,
        lock_timeout: float = 60.0,
        notice: Notice = lambda _: None,
        watch: Watch = lambda _, things: things,
        may_be_link: folders.MayBeLink = lambda _: False,
    ) -> None:
        """`lock_timeout` is in seconds, for each lock; `notice` hears of files that cannot be shown.

        `watch` is given what takes long where there are many sessions; `may_be_link` tells which directories below the
        root the user wants to be symbolic links.
        """
        folders.guard(root, may_be_link)
        self._root = root
        self._sessions = os.path.join(root, "sessions")
        self._locks = os.path.join(self._sessions, ".locks")
        self._timeout = lock_timeout
        self._notice = notice
        self._index = Index(self._sessions)
        self._deletions = Deletions(os.path.join(root, "deletions.log"), notice)
        self._files = SessionFiles(self._sessions, self._index, timeout=lock_timeout)
        self._trash = Trash(os.path.join(root, "trash"), notice)
        self._catalogue = Catalogue(self._sessions, self._index, self._files.row_or_damage, notice, watch)
        self._renaming = Renaming(
            self._sessions,
            timeout=lock_timeout,
            notice=notice,
            prepare=self._make_dirs,
            names=self._names,
            carry=self._carry_name,
        )

    # One session

    def create(self, session: Session) -> SessionSummary:
        """Add a session. Raises Conflict if its id is taken, InvalidInput if no prompt object can be named like its."""
        if folders.lexists(self._files.path(session.id)):  # before the index hears of it
            raise id_taken(session.id)
        self._make_dirs()
        session = replace(session, po_name=self.po_name(check_po_name(session.po_name)))
        return self._files.publish(session, link_new(session.id))

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

    def _parsed(self, id: str) -> parsing.Parsed:
        with self._files.opened(id) as fd:
            return self._files.parsed(fd, self._files.path(id))

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

    def amend(self, id: str, change: Callable[[Session], Session]) -> SessionSummary:
        """Replace a session's header by what `change` makes of it. Raises as `append` does, and as `change`.

        The header, the footer and the last message are checked; the others are copied unread.
        """
        path, repaired = self._files.path(id), ""
        with self._files.write_locked(id) as fd:
            tail = _counted(fd)
            if tail is None:
                summary, repaired = self._rewrite(id, fd, lambda one: with_header(one, change))
            elif tail.summary.id != id:
                raise not_its_own(path, tail.summary.id)
            else:
                made = amending.amended(tail, lambda before: change(self._renamed(before)))
                self._files.publish_amended(made, fd)
                summary = made.summary
        self._tell_repaired(path, repaired)
        return summary

    def update(self, id: str, change: Callable[[Session], Session]) -> SessionSummary:
        """Replace a session by what `change` makes of it, in a new file. Raises as `append` does, and as `change`."""
        with self._files.write_locked(id) as fd:
            summary, repaired = self._rewrite(id, fd, change)
        self._tell_repaired(self._files.path(id), repaired)
        return summary

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

    def purge(self, id: str, now: str, verb: str = "delete") -> None:
        """Remove a session and its backups for good. Raises SessionNotFound, Busy."""
        with self._files.write_locked(id) as fd:
            with atomic.writing(self._files.path(id)):
                self._backups.clear(id)  # first, so that it can be repeated
            self._files.remove(id)
            gone = described(fd)
        self._deletions.add(verb, now, {"id": id, **gone}, trash_id=None, purged=True)

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
            tail = _counted(fd)
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

    # Backups

    @cached_property
    def _backups(self) -> Backups:
        from po_sessions.storage.files.backups import Backups  # which few commands need

        return Backups(os.path.join(self._root, "backups"), self._notice)

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

    def path(self, id: str) -> str:
        """Return the file that holds a session. Raises SessionNotFound."""
        path = self._files.path(id)
        if not folders.lexists(path):
            raise SessionNotFound(id)
        return path

    def _take_out_of_trash(self, entry_id: str, fd: int, path: str) -> None:
        """Remove an entry after a change failed, if the open file, which has all of it, is still in its place."""
        if entry_id and locks.is_at(fd, path):
            with suppress(PoError):
                self._trash.discard(entry_id)

    def _rewrite(
        self, id: str, fd: int, change: Callable[[Session], Session], *, may_cut: bool = False
    ) -> tuple[SessionSummary, str]:
        """Put what `change` makes of the open session in its place; return also where a torn end was kept, if any.

        Only with `may_cut` may messages go.
        """
        path = self._files.path(id)
        parsed = parsing.parse(atomic.read_all(fd, path), path)
        before = self._renamed(self._own(parsed.session, id))
        check_writable(before, before.version)
        after = change(before)
        if not may_cut:
            check_kept(before, after)
        kept, about = self._keep_torn(id, parsed), os.fstat(fd)
        mode = about.st_mode & 0o777 if about.st_nlink == 1 else atomic.FILE_MODE
        return self._files.publish(after, folders.rename, mode=mode), kept

    def _tell_repaired(self, path: str, kept: str) -> None:
        """Tell of a repair; never while holding a lock, since whoever reads it may be slow."""
        if kept:
            self._notice(f"Repaired {path}: its last write had been cut; what there was of it is in {kept}.")

    def _keep_torn(self, id: str, parsed: parsing.Parsed) -> str:
        """Put what a rewrite cuts off into the trash; return where it is, if there is anything."""
        if not (parsed.torn and parsed.torn.strip(b"\0\n")):
            return ""
        self._trash.make()
        path = os.path.join(self._root, "trash", f"{id}.{os.urandom(8).hex()}.torn")
        atomic.create(path, parsed.torn)
        return path

    # Many sessions

    def list(
        self,
        *,
        po_name: str | None = None,
        name: str | None = None,
        beginning: str = "",
        limit: int | None = None,
        complete: bool = False,
    ) -> Iterator[SessionSummary]:
        """Yield the sessions, of one prompt object and with one name if given; newest turn first, ties by id.

        With `complete`, each with its tags, parent and totals, also where an earlier version wrote the row.
        """
        for summary, _ in islice(self._rows(po_name, name, beginning, complete=complete), limit):
            yield summary

    def with_sizes(self, po_name: str | None = None) -> Iterator[tuple[SessionSummary, int]]:
        """Yield the sessions as `list` does, each with the size of its file."""
        return self._rows(po_name)

    def _rows(
        self, po_name: str | None, name: str | None = None, beginning: str = "", *, complete: bool = False
    ) -> Iterator[tuple[SessionSummary, int]]:
        needle, renamed = b"", self._renaming.names()
        if name is not None or beginning:
            text = dumps(beginning if name is None else name)
            needle = b'"name":' + (text[:-1] if name is None else text)
        elif po_name is not None and renamed is None:
            needle = b'"po_name":' + dumps(po_name)
        damaged, found = None, False
        for row in self._catalogue.rows(needle, complete=complete):
            if name in (None, row["name"]) and row["name"].startswith(beginning):
                summary = _with_new_name(to_summary(row), renamed)
                if po_name not in (None, summary.po_name):
                    continue
                if "damaged" in row:
                    damaged = damaged or row
                else:
                    found = True
                    yield summary, row["size"]
        if damaged and not found and name is not None and po_name is not None:
            raise self._name_is_held(damaged)

    def _name_is_held(self, row: Row) -> Unreadable:
        """Return the error for a name that a session has whose file cannot be read."""
        id, why = row["id"], why_damaged(row, self._files.path(row["id"]))
        advice = Advice("damaged")
        with suppress(PoError):
            if self._backups.ids(id):
                advice = Advice("has_backup", session_id=id)
        error = Unreadable(f"{row['po_name']} has a session named {row['name']!r}, {id}. {why}", advice=advice)
        error.session_id = id
        return error

    def taken_names(self, po_name: str, beginning: str = "") -> set[str]:
        """Return the names of a prompt object's sessions that have this beginning, also of those in damaged files."""
        needle = b'"name":' + dumps(beginning)[:-1] if beginning else b""
        # Read first: a rename that ends meanwhile leaves rows that were read with the old name.
        old, new = self._renaming.names() or ("", "")
        rows = [row for row in self._catalogue.rows(needle) if row["name"].startswith(beginning)]
        return {row["name"] for row in rows if po_name == (new if row["po_name"] == old else row["po_name"])}

    def find(self, fragment: str) -> Sequence[str]:
        """Return the ids that begin or end with `fragment`, whatever its case."""
        return self._catalogue.ids_matching(fragment)

    def rescan(self) -> None:
        """Compare every file with the index."""
        self._catalogue.look(closely=True)

    def close(self) -> None:
        """Fold the index if it is worth it; it is a cache, so a store that cannot be written is no failure."""
        self._catalogue.settle()

    # Locks

    @contextmanager
    def turn(self, id: str, verb: str, *, wait: bool = True) -> Iterator[HeldTurn]:
        """Hold a session for one turn. Raises Busy, with the owner."""
        self._make_dirs()
        timeout = self._timeout if wait else 0
        try:
            with locks.owned(self._lock_path(id), verb, timeout=timeout, what=f"The session {id}"):
                yield HeldTurn(id)
        except Busy as error:
            error.session_id = id
            raise

    def turn_owner(self, id: str) -> str | None:
        """Return who holds a session for a turn now, or None. Raises ForeignDirectory: then nobody can tell."""
        path = self._lock_path(id)
        folders.is_dir(self._locks)
        return (locks.owner(path) or "another process") if locks.is_held(path) else None

    @contextmanager
    def claim_name(self, po_name: str, *names: str) -> Iterator[str]:  # noqa: ARG002 -- one lock for all names
        """Hold the names of all sessions, compared with their files not long ago. Raises Busy."""
        with self._names():
            yield self.po_name(po_name)

    @contextmanager
    def _names(self) -> Iterator[None]:
        self._make_dirs()
        busy = "The names of the sessions are in use by another process."
        with locks.locked(os.path.join(self._locks, "names"), timeout=self._timeout, busy=lambda: busy):
            self._catalogue.look_for_edits()
            yield

    # Paths and rows

    def _make_dirs(self) -> None:
        if tree.make(self._root):
            self._index.start()

    def _lock_path(self, id: str) -> str:
        self._files.path(id)
        return os.path.join(self._locks, id)

    def _read_row(self, id: str) -> Row:
        return self._files.row(id, self._catalogue.known)

    def _own(self, session: Session, id: str) -> Session:
        if session.id != id:
            raise not_its_own(self._files.path(id), session.id)
        return session

    # A prompt object's other name

    def rename_po(
        self, old: str, new: str, move: Callable[[str, str], None], check: Callable[[], None] = lambda: None
    ) -> None:
        """Give a prompt object another name everywhere; `.rename` tells of it until it is done. Raises Busy."""
        self._renaming.run(old, new, move, check)

    def resume_rename(self, move: Callable[[str, str], None]) -> None:
        """Finish a renaming that was interrupted, unless another process is at it; tell of it."""
        self._renaming.resume(move)

    def po_name(self, po_name: str) -> str:
        """Return what a prompt object is called now."""
        return self._renaming.now(po_name)

    def _carry_name(self, old: str, new: str) -> None:
        """Give a prompt object its other name in the sessions and the trash."""
        owners = {row["id"]: row["po_name"] for row in self._catalogue.rows(b"")}
        for id in self._catalogue.ids_matching(""):
            if owners.get(id, old) == old:  # what could not be read may be its session
                try:
                    self.amend(id, lambda one: one)  # read with its new name
                except SessionNotFound:
                    continue
                except Unreadable as error:
                    kept = old if id in owners else "that it names"
                    self._notice(Advised(f"{error} It keeps the prompt object {kept}.", error.advice))
        self._trash.rename_po(old, new, timeout=self._timeout)

    def _renamed(self, one: S) -> S:
        """Return a session with the name that its prompt object has now."""
        return _with_new_name(one, self._renaming.names())


def _counted(fd: int) -> Tail | None:
    """Return the ends of a sound file and its totals; None if it has to be read whole."""
    tail = appending.read_tail(fd)
    return None if tail is None else appending.counted(fd, tail)


def _with_new_name(one: S, renamed: tuple[str, str] | None) -> S:
    """Return a session with the new name of its prompt object, if `renamed`, an old name and a new one, has it."""
    return replace(one, po_name=renamed[1]) if renamed is not None and renamed[0] == one.po_name else one
