"""The trash: what was deleted or undone, each in a file of its own that is never overwritten.

`{id}.{time}.json` holds a session as it was when it was deleted, or, with the key `undone_at`, the messages that an
undo took from it and how many it left.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from po_sessions.errors import Conflict, NotFound, PoError, Unreadable
from po_sessions.near import did_you_mean
from po_sessions.session import VERSION, Session, SessionSummary, timestamp
from po_sessions.shell import command_line
from po_sessions.storage import atomic, entry_ids, session_file
from po_sessions.storage.deletions import UNDONE_AT, described_at


class TrashEntry(NamedTuple):
    """One thing in the trash."""

    id: str
    """As in `entry_ids`."""
    trashed_at: str
    session: SessionSummary
    undone_at: int | None = None
    """For undone messages, how many stand before them; None for a whole session."""

    @property
    def kind(self) -> str:
        """`deleted` or `undone`."""
        return "deleted" if self.undone_at is None else "undone"


def entry(id: str, session: Session) -> TrashEntry:
    """Return what is known of a session that lies in the trash as `id`."""
    undone_at = session.extra.get(UNDONE_AT)
    return TrashEntry(id, entry_ids.time_of(id), session.summary(), undone_at if type(undone_at) is int else None)


def cut_apart(session: Session, start: int, end: int) -> tuple[Session, Session]:
    """Return the messages from `start` on, before `end`, as what goes to the trash, and the session without them."""
    before, gone, behind = session.history[:start], session.history[start:end], session.history[end:]
    return (
        replace(session, history=gone, extra={**session.extra, UNDONE_AT: start}),
        replace(session, history=(*before, *behind)),
    )


def without_undone(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return a session's other keys, without the one that would make it undone messages."""
    return {key: value for key, value in extra.items() if key != UNDONE_AT}


def not_there(id: str, names: Iterable[str] = ()) -> NotFound:
    """Return the error for an entry that is not in the trash; `names` are those of the sessions that are."""
    hint = f"{did_you_mean(id, names)}Run 'po trash list' to see what there is."
    return NotFound(f"Nothing in the trash matches {id!r}.", hint=hint)


def id_taken(id: str) -> Conflict:
    """Return the error for a session whose id another one has."""
    return Conflict(
        f"There is a session with the id {id}.", hint=f"Run '{command_line('session show', id)}' to see it."
    )


def _came_at(file: os.DirEntry[str]) -> str:
    """Return when a file came into the trash: an entry's id tells; of others, when they were last touched in any way.

    The time of its content is not enough: a prompt object's file keeps that when it is moved here.
    """
    id = file.name.removesuffix(".json")
    if entry_ids.is_one(id):
        return entry_ids.time_of(id)
    try:
        about = file.stat(follow_symlinks=False)
    except FileNotFoundError:
        return "~"  # gone, and so older than nothing
    return timestamp(datetime.fromtimestamp(max(about.st_mtime, about.st_ctime), UTC))


class Trash:
    """The trash of a directory."""

    def __init__(self, directory: str, notice: Callable[[str], None]) -> None:
        """`notice` hears of files that cannot be read."""
        self._directory = directory
        self._notice = notice

    def make(self) -> None:
        """Make the directory. Raises WriteFailed."""
        atomic.make_dir(self._directory)

    def link(self, path: str, session_id: str, now: str) -> str:
        """Give a file of a session that is to go a second name here; return the entry's id. Raises WriteFailed."""
        self.make()
        while True:
            id = entry_ids.new(session_id, now, lambda id: os.path.lexists(self._path(id)))
            with atomic.writing(path), suppress(FileExistsError):
                os.link(path, self._path(id), follow_symlinks=False)
                try:
                    atomic.sync_dir(self._directory)
                except PoError:
                    os.unlink(self._path(id))
                    raise
                return id

    def keep(self, session: Session, now: str) -> str:
        """Put a session here that is in no file; return the entry's id. Raises WriteFailed."""
        self.make()
        while True:
            id = entry_ids.new(session.id, now, lambda id: os.path.lexists(self._path(id)))
            with suppress(FileExistsError):
                atomic.create(self._path(id), session_file.encode(session))
                return id

    def names(self, before: str | None = None) -> list[str]:
        """Return the names of all but directories here, or of what came `before` then. Raises Unreadable."""
        files = [file for file in self._listed() if not file.is_dir(follow_symlinks=False)]
        return sorted(file.name for file in files if before is None or _came_at(file) < before)

    def _listed(self) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._directory) as found:
                return list(found)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            hint = "Mend its permissions."
            raise Unreadable(f"Cannot read {self._directory}: {error.strerror}.", hint=hint) from None

    def clear(self, before: str | None = None) -> Iterator[tuple[str, dict[str, Any], str | None]]:
        """Remove what `names` tells for good; yield each name, what is known of it, and its id if it was an entry.

        Raises Unreadable, WriteFailed.
        """
        for name in self.names(before):
            path, id = os.path.join(self._directory, name), name.removesuffix(".json")
            what = described_at(path) if entry_ids.is_one(id) else {"file": name}
            with atomic.writing(path):
                try:
                    os.unlink(path)
                except FileNotFoundError:
                    continue  # somebody else was at it too
            yield name, what, id if entry_ids.is_one(id) else None

    def entries(self) -> list[TrashEntry]:
        """Return the sessions and the undone messages here, newest first. Raises Unreadable."""
        ids = (file.name.removesuffix(".json") for file in self._listed() if file.name.endswith(".json"))
        found = []
        for id in filter(entry_ids.is_one, ids):
            try:
                found.append(entry(id, self.load(id)))
            except NotFound:
                continue
            except PoError as error:
                self._notice(str(error))
        return sorted(found, key=lambda one: (one.trashed_at, one.id), reverse=True)

    def load(self, id: str) -> Session:
        """Return what lies here as `id`. Raises NotFound, Unreadable."""
        return self.parse(id).session

    def parse(self, id: str) -> session_file.Parsed:
        """Return what lies here as `id`, also the end of a write that was cut. Raises NotFound, Unreadable."""
        path = self.path(id)
        try:
            parsed = session_file.parse(atomic.read(path), path)
        except FileNotFoundError:
            raise not_there(id) from None
        if parsed.session.id != id.partition(".")[0]:
            hint = "'po doctor' tells what can be done."
            raise Unreadable(f"{path} holds the session {parsed.session.id!r}, which is not its name.", hint=hint)
        return parsed

    def rename_po(self, old: str, new: str) -> None:
        """Give a prompt object's sessions here its new name, but for what may only be read. Raises WriteFailed."""
        for one in self.entries():
            with suppress(NotFound):
                parsed = self.parse(one.id)
                if parsed.session.po_name == old and parsed.torn is None and parsed.session.version <= VERSION:
                    renamed = replace(parsed.session, po_name=new)
                    atomic.replace(self._path(one.id), session_file.encode(renamed))

    def path(self, id: str) -> str:
        """Return the file of an entry. Raises NotFound if `id` cannot be one."""
        if not entry_ids.is_one(id):
            raise not_there(id)
        return self._path(id)

    def discard(self, id: str) -> None:
        """Remove an entry for good. Raises NotFound, WriteFailed."""
        path = self.path(id)
        with atomic.writing(path):
            try:
                os.unlink(path)
            except FileNotFoundError:
                raise not_there(id) from None

    def _path(self, id: str) -> str:
        return os.path.join(self._directory, id + ".json")
