"""Durations as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from po_sessions.durations import parse_duration
from po_sessions.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "hours"),
    [("12h", 12), ("30d", 720), ("2w", 336), ("6mo", 6 * 720), ("1y", 8760), (" 1d ", 24), ("007d", 168)],
)
def test_what_is_one(text, hours):
    assert parse_duration(text) == timedelta(hours=hours)


@pytest.mark.parametrize(
    "text", ["", "0d", "-1d", "1", "d", "5m", "1.5h", "1 d", "1D", "1d2h", "999999999y", "9999999999h", "٣d", "1d\n1h"]
)
def test_what_is_none(text):
    with pytest.raises(InvalidInput, match="is no duration") as caught:
        parse_duration(text)
    assert "12h, 30d, 2w, 6mo, 1y" in (caught.value.hint or "")
