"""The session files of one directory: where they are, their write locks, and how a new one gets to its place.

Whatever a file will be is in the index first; `session_file` knows what is in it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from typing import Any

from po_sessions import atomic, folders, locks, schema
from po_sessions.errors import Advice, Busy, Conflict, PoError, SessionNotFound, Unreadable
from po_sessions.names import is_session_id
from po_sessions.schema import Parent
from po_sessions.session import Session, SessionSummary
from po_sessions.storage.files import appending, codec, parsing
from po_sessions.storage.files.amending import Amended
from po_sessions.storage.files.appending import Found
from po_sessions.storage.files.index import Index, Row
from po_sessions.storage.files.parsing import LARGE
from po_sessions.storage.records import id_taken
from po_sessions.text.times import UNKNOWN_TIME

TOTALS = "totals"
"""The key that rows of earlier versions lack, with all of the schema."""
_HERE = "{path}"
"""What stands for a file's path in the index, since a store can be moved."""
_SCHEMA = {"tags", "pinned", "parent", "totals", "spent"}
SUMMARY_FIELDS = tuple(field.name for field in fields(SessionSummary) if field.name not in _SCHEMA)
"""The fields of a summary that are in every row."""


class SessionFiles:
    """The session files of a directory."""

    def __init__(self, directory: str, index: Index, *, timeout: float) -> None:
        """`timeout` is in seconds, for each lock."""
        self._directory = directory
        self._aside = os.path.join(directory, ".locks")
        self._index = index
        self._timeout = timeout
        self._busy: set[str] = set()

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

    def tail(self, fd: int, path: str) -> Found | None:
        """Read the end of an open file, or all of a large one whose end is torn; None if it has to be read whole.

        Waits for nobody: what is being written is read up to its last whole line. Raises Unreadable.
        """
        tail = appending.read_tail(fd)
        if tail is None:
            with suppress(Busy), self._unwritten(fd, path):
                tail = appending.read_tail(fd)
        if tail is not None:
            self._busy.discard(path)
            return Found(tail, whole=True)
        if os.fstat(fd).st_size <= LARGE:
            from po_sessions.storage.files.ends import sound_ends

            ends = sound_ends(fd, path)
            return None if ends is None else Found(ends, whole=True)
        from po_sessions.storage.files import torn  # which few files need

        return torn.scan(fd, path)

    @contextmanager
    def _unwritten(self, fd: int, path: str) -> Iterator[None]:
        """Keep writers from an open file for the block. Raises Busy, at once if it was busy the last time."""
        if path in self._busy:
            raise Busy(f"{path} is being written.")
        try:
            with locks.holding(fd, path, timeout=0, shared=True):
                yield
        except Busy:
            self._busy.add(path)
            raise

    def parsed(self, fd: int, path: str) -> parsing.Parsed:
        """Read an open file whole, waiting for nobody. Raises Unreadable."""
        with suppress(Unreadable):
            parsed = parsing.read(fd, path)
            if parsed.torn is None:
                return parsed
        with suppress(Busy), self._unwritten(fd, path):
            return parsing.read(fd, path)  # nobody writes to it now
        return parsing.read(fd, path)

    def _row(self, fd: int, id: str) -> Row:
        about, path = os.fstat(fd), self.path(id)
        found = self.tail(fd, path)
        summary = self.parsed(fd, path).session.summary() if found is None else found.tail.summary
        if summary.id != id:
            raise not_its_own(path, summary.id)
        return found_row(summary, about)

    def row(self, id: str, known: Callable[[str, os.stat_result], Row | None]) -> Row:
        """Return what the index should have of a session.

        `known` returns what it has of a file that is as it was; it is asked for what would take long to read. Raises
        SessionNotFound, Unreadable.
        """
        with self.opened(id) as fd:
            about = os.fstat(fd)
            if about.st_size > LARGE and appending.read_tail(fd) is None and (row := known(id, about)):
                if "damaged" in row:
                    raise unreadable(row, self.path(id))
                return row
            return self._row(fd, id)

    def row_or_damage(self, id: str) -> Row:
        """Return what the index should have of a session, also of a file in which there is none.

        Raises SessionNotFound; Unreadable if the system does not let it be read.
        """
        with self.opened(id) as fd:
            about = os.fstat(fd)
            try:
                return self._row(fd, id)
            except Unreadable as error:
                if isinstance(error.__cause__, OSError):
                    raise
                return damaged_row(id, str(error).replace(self.path(id), _HERE), about, codec.read_head(fd))

    def publish(
        self,
        session: Session,
        move: Callable[[str, str], None],
        *,
        mode: int = atomic.FILE_MODE,
        data: bytes | None = None,
    ) -> SessionSummary:
        """Write a session, as `data` if given, to a new file, locked before others see it; `move` it to its place."""
        summary = session.summary()
        data = codec.encode(session) if data is None else data
        self._publish(summary, lambda fd: atomic.write_at(fd, data, 0), move, mode)
        return summary

    def publish_amended(self, made: Amended, source: int) -> None:
        """Replace the session of the open file `source` by one that takes its messages from there, unread."""
        about = os.fstat(source)
        mode = about.st_mode & 0o777 if about.st_nlink == 1 else atomic.FILE_MODE
        self._publish(made.summary, lambda fd: made.write(source, fd), folders.rename, mode)

    def _publish(
        self, summary: SessionSummary, write: Callable[[int], None], move: Callable[[str, str], None], mode: int
    ) -> None:
        path = self.path(summary.id)
        atomic.make_dir(self._aside)

        def put() -> None:
            move(temporary, path)
            with suppress(OSError):
                folders.unlink(temporary)  # which changes the file's change time, so it comes right after its row

        with atomic.writing(path), atomic.staged(path, (), durable=False, aside=self._aside) as (fd, temporary):
            write(fd)
            atomic.sync(fd)
            os.fchmod(fd, mode)
            fcntl.flock(fd, fcntl.LOCK_EX)
            self.place(summary, fd, put)

    def place(self, summary: SessionSummary, fd: int, move: Callable[[], None]) -> None:
        """Have an open file moved to its place, which the index knows of first. Raises what `move` raises."""
        about = os.fstat(fd)
        with self._index.directory.coming(timeout=self._timeout):
            self._index.record(coming_row(summary, about.st_size, about.st_ino))
            try:
                with self._index.directory.own_change():
                    move()
            except Conflict:  # the row is not of the file that is there
                with suppress(OSError):
                    self._index.directory.forget()
                raise
        atomic.sync_dir(self._directory)

    def remove(self, id: str) -> None:
        """Take a file from its place, and its row from the index. Raises WriteFailed."""
        path = self.path(id)
        directory = self._index.directory
        with directory.going(timeout=self._timeout) as alone:
            with atomic.writing(path), directory.own_change():
                folders.unlink(path)
            with suppress(PoError, OSError):  # else it is compared with the missing file
                if alone:
                    self._index.record_removal(id)
                else:
                    directory.forget()
        atomic.sync_dir(self._directory)


def link_new(id: str) -> Callable[[str, str], None]:
    """Return what moves a new file to its place. It raises Conflict if there is a session with this id."""

    def link(temporary: str, path: str) -> None:
        try:
            folders.link(temporary, path)
        except FileExistsError:
            raise id_taken(id) from None

    return link


def to_row(summary: SessionSummary, size: int, inode: int, **more: object) -> Row:
    """Return what the index has of a session in a file of this size, in bytes."""
    return {
        **{name: getattr(summary, name) for name in SUMMARY_FIELDS},
        **({"tags": list(summary.tags)} if summary.tags else {}),
        **({"pinned": True} if summary.pinned else {}),
        **({} if summary.parent is None else {"parent": replace(summary.parent, extra={}).to_dict()}),
        **({"spent": summary.spent} if summary.spent else {}),
        TOTALS: summary.totals,
        **more,
        "size": size,
        "inode": inode,
    }


def to_summary(row: Row) -> SessionSummary:
    """Return a session as its row has it; what is not as it is written here is left out."""
    parent: Parent | None = None
    tags: tuple[str, ...] = ()
    if "parent" in row or "tags" in row:
        with suppress(ValueError):
            tags = schema.check_tags(row.get("tags", ()))
        with suppress(ValueError):
            parent = Parent.from_dict(row.get("parent"))
    spent = row.get("spent", 0)
    return SessionSummary(
        **{name: row[name] for name in SUMMARY_FIELDS},
        tags=tags,
        pinned=row.get("pinned") is True,
        parent=parent,
        totals=schema.read_totals(row.get(TOTALS)),
        spent=spent if type(spent) is int else 0,
    )


def coming_row(summary: SessionSummary, size: int, inode: int) -> Row:
    """Return the same of a file that is about to change; nobody knows yet what its change time will be."""
    return to_row(summary, size, inode, written=time.time_ns())


def found_row(summary: SessionSummary, about: os.stat_result) -> Row:
    """Return the same of a file as it was when it was read, or before."""
    return to_row(summary, about.st_size, about.st_ino, changed=about.st_ctime_ns)


def damaged_row(id: str, why: str, about: os.stat_result, opening: tuple[dict[str, Any], int] | None) -> Row:
    """Return what the index has of a file that cannot be read: why not, and what its first line says, if anything."""
    head = opening[0] if opening and opening[0].get("id") == id else {}
    name, po_name = (text if isinstance(text := head.get(key), str) else "" for key in ("name", "po_name"))
    summary = SessionSummary(id, name, po_name, created_at=UNKNOWN_TIME, updated_at=UNKNOWN_TIME)
    return to_row(summary, ~about.st_size, about.st_ino, damaged=why, changed=about.st_ctime_ns)


def why_damaged(row: Row, path: str) -> str:
    """Return the sentence of such a row."""
    return str(row["damaged"]).replace(_HERE, path)


def unreadable(row: Row, path: str) -> Unreadable:
    """Return the error of such a row."""
    return Unreadable(why_damaged(row, path), advice=Advice("damaged"))


def not_its_own(path: str, id: str) -> Unreadable:
    """Return the error for a file that holds another session than it is named after."""
    return Unreadable(f"{path} holds the session {id!r}, which is not its name.", advice=Advice("examine"))
