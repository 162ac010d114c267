"""What all of the file store does: its parts, whole files made anew, locks, the other name of a prompt object."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from po_sessions import atomic, folders, locks, tree
from po_sessions.changes import check_kept, check_writable, with_header
from po_sessions.errors import Advised, Busy, PoError, SessionNotFound, Unreadable
from po_sessions.names import check_po_name
from po_sessions.session import Session, SessionSummary
from po_sessions.storage import Notice, Watch
from po_sessions.storage.files import amending, appending, parsing
from po_sessions.storage.files.appending import Tail
from po_sessions.storage.files.catalogue import Catalogue
from po_sessions.storage.files.deletions import Deletions
from po_sessions.storage.files.index import Index, Row
from po_sessions.storage.files.publish import SessionFiles, link_new, not_its_own
from po_sessions.storage.files.rename_journal import Renaming
from po_sessions.storage.files.trash import Trash
from po_sessions.storage.records import HeldTurn, id_taken

if TYPE_CHECKING:
    from po_sessions.storage.files.backups import Backups

S = TypeVar("S", Session, SessionSummary)


class Base:
    """The parts of the file store, and what needs several of them."""

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

    def create(self, session: Session) -> SessionSummary:
        """Add a session. Raises Conflict if its id is taken, InvalidInput if no prompt object can be named like its."""
        if folders.lexists(self._files.path(session.id)):  # before the index hears of it
            raise id_taken(session.id)
        self._make_dirs()
        session = replace(session, po_name=self.po_name(check_po_name(session.po_name)))
        return self._files.publish(session, link_new(session.id))

    def update(self, id: str, change: Callable[[Session], Session]) -> SessionSummary:
        """Replace a session by what `change` makes of it, in a new file. Raises as `append` does, and as `change`."""
        with self._files.write_locked(id) as fd:
            summary, repaired = self._rewrite(id, fd, change)
        self._tell_repaired(self._files.path(id), repaired)
        return summary

    def amend(self, id: str, change: Callable[[Session], Session]) -> SessionSummary:
        """Replace a session's header by what `change` makes of it. Raises as `append` does, and as `change`.

        The header, the footer and the last message are checked; the others are copied unread.
        """
        path, repaired = self._files.path(id), ""
        with self._files.write_locked(id) as fd:
            tail = counted_tail(fd)
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

    def path(self, id: str) -> str:
        """Return the file that holds a session. Raises SessionNotFound."""
        path = self._files.path(id)
        if not folders.lexists(path):
            raise SessionNotFound(id)
        return path

    def _parsed(self, id: str) -> parsing.Parsed:
        with self._files.opened(id) as fd:
            return self._files.parsed(fd, self._files.path(id))

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

    def _take_out_of_trash(self, entry_id: str, fd: int, path: str) -> None:
        """Remove an entry after a change failed, if the open file, which has all of it, is still in its place."""
        if entry_id and locks.is_at(fd, path):
            with suppress(PoError):
                self._trash.discard(entry_id)

    @cached_property
    def _backups(self) -> Backups:
        from po_sessions.storage.files.backups import Backups  # which few commands need

        return Backups(os.path.join(self._root, "backups"), self._notice)

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
        """Return who holds a session for a turn now, or None. Raises ForeignDirectory."""
        path = self._lock_path(id)
        # Where the locks are not ours to look at, nobody can tell; a lock that cannot be opened is one that is held.
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
        return with_new_name(one, self._renaming.names())


def counted_tail(fd: int) -> Tail | None:
    """Return the ends of a sound file and its totals; None if it has to be read whole."""
    tail = appending.read_tail(fd)
    return None if tail is None else appending.counted(fd, tail)


def with_new_name(one: S, renamed: tuple[str, str] | None) -> S:
    """Return a session with the new name of its prompt object, if `renamed`, an old name and a new one, has it."""
    return replace(one, po_name=renamed[1]) if renamed is not None and renamed[0] == one.po_name else one
