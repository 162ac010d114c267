"""All sessions of a directory: the index, never trusted blindly, brought in step with what the files say.

Other programs put files there, take them away and replace them: editors, sync clients, `cp`. The directory tells that
files came or went; a file's size, inode and change time tell that it is not as it was when its row was taken from it.
A file that cannot be read has a row too: it is not read again until it changes, and its session keeps its name.
"""

from __future__ import annotations

import os
import time
from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from po_sessions import folders, locks
from po_sessions.errors import Advice, Advised, Busy, PoError, SessionNotFound, Unreadable
from po_sessions.layout.index import Damaged, is_of, sort_key
from po_sessions.names import is_session_id
from po_sessions.storage import Notice, Watch
from po_sessions.storage.files.index import Index, Row
from po_sessions.storage.files.publish import TOTALS, why_damaged

_KEPT = ("name", "po_name", "created_at", "updated_at")
"""What is kept of a session whose file is damaged."""


class Catalogue:
    """The rows of all sessions in one directory."""

    def __init__(self, path: str, index: Index, read_row: Callable[[str], Row], notice: Notice, watch: Watch) -> None:
        """`read_row` makes a row from a file, also from a damaged one; `notice` hears of what is no readable session.

        `watch` is given what takes long where there are many sessions.
        """
        self._path = path
        self._directory = index.directory
        self._index = index
        self._read_row = read_row
        self._notice = notice
        self._watch = watch
        self._noticed: set[str] = set()
        self._last: dict[str, Row] | None = None
        self._busy: set[str] = set()

    def rows(self, needle: bytes = b"", *, complete: bool = False) -> Iterator[Row]:
        """Yield the rows, newest turn first, compared with their files; with `needle`, at least those that hold it.

        With `complete`, those of earlier versions are read again from their files, each once, and kept: they lack keys.
        Those of damaged files are told.
        """
        if not folders.is_dir(self._path):
            return
        self.look()
        yielded = set()
        older: list[Row] = []
        for row in self._indexed(needle):
            while older and sort_key(older[-1]) > sort_key(row):
                yield older.pop()
            fresh = self._checked(row, complete=complete)
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
        ids = (name.removesuffix(".json") for name, _ in self._entries())
        return sorted(id for id in ids if (id.startswith(ends) or id.endswith(ends)) and is_session_id(id))

    def known(self, id: str, about: os.stat_result) -> Row | None:
        """Return the row that the index has of a file as it is now, if it has one."""
        with suppress(Damaged):
            rows = self._index.rows(b'"id":"' + id.encode())
            return next((row for row in rows if row["id"] == id and is_of(row, about)), None)
        return None

    def look(self, *, closely: bool = False) -> None:
        """Bring the index in step if files came or went, or the machine was restarted; `closely`, whatever happened.

        Tells of all that is no readable session.
        """
        if not folders.is_dir(self._path):
            return
        known = None if closely else self._directory.known()
        if known:
            for sentence in known.strange:
                self._tell(sentence)
            self._take_in(known.unread)
        else:
            self._look(closely=closely)

    def look_for_edits(self) -> None:
        """Look closely, if that was not done lately: before a name is given, since a file may have been given it."""
        if not self._directory.has_compared():
            self._look(closely=True)

    def _look(self, *, closely: bool = False, anew: bool = False) -> None:
        """Compare the index with all files, or make it `anew`."""
        if anew:
            with suppress(PoError):
                self._index.drop_large_logs()
        compared: float | None
        look, closely = self._directory.begin_look(closely=closely)
        inodes, strange = self._scan()
        for sentence in strange:
            self._tell(sentence)
        try:
            if anew:
                raise Damaged
            changed, gone = self._compare(inodes, closely=closely)
        except Damaged:
            unread, compared = self._rebuild(), 0.0
            if unread is None:
                return
            # The log overrides what was read, and may tell of changes that a power cut took.
            with suppress(Damaged):
                changed, gone = self._compare(self._scan()[0], closely=True)
                unread = list(dict.fromkeys([*unread, *self._take_in(changed)]))
                self._drop(gone)
        else:
            compared = time.monotonic() - look.at if closely else None
            unread = self._take_in(self._watch("Reading what changed", changed))
            self._drop(gone)
        self._directory.end_look(look, strange, unread, compared=compared)

    def _compare(self, inodes: dict[str, int], *, closely: bool) -> tuple[list[str], list[str]]:
        """Return the ids of the files that are not as the index has them, or are damaged, and of rows without a file.

        `inodes` are those of all files, and used up. Raises Damaged.
        """
        changed, gone = [], []
        for row in self._index.files():
            id = row["id"]
            there = inodes.pop(id, None)
            if there is None:
                gone.append(id)
            elif there != row["inode"] or row["size"] < 0 or (closely and ("written" in row or not self._is_of(row))):
                changed.append(id)  # one that was written before its file may tell of what a power cut took
        return [*changed, *inodes], gone

    def _drop(self, ids: list[str]) -> None:
        """Take rows without a file out of the index, when no session is between its row and its file."""
        if ids:
            with suppress(PoError), self._directory.going(timeout=0) as alone:
                for id in ids if alone else ():
                    if self._stat(id) is None:
                        self._index.record_removal(id)

    def settle(self) -> None:
        """Fold the index if it is worth it, or make it anew; whatever goes wrong, the command has been done.

        After a change, confirm that the index is up to date, so that the next listing can believe it.
        """
        with suppress(Exception):
            if self._index.needs_folding():
                try:
                    self._index.fold()
                except Damaged:
                    self._look(anew=True)
            if self._index.has_changed and self._directory.is_to_be_looked_at():
                self._confirm()

    def _confirm(self) -> None:
        """Look at all files, and keep the look if the index is up to date; reading and reporting is for a listing."""
        look, closely = self._directory.begin_look(closely=False)
        inodes, strange = self._scan()
        if not strange and self._compare(inodes, closely=closely) == ([], []):
            compared = time.monotonic() - look.at if closely else None
            self._directory.end_look(look, [], [], compared=compared)

    def _indexed(self, needle: bytes) -> Iterator[Row]:
        try:
            yield from self._index.rows(needle)
            return
        except Damaged:
            self._look(anew=True)
        try:
            yield from self._index.rows(needle)
        except Damaged:  # it cannot be written, or it is its log that is damaged
            yield from sorted(self._read_all([]), key=sort_key, reverse=True)

    def _checked(self, row: Row, *, complete: bool) -> Row | None:
        """Return the row if its file is still the one it was taken from, a new row if not, None if there is none."""
        about = self._stat(row["id"])
        if about is None:
            with suppress(OSError, Damaged):
                if not self._index.has_removed(row["id"]):  # not gone this moment: the index is of another store
                    self._directory.forget()
            return None
        if is_of(row, about) and (TOTALS in row or not complete):
            return self._told(row)
        try:
            return self._told(self._taken_in(row["id"], lambda: row)[0])
        except SessionNotFound:
            return None
        except PoError as error:
            return self._told({**row, "damaged": str(error)})

    def _taken_in(self, id: str, last: Callable[[], Row | None]) -> tuple[Row, bool]:
        """Return what the index should have of a session, and whether it has it now.

        It gets it if nobody writes to the file: who does puts a newer row there anyway, and an older one behind that
        would be believed. A damaged file that does not tell its name has that of its `last` row. Raises
        SessionNotFound, Unreadable.
        """
        path = self._file(id)
        try:
            if id in self._busy:
                raise Busy(id)
            with locks.locked(path, timeout=0, flags=os.O_RDONLY, shared=True):
                row = _with_name(self._read_row(id), last)
                with suppress(PoError, OSError):
                    self._index.record(row)
                    return row, True
                return row, False
        except Busy:
            self._busy.add(id)  # so that a process that was stopped costs one short wait, not one a look
        except (PoError, OSError):
            pass
        return _with_name(self._read_row(id), last), False

    def _take_in(self, ids: Iterable[str]) -> list[str]:
        """Put into the index what these files say; return the ids of those that are damaged, or could not be kept."""
        unread: list[str] = []
        known: dict[str, Row] | None = None
        self._last = None
        for id in ids:
            if known is None:
                known = self._damaged()
            if id in known and self._is_of(known[id]):
                self._told(known[id])
                unread.append(id)
                continue
            try:
                row, kept = self._taken_in(id, lambda: self._last_row(id))  # noqa: B023
            except SessionNotFound:
                continue
            except PoError as error:
                self._tell(str(error))
                unread.append(id)
                continue
            if "damaged" in self._told(row) or not kept:
                unread.append(id)
        return unread

    def _damaged(self) -> dict[str, Row]:
        """Return what the index has of damaged files."""
        with suppress(Damaged):
            return {row["id"]: row for row in self._index.rows(b'"damaged":') if "damaged" in row}
        return {}

    def _last_row(self, id: str) -> Row | None:
        """Return the row that the index has of a session, whatever has become of its file."""
        if self._last is None:
            self._last = {}
            with suppress(Damaged):
                for row in self._index.rows():
                    self._last[row["id"]] = {key: row[key] for key in _KEPT}
        return self._last.get(id)

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
        """Return a session's row, none if it went or may not be read; if not sound, it is told, and its id `unread`."""
        try:
            row = self._told(_with_name(self._read_row(id), lambda: self._last_row(id)))
        except SessionNotFound:
            return []
        except PoError as error:
            self._tell(str(error))
            unread.append(id)
            return []
        if "damaged" in row:
            unread.append(id)
        return [row]

    def _scan(self) -> tuple[dict[str, int], list[str]]:
        """Return the inodes of all session files by id, and sentences about files that look like one and are not."""
        inodes: dict[str, int] = {}
        strange: list[str] = []
        for name, inode in self._entries():
            id = name.removesuffix(".json")
            if is_session_id(id):
                inodes[id] = inode
            elif id != "index" and not id.startswith("."):
                path = os.path.join(self._path, name)
                message = f"{path} is not named like a session; is it a sync client's copy?"
                strange.append(Advised(message, Advice("strange_file")))
        return inodes, strange

    def _entries(self) -> Iterator[tuple[str, int]]:
        """Yield the names that end in `.json` in the directory, with the inodes. Raises Unreadable."""
        try:
            yield from (entry for entry in folders.inodes(self._path) if entry[0].endswith(".json"))
        except FileNotFoundError:
            return
        except OSError as error:
            raise Unreadable(
                f"Cannot read {self._path}: {error.strerror}.", advice=Advice("look_at_permissions")
            ) from error

    def _stat(self, id: str) -> os.stat_result | None:
        try:
            return folders.lstat(self._file(id))
        except OSError:
            return None

    def _is_of(self, row: Row) -> bool:
        about = self._stat(row["id"])
        return about is not None and is_of(row, about)

    def _told(self, row: Row) -> Row:
        """Return a row; if it is that of a damaged file, tell of it."""
        if "damaged" in row:
            self._tell(why_damaged(row, self._file(row["id"])))
        return row

    def _file(self, id: str) -> str:
        return os.path.join(self._path, id + ".json")

    def _tell(self, sentence: str) -> None:
        if sentence not in self._noticed:
            self._noticed.add(sentence)
            self._notice(sentence)


def _with_name(row: Row, last: Callable[[], Row | None]) -> Row:
    """Return the row of a damaged file that does not tell its name with that of the last one."""
    if "damaged" in row and not row["name"] and (before := last()):
        return {**row, **{key: before[key] for key in _KEPT}}
    return row
