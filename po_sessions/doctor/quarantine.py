"""`quarantine/{time}/…`: what was moved out of the way, under the path it had; nothing there is ever overwritten."""

from __future__ import annotations

import os
import stat

from po_sessions import atomic, folders

DIRECTORY = "quarantine"


class Quarantine:
    """The quarantine of one repair."""

    def __init__(self, root: str, stamp: str) -> None:
        """`stamp` is the time without separators; the directory is made when it is needed."""
        self._root = root
        self._stamp = stamp
        self._directory: str | None = None

    def take(self, path: str) -> str:
        """Move whatever is at `path` here, by its name alone; return where it is. Raises WriteFailed."""
        target = self._place(path)
        with atomic.writing(path):
            _move(path, target)
        for changed in (os.path.dirname(target), os.path.dirname(path)):
            atomic.sync_dir(changed)
        return target

    def keep(self, path: str) -> str:
        """Give the file at `path` a second name here, or a copy; return where it is. Raises WriteFailed, Unreadable."""
        target = self._place(path)
        with atomic.writing(path):
            atomic.link_or_copy(path, target)
        atomic.sync_dir(os.path.dirname(target))
        return target

    def _place(self, path: str) -> str:
        """Return where something can be put, under the path it has."""
        directory = self._made()
        *parents, name = os.path.relpath(path, self._root).split(os.sep)
        for parent in parents:
            directory = os.path.join(directory, parent)
            atomic.make_dir(directory)
        target, number = os.path.join(directory, name), 1
        while folders.lexists(target):  # nobody else puts anything below a directory that this run has made
            number += 1
            target = os.path.join(directory, f"{name}.{number}")
        return target

    def _made(self) -> str:
        """Return a directory that was not there before."""
        if self._directory is None:
            outer, number = os.path.join(self._root, DIRECTORY), 0
            atomic.make_dir(outer)
            while self._directory is None:
                number += 1
                path = os.path.join(outer, self._stamp if number == 1 else f"{self._stamp}-{number}")
                with atomic.writing(path):
                    try:
                        folders.mkdir(path, atomic.DIR_MODE)
                    except FileExistsError:
                        continue
                    folders.chmod_dir(path, atomic.DIR_MODE)  # whatever the umask
                self._directory = path
            atomic.sync_dir(outer)
        return self._directory


def _move(path: str, target: str) -> None:
    """Move whatever is at a path; a file so that a power cut leaves one of its names. Raises OSError."""
    if not stat.S_ISREG(folders.lstat(path).st_mode):
        folders.rename(path, target)
        return
    atomic.link_or_copy(path, target)
    atomic.sync_dir(os.path.dirname(target))
    folders.unlink(path)
