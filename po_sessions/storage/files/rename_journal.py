"""`sessions/.rename`: a prompt object that is being given another name, until all its sessions have it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from po_sessions import atomic, bounded, folders, locks
from po_sessions.errors import Advice, Busy, InvalidInput, PoError, Unfinished, Unreadable
from po_sessions.names import check_po_name
from po_sessions.storage import Notice
from po_sessions.text.strict_json import dumps, loads

Move = Callable[[str, str], None]
"""Gives what is named like the first the name of the second."""


class Renaming:
    """What the file says; it is there from the beginning of a renaming to its end, however often that is cut."""

    def __init__(
        self,
        sessions: str,
        *,
        timeout: float,
        notice: Notice,
        prepare: Callable[[], None],
        names: Callable[[], AbstractContextManager[object]],
        carry: Move,
    ) -> None:
        """`sessions` is the directory of the sessions, `timeout` in seconds for each lock.

        `prepare` makes the directories, `names` holds the names of all sessions, `carry` renames in all that is stored.
        """
        self._path = os.path.join(sessions, ".rename")
        self._lock = os.path.join(sessions, ".locks", "rename")
        self._timeout = timeout
        self._notice = notice
        self._prepare = prepare
        self._names = names
        self._carry = carry

    def names(self) -> tuple[str, str] | None:
        """Return the old and the new name, or None if nothing is being renamed. Raises Unreadable."""
        try:
            said = loads(bounded.read(self._path))
            return check_po_name(said["old"]), check_po_name(said["new"])  # both become the names of files
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, InvalidInput):
            raise Unreadable(f"{self._path} cannot be read.", advice=Advice("journal_unreadable")) from None

    def now(self, po_name: str) -> str:
        """Return what a prompt object is called now. Raises Unreadable."""
        old, new = self.names() or ("", "")
        return new if po_name == old else po_name

    def alone(self) -> AbstractContextManager[object]:
        """Keep others from making, renaming and deleting prompt objects; taken before the names. Raises Busy."""
        self._prepare()
        busy = "The prompt objects are in use by another process."
        return locks.locked(self._lock, timeout=self._timeout, busy=lambda: busy)

    def run(self, old: str, new: str, move: Move, check: Callable[[], None]) -> None:
        """Give a prompt object another name everywhere. Raises Busy, and what `check` and `move` raise."""
        with self.alone():
            self._finish(move)
            with self._names():  # whoever makes a session now has done so, or will see the new name
                check()
                try:
                    atomic.create(self._path, dumps({"version": 1, "old": old, "new": new}) + b"\n")
                    move(old, new)
                except Unfinished:
                    raise
                except PoError:
                    with suppress(PoError):
                        self._end()
                    raise
            try:
                self._finish(lambda *_: None)
            except PoError as error:
                error.advice = Advice("rename_unfinished", old=old, new=new)
                raise

    def resume(self, move: Move) -> None:
        """Finish a renaming that was interrupted, unless another process is at it; tell of it."""
        if (names := self.names()) is None:
            return
        try:
            self._prepare()
            with locks.locked(self._lock, timeout=0):
                if self.names() is None:
                    return  # its process was alive, and has finished
                self._finish(move)
        except Busy:
            return
        except PoError as error:
            self._notice(f"{names[0]} is being renamed to {names[1]}, which cannot be finished yet: {error}")
        else:
            self._notice(f"Finished renaming {names[0]} to {names[1]}, which had been interrupted.")

    def _finish(self, move: Move) -> None:
        if (names := self.names()) is not None:
            move(*names)
            self._carry(*names)
            self._end()

    def _end(self) -> None:
        with atomic.writing(self._path):
            folders.unlink(self._path)
        atomic.sync_dir(os.path.dirname(self._path))
