"""What is stored, as commands and directories show it."""

from __future__ import annotations

import json
from pathlib import Path


def history(po, *ref: str) -> list[dict]:
    return json.loads(po("session", "show", *ref, "--json").stdout)["history"]


def contents(po, *ref: str) -> list[str]:
    return [one["content"] for one in history(po, *ref)]


def everything(root: Path) -> dict[str, tuple[int, int, int, int, bytes]]:
    """Return all that can be told of a directory: names, inodes, modes, sizes, times, contents."""
    found = {}
    for path in [root, *root.rglob("*")]:
        about = path.stat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (about.st_ino, about.st_mode, about.st_size, about.st_mtime_ns, content)
    return found
