"""The session files: each read whole, one at a time; then what they are to each other."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from po_sessions import atomic, folders, locks
from po_sessions.doctor.finding import Finding, Repair
from po_sessions.doctor.store import AS_IT_IS, PATIENCE, WITH_OWNER, Store, busy
from po_sessions.errors import Advice, Busy, Conflict, InvalidInput, PoError, Unreadable
from po_sessions.names import check_session_name, is_session_id
from po_sessions.session import VERSION, Session, SessionSummary
from po_sessions.storage import archive_ids
from po_sessions.storage.files import appending, parsing
from po_sessions.storage.files.publish import to_row

_REWRITTEN = "It will be written anew, with all its messages."


@dataclass(frozen=True, slots=True)
class _Examined:
    """What a session file was found to be."""

    about: os.stat_result
    session: Session
    whole: bool
    footer: SessionSummary | None
    """What its footer says, which is believed where only that is read; None if the file is not of our layout."""

    @property
    def counts_wrong(self) -> bool:
        if self.footer is None:
            return False
        found = self.session.summary()
        if self.footer.totals is None:  # it is of an earlier version: they are counted by the next write
            found = replace(found, totals=None, spent=self.footer.spent)
        return self.footer != found


def check(store: Store) -> Iterator[Finding]:
    """Read every session file."""
    for entry in (yield from store.listed(store.sessions)):
        id = entry.name.removesuffix(".json")
        if entry.name.endswith(".json") and is_session_id(id) and entry.is_file():
            yield from _check_one(id, entry.path, store)


def _check_one(id: str, path: str, store: Store) -> Iterator[Finding]:
    try:
        about = folders.lstat(path)
        fd = atomic.open_regular(path)
    except FileNotFoundError:
        return
    except Unreadable as error:
        yield Finding("unreadable", path, str(error), session_id=id, advice=error.advice)
        return
    try:
        found = _examine(fd, path)
        if found is None or not found.whole or found.counts_wrong or found.about.st_nlink > 1:
            # Perhaps it was read while being written, made or deleted; nobody does so under the lock.
            with locks.holding(fd, path, timeout=PATIENCE, shared=True):
                if not locks.is_at(fd, path):
                    yield from _check_one(id, path, store)
                    return
                found = _examine(fd, path, certain=True)
    except Busy as error:
        yield busy(path, error)
        return
    except Unreadable as error:
        yield _unreadable(id, path, error, store)
        return
    finally:
        os.close(fd)
    store.have_read(about.st_size)
    assert found is not None
    if found.session.id != id:
        yield _misnamed(id, path, found, store)
    else:
        store.rows[id] = to_row(found.footer or found.session.summary(), found.about.st_size, found.about.st_ino)
        yield from _judge(id, path, found, store)


def _examine(fd: int, path: str, *, certain: bool = False) -> _Examined | None:
    """Read an open file; None if it cannot be, and that is not `certain`. Raises Unreadable."""
    about = os.fstat(fd)
    data = atomic.read_all(fd, path)
    try:
        parsed = parsing.parse(data, path)
    except Unreadable as error:
        if certain:
            raise _Damaged(error, data, path) from None
        return None
    tail = appending.read_tail(fd)
    return _Examined(about, parsed.session, parsed.torn is None, tail.summary if tail else None)


class _Damaged(Unreadable):
    """What could be read is not a session; other than what could not be read."""

    def __init__(self, error: Unreadable, data: bytes, path: str) -> None:
        super().__init__(str(error), advice=error.advice)
        self.way_back = WITH_OWNER if parsing.needs_owner(error) else None
        self.id: str | None = None
        self.gaps = self.readable = 0
        with suppress(Unreadable):
            part = parsing.readable_part(data, path).session
            self.id, self.gaps = part.id, sum(one.is_gap for one in part.history)
            self.readable = part.message_count - self.gaps


def _unreadable(id: str, path: str, error: Unreadable, store: Store) -> Finding:
    if not isinstance(error, _Damaged):
        return Finding("unreadable", path, str(error), session_id=id, advice=error.advice)
    advice = Advice("can_be_imported") if error.way_back else _way_back(id, store)
    repair = _with_gaps(id, error, store) if error.id == id and error.readable else _set_aside(id, store)
    return Finding("damaged", path, str(error), session_id=id, advice=advice, repair=repair)


def _way_back(id: str, store: Store) -> Advice:
    with suppress(PoError):
        for backup in store.storage.backup_ids(id):
            with suppress(PoError):
                session = store.storage.backed_up(backup)
                count, time = session.message_count, archive_ids.time_of(backup)
                return Advice("sound_backup", backup_id=backup, message_count=count, made_at=time)
    return Advice("no_backup")


def _with_gaps(id: str, found: _Damaged, store: Store) -> Repair:
    """Return the repair that keeps what can be read of a session, and its file in the quarantine."""
    messages = f"{found.readable} message{'s' * (found.readable != 1)}"
    kept = f"with {found.gaps} gap{'s' * (found.gaps != 1)}"

    def do() -> str:
        with store.storage.turn(id, "doctor", wait=False):
            target = store.storage.salvage(id, store.quarantine.keep)
            if (row := store.row(id)) is not None:
                store.rows[id] = row
        return f"Written anew {kept}. What it was is {target}."

    return Repair(f"Its {messages} will be kept, {kept}; the file as it is will be kept in the quarantine.", do)


def _set_aside(id: str, store: Store) -> Repair:
    """Return the repair that moves a session's file away if it still cannot be read."""
    path = store.path(id)

    def do() -> str:
        with (
            store.storage.turn(id, "doctor", wait=False),
            locks.locked(path, timeout=PATIENCE, flags=os.O_RDONLY) as fd,
        ):
            try:
                _examine(fd, path, certain=True)
            except _Damaged as damage:
                target = store.quarantine.take(path)
                store.rows.pop(id, None)
                with suppress(PoError):
                    store.index.record_removal(id)
                return store.moved(target, way_back=damage.way_back)
        raise Conflict(f"{path} has changed since.", advice=Advice("examine_again"))

    return Repair("It will be moved to the quarantine.", do)


def _judge(id: str, path: str, found: _Examined, store: Store) -> Iterator[Finding]:
    """Tell what is wrong with a session that can be read and has its own name."""
    newer = found.session.version > VERSION
    if newer:
        message = f"{path} has version {found.session.version}, and this po writes {VERSION}; it can be read."
        yield Finding("newer-version", path, message, id, fault=False, advice=Advice("upgrade_to_write"))
    wrong = None
    if not found.whole:
        wrong = "torn", f"The last write to {path} was cut."
    elif found.about.st_nlink > 1 and not newer:
        wrong = "link", f"{path} is one file with another: it has {found.about.st_nlink} names."
    elif found.counts_wrong:
        wrong = "count", f"The last line of {path} does not say what its messages do: how many, or the first of them."
    if wrong:
        repair = None if newer else Repair(_REWRITTEN, lambda: _rewritten(id, store))
        yield Finding(wrong[0], path, wrong[1], session_id=id, repair=repair)
    yield from _judge_use(id, path, found.session.summary(), store)


def _judge_use(id: str, path: str, session: SessionSummary, store: Store) -> Iterator[Finding]:
    """Tell of a session that is sound and cannot go on as it is."""
    if session.last_turn == "open" and not locks.is_held(os.path.join(store.locks, id)):
        message = f"The last message of {session.name!r} ({id}) has no reply; its turn was interrupted."
        advice = Advice("interrupted", session_id=id)
        yield Finding("interrupted", path, message, session_id=id, fault=False, advice=advice)
    with suppress(Unreadable):  # of the renaming, which has been told
        owner = store.storage.po_name(session.po_name)
        if not any(name in store.definitions for name in (owner, session.po_name)):  # two while it is being renamed
            message = f"There is no prompt object {owner}, of which {session.name!r} ({id}) is a session."
            yield Finding("orphan", path, message, session_id=id, advice=Advice("orphaned", session_id=id))


def _rewritten(id: str, store: Store) -> str:
    store.said.clear()
    with store.storage.turn(id, "doctor", wait=False):
        store.storage.update(id, lambda session: session)
        row = store.row(id)
        if row is not None:
            store.rows[id] = row
    return " ".join(store.said) or "Written anew."


def _misnamed(id: str, path: str, found: _Examined, store: Store) -> Finding:
    """Tell of a file that holds another session than it is named after."""
    own, message = found.session.id, f"{path} holds the session {found.session.id!r}"
    if not is_session_id(own):
        return Finding("wrong-id", path, f"{message}.", repair=store.moved_away(path, found.about))
    target = store.path(own)
    if folders.lexists(target):
        return _copy(path, found.about, own, store)

    def do() -> str:
        with locks.locked(path, timeout=PATIENCE, flags=os.O_RDONLY) as fd, atomic.writing(path):
            again = _examine(fd, path, certain=True)
            if again is None or again.session.id != own:
                raise Conflict(f"{path} has changed since.", advice=Advice("examine_again"))
            row = to_row(again.footer or again.session.summary(), again.about.st_size, again.about.st_ino)
            store.index.record(row)
            try:
                folders.link(path, target)
            except FileExistsError:
                raise Conflict(f"{target} is there by now.", advice=Advice("examine_again")) from None
            atomic.sync_dir(store.sessions)
            folders.unlink(path)
            store.rows[own] = row
            with suppress(PoError):
                store.index.record_removal(id)
        return f"It is {target} now."

    message += ", which has no other file."
    return Finding("wrong-id", path, message, own, repair=Repair(f"It will be renamed to {target}.", do))


def copies(store: Store) -> Iterator[Finding]:
    """Tell of files that are named unlike a session and hold one, as sync clients leave them; and of others."""
    for entry in (yield from store.listed(store.sessions)):
        is_own = entry.name == "index.json" or is_session_id(entry.name.removesuffix(".json"))
        if is_own or not entry.name.endswith(".json") or entry.name.startswith("."):
            continue
        about = folders.lstat(entry.path)
        try:
            session = parsing.parse(store.read(entry.path), entry.path).session
        except FileNotFoundError:
            continue
        except PoError:
            session = None
        if session is not None and is_session_id(session.id):
            yield _copy(entry.path, about, session.id, store)
        else:
            message = f"{entry.path} is named unlike a session and holds none."
            yield Finding("stranger", entry.path, message, repair=store.moved_away(entry.path, about))


def _copy(path: str, about: os.stat_result, id: str, store: Store) -> Finding:
    own = store.path(id)
    if not folders.lexists(own):
        how = "which has no other file"
    elif _same_bytes(path, own):
        how = f"byte for byte as {own} does"
    else:
        how = f"and not as {own} does"
    message = f"{path} holds the session {id} under another name, {how}."
    return Finding("copy", path, message, id, repair=store.moved_away(path, about, way_back=AS_IT_IS))


def _same_bytes(path: str, other: str) -> bool:
    try:
        return folders.lstat(path).st_size == folders.lstat(other).st_size and atomic.read(path) == atomic.read(other)
    except (OSError, Unreadable):
        return False


def names(store: Store) -> Iterator[Finding]:
    """Tell of sessions of one prompt object that have one name."""
    named = defaultdict(list)
    for id, row in store.rows.items():
        named[row["po_name"], row["name"]].append(id)
    taken = set(named)
    for (po_name, name), ids in list(named.items()):
        for id in sorted(ids)[1:]:
            number = next(n for n in range(2, len(named) + len(ids) + 2) if (po_name, f"{name} {n}") not in taken)
            taken.add((po_name, f"{name} {number}"))
            message = f"{id} and {min(ids)} of {po_name} have one name, {name!r}."
            advice = Advice("same_name", session_id=id, free_name=_usable(f"{name} {number}"))
            yield Finding("same-name", store.path(id), message, session_id=id, advice=advice)


def _usable(name: str) -> str | None:
    """Return a name, if a new session may have it."""
    try:
        return check_session_name(name)
    except InvalidInput:
        return None
