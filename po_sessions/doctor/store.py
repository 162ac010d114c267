"""The store as the doctor sees it: its paths, its parts, and what the session files were found to say."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Generator, Iterator
from datetime import datetime
from typing import NamedTuple

from po_sessions import atomic, folders, locks
from po_sessions.doctor.finding import Finding, Repair
from po_sessions.doctor.quarantine import Quarantine
from po_sessions.errors import Advice, Advised, Busy, Conflict, ForeignDirectory
from po_sessions.pointers import PointerFile
from po_sessions.prompt_objects.directory import Definitions
from po_sessions.storage.files import appending, parsing
from po_sessions.storage.files.index import Index, Row
from po_sessions.storage.files.publish import to_row
from po_sessions.storage.files.store import FileStore
from po_sessions.text.times import timestamp

PATIENCE = 1.0
"""Seconds to wait for others, who hold a file for one write; what is held longer is busy, and left alone."""

AS_IT_IS, WITH_OWNER = "as it is", "with an owner"
"""How a session that is moved to the quarantine can be imported again."""


class Entry(NamedTuple):
    """Something in a directory."""

    name: str
    path: str

    def is_dir(self) -> bool:
        """Tell whether it is a directory, and not a link to one."""
        return stat.S_ISDIR(self._mode())

    def is_file(self) -> bool:
        """Tell whether it is a regular file, and not a link to one."""
        return stat.S_ISREG(self._mode())

    def _mode(self) -> int:
        try:
            return folders.lstat(self.path).st_mode
        except FileNotFoundError:
            return 0


class Store:
    """One environment that is being examined."""

    def __init__(
        self,
        root: str,
        now: datetime,
        progress: Callable[[int, int], None] = lambda *_: None,
        may_be_link: folders.MayBeLink = lambda _: False,
    ) -> None:
        """`progress` hears how many bytes have been read, and of how many; `may_be_link` as for the file store."""
        self.root = root
        self.now = now
        self.sessions = os.path.join(root, "sessions")
        self.locks = os.path.join(self.sessions, ".locks")
        self.trash = os.path.join(root, "trash")
        self.backups = os.path.join(root, "backups")
        self.state = os.path.join(root, "state.toml")
        self.said: list[str] = []
        """What the storage told of while it repaired something."""
        self.storage = FileStore(root, lock_timeout=PATIENCE, notice=self.said.append, may_be_link=may_be_link)
        self.pointers = PointerFile(root, lock_timeout=PATIENCE, current_name=self.storage.po_name)
        self.index = Index(self.sessions)
        self.definitions = Definitions(root)
        self.quarantine = Quarantine(root, timestamp(now).replace("-", "").replace(":", ""))
        self.rows: dict[str, Row] = {}
        """What the index should have of each session that can be read."""
        self.size = 0
        """The bytes of what will be read."""
        self._read = 0
        self._progress = progress

    def path(self, id: str) -> str:
        """Return where a session's file is, or would be."""
        return os.path.join(self.sessions, f"{id}.json")

    def read(self, path: str) -> bytes:
        """Return a file's bytes, and tell of the progress. Raises as `atomic.read` does."""
        data = atomic.read(path)
        self.have_read(len(data))
        return data

    def have_read(self, size: int) -> None:
        """Tell that so many bytes more have been read."""
        self._read += size
        self._progress(self._read, max(self._read, self.size))

    def row(self, id: str) -> Row | None:
        """Return what the index should have of a session, read while nobody writes it; None if it is not there.

        Raises Busy, Unreadable.
        """
        path = self.path(id)
        try:
            with locks.locked(path, timeout=0, flags=os.O_RDONLY, shared=True) as fd:
                about, tail = os.fstat(fd), appending.read_tail(fd)
                summary = tail.summary if tail else None
                if summary is None:
                    summary = parsing.parse(atomic.read_all(fd, path), path).session.summary()
        except FileNotFoundError:
            return None
        return to_row(summary, about.st_size, about.st_ino)

    def moved_away(self, path: str, about: os.stat_result, *, way_back: str | None = None) -> Repair:
        """Return the repair that moves what is at `path` to the quarantine, unless it is another thing by then."""

        def do() -> str:
            self.check_same(path, about)
            return self.moved(self.quarantine.take(path), way_back=way_back)

        return Repair("It will be moved to the quarantine.", do)

    def moved(self, target: str, *, way_back: str | None) -> str:
        """Return the sentence that something was moved to `target`, with advice if what it holds can be brought in."""
        if way_back is None:
            return f"Moved to {target}."
        advice = Advice("moved_session", path=target, lacks_owner=way_back == WITH_OWNER)
        return Advised(f"Moved to {target}.", advice)

    def check_same(self, path: str, about: os.stat_result) -> None:
        """Raise Conflict if a file is not the one, or not as it was; FileNotFoundError if it has gone."""
        there = folders.lstat(path)
        if (there.st_ino, there.st_dev, there.st_size, there.st_mtime_ns) != (
            about.st_ino,
            about.st_dev,
            about.st_size,
            about.st_mtime_ns,
        ):
            raise Conflict(f"{path} has changed since.", advice=Advice("examine_again"))

    def prompt_objects(self) -> str | None:
        """Return the directory of the prompt objects; None if it is a link: what is behind one is left as it is."""
        path = os.path.join(self.root, "objects")
        return None if os.path.islink(path) else path

    def listed(self, path: str) -> Generator[Finding, None, list[Entry]]:
        """Return what is in a directory, which need not be there; yield a finding if that cannot be told."""
        try:
            return [Entry(name, os.path.join(path, name)) for name in sorted(folders.names(path))]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except ForeignDirectory as error:
            yield from foreign(error)
            return []
        except OSError as error:
            message = f"{path} cannot be read: {error.strerror}."
            yield Finding("unreadable", path, message, advice=Advice("look_at_owner"))
            return []


def is_gone(path: str) -> bool:
    """Tell whether it is sure that nothing is at a path."""
    try:
        folders.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        pass
    return False


def busy(path: str, error: Busy) -> Finding:
    """Return the remark that something could not be looked at since another process holds it."""
    advice = Advice("examine_when_done")
    return Finding("busy", path, f"{path} was not examined: {error}", fault=False, advice=advice)


def foreign(error: ForeignDirectory) -> Iterator[Finding]:
    """Yield the finding for a directory that is not used; `layout` finds what is not a directory."""
    is_link = os.path.islink(error.path)
    if is_link or os.path.isdir(error.path):
        yield Finding("symlink" if is_link else "owner", error.path, str(error), advice=error.advice)
