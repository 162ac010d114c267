"""The search for the environment that a run uses, and its pointers, before anything large is imported."""

import os

from po_sessions.layout import primitives

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    Fault = Literal["empty", "no_working_directory", "no_home", "not_a_directory", "missing", "foreign", "writable"]

DIRECTORY = ".prompt_objects"
"""The name of an environment's directory."""


class Root:
    """The result of the search."""

    __slots__ = ("fault", "path", "skipped")

    def __init__(self, path: str, fault: "Fault | None" = None, skipped: "tuple[str, ...]" = ()) -> None:
        self.path = path
        """The environment, which need not exist; the one at fault if `fault` is given."""
        self.fault: Fault | None = fault
        """Why the environment must not be used, None if it may be."""
        self.skipped = skipped
        """Environments of other users that were passed over, in directories where everybody may make one."""


def find_root(named: str | None, environ: "Mapping[str, str]", home: str) -> Root:
    """Return the environment that is meant: `named`, `PO_ROOT`, the nearest on the way up, or the one in `home`.

    `home` is the home directory, empty if there is none that can be used. An environment that is found without being
    named is at fault if another user owns it or can write to it: it could have come with somebody else's files. In a
    directory where everybody may make one, as in `/tmp`, another user's is skipped, since it must not stop everybody
    who works below. Raises OSError.
    """
    named = environ.get("PO_ROOT") or None if named is None else named
    if named == "":
        return Root("", "empty")
    try:
        directory = os.getcwd() if named is None else os.path.abspath(named)
    except FileNotFoundError:
        return Root("", "no_working_directory")
    return _nearest(directory, home) if named is None else _named(directory)


def _named(path: str) -> Root:
    """Return the environment that a path names, itself or in it."""
    if os.path.basename(path) == DIRECTORY:
        is_one = os.path.isdir(path)
    elif os.path.isdir(inside := os.path.join(path, DIRECTORY)):
        return Root(inside)
    else:
        is_one = any(os.path.isdir(os.path.join(path, name)) for name in ("objects", "sessions"))
    if is_one:
        return Root(path)
    return Root(path, "not_a_directory" if os.path.exists(path) and not os.path.isdir(path) else "missing")


def _nearest(directory: str, home: str) -> Root:
    """Return the nearest environment in a directory or above it, else the one in the home directory."""
    skipped: tuple[str, ...] = ()
    while True:
        path = os.path.join(directory, DIRECTORY)
        if os.path.isdir(path):
            if _is_own(path):
                return Root(path, "writable" if os.stat(path).st_mode & 0o022 else None, skipped)
            if not _is_open_to_all(directory):
                return Root(path, "foreign", skipped)
            skipped = (*skipped, path)
        parent = os.path.dirname(directory)
        if parent == directory:
            break
        directory = parent
    if not os.path.isabs(home):
        return Root("", "no_home", skipped)
    path = os.path.join(home, DIRECTORY)
    is_foreign = os.path.isdir(path) and _is_open_to_all(home) and not _is_own(path)
    return Root(path, "foreign" if is_foreign else None, skipped)


def _is_own(path: str) -> bool:
    """Tell whether a directory, and the link that leads to it, is this user's; a link may be root's."""
    own = os.geteuid()
    return os.stat(path).st_uid == own and os.lstat(path).st_uid in (own, 0)


def _is_open_to_all(directory: str) -> bool:
    """Tell whether everybody can put something into a directory, and nobody can remove what others put there."""
    return os.stat(directory).st_mode & 0o1002 == 0o1002


def usable_root(named: str | None, environ: "Mapping[str, str]", *, warns: bool = True) -> str | None:
    """Return the environment if the fast commands can use it; None leaves it to the commands, which report why.

    An environment that is passed over takes a warning, which the commands print; completion prints none and passes
    `warns=False`. Raises OSError.
    """
    root = find_root(named, environ, environ.get("HOME", ""))
    return None if root.fault or (warns and root.skipped) or not _is_plain(root.path) else root.path


def _is_plain(root: str) -> bool:
    """Tell whether none of an environment's directories is a link or another user's: the commands judge those."""
    try:
        owners = (os.stat(root).st_uid, os.geteuid())
    except OSError:
        # It need not exist.
        return True
    for name in ("sessions", "sessions/.locks", "objects", "trash", "backups"):
        try:
            about = os.lstat(f"{root}/{name}")
        except OSError:
            continue
        if about.st_mode & 0o170000 == 0o120000 or about.st_uid not in owners:
            return False
    return True


def pointers(root: str) -> tuple[str | None, dict[str, dict[str, str]]] | None:
    """Return the current prompt object, and the ids of the `current` and `previous` session of each, by its name."""
    if not primitives.is_absent(f"{root}/sessions/.rename"):
        return None
    path = f"{root}/state.toml"
    data = b"" if primitives.is_absent(path) else primitives.read(path, primitives.LARGEST + 1)
    return None if data is None else primitives.state(data)
