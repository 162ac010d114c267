"""Files that are small if po or a person wrote them; a larger one, which may come with a repository, is not read."""

from __future__ import annotations

import os

from po_sessions import atomic
from po_sessions.errors import Advice, Unreadable

SMALL = 16 * 1024
"""Bytes of a file whose form can be made to take long to read."""


def read(path: str, limit: int = SMALL) -> bytes:
    """Return a store file's bytes. Raises as `atomic.read`; Unreadable too if there are more than `limit`."""
    data = beginning(path, limit + 1)
    if len(data) > limit:
        raise too_large(path, limit)
    return data


def beginning(path: str, size: int) -> bytes:
    """Return at most `size` bytes of a store file. Raises as `atomic.read`."""
    fd = atomic.open_regular(path)
    try:
        return atomic.read_some(fd, path, size, 0)
    finally:
        os.close(fd)


def too_large(path: str, limit: int) -> Unreadable:
    """Return the error for a file of more than `limit` bytes."""
    return Unreadable(f"{path} is too large: it has more than {limit} bytes.", advice=Advice("mend_or_remove"))
