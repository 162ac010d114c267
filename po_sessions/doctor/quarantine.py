"""`quarantine/{time}/…`: what was moved out of the way, under the path it had; nothing there is ever overwritten."""

from __future__ import annotations

import os

from po_sessions.storage import atomic

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
        directory = self._made()
        *parents, name = os.path.relpath(path, self._root).split(os.sep)
        for parent in parents:
            directory = os.path.join(directory, parent)
            atomic.make_dir(directory)
        target, number = os.path.join(directory, name), 1
        while os.path.lexists(target):  # nobody else puts anything below a directory that this run has made
            number += 1
            target = os.path.join(directory, f"{name}.{number}")
        with atomic.writing(path):
            os.rename(path, target)
        for changed in (directory, os.path.dirname(path)):
            atomic.sync_dir(changed)
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
                        os.mkdir(path, atomic.DIR_MODE)
                    except FileExistsError:
                        continue
                    os.chmod(path, atomic.DIR_MODE)  # whatever the umask
                self._directory = path
            atomic.sync_dir(outer)
        return self._directory
