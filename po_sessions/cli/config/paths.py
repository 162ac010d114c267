"""Where this machine has what belongs to the user and not to an environment.

A container may run a user who has no entry in the password file, no HOME, or a HOME that is closed to this user. So a
place is looked for only where it is needed, and one that is not known is a value (None) or an error, never a path below
the working directory.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from po_sessions.cli.app.hints import Command, Hint
from po_sessions.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from po_sessions.models import ModelPaths


def home(instead: Hint | None = None) -> str:
    """Return the home directory. Raises NotFound if there is none that this user may enter.

    The hint names what can be done `instead` of setting HOME; without it, to use another environment.
    """
    instead = instead or Hint("name an environment with --root, or make one here with ", Command("init"))
    path = os.path.expanduser("~")
    if not os.path.isabs(path):
        raise NotFound(
            "It is not known where your home directory is.", advice=Hint("Set HOME, or ", *instead.parts, ".")
        )
    if _is_closed(path):
        raise NotFound(
            f"The home directory {path} is closed to you.", advice=Hint("Set HOME to another, or ", *instead.parts, ".")
        )
    return path


def config_dir() -> str | None:
    """Return the directory of the user's settings, or None if there is no home directory that can have it."""
    from platformdirs import user_config_dir

    return _users(user_config_dir)


def log_dir() -> str | None:
    """Return the directory of the user's logs, or None if there is no home directory that can have it."""
    from platformdirs import user_log_dir

    return _users(user_log_dir)


def model_name(given: str) -> str:
    """Return a model's name as a user gave it, with the home directory in the place of `~` in `gguf:~/…`.

    Raises InvalidInput if it is empty.
    """
    if not given:
        raise InvalidInput(
            "The model's name is empty.", advice=Hint("Name one of ", Command("model list"), ", or leave it out.")
        )
    if not given.startswith("gguf:"):
        return given
    return f"gguf:{os.path.expanduser(given.removeprefix('gguf:'))}"


def model_paths() -> ModelPaths:
    """Return where models are, as the environment variables tell; and have `llm` look in a place of the user's."""
    from platformdirs import user_cache_dir

    from po_sessions.models import ModelPaths

    _place_llm()
    return ModelPaths(_users(user_cache_dir), _runtime(), os.environ.get("PO_GGUF") or None)


def _users(find: Callable[[str], str]) -> str | None:
    """Return what `find` makes of the variables of the XDG specification and the home directory."""
    try:
        path = find("po")
    except RuntimeError:  # there is no home directory
        return None
    in_home = path.startswith(os.path.join(os.path.expanduser("~"), ""))
    return None if not os.path.isabs(path) or (in_home and _is_closed(os.path.expanduser("~"))) else path


def _is_closed(directory: str) -> bool:
    """Tell whether a directory, or one above it, may not be entered; one that is missing is not closed."""
    try:
        os.stat(os.path.join(directory, "."))
    except PermissionError:
        return True
    except OSError:
        pass
    return False


def _runtime() -> str:
    """Return a directory for sockets; whether it can be used is seen when one is made."""
    import tempfile

    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime) and os.access(runtime, os.W_OK | os.X_OK):
        return runtime
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:  # no directory that it knows can be written
        return os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 -- a private directory is made in it


def _place_llm() -> None:
    """Choose where `llm` keeps its settings if it would keep them below the working directory, or fail to.

    `llm` makes its directory before it reads anything. Without a home directory it makes it where it stands, and would
    take addresses and keys from a directory that may have come with a repository. A directory of this package, which
    has no settings, stands for one that is not there and cannot be made.
    """
    if os.environ.get("LLM_USER_PATH"):
        return
    base = "~/Library/Application Support" if sys.platform == "darwin" else "~/.config"
    named = os.environ.get("XDG_CONFIG_HOME") if sys.platform != "darwin" else None
    is_usable = named is None or os.path.isabs(named)
    wanted = os.path.join(named if named and is_usable else os.path.expanduser(base), "io.datasette.llm")
    if not _can_be_made(wanted):
        os.environ["LLM_USER_PATH"] = os.path.dirname(os.path.abspath(__file__))
    elif not is_usable:
        os.environ["LLM_USER_PATH"] = wanted


def _can_be_made(directory: str) -> bool:
    """Tell whether a directory is there, or the nearest one above it can be written."""
    if not os.path.isabs(directory):
        return False
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory)
        if os.path.isdir(directory):
            return os.access(directory, os.W_OK | os.X_OK)
    return True
