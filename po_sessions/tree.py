"""The directories of an environment, and its `.gitignore`: `git add` in the repository around it takes no conversation.

In a directory named `.prompt_objects` git ignores all but what is meant to be shared. An environment of another name
may be the top of a repository and have files of other programs, so git ignores there only what po keeps in it. A file
that is there is the user's, whatever it says: an empty one lets git take everything.
"""

from __future__ import annotations

import os
from contextlib import suppress

from po_sessions import atomic, folders
from po_sessions.errors import PoError

NAME = ".gitignore"
SHARED = ("objects", "templates", "config.toml", NAME)
"""What is no conversation and can come out of a repository."""
PRIVATE = ("sessions", "trash", "backups", "quarantine", "state.toml", "deletions.log")
"""What holds conversations, or tells of them."""

_HEAD = "# Made by po: conversations stay out of the repository. Change it as you like, or empty it to commit them.\n"


def make(root: str) -> bool:
    """Make the directories that every change needs; return whether they were missing. Raises WriteFailed."""
    locks = os.path.join(root, "sessions", ".locks")
    is_new = not folders.is_dir(locks)
    if is_new:
        for directory in (root, os.path.dirname(locks), locks):
            atomic.make_dir(directory)
    ignore(root)  # an environment of an earlier version has none
    return is_new


def text(root: str) -> bytes:
    """Return what a new file of the environment `root` says."""
    if os.path.basename(root) == ".prompt_objects":
        lines = ["/*", *(f"!/{name}" for name in SHARED)]
    else:
        lines = [f"/{name}" for name in PRIVATE]
    return (_HEAD + "".join(f"{line}\n" for line in lines)).encode()


def ignore(root: str) -> None:
    """Make `.gitignore` unless something of its name is there; a directory that cannot be written is left as it is."""
    path = os.path.join(root, NAME)
    if folders.lexists(path):
        return
    # The write that comes next tells what is wrong, if it is the disk; `po doctor` tells what git has taken.
    with suppress(FileExistsError, PoError):
        atomic.create(path, text(root))
