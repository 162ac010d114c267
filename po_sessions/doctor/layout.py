"""Every file by its place: what kind it is, who may read it, whose it is; and what does not belong here."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from po_sessions import atomic, folders, locks, settings, tree
from po_sessions.doctor.finding import Finding, Repair
from po_sessions.doctor.quarantine import DIRECTORY as QUARANTINE
from po_sessions.doctor.store import Entry, Store, foreign
from po_sessions.errors import Advice, ForeignDirectory, WriteFailed
from po_sessions.names import is_session_id
from po_sessions.storage.files import trash

_COPY_OF_ROOT_FILE = re.compile(r"(state.*\.toml|deletions.*\.log).*")
LOCKS = {"entries", "names", "index", "seen", "state", "rename"}


@dataclass(frozen=True, slots=True)
class _Place:
    """Something that has its place in the layout."""

    path: str
    is_directory: bool = False
    may_be_read: bool = False
    """Whether others may read it: prompt objects and settings are no conversations, and come out of repositories."""


def check(store: Store) -> Iterator[Finding]:
    """Look at each file and directory but those that a user keeps in the environment for himself."""
    about = os.stat(store.root)
    yield from _look(_Place(store.root, is_directory=True), about)
    owner = about.st_uid
    if owner != os.geteuid():
        message = f"{store.root} belongs to another user."
        yield Finding("owner", store.root, message, advice=Advice("owned_by_other_user"))
    for place in _top(store):
        yield from _placed(place, store, owner)
    for name in (settings.NAME, tree.NAME):
        yield from _placed(_Place(os.path.join(store.root, name), may_be_read=True), store, owner, any_kind=True)
    for directory, listed in (
        (store.sessions, _in_sessions),
        (store.locks, bool),
        (store.trash, lambda name: not name.startswith(".")),
    ):
        for entry in (yield from store.listed(directory)):
            if listed(entry.name):
                yield from _placed(_Place(entry.path), store, owner)
    for entry in (yield from store.listed(store.backups)):
        if not is_session_id(entry.name):
            continue
        yield from _placed(_Place(entry.path, is_directory=True), store, owner)
        for copy in (yield from store.listed(entry.path)):
            yield from _placed(_Place(copy.path), store, owner)
    for entry in (yield from store.listed(objects)) if (objects := store.prompt_objects()) else ():
        if entry.name.endswith(".md") and not entry.name.startswith("."):
            yield from _placed(_Place(entry.path, may_be_read=True), store, owner, any_kind=True)


def _top(store: Store) -> Iterator[_Place]:
    yield _Place(os.path.join(store.root, "objects"), is_directory=True, may_be_read=True)
    for path in (store.sessions, store.locks, store.trash, store.backups, os.path.join(store.root, QUARANTINE)):
        yield _Place(path, is_directory=True)
    for name in ("state.toml", "deletions.log"):
        yield _Place(os.path.join(store.root, name))


def _in_sessions(name: str) -> bool:
    """Tell whether something in the directory of the sessions has a place there, or looks as if it had."""
    return name == ".rename" or (not name.startswith(".") and name.endswith(".json")) or name.startswith("index.log")


def _placed(place: _Place, store: Store, owner: int, *, any_kind: bool = False) -> Iterator[Finding]:
    """Look at what is in a place; with `any_kind`, what is no file there is told by others."""
    try:
        about = folders.lstat(place.path)
    except (FileNotFoundError, NotADirectoryError, ForeignDirectory):
        return  # the directory that it would be in has been told
    as_it_should = stat.S_ISDIR(about.st_mode) if place.is_directory else stat.S_ISREG(about.st_mode)
    if as_it_should:
        yield from _look(place, about)
        if about.st_uid != owner:
            yield Finding(
                "owner",
                place.path,
                f"{place.path} belongs to another user than the environment.",
                advice=Advice("give_to_owner", owner=owner, path=place.path),
            )
        if not place.is_directory and place.path.endswith(".json"):
            store.size += about.st_size
        if place.path.endswith("deletions.log") and about.st_nlink > 1:
            yield _linked(place.path, about)
    elif place.is_directory and stat.S_ISLNK(about.st_mode):
        if not folders.may_be_link(place.path):
            yield from foreign(folders.linked(place.path))
        elif os.path.isdir(place.path):
            message = f"{place.path} is a symbolic link to a directory, as you allow."
            yield Finding("symlink", place.path, message, fault=False)
    elif not any_kind:
        expected = "directory" if place.is_directory else "regular file"
        message = f"{place.path} is {_kind(about.st_mode)} and not a {expected}."
        yield Finding("not-a-file", place.path, message, repair=store.moved_away(place.path, about))


def _kind(mode: int) -> str:
    kinds = {stat.S_IFLNK: "a symbolic link", stat.S_IFDIR: "a directory", stat.S_IFIFO: "a fifo"}
    kinds |= {stat.S_IFREG: "a file", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _look(place: _Place, about: os.stat_result) -> Iterator[Finding]:
    """Tell if others may do with a file or directory what only its owner may, or its owner may not read it."""
    mode = stat.S_IMODE(about.st_mode)
    excess = mode & (0o022 if place.may_be_read else 0o077)
    needed = 0o700 if place.is_directory else 0o400
    if not excess and mode & needed == needed:
        return
    wanted = (mode & ~excess) | (needed if place.is_directory else 0o600)
    others = "can be written by" if excess & 0o022 else "can be read by"
    what = f"{others} other users" if excess else "is closed to its own user"

    def do() -> str:
        with atomic.writing(place.path):
            now = _set_mode(place, wanted)
        if now != wanted:
            raise WriteFailed(f"The file system of {place.path} keeps no modes.", advice=Advice("no_modes"))
        return f"Its mode is {wanted:04o} now."

    message = f"{place.path} {what} (its mode is {mode:04o})."
    if not place.is_directory and about.st_nlink > 1:
        yield Finding("mode", place.path, message, advice=Advice("several_names", number=about.st_nlink))
        return
    yield Finding("mode", place.path, message, repair=Repair(f"It will get the mode {wanted:04o}.", do))


def _set_mode(place: _Place, mode: int) -> int:
    """Set the mode of a directory, or of a file that has one name; return the mode that it has then. Raises OSError."""
    if place.is_directory:
        folders.chmod_dir(place.path, mode)
        return stat.S_IMODE(folders.stat_dir(place.path).st_mode)
    folders.chmod_file(place.path, mode)
    return stat.S_IMODE(folders.lstat(place.path).st_mode)


def _linked(path: str, about: os.stat_result) -> Finding:
    def do() -> str:
        with locks.locked(path, timeout=0, flags=os.O_RDWR) as fd:
            atomic.replace(path, atomic.read_all(fd, path))
        return "It is a file of its own now."

    message = f"{path} is one file with another: it has {about.st_nlink} names."
    return Finding("link", path, message, repair=Repair("It will be made a file of its own.", do))


def strangers(store: Store) -> Iterator[Finding]:
    """Tell of what has no place in a directory that is the store's alone; not of hidden files, which systems leave."""
    for directory, known in (
        (store.root, lambda name: not _COPY_OF_ROOT_FILE.fullmatch(name) or name in ("state.toml", "deletions.log")),
        (store.sessions, lambda name: name.endswith(".json") or name.startswith("index.log")),
        (store.locks, lambda name: name in LOCKS or is_session_id(name)),
        (store.trash, trash.is_ours),
        (store.backups, is_session_id),
    ):
        for entry in (yield from store.listed(directory)):
            if not entry.name.startswith(".") and not known(entry.name):
                yield _stranger(entry, store)
    for entry in (yield from store.listed(store.backups)):
        if is_session_id(entry.name):
            for copy in (yield from store.listed(entry.path)):
                if not copy.name.startswith(".") and not trash.is_entry(f"{entry.name}.{copy.name}"):
                    yield _stranger(copy, store)


def _stranger(entry: Entry, store: Store) -> Finding:
    message = f"{entry.path} is not a file of the store."
    return Finding("stranger", entry.path, message, repair=store.moved_away(entry.path, folders.lstat(entry.path)))
