"""All sessions of a directory: the index, never trusted blindly, brought in step with what the files say.

Other programs put files there, take them away and replace them: editors, sync clients, `cp`. The directory's time tells
that files came or went; a file's size and inode tell that it is not the one its row was taken from.
"""

from __future__ import annotations

import os
from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from po_sessions.errors import PoError, SessionNotFound, Unreadable
from po_sessions.json_text import dumps, loads
from po_sessions.session import is_session_id
from po_sessions.storage import Notice, atomic, locks
from po_sessions.storage.index import Index, IndexDamaged, Row, sort_key

_SETTLED_NS = 2_000_000_000
"""A directory's time is believed if it was looked at this long after it: two changes can fall into one tick."""


class Catalogue:
    """The rows of all sessions in one directory."""

    def __init__(self, directory: str, index: Index, read_row: Callable[[str], Row], notice: Notice) -> None:
        """`read_row` makes a row from a session's file; `notice` hears of what is no readable session."""
        self._directory = directory
        self._seen = os.path.join(directory, ".locks", "seen")
        self._index = index
        self._read_row = read_row
        self._notice = notice
        self._noticed: set[str] = set()

    def rows(self, needle: bytes = b"") -> Iterator[Row]:
        """Yield the rows, newest turn first, compared with their files; with `needle`, at least those that hold it."""
        if not os.path.isdir(self._directory):
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

    def ids(self) -> list[str]:
        """Return the ids of all session files."""
        return list(self._scan()[0])

    def look(self, *, closely: bool = False) -> None:
        """Bring the index in step if files came or went, or the machine was restarted; `closely`, whatever happened.

        Tells of all that is no readable session.
        """
        if not os.path.isdir(self._directory):
            return
        with suppress(PoError):
            atomic.make_dir(os.path.dirname(self._seen))  # first, since it changes the directory's time
        mtime = os.stat(self._directory).st_mtime_ns
        boot = _boot_id()
        seen = self._read_seen()
        if seen and not closely and seen["mtime"] == mtime and seen["boot"] == boot:
            return
        # After a restart the log may miss its last lines, and what changed within the last look's tick is not known:
        # then every size is compared.
        problems = self._compare(sizes=closely or not seen or seen["boot"] != boot)
        with suppress(PoError):
            look = {"mtime": mtime, "boot": boot, "problems": problems}
            atomic.replace(self._seen, dumps(look), durable=False)
        for problem in problems:
            self._tell(problem)

    def settle(self) -> None:
        """Fold the index if it is worth it, or make it anew; whatever goes wrong, the command has been done."""
        with suppress(Exception):
            if self._index.needs_folding():
                try:
                    self._index.fold()
                except IndexDamaged:
                    self._rebuild([])

    def _indexed(self, needle: bytes) -> Iterator[Row]:
        try:
            yield from self._index.rows(needle)
        except IndexDamaged:
            yield from sorted(self._rebuild([]), key=sort_key, reverse=True)

    def _checked(self, row: Row) -> Row | None:
        """Return the row if its file is still the one it was taken from, a new row if not, None if there is none."""
        about = self._stat(row["id"])
        if about is None:
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
        self._keep([row["id"]])
        return fresh

    def _keep(self, ids: Iterable[str]) -> None:
        """Put into the index what these sessions' files say, each read again while nobody writes to it.

        Whoever does write to one puts a newer row there anyway; an older one behind that would be believed.
        """
        for id in ids:
            path = os.path.join(self._directory, id + ".json")
            with suppress(PoError, OSError), locks.locked(path, timeout=0, flags=os.O_RDONLY, shared=True):
                self._index.record(self._read_row(id), timeout=0)

    def _compare(self, *, sizes: bool) -> list[str]:
        """Put into the index what the files say; return what is wrong with those that cannot be read."""
        problems: list[str] = []
        try:
            known = {row["id"]: row for row in self._index.rows()}
        except IndexDamaged:
            self._rebuild(problems)
            return problems
        inodes, problems = self._scan()
        changed = []
        for id, inode in inodes.items():
            row = known.get(id)
            if row is None or row["inode"] != inode or (sizes and self._size(id) != row["size"]):
                changed += [fresh["id"] for fresh in self._read(id, problems)]
        self._keep(changed)
        with suppress(PoError):
            for id in known.keys() - inodes.keys():
                if self._stat(id) is None:
                    self._index.record_removal(id)
        return problems

    def _rebuild(self, problems: list[str]) -> list[Row]:
        """Make the index anew and return its rows, also where it cannot be written."""
        rows: list[Row] = []

        def read() -> list[Row]:
            rows[:] = self._read_all(problems)
            return rows

        with suppress(PoError, FileNotFoundError):
            self._index.rebuild(read)
        return rows or read()

    def _read_all(self, problems: list[str]) -> list[Row]:
        inodes, strange = self._scan()
        problems += strange
        return [row for id in inodes for row in self._read(id, problems)]

    def _read(self, id: str, problems: list[str]) -> list[Row]:
        """Return a session's row, none if it went or cannot be read; the latter is a problem."""
        try:
            return [self._read_row(id)]
        except SessionNotFound:
            return []
        except PoError as error:
            problems.append(str(error))
            return []

    def _scan(self) -> tuple[dict[str, int], list[str]]:
        """Return the inodes of all session files by id, and sentences about files that look like one and are not."""
        inodes: dict[str, int] = {}
        problems: list[str] = []
        try:
            with os.scandir(self._directory) as found:
                entries = list(found)
        except FileNotFoundError:
            return inodes, problems
        except OSError as error:
            raise Unreadable(
                f"Cannot read {self._directory}: {error.strerror}.", hint="Look at its permissions."
            ) from error
        for entry in entries:
            stem, ending = os.path.splitext(entry.name)
            if ending != ".json" or entry.name.startswith(".") or entry.name == "index.json":
                continue
            if is_session_id(stem):
                inodes[stem] = entry.inode()
            else:
                problems.append(f"{entry.path} is not named like a session; is it a sync client's copy?")
        return inodes, problems

    def _read_seen(self) -> dict[str, Any] | None:
        """Return what the last look at the directory saw, if it can be believed."""
        try:
            seen = loads(atomic.read(self._seen))
            looked = os.stat(self._seen).st_mtime_ns
            settled = looked - seen["mtime"] > _SETTLED_NS and isinstance(seen["boot"], str)
            # A file that could not be read may be mended in place, which the directory does not show.
            return seen if settled and seen["problems"] == [] else None
        except (OSError, Unreadable, ValueError, KeyError, TypeError):
            return None

    def _stat(self, id: str) -> os.stat_result | None:
        try:
            return os.stat(os.path.join(self._directory, id + ".json"), follow_symlinks=False)
        except OSError:
            return None

    def _size(self, id: str) -> int:
        about = self._stat(id)
        return -1 if about is None else about.st_size

    def _tell(self, sentence: str) -> None:
        if sentence not in self._noticed:
            self._noticed.add(sentence)
            self._notice(sentence)


def _boot_id() -> str:
    """Return what changes when the machine is restarted, where the system tells."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
