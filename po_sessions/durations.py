"""Durations as people write them: `12h`, `30d`, `2w`, `6mo`, `1y`."""

from __future__ import annotations

import re
from datetime import timedelta

from po_sessions.errors import InvalidInput

_UNITS = {
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "mo": timedelta(days=30),
    "y": timedelta(days=365),
}


def parse_duration(text: str) -> timedelta:
    """Return how long `text` means: a whole number from 1 on and `h`, `d`, `w`, `mo` (30 days) or `y` (365 days).

    Raises InvalidInput; a bare `m` too, which some read as minutes and some as months.
    """
    found = re.fullmatch(r"([0-9]{1,9})([a-z]+)", text.strip())
    unit = _UNITS.get(found[2]) if found else None
    try:
        if found and unit and int(found[1]):
            return int(found[1]) * unit
    except OverflowError:
        pass
    hint = "Write a number from 1 on, and h, d, w, mo or y: 12h, 30d, 2w, 6mo, 1y."
    raise InvalidInput(f"{text!r} is no duration.", hint=hint)
