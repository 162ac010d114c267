"""The ids of what is set aside, in the trash and in the backups: a session's id, a point, the time without separators.

They become parts of paths, so nothing else is taken for one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from po_sessions.names import is_session_id
from po_sessions.text.times import timestamp

_STAMP = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{3}Z")


def new(session_id: str, now: str, taken: Callable[[str], bool]) -> str:
    """Return a new id; a moment that is taken gives way to the next millisecond."""
    moment = datetime.fromisoformat(now)
    while True:
        id = f"{session_id}.{timestamp(moment).replace('-', '').replace(':', '')}"
        if not taken(id):
            return id
        moment += timedelta(milliseconds=1)


def split(id: str) -> tuple[str, str]:
    """Return the session's id and the time as it stands in `id`."""
    session_id, _, stamp = id.partition(".")
    return session_id, stamp


def moment_of(id: str) -> datetime:
    """Return when what is called `id` was set aside."""
    return datetime.fromisoformat(split(id)[1])


def time_of(id: str) -> str:
    """Return the same as it is stored."""
    return timestamp(moment_of(id))


def is_one(text: str) -> bool:
    """Tell whether `text` is such an id, and so safe as a part of a path."""
    session_id, stamp = split(text)
    with suppress(ValueError):
        return is_session_id(session_id) and bool(_STAMP.fullmatch(stamp) and time_of(text))
    return False
