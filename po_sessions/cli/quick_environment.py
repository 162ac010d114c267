"""The environment that a run of `po` stands in, and what is current there, before anything large is imported."""

import os

from po_sessions import quick

_DIRECTORY = ".prompt_objects"


def find_root(named: str | None) -> str | None:
    """Return the environment that is used, which need not be there; None if it is not sure to be the one.

    As `Invocation` finds it: `named`, else `$PO_ROOT`, else the nearest on the way up, else the one in the home
    directory.
    """
    named = os.environ.get("PO_ROOT") or None if named is None else named
    if named == "":
        return None
    try:
        directory = os.getcwd() if named is None else os.path.abspath(named)
    except OSError:
        return None
    if named is not None:
        is_one = os.path.basename(directory) == _DIRECTORY
        if not is_one and os.path.isdir(path := os.path.join(directory, _DIRECTORY)):
            return path
        inside = [directory] if is_one else [os.path.join(directory, name) for name in ("objects", "sessions")]
        return directory if any(map(os.path.isdir, inside)) else None
    while not os.path.isdir(path := os.path.join(directory, _DIRECTORY)):
        parent = os.path.dirname(directory)
        if parent == directory:
            home = os.environ.get("HOME", "")
            return os.path.join(home, _DIRECTORY) if os.path.isabs(home) else None
        directory = parent
    about = os.stat(path)
    return path if about.st_uid == os.geteuid() and not about.st_mode & 0o022 else None


def pointers(root: str) -> tuple[str | None, dict[str, dict[str, str]]] | None:
    """Return the current prompt object, and the ids of the `current` and `previous` session of each, by its name."""
    if not quick.is_absent(f"{root}/sessions/.rename"):
        return None
    path = f"{root}/state.toml"
    data = b"" if quick.is_absent(path) else quick.read(path, quick.LARGEST + 1)
    return None if data is None else quick.state(data)
