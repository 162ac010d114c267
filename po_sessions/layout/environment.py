"""The environment that a run of `po` stands in, and what is current there, before anything large is imported."""

import os

from po_sessions.layout import primitives

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_DIRECTORY = ".prompt_objects"


def find_root(named: str | None, environ: "Mapping[str, str]", *, warns: bool = True) -> str | None:
    """Return the environment that is used, which need not be there; None if it is not sure to be the one.

    As `Invocation` finds it: `named`, else `environ`'s `PO_ROOT`, else the nearest on the way up, else the one in the
    home directory. One that is skipped takes a warning, which the commands print; completion prints none and passes
    `warns=False`.
    """
    named = environ.get("PO_ROOT") or None if named is None else named
    if named == "":
        return None
    try:
        directory = os.getcwd() if named is None else os.path.abspath(named)
    except OSError:
        return None
    if named is not None:
        is_one = os.path.basename(directory) == _DIRECTORY
        if not is_one and os.path.isdir(path := os.path.join(directory, _DIRECTORY)):
            return _if_plain(path)
        inside = [directory] if is_one else [os.path.join(directory, name) for name in ("objects", "sessions")]
        return _if_plain(directory) if any(map(os.path.isdir, inside)) else None
    while True:
        if os.path.isdir(path := os.path.join(directory, _DIRECTORY)):
            if _is_own(path):
                return None if os.stat(path).st_mode & 0o022 else _if_plain(path)
            if warns or not _is_open_to_all(directory):
                return None
        parent = os.path.dirname(directory)
        if parent == directory:
            break
        directory = parent
    home = environ.get("HOME", "")
    if not os.path.isabs(home):
        return None
    path = os.path.join(home, _DIRECTORY)
    if os.path.isdir(path) and _is_open_to_all(home) and not _is_own(path):
        return None
    return _if_plain(path)


def _is_own(path: str) -> bool:
    own = os.geteuid()
    return os.stat(path).st_uid == own and os.lstat(path).st_uid in (own, 0)


def _is_open_to_all(directory: str) -> bool:
    return os.stat(directory).st_mode & 0o1002 == 0o1002


def _if_plain(root: str) -> str | None:
    """Return an environment if none of its directories is a link or another user's: what may be one, others know."""
    try:
        owners = (os.stat(root).st_uid, os.geteuid())
    except OSError:
        return root  # it need not be there
    for name in ("sessions", "sessions/.locks", "objects", "trash", "backups"):
        try:
            about = os.lstat(f"{root}/{name}")
        except OSError:
            continue
        if about.st_mode & 0o170000 == 0o120000 or about.st_uid not in owners:
            return None
    return root


def pointers(root: str) -> tuple[str | None, dict[str, dict[str, str]]] | None:
    """Return the current prompt object, and the ids of the `current` and `previous` session of each, by its name."""
    if not primitives.is_absent(f"{root}/sessions/.rename"):
        return None
    path = f"{root}/state.toml"
    data = b"" if primitives.is_absent(path) else primitives.read(path, primitives.LARGEST + 1)
    return None if data is None else primitives.state(data)
