"""Pruning: which sessions have had their time, and taking those away.

Choosing looks at what the records say, never at the times of files. What cannot be told is not pruned: the current
session of a prompt object, a pinned one, one that is in use, one that cannot be read or is of a newer version, one
whose age is not known. All of that is looked at again, under the session's turn lock, right before it goes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from po_sessions.errors import Advice, Busy, InvalidInput, PoError, SessionNotFound, Unreadable
from po_sessions.pointers import Pointers, PointerStore
from po_sessions.session import VERSION, SessionSummary
from po_sessions.storage import LocalFiles, SessionStore, Trash, ability, load
from po_sessions.text.sizes import format_size
from po_sessions.text.times import UNKNOWN_TIME, timestamp

_GONE = "gone already"
_NEW = timedelta(hours=1)
"""An empty session that is younger may be somebody's who is about to use it."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a session has to be to go: all of what is given."""

    older_than: timedelta | None = None
    """It has been idle for longer."""
    before: datetime | None = None
    """It has been idle since before then; aware of its zone."""
    empty: bool = False
    """It has no messages; without an age, and for at least an hour."""
    keep_last: int | None = None
    """It is not among so many newest sessions of its prompt object."""
    max_size: int | None = None
    """It is among the oldest, so many that the rest takes at most so many bytes."""

    def __post_init__(self) -> None:
        """Raise InvalidInput if nothing is given, or what would mean every session."""
        given = (self.older_than, self.before, self.empty or None, self.keep_last, self.max_size)
        if all(one is None for one in given):
            raise InvalidInput(
                "Nothing says which sessions are to go.",
                advice=Advice("no_criterion"),
            )
        for name, number in (("keep_last", self.keep_last), ("max_size", self.max_size)):
            if number is not None and number < 1:
                raise InvalidInput(f"{name}={number} keeps nothing.", advice=Advice("number_from_1"))

    def cutoff(self, now: datetime) -> str | None:
        """Return the time since before which a session has to be idle, as stored times are written."""
        ages = [now - self.older_than] if self.older_than is not None else []
        ages += [self.before] if self.before is not None else []
        ages += [now - _NEW] if self.empty and not ages else []
        return timestamp(min(ages)) if ages else None


@dataclass(frozen=True, slots=True)
class Choice:
    """A session that the criteria take."""

    session: SessionSummary
    size: int
    """In bytes."""
    reason: str
    """Why it goes; or, of one that is spared, why it does not."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What the criteria take, oldest first, and what they would take if it were not spared."""

    chosen: list[Choice]
    spared: list[Choice]
    rest: int
    """The bytes of all sessions that stay."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What came of one choice."""

    choice: Choice
    trash_id: str | None = None
    spared: str | None = None
    """Why it is still there."""
    failure: PoError | None = None


def active_at(session: SessionSummary) -> str:
    """Return when something last happened to a session; a copy of an old one is as young as it is."""
    return max(session.created_at, session.updated_at)


def select(
    found: Iterable[tuple[SessionSummary, int]],
    criteria: Criteria,
    now: datetime,
    spare: Callable[[SessionSummary], str | None] = lambda _: None,
) -> Selection:
    """Return which of these sessions, each with its bytes, the criteria take.

    `spare` says why one is to stay, and is asked only for those that the criteria take.
    """
    newest_first = sorted(found, key=lambda one: (active_at(one[0]), one[0].id), reverse=True)
    cutoff, newer, taken = criteria.cutoff(now), Counter[str](), list[Choice]()
    for session, size in newest_first:
        newer[session.po_name] += 1
        if (
            (cutoff is None or active_at(session) < cutoff)
            and (session.message_count == 0 or not criteria.empty)
            and (criteria.keep_last is None or newer[session.po_name] > criteria.keep_last)
        ):
            taken.append(Choice(session, size, _reason(session, criteria, now)))
    chosen, spared, rest = list[Choice](), list[Choice](), sum(size for _, size in newest_first)
    for one in reversed(taken):
        if criteria.max_size is not None and rest <= criteria.max_size:
            break
        if why := _of_unknown_age(one.session, now) or spare(one.session):
            spared.append(replace(one, reason=why))
        else:
            chosen.append(one)
            rest -= one.size
    return Selection(chosen, spared, rest)


def _of_unknown_age(session: SessionSummary, now: datetime) -> str | None:
    at = active_at(session)
    if at == UNKNOWN_TIME:
        return "of unknown age"
    return "from the future" if at > timestamp(now) else None


def _reason(session: SessionSummary, criteria: Criteria, now: datetime) -> str:
    reasons = ["empty"] if criteria.empty else []
    if criteria.cutoff(now) is not None:
        reasons.append(f"idle for {_ago(now - datetime.fromisoformat(active_at(session)))}")
    if criteria.keep_last is not None:
        reasons.append(f"not of the newest {criteria.keep_last}")
    if criteria.max_size is not None:
        reasons.append(f"more than {format_size(criteria.max_size)}")
    return ", ".join(reasons)


def _ago(length: timedelta) -> str:
    """Return a length of time in its largest unit of which there are two."""
    seconds = length // timedelta(seconds=1)
    units = {"day": 86400, "hour": 3600, "minute": 60, "second": 1}
    number, name = next((seconds // unit, name) for name, unit in units.items() if seconds >= 2 * unit or unit == 1)
    return f"{number} {name}{'' if number == 1 else 's'}"


def plan(
    storage: SessionStore, pointers: PointerStore, criteria: Criteria, now: datetime, po_name: str | None = None
) -> Selection:
    """Return what the criteria take of a prompt object's sessions, or of all; nothing is changed.

    Raises Unreadable if it cannot be told which sessions are current.
    """
    current = _current_ids(pointers)

    def spare(session: SessionSummary) -> str | None:
        return _veto(session, storage, current) or ("in use" if storage.turn_owner(session.id) else None)

    return select(_candidates(storage, criteria, po_name), criteria, now, spare)


def _candidates(storage: SessionStore, criteria: Criteria, po_name: str | None) -> Iterator[tuple[SessionSummary, int]]:
    """Yield the sessions with their sizes in bytes, 0 where the store knows none. Raises InvalidInput."""
    if files := ability(storage, LocalFiles):
        return files.with_sizes(po_name)
    if criteria.max_size is not None:
        raise InvalidInput("This store does not know the sizes of its sessions.", advice=Advice("no_sizes"))
    return ((one, 0) for one in storage.list(po_name=po_name))


def carry_out(
    chosen: Iterable[Choice],
    storage: SessionStore,
    pointers: PointerStore,
    now: Callable[[], str],
    *,
    purge: bool = False,
) -> Iterator[Pruned]:
    """Move what was chosen to the trash, or with `purge` remove it for good; yield what came of each.

    Each is looked at again while nobody else can begin a turn with it, and stays if anything speaks for it by then. One
    that fails does not keep the others from going.
    """
    gone = set[str]()
    try:
        for one in chosen:
            done = _remove(one, storage, pointers, now, purge=purge)
            if done.spared is None and done.failure is None:
                gone.add(one.session.id)
            yield done
    finally:
        with suppress(PoError):  # a pointer at nothing does no harm
            _forget(gone, pointers)


def _remove(
    one: Choice, storage: SessionStore, pointers: PointerStore, now: Callable[[], str], *, purge: bool
) -> Pruned:
    id = one.session.id
    try:
        with storage.turn(id, "prune", wait=False):
            if why := _veto(one.session, storage, _current_ids(pointers)) or _unreadable(id, storage):
                return Pruned(one, spared=why)
            if not purge:
                trash = ability(storage, Trash)
                if trash is None:
                    raise InvalidInput("This store has no trash.", advice=Advice("no_trash"))
                return Pruned(one, trash_id=trash.delete(id, now(), "prune"))
            storage.purge(id, now(), "prune")
            return Pruned(one)
    except SessionNotFound:
        return Pruned(one, spared=_GONE)
    except Busy:
        return Pruned(one, spared="in use")
    except PoError as error:
        return Pruned(one, failure=error)


def _veto(session: SessionSummary, storage: SessionStore, current: set[str | None]) -> str | None:
    """Return what speaks against removing a session as it is stored now."""
    if session.id in current:
        return "current"
    try:
        about = storage.head(session.id)
    except SessionNotFound:
        return _GONE
    except Unreadable:
        return "unreadable"
    if about.version > VERSION:
        return "of a newer version"
    if about.pinned:
        return "pinned"
    if not about.whole:
        return "cut in its last write"
    there = about.summary
    same = (there.po_name, there.message_count) == (session.po_name, session.message_count)
    return None if same and about.active_at <= active_at(session) else "changed"


def _unreadable(id: str, storage: SessionStore) -> str | None:
    """Read the whole session: damage in its middle shows nowhere else."""
    try:
        load(storage, id)
    except Unreadable:
        return "unreadable"
    return None


def _current_ids(pointers: PointerStore) -> set[str | None]:
    return {pointer.current for pointer in pointers.read().pointers.values()}


def _forget(gone: set[str], pointers: PointerStore) -> None:
    """Let no pointer point at what is gone."""
    there = pointers.read().pointers.values()
    for id in gone.intersection(id for pointer in there for id in (pointer.current, pointer.previous) if id):
        pointers.change(partial(Pointers.without_session, id=id))
