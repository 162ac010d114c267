"""Conversations that a git repository around the environment tracks.

No git is run. The repository may have come from elsewhere, and its configuration can name programs that even
`git ls-files` starts: a file system monitor, or a transport that fetches what a partial clone lacks. So git's index is
read here, as data. Nothing is known of a sparse or a split index, or where variables or `core.worktree` place the
repository elsewhere; then nothing is reported.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import suppress

from po_sessions import atomic, tree
from po_sessions.doctor.finding import Finding
from po_sessions.doctor.store import Store
from po_sessions.errors import Advice, Unreadable

_HASHES = (20, 32)
"""How many bytes the name of an object has: SHA-1 or SHA-256. The index does not tell which."""
_LARGEST = 1 << 28
_LONGEST = 1 << 16
_LINK = 4096
"""How much of a file `.git`, which names a directory, is read."""


def check(store: Store) -> Iterator[Finding]:
    """Tell if files with conversations are in the index of the repository that the environment lies in."""
    root = os.path.realpath(store.root)
    if (found := _repository(root)) is None:
        return
    top, directory = found
    inside = os.path.relpath(root, top)
    prefix = b"" if inside == "." else os.fsencode(inside) + b"/"
    private = {prefix + name.encode() for name in tree.PRIVATE}
    try:
        tracked = tracked_files(os.path.join(directory, "index"), private)
    except (OSError, Unreadable, ValueError):
        return
    if not tracked:
        return
    paths = sorted(one for one in private if any(_is_in(name, {one}) for name in tracked))
    count = f"{len(tracked)} file{'' if len(tracked) == 1 else 's'}"
    yield Finding(
        "tracked",
        store.root,
        f"The git repository {top} tracks {count} of {store.root} that hold conversations or tell of them.",
        advice=Advice("tracked_by_git", top=top, paths=list(map(os.fsdecode, paths))),
    )


def _is_in(name: bytes, paths: set[bytes]) -> bool:
    """Tell whether a file is one of `paths`, or lies below one."""
    return any(name == path or name.startswith(path + b"/") for path in paths)


def _repository(path: str) -> tuple[str, str] | None:
    """Return the nearest working tree around an absolute path, and the directory that git keeps for it."""
    while True:
        git = os.path.join(path, ".git")
        if os.path.isdir(git):
            return path, git
        if os.path.isfile(git):
            with suppress(OSError, Unreadable), open(atomic.open_regular(git), "rb") as file:
                key, _, named = os.fsdecode(file.read(_LINK)).rstrip("\n").partition(": ")
                if key == "gitdir" and "\0" not in named:
                    return path, os.path.join(path, named)
            return None
        parent = os.path.dirname(path)
        if parent == path:
            return None
        path = parent


def tracked_files(path: str, within: set[bytes]) -> list[bytes]:
    """Return those files in an index of git that are one of `within` or below one, by their paths in the working tree.

    Raises ValueError if it is not an index of a version that is known; FileNotFoundError, OSError, Unreadable.
    """
    with open(atomic.open_regular(path), "rb") as file:
        if not 12 <= os.fstat(file.fileno()).st_size <= _LARGEST:
            raise ValueError
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for size in _HASHES:
                with suppress(ValueError, IndexError):
                    return [name for name in _names(data, size) if _is_in(name, within)]
    raise ValueError


def _names(data: mmap.mmap, hash_size: int) -> Iterator[bytes]:
    """Yield the paths in an index. Raises ValueError, IndexError if it is not one with hashes of this size."""
    version, count = (int.from_bytes(data[at : at + 4], "big") for at in (4, 8))
    if data[:4] != b"DIRC" or version not in (2, 3, 4):
        raise ValueError
    at, name = 12, b""
    for _ in range(count):
        start = at
        at += 40 + hash_size
        flags = int.from_bytes(data[at : at + 2], "big")
        at += 4 if flags & 0x4000 else 2
        kept = b""
        if version == 4:  # a path is told by what it shares with the one before
            less, at = _number(data, at)
            if less > len(name):
                raise ValueError
            kept = name[: len(name) - less]
        end = data.find(b"\0", at)
        if end < 0:
            raise ValueError
        name = kept + data[at:end]
        if len(name) > _LONGEST or min(len(name), 0xFFF) != flags & 0xFFF:
            raise ValueError
        yield name
        at = end + 1 if version == 4 else start + (end - start + 8) // 8 * 8


def _number(data: mmap.mmap, at: int) -> tuple[int, int]:
    """Return a number as git packs it, and where it ends."""
    value = data[at] & 0x7F
    while data[at] & 0x80:
        at += 1
        value = (value + 1) << 7 | data[at] & 0x7F
        if value > _LARGEST:
            raise ValueError
    return value, at + 1
