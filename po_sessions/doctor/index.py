"""The index against the files. It is a cache, so all that is wrong with it can be repaired."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress

from po_sessions import atomic, folders, locks
from po_sessions.doctor.finding import Finding, Repair
from po_sessions.doctor.store import PATIENCE, Store, is_gone
from po_sessions.errors import Advice, PoError, WriteFailed
from po_sessions.layout.index import Damaged
from po_sessions.names import is_session_id
from po_sessions.storage.files.index import Row
from po_sessions.storage.files.publish import SUMMARY_FIELDS, TOTALS
from po_sessions.text.strict_json import loads

_SHOWN = 3


def check(store: Store) -> Iterator[Finding]:
    """Compare the rows of the index with what the files were found to say."""
    path = os.path.join(store.sessions, "index.json")
    log = os.path.join(store.sessions, "index.log")
    yield from _left_over(store, log)
    try:
        rows = _rows(store)
    except Damaged:
        if store.rows or folders.lexists(path):
            message = f"The index {path} is not there, or not as po wrote it."
            yield Finding("index", path, message, repair=Repair("It will be made anew.", lambda: _rebuild(store)))
        return
    for what, ids in (
        ("lacks", [id for id in store.rows if id not in rows]),
        (
            "does not say what the files do of",
            [id for id, row in store.rows.items() if _differs(rows.get(id, row), row)],
        ),
        ("still has", [id for id in rows if is_gone(store.path(id))]),
    ):
        if confirmed := _confirmed(store, ids):
            gone = " whose files are gone" if what == "still has" else ""
            named = ", ".join(confirmed[:_SHOWN]) + ", …" * (len(confirmed) > _SHOWN)
            number = "one session" if len(confirmed) == 1 else f"{len(confirmed)} sessions"
            message = f"The index {path} {what} {number}{gone} ({named})."
            yield Finding("index", path, message, repair=Repair("It will be brought in step.", _brought(store, ids)))


def _rows(store: Store) -> dict[str, Row]:
    return {row["id"]: row for row in store.index.rows()}


def _differs(row: Row | None, wanted: Row | None) -> bool:
    """Tell whether a row is not what it should be; it may have more keys."""
    if row is None or wanted is None:
        return row is not wanted
    if row.get(TOTALS) is None:  # it is of an earlier version, or its file's footer is
        wanted = {key: wanted[key] for key in (*SUMMARY_FIELDS, "size", "inode")}
    return any(row.get(key) != value for key, value in wanted.items())


def _confirmed(store: Store, ids: Sequence[str]) -> list[str]:
    """Return those whose rows are wrong while nobody writes them: a change is in the index first, then in the file."""
    before = dict(_read(store, ids))
    rows = _rows_if_whole(store) if before else {}
    suspects = [id for id, row in before.items() if _differs(rows.get(id), row)]
    wrong = [id for id, now in _read(store, suspects) if not _differs(before[id], now)]
    return [id for id in wrong if before[id]] + _gone_for_good(store, [id for id in wrong if not before[id]])


def _gone_for_good(store: Store, ids: list[str]) -> list[str]:
    """Return which rows stay without a file; whoever makes or deletes a session has no file to lock for a moment."""
    deadline = time.monotonic() + PATIENCE
    while ids and time.monotonic() < deadline:
        time.sleep(PATIENCE / 10)
        rows = _rows_if_whole(store)
        ids = [id for id in ids if id in rows and is_gone(store.path(id))]
    return ids


def _rows_if_whole(store: Store) -> dict[str, Row]:
    """Return the rows; none if the index has been damaged since the first look: then all of it is wrong."""
    with suppress(Damaged):
        return _rows(store)
    return {}


def _read(store: Store, ids: Iterable[str]) -> Iterator[tuple[str, Row | None]]:
    """Yield what each file says, but for those that are busy or cannot be read."""
    for id in ids:
        with suppress(PoError):
            yield id, store.row(id)


def _brought(store: Store, ids: Sequence[str]) -> Callable[[], str]:
    def do() -> str:
        for id in _confirmed(store, ids):
            path = store.path(id)
            try:
                with locks.locked(path, timeout=PATIENCE, flags=os.O_RDONLY, shared=True):
                    if row := store.row(id):
                        store.index.record(row)
            except FileNotFoundError:
                store.index.record_removal(id)
        return _folded(store)

    return do


def _folded(store: Store) -> str:
    """Merge the log into the index. Raises WriteFailed."""
    try:
        _fold(store)
    except Damaged:
        return _rebuild(store)
    return "It is in step with the files."


def _fold(store: Store) -> None:
    log = os.path.join(store.sessions, "index.log")
    if folders.lexists(log) or folders.lexists(log + ".1"):
        store.index.fold()


def _rebuild(store: Store) -> str:
    """Make the index anew out of all files. Raises WriteFailed."""
    atomic.make_dir(store.locks)
    store.index.rebuild(lambda: [row for _, row in _read(store, list(store.rows)) if row])
    try:
        _fold(store)
        _rows(store)
    except Damaged:
        raise WriteFailed("The index could not be made anew.", advice=Advice("repair_again")) from None
    return "Made anew."


def _left_over(store: Store, log: str) -> Iterator[Finding]:
    """Tell of damaged lines of the log, of a log that a folding left, of one that could not be written."""
    for path in (log, log + ".1"):
        if damaged := _damaged_lines(path):
            lines = "a line" if damaged == 1 else f"{damaged} lines"
            message = f"{path} has {lines} that cannot be read."
            yield Finding("index", path, message, repair=Repair("It will be made anew.", lambda: _folded(store)))
    if folders.lexists(log + ".1") and _nobody_folds(store, log + ".1"):
        message = f"{log}.1 was left by a process that was killed while it wrote the index."
        yield Finding("index", log + ".1", message, repair=Repair("It will be merged.", lambda: _folded(store)))
    for entry in (yield from store.listed(store.sessions)):
        if entry.name.startswith("index.log.") and entry.name != "index.log.1":
            message = f"{entry.path} is a part of the index that could not be written to, or no part of it."
            yield Finding(
                "stranger", entry.path, message, repair=store.moved_away(entry.path, folders.lstat(entry.path))
            )


def _nobody_folds(store: Store, path: str) -> bool:
    """Tell whether a log that is set aside is there while nobody merges it."""
    try:
        with locks.locked(os.path.join(store.locks, "index"), timeout=0, flags=os.O_RDONLY):
            return folders.lexists(path)
    except FileNotFoundError:
        return True
    except PoError:
        return False


def _damaged_lines(path: str) -> int:
    """Return how many lines are no rows, counted while nobody writes one."""
    try:
        with locks.locked(path, timeout=PATIENCE, flags=os.O_RDONLY) as fd:
            lines = [line for line in atomic.read_all(fd, path).split(b"\n") if line]
    except (OSError, PoError):
        return 0
    return sum(not _is_row(line) for line in lines)


def _is_row(line: bytes) -> bool:
    with suppress(ValueError):
        row = loads(line)
        return isinstance(row, dict) and isinstance(row.get("id"), str) and is_session_id(row["id"])
    return False
