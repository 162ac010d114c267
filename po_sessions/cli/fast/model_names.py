"""The names of models for completion, kept in a file of the user's cache: to ask for them imports `llm`, a second.

They are believed for an hour, while what they are made from is as it was: installed packages, the files that `llm` and
its plugins keep, weights, the names of keys in the environment. A file that is missing, damaged or of another origin is
asked for again and replaced, so nothing is ever said about it.
"""

import os
import sys
from time import time

from po_sessions import __version__
from po_sessions.cli.fast.cells import separators_replaced
from po_sessions.layout import primitives

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_BELIEVED = 3600  # seconds; a plugin may ask a server for its models
_LARGEST = 1 << 20


def read() -> list[tuple[str, str]] | None:
    """Return the names, with what there is to say of each; None if they have to be asked for."""
    if not os.path.isabs(_path()):
        return None
    try:
        age = time() - os.stat(_path()).st_mtime
        *lines, of = (primitives.read(_path(), _LARGEST) or b"").decode().split("\n")
    except (OSError, ValueError):
        return None
    if of != origin() or abs(age) > _BELIEVED:
        return None
    return [(name, about) for name, _, about in (line.partition("\t") for line in lines)]


def store(found: "Iterable[tuple[str, str]]", of: str) -> None:
    """Keep names for `read`, if that can be; `of` is the `origin` from before they were asked for."""
    from po_sessions import atomic
    from po_sessions.errors import PoError

    lines = ["\t".join(map(separators_replaced, one)) for one in found]
    if not os.path.isabs(_path()):
        return
    try:
        atomic.make_dir(os.path.dirname(_path()))
        atomic.replace(_path(), "\n".join([*lines, of]).encode(), durable=False)
    except (OSError, ValueError, PoError):
        pass  # they are asked for again


def origin() -> str:
    """Return what the names are made from, as one line: times of files and directories, and variables."""
    home = os.path.expanduser("~")
    config = os.environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    kept = [os.environ.get("LLM_USER_PATH") or f"{config}/io.datasette.llm", os.path.dirname(_path())]
    kept += [f"{home}/Library/Application Support/io.datasette.llm", f"{home}/Library/Caches/po"]
    variables = {name: os.environ.get(name) for name in ("LLM_USER_PATH", "LLM_LOAD_PLUGINS", "PO_GGUF")}
    packages = [(path, _time(path)) for path in sys.path]
    keys = sorted(name for name in os.environ if name.endswith(("_KEY", "_TOKEN")))
    weights = _time(variables["PO_GGUF"] or "")
    return ascii((__version__, variables, keys, packages, weights, [_files(path) for path in kept]))


def _files(directory: str) -> list[tuple[str, int]]:
    try:
        names = [name for name in os.listdir(directory) if name.endswith((".json", ".yaml", ".yml", ".gguf"))]
    except OSError:
        return []
    return [(name, _time(f"{directory}/{name}")) for name in sorted(names)]


def _time(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _path() -> str:
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return f"{cache if os.path.isabs(cache) else os.path.expanduser('~/.cache')}/po/models"
