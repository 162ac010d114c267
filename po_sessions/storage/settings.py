"""`config.toml`: the settings of an environment, as text. What they mean, and who may choose it, others know."""

from __future__ import annotations

import os
import tomllib
from typing import Any

from po_sessions.errors import Unreadable
from po_sessions.storage import atomic

NAME = "config.toml"
LIMIT = 16 * 1024
"""Bytes. The file may come with a repository, and a larger one can be made to take long to read."""


def read(path: str) -> tuple[dict[str, Any], str]:
    """Return what the file says, and its text. Raises FileNotFoundError; Unreadable, also if it is a link or large."""
    fd = atomic.open_regular(path)
    try:
        data = atomic.read_some(fd, path, LIMIT + 1, 0)
    finally:
        os.close(fd)
    if len(data) > LIMIT:
        raise Unreadable(f"{path} is too large: it has more than {LIMIT} bytes.", hint="Mend or remove it.")
    return parse(data, path)


def parse(data: bytes, path: str) -> tuple[dict[str, Any], str]:
    """Return what a file of settings says, and its text, with the line ends that it has. Raises Unreadable."""
    try:
        text = data.decode()
        return tomllib.loads(text), text
    except RecursionError:
        raise Unreadable(f"{path} cannot be read: it is nested too deeply.", hint="Mend or remove it.") from None
    except ValueError as error:
        raise Unreadable(f"{path} cannot be read: {error}.", hint="Mend or remove it.") from None
