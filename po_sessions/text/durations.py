"""Lengths of time as people type them: `30d`, `6mo`."""

from __future__ import annotations

import re
from datetime import timedelta

from po_sessions.errors import Advice, InvalidInput

_UNITS = {
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "mo": timedelta(days=30),
    "y": timedelta(days=365),
}
_FORM = re.compile(rf"([0-9]{{1,9}})({'|'.join(_UNITS)})")
_LONGEST = 1000 * _UNITS["y"]


def parse_duration(text: str) -> timedelta:
    """Return the length of time that `text` means: a whole number from 1 on, and s, min, h, d, w, mo or y.

    A month is 30 days and a year 365. Raises InvalidInput, also for `m`, which some read as minutes and some as months,
    and for more than a thousand years.
    """
    found = _FORM.fullmatch(text)
    if not found:
        wrong = ": 'm' could be minutes or months" if re.fullmatch("[0-9]+m", text) else ""
        raise InvalidInput(f"{text!r} is not a length of time{wrong}.", advice=Advice("duration_form"))
    try:
        length = int(found[1]) * _UNITS[found[2]]
    except OverflowError:
        length = timedelta.max
    if not length or length > _LONGEST:
        wrong = "it is longer than a thousand years" if length else "it is zero"
        raise InvalidInput(f"{text!r} cannot be used: {wrong}.", advice=Advice("duration_form"))
    return length
