"""All sessions of a directory: the index, never trusted blindly, brought in step with what the files say.

Other programs put files there, take them away and replace them: editors, sync clients, `cp`. The directory tells that
files came or went; a file's size and inode tell that it is not the one its row was taken from.
"""

from __future__ import annotations

import os
from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from po_sessions.errors import PoError, SessionNotFound, Unreadable
from po_sessions.session import is_session_id
from po_sessions.storage import Notice, Watch, locks
from po_sessions.storage.index import Index, IndexDamaged, Row, sort_key


class Catalogue:
    """The rows of all sessions in one directory."""

    def __init__(self, path: str, index: Index, read_row: Callable[[str], Row], notice: Notice, watch: Watch) -> None:
        """`read_row` makes a row from a session's file; `notice` hears of what is no readable session.

        `watch` is given what takes long where there are many sessions.
        """
        self._path = path
        self._directory = index.directory
        self._index = index
        self._read_row = read_row
        self._notice = notice
        self._watch = watch
        self._noticed: set[str] = set()

    def rows(self, needle: bytes = b"") -> Iterator[Row]:
        """Yield the rows, newest turn first, compared with their files; with `needle`, at least those that hold it."""
        if not os.path.isdir(self._path):
            return
        self.look()
        yielded = set()
        older: list[Row] = []
        for row in self._indexed(needle):
            while older and sort_key(older[-1]) > sort_key(row):
                yield older.pop()
            fresh = self._checked(row)
            if fresh is None or row["id"] in yielded:
                continue
            yielded.add(row["id"])
            if sort_key(fresh) < sort_key(row):  # the turn that its row tells of was never written whole
                insort(older, fresh, key=sort_key)
            else:
                yield fresh
        yield from reversed(older)

    def ids_matching(self, fragment: str) -> list[str]:
        """Return the ids of the session files that begin or end with `fragment`, whatever its case."""
        ends = fragment.upper(), fragment.lower()
        ids = (entry.name.removesuffix(".json") for entry in self._entries())
        return sorted(id for id in ids if (id.startswith(ends) or id.endswith(ends)) and is_session_id(id))

    def look(self, *, closely: bool = False) -> None:
        """Bring the index in step if files came or went, or the machine was restarted; `closely`, whatever happened.

        Tells of all that is no readable session.
        """
        if not os.path.isdir(self._path):
            return
        known = None if closely else self._directory.known()
        if known:
            for sentence in known.strange:
                self._tell(sentence)
            self._take_in(known.unread)
        else:
            self._look(sizes=closely)

    def _look(self, *, sizes: bool = False, anew: bool = False) -> None:
        """Compare the index with all files, or make it `anew`."""
        look, sizes = self._directory.begin_look(sizes=sizes)
        inodes, strange = self._scan()
        for sentence in strange:
            self._tell(sentence)
        try:
            if anew:
                raise IndexDamaged
            changed, gone = self._compare(inodes, sizes=sizes)
        except IndexDamaged:
            unread = self._rebuild()
        else:
            unread = self._take_in(self._watch("Reading what changed", changed))
            self._drop(gone)
        if unread is not None:
            self._directory.end_look(look, strange, unread)

    def _compare(self, inodes: dict[str, int], *, sizes: bool) -> tuple[list[str], list[str]]:
        """Return the ids of the files that are not as the index has them, and of the rows without a file.

        `inodes` are those of all files, and used up. Raises IndexDamaged.
        """
        changed, gone = [], []
        for id, size, inode in self._index.files():
            there = inodes.pop(id, None)
            if there is None:
                gone.append(id)
            elif there != inode or (sizes and self._size(id) != size):
                changed.append(id)
        return [*changed, *inodes], gone

    def _drop(self, ids: list[str]) -> None:
        """Take rows without a file out of the index, when no session is between its row and its file."""
        if ids:
            with suppress(PoError), self._directory.going(timeout=0):
                for id in ids:
                    if self._stat(id) is None:
                        self._index.record_removal(id)

    def settle(self) -> None:
        """Fold the index if it is worth it, or make it anew; whatever goes wrong, the command has been done."""
        with suppress(Exception):
            if self._index.needs_folding():
                try:
                    self._index.fold()
                except IndexDamaged:
                    self._look(anew=True)

    def _indexed(self, needle: bytes) -> Iterator[Row]:
        try:
            yield from self._index.rows(needle)
            return
        except IndexDamaged:
            self._look(anew=True)
        try:
            yield from self._index.rows(needle)
        except IndexDamaged:  # it cannot be written, or it is its log that is damaged
            yield from sorted(self._read_all([]), key=sort_key, reverse=True)

    def _checked(self, row: Row) -> Row | None:
        """Return the row if its file is still the one it was taken from, a new row if not, None if there is none."""
        about = self._stat(row["id"])
        if about is None:
            with suppress(OSError, IndexDamaged):
                if not self._index.has_removed(row["id"]):  # not gone this moment: the index is of another store
                    self._directory.forget()
            return None
        if (about.st_size, about.st_ino) == (row["size"], row["inode"]):
            return row
        try:
            fresh = self._read_row(row["id"])
        except SessionNotFound:
            return None
        except PoError as error:
            self._tell(str(error))
            return None
        self._keep(row["id"])
        return fresh

    def _keep(self, id: str) -> bool:
        """Put into the index what a session's file says, read while nobody writes to it; tell whether that went well.

        Whoever does write to it puts a newer row there anyway; an older one behind that would be believed.
        """
        path = os.path.join(self._path, id + ".json")
        with suppress(PoError, OSError), locks.locked(path, timeout=0, flags=os.O_RDONLY, shared=True):
            self._index.record(self._read_row(id), timeout=0)
            return True
        return False

    def _take_in(self, ids: Iterable[str]) -> list[str]:
        """Put into the index what these files say; return the ids of those that could not be read, or kept."""
        unread: list[str] = []
        for id in ids:
            if self._read(id, unread) and not self._keep(id):
                unread.append(id)
        return unread

    def _rebuild(self) -> list[str] | None:
        """Make the index anew; return the ids of the files that could not be read, None if it could not be made."""
        unread: list[str] = []
        with suppress(PoError, FileNotFoundError):
            if self._index.rebuild(lambda: self._read_all(unread)):
                return unread
        return None

    def _read_all(self, unread: list[str]) -> Iterator[Row]:
        for id in self._watch("Reading the sessions", self._scan()[0]):
            yield from self._read(id, unread)

    def _read(self, id: str, unread: list[str]) -> list[Row]:
        """Return a session's row, none if it went or cannot be read; the latter is told, and its id is `unread`."""
        try:
            return [self._read_row(id)]
        except SessionNotFound:
            return []
        except PoError as error:
            self._tell(str(error))
            unread.append(id)
            return []

    def _scan(self) -> tuple[dict[str, int], list[str]]:
        """Return the inodes of all session files by id, and sentences about files that look like one and are not."""
        inodes: dict[str, int] = {}
        strange: list[str] = []
        for entry in self._entries():
            id = entry.name.removesuffix(".json")
            if is_session_id(id):
                inodes[id] = entry.inode()
            elif id != "index" and not id.startswith("."):
                strange.append(
                    f"{entry.path} is not named like a session; is it a sync client's copy? 'po doctor' tells."
                )
        return inodes, strange

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        """Yield the directory's entries that end in `.json`. Raises Unreadable."""
        try:
            with os.scandir(self._path) as entries:
                yield from (entry for entry in entries if entry.name.endswith(".json"))
        except FileNotFoundError:
            return
        except OSError as error:
            raise Unreadable(f"Cannot read {self._path}: {error.strerror}.", hint="Look at its permissions.") from error

    def _stat(self, id: str) -> os.stat_result | None:
        try:
            return os.stat(os.path.join(self._path, id + ".json"), follow_symlinks=False)
        except OSError:
            return None

    def _size(self, id: str) -> int:
        about = self._stat(id)
        return -1 if about is None else about.st_size

    def _tell(self, sentence: str) -> None:
        if sentence not in self._noticed:
            self._noticed.add(sentence)
            self._notice(sentence)
