"""Session stores: the protocol they share and the table of kinds.

A store keeps sessions. It knows nothing of prompt objects or models, and what time
it is only from what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from po_sessions.session import End, Message, Session, SessionSummary

if TYPE_CHECKING:
    from po_sessions.storage.records import Backup, SessionStat, TrashEntry

Notice = Callable[[str], None]
"""Takes one sentence about something that a user should know and that is no failure."""

Watch = Callable[[str, Collection[str]], Iterable[str]]
"""Takes what is being done, as a label, and the ids to do it to; gives them back, and may show how far that got."""


class SessionStorage(Protocol):
    """What every store can do. Methods raise WriteFailed if a change could not be made; then nothing has changed."""

    def create(self, session: Session) -> SessionSummary:
        """Add a session. Raises Conflict if its id is taken."""

    def load(self, id: str) -> Session:
        """Return a session with its history. Raises SessionNotFound, Unreadable."""

    def reading(self, id: str) -> AbstractContextManager[Session]:
        """Open a session, as it is now, whose history a store may read only when it is looked at, each time anew.

        Good inside the block. Raises SessionNotFound, Unreadable; so does looking at the history.
        """

    def summary(self, id: str) -> SessionSummary:
        """Return a session without its history. Raises SessionNotFound, Unreadable."""

    def append(self, id: str, message: Message, *, after: End | None = None) -> SessionSummary:
        """Add one message at the end, durably; return the session as it is then.

        `after` is how the session has to end, looked at in the same step as the message is added. Raises
        SessionNotFound, Busy, Unreadable (NewerVersion); Conflict if it ends otherwise, and then it is left as it is.
        """

    def update(self, id: str, change: Callable[[Session], Session]) -> SessionSummary:
        """Replace a session by what `change` makes of it, durably and as one step; it may add messages.

        Raises SessionNotFound, Busy, Unreadable (NewerVersion), and what `change` raises.
        """

    def about(self, id: str) -> SessionStat:
        """Return what there is to know of a session but its messages. Raises SessionNotFound, Unreadable."""

    def delete(self, id: str, now: str, verb: str = "delete") -> str:
        """Move a session to the trash; return the entry's id. Raises SessionNotFound, Busy.

        A store that keeps a log of what was taken away names `verb` there; so do the methods below.
        """

    def purge(self, id: str, now: str, verb: str = "delete") -> None:
        """Remove a session and its backups for good. Raises SessionNotFound, Busy."""

    def cut(self, id: str, start: int, end: int, now: str) -> tuple[SessionSummary, str]:
        """Move the messages of a session from number `start` (from 0) on, before `end`, to the trash.

        Return the session, and the entry's id. Raises SessionNotFound, Busy, Unreadable (NewerVersion).
        """

    def prompt_objects(self) -> AbstractContextManager[object]:
        """Hold the files of the prompt objects: nobody else makes, renames or deletes one. Raises Busy.

        Held before the names, never while they are held.
        """

    def rename_po(
        self, old: str, new: str, move: Callable[[str, str], None], check: Callable[[], None] = lambda: None
    ) -> None:
        """Give a prompt object another name in all its sessions; `move` does so for the rest.

        `check` is called first, when nobody else renames a prompt object or makes a session. Once begun it is finished,
        by this call or by `resume_rename`, and until then `new` is what is read. `move` changes nothing if it raises a
        PoError other than Unfinished, and may be called again after it was cut anywhere. Raises Busy, and what `check`
        and `move` raise.
        """

    def po_name(self, po_name: str) -> str:
        """Return what a prompt object is called now: another name while it is being renamed."""

    def resume_rename(self, move: Callable[[str, str], None]) -> None:
        """Finish a renaming that was interrupted, unless another process is at it; cheap where there is none."""

    def trash(self) -> list[TrashEntry]:
        """Return what is in the trash, newest first."""

    def trashed(self, entry_id: str) -> Session:
        """Return the session, or the undone messages as one, of an entry. Raises NotFound, Unreadable."""

    def trash_entry(self, entry_id: str) -> TrashEntry:
        """Return one of what is in the trash. Raises NotFound."""

    def trash_held(self, entry_id: str) -> AbstractContextManager[object]:
        """Hold an entry, so that nobody else restores, removes or renames it. Raises NotFound, Busy."""

    def restore(self, entry_id: str, name: str | None = None) -> None:
        """Put a deleted session back as it was, damaged or not, or with another name; the entry stays.

        Whoever calls this holds the entry. Raises NotFound, Unreadable, Conflict.
        """

    def discard(self, entry_id: str) -> None:
        """Remove an entry from the trash for good. Raises NotFound."""

    def trash_names(self, before: str | None = None) -> list[str]:
        """Return the names of what the store put into the trash; if given, of what came `before` then.

        Raises Unreadable.
        """

    def trash_others(self) -> list[str]:
        """Return the names of what others put into the trash, which stays there. Raises Unreadable."""

    def empty_trash(self, now: str, before: str | None = None) -> list[str]:
        """Remove for good what `trash_names` tells, and the backups of a session with its last trace; return the names.

        Raises Unreadable.
        """

    def back_up(self, id: str, now: str) -> Backup:
        """Copy a session as it is. Raises SessionNotFound, Busy, Unreadable."""

    def backup_ids(self, session_id: str | None = None) -> list[str]:
        """Return the ids of the backups, of one session if given, newest first; none is opened. Raises Unreadable."""

    def backups(self, session_id: str | None = None) -> list[Backup]:
        """Return the backups, of one session if given, newest first. Raises Unreadable."""

    def backed_up(self, backup_id: str) -> Session:
        """Return the session that a backup holds. Raises NotFound, Unreadable."""

    def discard_backup(self, backup_id: str) -> None:
        """Remove a backup for good. Raises NotFound."""

    def put_back(self, backup_id: str, po_name: str, now: str) -> tuple[SessionSummary, str | None]:
        """Put a session back to what a backup holds, as `po_name`'s, as one step; the backup stays.

        What was there, readable or not, goes to the trash. Return the session, and the trash entry's id if there was
        one. Raises NotFound, Unreadable (NewerVersion), Busy.
        """

    def summaries(
        self, *, po_name: str | None = None, name: str | None = None, beginning: str = ""
    ) -> Iterator[SessionSummary]:
        """Yield the sessions, of one prompt object and with one name if given; newest turn first, ties by id.

        Those whose name has this `beginning` are found without a look at all others. Raises Unreadable if no other than
        a session that cannot be read has this name of this prompt object.
        """

    def taken_names(self, po_name: str, beginning: str = "") -> set[str]:
        """Return the names of a prompt object's sessions, those with this beginning, also of damaged ones."""

    def weighed(self, po_name: str | None = None) -> Iterator[tuple[SessionSummary, int]]:
        """Yield the sessions as `summaries` does, each with the bytes that it takes."""

    def ids_matching(self, fragment: str) -> list[str]:
        """Return the ids that begin or end with `fragment`, whatever its case."""

    def turn(self, id: str, verb: str, *, wait: bool = True) -> AbstractContextManager[object]:
        """Hold a session for one turn, so that turns follow each other. `verb` tells others what for.

        Raises Busy, with the owner, after the store's lock time-out; at once if it is not to `wait`.
        """

    def turn_owner(self, id: str) -> str | None:
        """Return who holds a session for a turn now, or None."""

    def names(self) -> AbstractContextManager[object]:
        """Hold the names, from looking one up to giving it to a session. Raises Busy."""

    def path(self, id: str) -> str | None:
        """Return the file that holds a session, or None if the store has no files. Raises SessionNotFound."""

    def refresh(self) -> None:
        """Look at every session for what other programs may have changed; worth it before saying "not found"."""

    def settle(self) -> None:
        """Do what the changes since the last call left to do; cheap where there is nothing, and never fails."""


_TABLE = {
    "files": "po_sessions.storage.files.store:FileStorage",
    "memory": "po_sessions.storage.memory:MemoryStorage",
}


def open_storage(kind: str, **arguments: Any) -> SessionStorage:
    """Return a store of this kind (`files` or `memory`), imported now, made with `arguments`."""
    module, _, name = _TABLE[kind].partition(":")
    made: SessionStorage = getattr(import_module(module), name)(**arguments)
    return made
