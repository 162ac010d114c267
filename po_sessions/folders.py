"""System calls on the files of an environment, which never pass through a link.

An environment may come with a cloned repository. A directory in it that is a symbolic link would lead every verb to
files outside. So each directory below a guarded root is opened on its own with O_NOFOLLOW, and its files are named
relative to that descriptor: another program that puts a link in its place meanwhile changes nothing. A path outside of
every guarded root is used as it is.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from po_sessions.errors import Advice, ForeignDirectory

_DIRECTORY = os.O_DIRECTORY | os.O_CLOEXEC
_HELD = _DIRECTORY | getattr(os, "O_PATH", os.O_RDONLY)
_MOST = 64
"""How many directories are held open at once."""

MayBeLink = Callable[[str], bool]
"""Tells of a directory's path whether the user wants a symbolic link there."""


class _Anywhere:
    """The directories that no guarded root has: their files are named by whole paths."""

    fd: int | None = None


class _Folder(_Anywhere):
    """An open directory. It is closed when nothing refers to it any more."""

    fd: int

    def __init__(self, fd: int, root_owner: int | None, *, follows: bool) -> None:
        about = os.fstat(fd)
        self.is_deep = False
        self.fd = fd
        self.id = about.st_ino, about.st_dev
        self.owner, self.group = about.st_uid, about.st_gid
        self.root_owner = about.st_uid if root_owner is None else root_owner
        self.follows = follows

    def close(self) -> None:
        """Close the directory; it cannot be used any more."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        with suppress(Exception):
            self.close()

    def is_at(self, path: str) -> bool:
        """Tell whether a path still names this directory."""
        try:
            about = os.stat(path, follow_symlinks=self.follows)
        except OSError:
            return False
        return (about.st_ino, about.st_dev) == self.id


_ANYWHERE = _Anywhere()
_guarded: dict[str, MayBeLink] = {}
_held: dict[str, _Folder] = {}
_free: set[str] = set()
"""Directories that were found to be in no guarded root."""


def may_be_link(path: str) -> bool:
    """Tell whether the user wants a symbolic link in the place of a directory."""
    return any(path.startswith(f"{root}/") and allowed(path) for root, allowed in _guarded.items())


def guard(root: str, allowed: MayBeLink = lambda _: False) -> None:
    """Have no link followed below the directory `root`, which may be one itself, but where it is `allowed`."""
    _guarded[root] = allowed
    _free.clear()


def let_go(root: str) -> None:
    """Close the directories of a guarded root that nobody uses now, so that its file system can be unmounted."""
    for path in [path for path in _held if path == root or path.startswith(f"{root}/")]:
        _held.pop(path).close()


def _folder(path: str) -> _Folder | None:
    """Return a directory, opened; None if no guarded root has it. Raises OSError, ForeignDirectory."""
    if path in _free:
        return None
    held = _held.get(path)
    # Where another directory lies between it and the root, its path may lead through a link by now.
    if held is not None and held.is_at(path) and not (held.is_deep and _folder(os.path.dirname(path)) is None):
        return held
    root = path
    while root not in _guarded:
        parent = os.path.dirname(root)
        if parent == root:
            _free.add(path)
            return None
        root = parent
    if path == root:
        made = _Folder(os.open(path, _HELD), None, follows=True)
    else:
        made = _below(path, _guarded[root])
        made.is_deep = os.path.dirname(path) != root
    _held.pop(path, None)
    while len(_held) >= _MOST:
        _held.pop(next(iter(_held)), None)
    _held[path] = made
    return made


def _below(path: str, allowed: MayBeLink) -> _Folder:
    """Open a directory in one that can be opened. Raises OSError, ForeignDirectory."""
    directory, name = os.path.split(path)
    parent = _folder(directory)
    assert parent is not None
    try:
        fd = os.open(name, _HELD | os.O_NOFOLLOW, dir_fd=parent.fd)
    except OSError:
        mode = os.stat(name, dir_fd=parent.fd, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            raise
        if not stat.S_ISLNK(mode):
            raise other(path) from None
        if not allowed(path):
            raise linked(path) from None
        return _Folder(os.open(name, _HELD, dir_fd=parent.fd), parent.root_owner, follows=True)
    made = _Folder(fd, parent.root_owner, follows=False)
    if made.owner not in (made.root_owner, os.geteuid()):
        raise ForeignDirectory(
            path,
            "belongs to another user than the environment, so it is not used.",
            Advice("foreign_directory"),
        )
    return made


def linked(path: str) -> ForeignDirectory:
    """Return the error for a directory that is a symbolic link."""
    return ForeignDirectory(
        path,
        "is a symbolic link, which may lead outside of the environment, so it is not followed.",
        Advice("linked_directory", path=path),
    )


def other(path: str) -> ForeignDirectory:
    """Return the error for what is not a directory, in the place of one."""
    return ForeignDirectory(path, "is not a directory.", Advice("strange_file"))


def _at(path: str) -> tuple[_Anywhere, str]:
    """Return the directory of a file, to be referred to during the system call, and the file's name in it."""
    directory, _, name = path.rpartition("/")
    folder = _folder(directory)
    return (_ANYWHERE, path) if folder is None else (folder, name)


def owner_of(directory: str) -> tuple[int, int] | None:
    """Return the owner and the group that a new file of a directory gets from root; None from other users."""
    if os.geteuid() != 0:
        return None
    if (folder := _held.get(directory) or _folder(directory)) is not None:
        owner = folder.owner, folder.group
    else:
        about = os.stat(directory)
        owner = about.st_uid, about.st_gid
    return owner if owner != (0, 0) else None


def open(path: str, flags: int, mode: int = 0o600) -> int:
    """Open a file. Raises OSError, ForeignDirectory."""
    folder, name = _at(path)
    return os.open(name, flags, mode, dir_fd=folder.fd)


def link(source: str, target: str) -> None:
    """Give a file a second name. Raises OSError, ForeignDirectory."""
    (old, source), (new, target) = _at(source), _at(target)
    os.link(source, target, src_dir_fd=old.fd, dst_dir_fd=new.fd, follow_symlinks=False)


def rename(source: str, target: str) -> None:
    """Rename a file, over another if there is one. Raises OSError, ForeignDirectory."""
    (old, source), (new, target) = _at(source), _at(target)
    os.replace(source, target, src_dir_fd=old.fd, dst_dir_fd=new.fd)


def unlink(path: str) -> None:
    """Remove a file's name. Raises OSError, ForeignDirectory."""
    folder, name = _at(path)
    os.unlink(name, dir_fd=folder.fd)


def mkdir(path: str, mode: int) -> None:
    """Make a directory. Raises OSError, ForeignDirectory."""
    folder, name = _at(path)
    os.mkdir(name, mode, dir_fd=folder.fd)


def rmdir(path: str) -> None:
    """Remove an empty directory. Raises OSError, ForeignDirectory."""
    folder, name = _at(path)
    os.rmdir(name, dir_fd=folder.fd)


def lstat(path: str) -> os.stat_result:
    """Return what there is to know of whatever is at a path. Raises OSError, ForeignDirectory."""
    folder, name = _at(path)
    return os.stat(name, dir_fd=folder.fd, follow_symlinks=False)


def lexists(path: str) -> bool:
    """Tell whether anything is at a path. Raises ForeignDirectory."""
    try:
        lstat(path)
    except OSError:
        return False
    return True


def is_dir(path: str) -> bool:
    """Tell whether there is a directory at a path. Raises ForeignDirectory."""
    try:
        return _folder(path) is not None or os.path.isdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return os.path.isdir(path)


def stat_dir(path: str) -> os.stat_result:
    """Return what there is to know of a directory. Raises OSError, ForeignDirectory."""
    folder = _folder(path)
    return os.stat(path) if folder is None else os.fstat(folder.fd)


def utime_dir(path: str, ns: tuple[int, int]) -> None:
    """Set the times of a directory: of its last use and of its last change, in nanoseconds. Raises OSError."""
    folder = _folder(path)
    if folder is None:
        os.utime(path, ns=ns)
    else:
        os.utime(".", ns=ns, dir_fd=folder.fd)


def chmod_dir(path: str, mode: int) -> None:
    """Set the mode of a directory. Raises OSError, ForeignDirectory."""
    folder = _folder(path)
    if folder is None:
        os.chmod(path, mode)
    else:
        os.chmod(".", mode, dir_fd=folder.fd)


def chown_dir(path: str, owner: int, group: int) -> None:
    """Give a directory to another user. Raises OSError, ForeignDirectory."""
    folder = _folder(path)
    if folder is None:
        os.chown(path, owner, group)
    else:
        os.chown(".", owner, group, dir_fd=folder.fd)
        folder.owner, folder.group = owner, group


def chmod_file(path: str, mode: int) -> None:
    """Set the mode of a regular file that has one name. Raises OSError, ForeignDirectory."""
    folder, name = _at(path)
    about = os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
    if not stat.S_ISREG(about.st_mode) or about.st_nlink > 1:
        raise OSError(errno.EPERM, "it is not a file with one name")
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder.fd)
    except PermissionError:
        os.chmod(name, mode, dir_fd=folder.fd)  # it is closed to its own user, who alone can put another there
        return
    try:
        if os.fstat(fd).st_ino == about.st_ino:
            os.fchmod(fd, mode)
    finally:
        os.close(fd)


@contextmanager
def opened(path: str) -> Iterator[int]:
    """Open a directory to be read, locked or synced; yield its descriptor. Raises OSError, ForeignDirectory."""
    folder = _folder(path)
    if folder is None:
        fd = os.open(path, _DIRECTORY | os.O_RDONLY)
    else:
        fd = os.open(".", _DIRECTORY | os.O_RDONLY, dir_fd=folder.fd)
    try:
        yield fd
    finally:
        os.close(fd)


def names(path: str) -> list[str]:
    """Return the names in a directory, in no order. Raises OSError, ForeignDirectory."""
    with opened(path) as fd:
        return os.listdir(fd)


def inodes(path: str) -> Iterator[tuple[str, int]]:
    """Yield the name and the inode of each entry of a directory. Raises OSError, ForeignDirectory."""
    with opened(path) as fd, os.scandir(fd) as entries:
        for entry in entries:
            yield entry.name, entry.inode()
