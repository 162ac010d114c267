"""Backups: when one is made and how many are kept, and what can be done with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from po_sessions.changes import check_writable
from po_sessions.errors import Advice, Advised, Conflict, NotFound, PoError, SessionNotFound, Unreadable
from po_sessions.names import check_session_name, new_session_id
from po_sessions.session import Session, SessionRef, SessionSummary, id_of
from po_sessions.sessions import selector
from po_sessions.sessions.naming import claimed
from po_sessions.storage import Backups, Notice, SessionStore, archive_ids, load, summary_of
from po_sessions.storage.records import Backup, no_backup
from po_sessions.text.times import timestamp


@dataclass(frozen=True, slots=True)
class BackupPolicy:
    """What is done of itself."""

    interval: timedelta = timedelta(days=1)
    """A turn on a session whose latest backup is older than this makes one first."""
    keep: int = 5
    """How many of a session are kept; with 0 none is made or removed of itself."""

    def is_due(self, times: Iterable[datetime], now: datetime) -> bool:
        """Tell whether a session with backups of these times needs another."""
        return bool(self.keep) and all(now - time > self.interval or self._is_wrong(time, now) for time in times)

    def surplus(self, earlier: Iterable[datetime], now: datetime) -> Sequence[datetime]:
        """Return which of the earlier ones are too many beside a new one: those of a wrong clock, then the oldest."""
        newest_first = sorted(earlier, key=lambda time: (not self._is_wrong(time, now), time), reverse=True)
        return newest_first[self.keep - 1 :] if self.keep else ()

    def _is_wrong(self, time: datetime, now: datetime) -> bool:
        """Tell whether a time lies so far ahead that it would keep backups from being made, or from being kept."""
        return time - now > self.interval


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of a backup that was restored."""

    session: SessionSummary
    changed: bool
    """False if the session was as in the backup already."""
    trash_id: str | None = None
    """The trash entry that holds what was there before, if there was anything."""


class SessionBackups:
    """The backups of one store."""

    def __init__(
        self,
        storage: SessionStore,
        kept: Backups,
        *,
        clock: Callable[[], datetime],
        policy: BackupPolicy,
        notice: Notice,
    ) -> None:
        """`kept` is the store as one that keeps backups; `policy` counts where a call has none.

        `notice` hears of a backup that was due and could not be made.
        """
        self._storage = storage
        self._kept = kept
        self._clock = clock
        self._policy = policy
        self._notice = notice

    def before_turn(self, session: SessionRef, policy: BackupPolicy | None = None) -> None:
        """Copy a session that is in a turn, if it has messages and a backup is due; a failure is told and no more."""
        known = summary_of(self._storage, session)
        if not known.message_count:
            return
        try:
            policy, now = policy or self._policy, self._clock()
            if policy.is_due(self._times(known.id), now):
                self._make(known.id, policy, now)
        except PoError as error:
            self._notice(Advised(f"No backup of {known.name!r} was made: {error}", error.advice))

    def create(self, session: SessionRef, policy: BackupPolicy | None = None) -> Backup:
        """Copy a session now; the oldest that is too many goes.

        Raises SessionNotFound, Busy, WriteFailed; Unreadable, since a damaged copy would take a sound one's place.
        """
        id = id_of(session)
        load(self._storage, id)
        return self._make(id, policy or self._policy, self._clock())

    def ids(self) -> Sequence[str]:
        """Return the ids of all backups, newest first; cheap. Raises Unreadable."""
        return self._kept.backup_ids()

    def list(self, session: SessionRef | None = None) -> Sequence[Backup]:
        """Return the backups, of one session if given, newest first. Raises Unreadable."""
        return self._kept.backups(None if session is None else id_of(session))

    def find(self, ref: str) -> Backup:
        """Return the backup that `ref` means: its id, its session's id or name, or 4 characters of either end of an id.

        Raises NotFound, AmbiguousSelector; Unreadable if it is there and cannot be read.
        """
        if archive_ids.is_one(ref):
            self._kept.backed_up(ref)  # to say why, if it cannot be read
        found = self._kept.backups(archive_ids.split(ref)[0] if archive_ids.is_one(ref) else None)
        if one := selector.set_aside(ref, found, "backups"):
            return one
        raise no_backup(ref, (one.session.name for one in found))

    def restore(self, backup: Backup, name: str | None = None) -> Restored:
        """Put a session back to what a backup holds, made again if it has gone; what is there goes to the trash.

        It stays with the prompt object that it has now. With `name` it is left alone, and a session of its own made of
        the backup. Raises Busy if another process is in a turn with it; InvalidInput, Unreadable (NewerVersion);
        Conflict if another session has the name.
        """
        if name is not None:
            return self._restore_as(backup, check_session_name(name))
        with (
            self._storage.turn(backup.session.id, "backup restore"),
            claimed(self._storage, backup.session.po_name, backup.session.name),
        ):
            session, there = self._kept.backed_up(backup.id), self._there(backup)
            owner = self._owner(session, there)
            if there == replace(session, po_name=owner):
                return Restored(session.summary(), changed=False)
            self._check_free(backup, owner, session.name)
            summary, trash_id = self._kept.put_back(backup.id, owner, timestamp(self._clock()))
            return Restored(summary, changed=True, trash_id=trash_id)

    def _restore_as(self, backup: Backup, name: str) -> Restored:
        session = self._kept.backed_up(backup.id)
        check_writable(session, session.version)
        with claimed(self._storage, session.po_name, name):
            owner, now = self._owner(session, self._there(backup)), self._clock()
            self._check_free(backup, owner, name, but_itself=False)
            copy = replace(session, id=new_session_id(now), name=name, po_name=owner)
            return Restored(self._storage.create(copy), changed=True)

    def _there(self, backup: Backup) -> Session | None:
        """Return the session that a backup was made of, if it is there and can be read."""
        try:
            return load(self._storage, backup.session.id)
        except (SessionNotFound, Unreadable):
            return None

    def _owner(self, session: Session, there: Session | None) -> str:
        """Return the prompt object of a session that comes back: it may have got another, or another name, since."""
        return there.po_name if there else self._storage.po_name(session.po_name)

    def _check_free(self, backup: Backup, po_name: str, name: str, *, but_itself: bool = True) -> None:
        """Raise Conflict if another session has a name."""
        try:
            named = list(self._storage.list(po_name=po_name, name=name))
        except Unreadable as error:
            if but_itself and error.session_id == backup.session.id:
                return
            raise
        if any(not (but_itself and one.id == backup.session.id) for one in named):
            advice = Advice("backed_up_name_taken", backup_id=backup.id)
            raise Conflict(f"{po_name} has a session named {name!r}.", advice=advice)

    def _make(self, session_id: str, policy: BackupPolicy, now: datetime) -> Backup:
        """Copy a session, then remove what is too many; that this fails is told and no more."""
        made = self._kept.back_up(session_id, timestamp(now))
        try:
            earlier = {time: id for time, id in self._times(session_id).items() if id != made.id}
            for time in policy.surplus(earlier, now):
                with suppress(NotFound):  # somebody else was at it too
                    self._kept.discard_backup(earlier[time])
        except PoError as error:
            self._notice(f"An earlier backup is still there: {error}")
        return made

    def _times(self, session_id: str) -> dict[datetime, str]:
        """Return the ids of a session's backups by their times."""
        return {archive_ids.moment_of(id): id for id in self._kept.backup_ids(session_id)}
