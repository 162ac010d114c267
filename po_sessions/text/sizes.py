"""Amounts of bytes as people type and read them: `500MB`, `2GiB`."""

from __future__ import annotations

import re

from po_sessions.errors import Advice, InvalidInput

_PREFIXES = "kmgt"
_FORM = re.compile(rf"([0-9]{{1,15}})(?:\.([0-9]{{1,15}}))?(?:b|([{_PREFIXES}])(b|ib)?)", re.ASCII | re.IGNORECASE)


def parse_size(text: str) -> int:
    """Return the bytes that `text` means: `100k` and `100kB` are 100,000, `100KiB` 102,400; capitals do not matter.

    Raises InvalidInput, also for less than a byte, and for a number without a unit: 500 bytes are hardly ever meant.
    """
    found = _FORM.fullmatch(text)
    if not found:
        raise InvalidInput(f"{text!r} is not an amount of bytes.", advice=Advice("size_form"))
    whole, part, prefix, ending = found.groups(default="")
    base = 1024 if ending.lower() == "ib" else 1000
    power = _PREFIXES.index(prefix.lower()) + 1 if prefix else 0
    size: int = int(whole + part) * base**power // 10 ** len(part)
    if not size:
        raise InvalidInput(f"{text!r} is less than a byte.", advice=Advice("size_form"))
    return size


def format_size(size: int) -> str:
    """Return an amount of bytes as people read it: `999 B`, `1.5 kB`, `20 MB`."""
    if size < 1000:
        return f"{size} B"
    power = next(power for power in (1, 2, 3, 4) if power == 4 or size < 999.5 * 1000**power)
    amount = size / 1000**power
    return f"{amount:.{int(amount < 9.95)}f} {'kMGT'[power - 1]}B"
