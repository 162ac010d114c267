"""`config.toml`: the settings of an environment, as text. What they mean, and who may choose it, others know."""

from __future__ import annotations

import tomllib
from typing import Any

from po_sessions import bounded
from po_sessions.errors import Advice, Unreadable

NAME = "config.toml"
LIMIT = bounded.SMALL


def read(path: str) -> tuple[dict[str, Any], str]:
    """Return what the file says, and its text. Raises FileNotFoundError; Unreadable, also if it is a link or large."""
    return parse(bounded.read(path, LIMIT), path)


def parse(data: bytes, path: str) -> tuple[dict[str, Any], str]:
    """Return what a file of settings says, and its text, with the line ends that it has.

    Raises Unreadable, also if it is large.
    """
    if len(data) > LIMIT:
        raise bounded.too_large(path, LIMIT)
    try:
        text = data.decode()
        return tomllib.loads(text), text
    except RecursionError:
        raise Unreadable(f"{path} cannot be read: it is nested too deeply.", advice=Advice("mend_or_remove")) from None
    except ValueError as error:
        raise Unreadable(f"{path} cannot be read: {error}.", advice=Advice("mend_or_remove")) from None
