"""The trash: what was deleted or undone, each in a file of its own that is never overwritten.

`{id}.{time}.json` holds a session as it was when it was deleted, or, with the key `undone_at`, the messages that an
undo took from it and how many it left.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from po_sessions import atomic, folders, locks
from po_sessions.errors import Advice, Busy, ForeignDirectory, NotFound, PoError, Unreadable
from po_sessions.session import VERSION, Session, SessionSummary
from po_sessions.storage import archive_ids
from po_sessions.storage.files import appending, codec, parsing
from po_sessions.storage.files.deletions import described
from po_sessions.storage.records import UNDONE_AT, TrashEntry, entry, not_in_trash
from po_sessions.text.times import UNKNOWN_TIME, timestamp

_OTHERS = re.compile(r".+\.[0-9a-f]{16}\.torn|[A-Za-z0-9_-]{1,64}\.[0-9a-f]{8}\.md")
"""The names of what lies in the trash beside entries: the ends of writes that were cut, and prompt objects."""


def is_ours(name: str) -> bool:
    """Tell whether a file is named like something that po puts into the trash."""
    return is_entry(name) or _OTHERS.fullmatch(name) is not None


def is_entry(name: str) -> bool:
    """Tell whether a file is named like an entry."""
    return name.endswith(".json") and archive_ids.is_one(name.removesuffix(".json"))


class Trash:
    """The trash of a directory."""

    def __init__(self, directory: str, notice: Callable[[str], None]) -> None:
        """`notice` hears of files that cannot be read."""
        self._directory = directory
        self._notice = notice

    def make(self) -> None:
        """Make the directory. Raises WriteFailed."""
        atomic.make_dir(self._directory)

    def take(self, path: str, session_id: str, now: str) -> str:
        """Give a file of a session that is to go a second name here, or a copy; return the entry's id.

        Raises WriteFailed.
        """
        self.make()
        while True:
            id = archive_ids.new(session_id, now, lambda id: folders.lexists(self._path(id)))
            with atomic.writing(path), suppress(FileExistsError):
                atomic.link_or_copy(path, self._path(id))
                try:
                    atomic.sync_dir(self._directory)
                except PoError:
                    folders.unlink(self._path(id))
                    raise
                return id

    def keep(self, session: Session, now: str) -> str:
        """Put a session here that is in no file; return the entry's id. Raises WriteFailed."""
        self.make()
        while True:
            id = archive_ids.new(session.id, now, lambda id: folders.lexists(self._path(id)))
            with suppress(FileExistsError):
                atomic.create(self._path(id), codec.encode(session))
                return id

    @contextmanager
    def held(self, id: str, *, timeout: float) -> Iterator[int]:
        """Hold an entry, so that nobody else restores, removes or renames it; yield its descriptor.

        Raises NotFound, Busy, Unreadable.
        """
        path = self.path(id)
        try:
            with locks.locked(path, timeout=timeout, flags=os.O_RDONLY, busy=lambda: f"{id} is in use.") as fd:
                yield fd
        except FileNotFoundError:
            raise not_in_trash(id) from None

    def names(self, before: str | None = None) -> list[str]:
        """Return the names of what po put here, or of what of it came `before` then. Raises Unreadable."""
        return sorted(name for name in self._files() if is_ours(name) and (not before or self._came_at(name) < before))

    def others(self) -> list[str]:
        """Return the names of the files here that po did not put here. Raises Unreadable."""
        return sorted(name for name in self._files() if not is_ours(name))

    def _files(self) -> Iterator[str]:
        for name in self._listed():
            with suppress(FileNotFoundError):
                if not stat.S_ISDIR(folders.lstat(os.path.join(self._directory, name)).st_mode):
                    yield name

    def _listed(self) -> list[str]:
        try:
            return folders.names(self._directory)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            advice = Advice("mend_permissions")
            raise Unreadable(f"Cannot read {self._directory}: {error.strerror}.", advice=advice) from None

    def _came_at(self, name: str) -> str:
        """Return when a file came into the trash: an entry's id tells; of others, when they were last touched.

        The time of its content is not enough: a prompt object's file keeps that when it is moved here.
        """
        if is_entry(name):
            return archive_ids.time_of(name.removesuffix(".json"))
        try:
            about = folders.lstat(os.path.join(self._directory, name))
        except FileNotFoundError:
            return "~"  # gone, and so older than nothing
        return timestamp(datetime.fromtimestamp(max(about.st_mtime, about.st_ctime), UTC))

    def clear(self, before: str | None = None, *, timeout: float) -> Iterator[tuple[str, dict[str, Any], str | None]]:
        """Remove what `names` tells for good; yield each name, what is known of it, and its id if it was an entry.

        An entry that another process holds stays, and `notice` hears of it. Raises Unreadable, WriteFailed.
        """
        gone = False
        for name in self.names(before):
            path, id = os.path.join(self._directory, name), name.removesuffix(".json")
            try:
                with atomic.writing(path):
                    what = self._remove(name, timeout)
            except NotFound:
                continue  # somebody else was at it too
            except Busy as error:
                self._notice(f"{error} It stays in the trash.")
                continue
            gone = True
            yield name, what, id if is_entry(name) else None
        if gone:
            atomic.sync_dir(self._directory)

    def _remove(self, name: str, timeout: float) -> dict[str, Any]:
        """Remove something for good; return what is known of it. Raises OSError, NotFound, Busy."""
        path = os.path.join(self._directory, name)
        try:
            if is_entry(name) and stat.S_ISREG(folders.lstat(path).st_mode):
                with self.held(name.removesuffix(".json"), timeout=timeout) as fd:
                    what = described(fd)
                    folders.unlink(path)
                return what
            folders.unlink(path)
        except FileNotFoundError:
            raise not_in_trash(name) from None
        return {} if is_entry(name) else {"file": name}

    def entries(self) -> list[TrashEntry]:
        """Return the sessions and the undone messages here, newest first; `notice` hears of what cannot be read.

        Raises Unreadable.
        """
        found = []
        for id in (name.removesuffix(".json") for name in self._listed() if is_entry(name)):
            try:
                one = self.entry(id)
            except NotFound:
                continue
            except PoError as error:
                self._notice(str(error))
                continue
            if one.damage:
                self._notice(one.damage)
            found.append(one)
        return sorted(found, key=lambda one: (one.trashed_at, one.id), reverse=True)

    def entry(self, id: str) -> TrashEntry:
        """Return an entry, of a damaged one as much as its first line tells.

        Raises NotFound; Unreadable if another session is in it.
        """
        try:
            session = self._parsed(id).session
        except ForeignDirectory:
            raise
        except Unreadable as error:
            return self._damaged(id, str(error))
        self._check_own(id, session)
        return entry(id, session)

    def damage(self, id: str) -> str | None:
        """Return a sentence that says why an entry cannot be read whole, if it cannot; in little memory."""
        from po_sessions.storage.files.lazy_history import opened

        path = self._path(id)
        try:
            fd = atomic.open_regular(path)
        except (FileNotFoundError, Unreadable):
            return None  # it has gone again
        try:
            if (tail := appending.read_tail(fd)) is not None:
                for _ in opened(fd, path, tail).history:
                    pass
            else:
                parsing.parse(atomic.read_all(fd, path), path)
        except Unreadable as error:
            return str(error)
        finally:
            os.close(fd)
        return None

    def _damaged(self, id: str, damage: str) -> TrashEntry:
        head: Mapping[str, Any] = {}
        with suppress(OSError, PoError):
            fd = atomic.open_regular(self._path(id))
            try:
                head, _ = codec.read_head(fd) or (head, 0)
            finally:
                os.close(fd)
        name, po_name = (head.get(key) if isinstance(head.get(key), str) else "" for key in ("name", "po_name"))
        session = SessionSummary(archive_ids.split(id)[0], str(name), str(po_name), UNKNOWN_TIME, UNKNOWN_TIME)
        undone_at = head.get(UNDONE_AT)
        return TrashEntry(
            id, archive_ids.time_of(id), session, undone_at if type(undone_at) is int else None, damage=damage
        )

    def load(self, id: str) -> Session:
        """Return what lies here as `id`. Raises NotFound, Unreadable."""
        return self.parse(id).session

    def parse(self, id: str) -> parsing.Parsed:
        """Return what lies here as `id`, also the end of a write that was cut. Raises NotFound, Unreadable."""
        parsed = self._parsed(id)
        self._check_own(id, parsed.session)
        return parsed

    def _parsed(self, id: str) -> parsing.Parsed:
        path = self.path(id)
        try:
            return parsing.parse(atomic.read(path), path)
        except FileNotFoundError:
            raise not_in_trash(id) from None

    def _check_own(self, id: str, session: Session) -> None:
        if session.id != archive_ids.split(id)[0]:
            message = f"{self._path(id)} holds the session {session.id!r}, which is not its name."
            raise Unreadable(message, advice=Advice("examine"))

    def rename_po(self, old: str, new: str, *, timeout: float) -> None:
        """Give a prompt object's sessions here its new name, but for what may only be read.

        Raises WriteFailed, Busy.
        """
        for name in filter(is_entry, self._listed()):
            id = name.removesuffix(".json")
            with suppress(NotFound, Unreadable), self.held(id, timeout=timeout):
                parsed = self.parse(id)
                if parsed.session.po_name == old and parsed.torn is None and parsed.session.version <= VERSION:
                    renamed = replace(parsed.session, po_name=new)
                    atomic.replace(self._path(id), codec.encode(renamed))

    def path(self, id: str) -> str:
        """Return the file of an entry. Raises NotFound if `id` cannot be one."""
        if not archive_ids.is_one(id):
            raise not_in_trash(id)
        return self._path(id)

    def discard(self, id: str) -> None:
        """Remove an entry for good. Raises NotFound, WriteFailed."""
        path = self.path(id)
        with atomic.writing(path):
            try:
                folders.unlink(path)
            except FileNotFoundError:
                raise not_in_trash(id) from None
        atomic.sync_dir(self._directory)

    def _path(self, id: str) -> str:
        return os.path.join(self._directory, id + ".json")
