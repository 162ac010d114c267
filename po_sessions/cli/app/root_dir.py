"""The environment's directory: what the search in `layout` found, as a path, warnings and errors."""

from __future__ import annotations

import os
from collections.abc import Callable

from po_sessions.cli.app.hints import Command, Hint, Words
from po_sessions.cli.app.shell import quoted
from po_sessions.cli.config import paths
from po_sessions.errors import InvalidInput, NotFound
from po_sessions.layout.environment import DIRECTORY, Root, find_root


def root_dir(option: str | None, warn: Callable[[str], None]) -> str:
    """Return the directory of the environment that is meant, which need not exist.

    `option` is the value of --root; `warn` receives a warning for each environment that is passed over. Raises NotFound
    if it was named and does not exist, InvalidInput if it is not safe to use without being named.
    """
    root = find_root(option, os.environ, _home())
    for path in root.skipped:
        warn(f"{path} belongs to another user, so it is skipped. To use it, add --root {quoted(path)}.")
    if root.fault == "no_home":
        return os.path.join(paths.home(), DIRECTORY)
    if root.fault is not None:
        raise _error(root, "" if option else ", which $PO_ROOT names")
    return root.path


def _home() -> str:
    """Return the home directory; nothing if there is none, which is an error only if it is needed."""
    try:
        return paths.home()
    except NotFound:
        return ""


def _error(root: Root, says: str) -> InvalidInput | NotFound:
    """Return the error for a fault; `says` names the variable if the path comes from one."""
    path = root.path
    match root.fault:
        case "empty":
            return InvalidInput("--root is empty.", advice=Hint("Give the directory of an environment."))
        case "no_working_directory":
            return NotFound(
                "The working directory is not there any more.", advice=Hint("Run ", Words("cd"), " to leave it.")
            )
        case "not_a_directory":
            return NotFound(
                f"There is no directory {path}{says}: it is something else.",
                advice=Hint("Name the directory of an environment."),
            )
        case "missing":
            parent = os.path.dirname(path) if os.path.basename(path) == DIRECTORY else path
            first = () if os.path.isdir(parent) else (Words("mkdir", "-p", "--", parent), " and ")
            hint = Hint("Run ", *first, Command("init", parent), " to make one.")
            return NotFound(f"There is no environment at {path}{says}.", advice=hint)
    wrong = "belongs to another user" if root.fault == "foreign" else "can be written by other users"
    return InvalidInput(
        f"{path} {wrong}, so it is not used unasked.", advice=Hint(f"If you trust it, add --root {quoted(path)}.")
    )
