"""What is set aside: the trash and the backups, each file read whole."""

from __future__ import annotations

from collections.abc import Iterator

from po_sessions import folders
from po_sessions.doctor.finding import Finding
from po_sessions.doctor.store import WITH_OWNER, Store
from po_sessions.errors import Advice, Unreadable
from po_sessions.names import is_session_id
from po_sessions.storage import archive_ids
from po_sessions.storage.files import parsing
from po_sessions.storage.files.trash import is_entry


def trash(store: Store) -> Iterator[Finding]:
    """Read what is in the trash."""
    for entry in (yield from store.listed(store.trash)):
        if is_entry(entry.name) and entry.is_file():
            yield from _check(entry.path, entry.name, store)


def backups(store: Store) -> Iterator[Finding]:
    """Read the backups, and tell of those whose session is nowhere else."""
    trashed = {entry.name.partition(".")[0] for entry in (yield from store.listed(store.trash))}
    for directory in (yield from store.listed(store.backups)):
        id, sound = directory.name, []
        if not is_session_id(id) or not directory.is_dir():
            continue
        for entry in (yield from store.listed(directory.path)):
            name = f"{id}.{entry.name}"
            if is_entry(name) and entry.is_file():
                found = list(_check(entry.path, name, store))
                yield from found
                sound += [] if found else [name.removesuffix(".json")]
        if sound and id not in trashed and not folders.lexists(store.path(id)):
            message = f"The session {id} is neither here nor in the trash; {directory.path} has copies of it."
            advice = Advice("only_backups", backup_id=sound[-1])
            yield Finding("stray-backup", directory.path, message, session_id=id, fault=False, advice=advice)


def _check(path: str, name: str, store: Store) -> Iterator[Finding]:
    """Read one file, called `name` by the session that it should hold."""
    id = archive_ids.split(name)[0]
    try:
        about = folders.lstat(path)
        data = store.read(path)
    except FileNotFoundError:
        return
    except Unreadable as error:
        yield Finding("unreadable", path, str(error), session_id=id, advice=error.advice)
        return
    try:
        found = parsing.parse(data, path).session.id
        if found == id:
            return
        message = f"{path} holds the session {found!r}, which is not the one of its name."
        way_back = None
    except Unreadable as error:
        message, way_back = str(error), WITH_OWNER if parsing.needs_owner(error) else None
    repair = store.moved_away(path, about, way_back=way_back)
    yield Finding("damaged", path, message, session_id=id, repair=repair)
