"""Session stores: the protocol they share and the table of kinds.

A store keeps sessions. It knows nothing of prompt objects or models, and what time
it is only from what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from po_sessions.changes import End
from po_sessions.message import Message
from po_sessions.session import Session, SessionRef, SessionSummary, id_of

if TYPE_CHECKING:
    from po_sessions.errors import Unreadable
    from po_sessions.storage.records import Backup, HeldTurn, SessionStat, TrashEntry

Notice = Callable[[str], None]
"""Takes one sentence about something that a user should know and that is no failure."""

Watch = Callable[[str, Collection[str]], Iterable[str]]
"""Takes what is being done, as a label, and the ids to do it to; gives them back, and may show how far that got."""

OnGap = Callable[[int, "Unreadable"], None]
"""Takes the number of a message that cannot be read, from 1, and the error that says where."""


class SessionStore(Protocol):
    """What every store can do. Methods raise WriteFailed if a change could not be made; then nothing has changed.

    What a store may lack are abilities: `Trash`, `Backups`, `Maintenance`, `LocalFiles`; see `ability`.
    """

    def create(self, session: Session) -> SessionSummary:
        """Add a session. Raises Conflict if its id is taken."""

    def head(self, id: str) -> SessionStat:
        """Return a session without its messages, read anew. Raises SessionNotFound, Unreadable."""

    def summary(self, id: str) -> SessionSummary:
        """Return what a list shows of a session. Raises SessionNotFound, Unreadable."""

    def reading(self, id: str, *, on_gap: OnGap | None = None) -> AbstractContextManager[Session]:
        """Open a session as it is now; a store may read its history when it is looked at, each time anew.

        Valid inside the block. With `on_gap` a gap stands for each message that cannot be read (`Message.gap`), and
        `on_gap` is told of it. Raises SessionNotFound, Unreadable; so does looking at the history.
        """

    def append(
        self, id: str, message: Message, *, after: End | None = None, turn: HeldTurn | None = None
    ) -> SessionSummary:
        """Add one message at the end, durably; return the session as it is then.

        `after` is how the session has to end, checked in the same step. `turn` is the turn that the message belongs to,
        which a store may use to refuse a holder whose time has run out. Raises SessionNotFound, Busy, Unreadable
        (NewerVersion); Conflict if the session ends otherwise, or `turn` does not hold it any more, and then it is left
        as it is.
        """

    def amend(self, id: str, change: Callable[[Session], Session]) -> SessionSummary:
        """Replace a session's header by what `change` makes of it, durably and as one step; its history stays.

        `change` is given the session without its history, and returns one without. Raises SessionNotFound, Busy,
        Unreadable (NewerVersion), and what `change` raises.
        """

    def purge(self, id: str, now: str, verb: str = "delete") -> None:
        """Remove a session and its backups for good. Raises SessionNotFound, Busy.

        A store that keeps a log of deletions writes `verb` to it; so do the methods of the trash.
        """

    def list(
        self,
        *,
        po_name: str | None = None,
        name: str | None = None,
        beginning: str = "",
        limit: int | None = None,
        complete: bool = False,
    ) -> Iterator[SessionSummary]:
        """Yield the sessions, of one prompt object and with one name if given; newest turn first, ties by id.

        `limit` is how many at most. With `complete`, each has its tags, its parent and its totals, which a store may
        have to read first. Those whose name has this `beginning` are found without a look at all others.
        Raises Unreadable if only a session that cannot be read has this name of this prompt object.
        """

    def find(self, fragment: str) -> Sequence[str]:
        """Return the ids that begin or end with `fragment`, whatever its case."""

    def taken_names(self, po_name: str, beginning: str = "") -> set[str]:
        """Return the names of a prompt object's sessions, those with this beginning, also of damaged ones."""

    def claim_name(self, po_name: str, *names: str) -> AbstractContextManager[str]:
        """Hold names, from looking them up to giving them to sessions; yield what the prompt object is called now.

        Raises Busy.
        """

    def turn(self, id: str, verb: str, *, wait: bool = True) -> AbstractContextManager[HeldTurn]:
        """Hold a session for one turn, so that turns follow each other. `verb` tells others what for.

        Raises Busy, with the owner, after the store's lock time-out; at once if it is not to `wait`.
        """

    def turn_owner(self, id: str) -> str | None:
        """Return who holds a session for a turn now, or None."""

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

    def close(self) -> None:
        """Write what the changes so far left to write, and let go of what is open; cheap where there is nothing.

        The store can be used again afterwards. Never fails.
        """


@runtime_checkable
class Trash(Protocol):
    """A store that keeps what is deleted or undone until the trash is emptied."""

    def delete(self, id: str, now: str, verb: str = "delete") -> str:
        """Move a session to the trash; return the entry's id. Raises SessionNotFound, Busy."""

    def cut(self, id: str, start: int, end: int, now: str) -> tuple[SessionSummary, str]:
        """Move the messages of a session from number `start` (from 0) on, before `end`, to the trash.

        Return the session, and the entry's id. Raises SessionNotFound, Busy, Unreadable (NewerVersion).
        """

    def trash(self) -> Sequence[TrashEntry]:
        """Return what is in the trash, newest first."""

    def trash_entry(self, entry_id: str) -> TrashEntry:
        """Return one of what is in the trash. Raises NotFound."""

    def trashed(self, entry_id: str) -> Session:
        """Return the session, or the undone messages as one, of an entry. Raises NotFound, Unreadable."""

    def restore(self, entry_id: str, change: Callable[[Session], Session] | None = None) -> SessionSummary:
        """Put what an entry holds back as a session and take it out of the trash, as one step; return the session.

        Without `change` it comes back as it was, damaged or not; with it, as what `change` makes of it. Raises
        NotFound, Busy, Unreadable, Conflict; WriteFailed with the session's id if it is back and the entry stays.
        """

    def restore_messages(self, entry_id: str) -> SessionSummary:
        """Add undone messages to the end of their session and take them out of the trash, as one step.

        Raises as `restore` does; SessionNotFound, Conflict if the session has gone or does not end where they began.
        """

    def discard(self, entry_id: str) -> None:
        """Remove an entry from the trash for good. Raises NotFound."""

    def trash_names(self, before: str | None = None) -> Sequence[str]:
        """Return the names of what the store put into the trash; if given, of what came `before` then.

        Raises Unreadable.
        """

    def trash_others(self) -> Sequence[str]:
        """Return the names of what others put into the trash, which stays there. Raises Unreadable."""

    def empty_trash(self, now: str, before: str | None = None) -> Sequence[str]:
        """Remove for good what `trash_names` tells, and the backups of a session with its last trace; return the names.

        Raises Unreadable.
        """


@runtime_checkable
class Backups(Protocol):
    """A store that keeps earlier copies of sessions."""

    def back_up(self, id: str, now: str) -> Backup:
        """Copy a session as it is. Raises SessionNotFound, Busy, Unreadable."""

    def backup_ids(self, session_id: str | None = None) -> Sequence[str]:
        """Return the ids of the backups, of one session if given, newest first; none is opened. Raises Unreadable."""

    def backups(self, session_id: str | None = None) -> Sequence[Backup]:
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


@runtime_checkable
class Maintenance(Protocol):
    """A store that other programs may change behind its back."""

    def rescan(self) -> None:
        """Look at every session for what other programs may have changed; worth it before reporting "not found"."""


@runtime_checkable
class LocalFiles(Protocol):
    """A store that keeps each session in a file of its own."""

    def path(self, id: str) -> str:
        """Return the file that holds a session. Raises SessionNotFound."""

    def with_sizes(self, po_name: str | None = None) -> Iterator[tuple[SessionSummary, int]]:
        """Yield the sessions as `list` does, each with the size of its file in bytes."""


def load(store: SessionStore, id: str) -> Session:
    """Return a session with its history in memory. Raises SessionNotFound, Unreadable."""
    with store.reading(id) as session:
        return session.with_history(tuple(session.history))


def summary_of(store: SessionStore, session: SessionRef) -> SessionSummary:
    """Return a session without its history, read anew unless it is given as that. Raises SessionNotFound."""
    return session if isinstance(session, SessionSummary) else store.summary(id_of(session))


A = TypeVar("A")


def ability(store: SessionStore, kind: type[A]) -> A | None:
    """Return the store as one that has an ability, or None if it lacks it."""
    return store if isinstance(store, kind) else None


KINDS = {
    "files": "po_sessions.storage.files.store:FileStore",
    "memory": "po_sessions.storage.memory:MemoryStore",
}


def open_storage(kind: str, **arguments: Any) -> SessionStore:
    """Return a store of this kind (`files` or `memory`), imported now, made with `arguments`."""
    module, _, name = KINDS[kind].partition(":")
    made: SessionStore = getattr(import_module(module), name)(**arguments)
    return made
