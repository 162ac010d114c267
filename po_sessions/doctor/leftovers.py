"""What processes that were killed left behind: temporary files, lock files, a renaming half done."""

from __future__ import annotations

import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager

from po_sessions import atomic, bounded, folders, locks
from po_sessions.doctor.finding import Finding, Repair
from po_sessions.doctor.store import Store
from po_sessions.errors import Advice, Busy, ForeignDirectory, PoError, Unreadable, WriteFailed
from po_sessions.names import is_session_id
from po_sessions.sessions.renaming import mover
from po_sessions.text.strict_json import loads

_TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<pid>[0-9]+)\.[0-9a-f]{8}\.tmp")
_SURE = 60.0
"""Seconds after which a temporary file that nobody holds is old even if its process's number is in use."""
_MOMENT = 0.02
"""Seconds in which whoever has just made a lock file has locked it."""


def temporaries(store: Store) -> Iterator[Finding]:
    """Tell of temporary files that nobody will finish. Whoever writes one holds its lock."""
    directories = [store.root, store.sessions, store.locks, store.trash]
    directories += filter(None, [store.prompt_objects()])
    directories += [entry.path for entry in (yield from store.listed(store.backups)) if entry.is_dir()]
    for directory in directories:
        for entry in (yield from store.listed(directory)):
            if found := _TEMPORARY.fullmatch(entry.name):
                with _abandoned(entry.path, int(found["pid"]), store) as fd:
                    if fd is None:
                        continue
                # Those of session files and of the index are made beside the locks.
                is_aside = directory == store.locks and found["name"].endswith(".json")
                target = os.path.join(store.sessions if is_aside else directory, found["name"])
                message = f"{entry.path} is a temporary file whose process has gone."
                repair = _swept(entry.path, int(found["pid"]), target, store)
                yield Finding("temporary", entry.path, message, repair=repair)
            elif directory == store.root and entry.name.startswith(".po-") and entry.is_dir():
                about = folders.lstat(entry.path)
                if store.now.timestamp() - about.st_mtime > _SURE:
                    message = f"{entry.path} is a temporary directory whose process has gone."
                    yield Finding("temporary", entry.path, message, repair=store.moved_away(entry.path, about))


@contextmanager
def _abandoned(path: str, pid: int, store: Store) -> Iterator[int | None]:
    """Hold a temporary file's lock and yield its descriptor; None if its process may live."""
    try:
        fd = atomic.open_regular(path)
    except (FileNotFoundError, Unreadable):
        yield None
        return
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield None
            return
        age = store.now.timestamp() - os.fstat(fd).st_mtime
        yield fd if locks.is_at(fd, path) and (age > _SURE or not _lives(pid)) else None
    finally:
        os.close(fd)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _swept(path: str, pid: int, target: str, store: Store) -> Repair:
    def do() -> str:
        with _abandoned(path, pid, store) as fd:
            if fd is None:
                raise Busy(f"{path} is in use by another process.", advice=Advice("examine_again"))
            if os.fstat(fd).st_size == 0 or locks.is_at(fd, target):
                with atomic.writing(path):
                    folders.unlink(path)
                return "Removed: it was empty." if os.fstat(fd).st_size == 0 else f"Removed: it was {target} too."
            return f"Moved to {store.quarantine.take(path)}."

    return Repair("It will be moved to the quarantine, or removed if it holds nothing of its own.", do)


def lock_files(store: Store) -> Iterator[Finding]:
    """Tell of lock files of sessions that nobody holds: their processes were killed in a turn."""
    entries = yield from store.listed(store.locks)
    loose = [entry for entry in entries if is_session_id(entry.name) and _is_loose(entry.path)]
    if loose:
        time.sleep(_MOMENT)
    for entry in loose:
        if _is_loose(entry.path):
            owner = locks.owner(entry.path) or "a process"
            message = f"{entry.path} was left by {owner}, which has gone."
            repair = _removed_lock(entry.path)
            yield Finding("lock", entry.path, message, session_id=entry.name, repair=repair)


def _is_loose(path: str) -> bool:
    return not locks.is_held(path) and folders.lexists(path)


def _removed_lock(path: str) -> Repair:
    def do() -> str:
        with locks.owned(path, "doctor", timeout=0, what=path):
            pass  # which removes it while it is held
        return "Removed."

    return Repair("It will be removed.", do)


def renaming(store: Store) -> Iterator[Finding]:
    """Tell of a prompt object's renaming that was interrupted, which the next command would finish."""
    path, lock = os.path.join(store.sessions, ".rename"), os.path.join(store.locks, "rename")
    try:
        about = folders.lstat(path)
        bounded.beginning(path, 1)
    except (FileNotFoundError, NotADirectoryError, ForeignDirectory):
        return
    except PoError as error:
        if not stat.S_ISREG(about.st_mode):
            return  # which has been told
        yield Finding("unreadable", path, str(error), advice=error.advice)
        return
    if locks.is_held(lock):
        return

    def do() -> str:
        store.said.clear()
        store.storage.resume_rename(mover(store.definitions, store.pointers))
        if folders.lexists(path):
            raise WriteFailed(" ".join(store.said) or f"{path} is in use by another process.")
        return " ".join(store.said)

    try:
        store.storage.po_name("")
        said = loads(bounded.read(path))
    except FileNotFoundError:
        return
    except Unreadable as error:
        yield Finding("renaming", path, str(error), repair=store.moved_away(path, about))
        return
    message = f"Renaming the prompt object {said['old']} to {said['new']} was interrupted ({path})."
    yield Finding("renaming", path, message, repair=Repair("It will be finished.", do))
