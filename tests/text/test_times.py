from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from po_sessions.text.times import normal_time, timestamp


def test_times_are_utc_with_milliseconds():
    moment = datetime(2025, 1, 3, 12, 0, 0, 5999, tzinfo=timezone(timedelta(hours=2)))
    assert timestamp(moment) == "2025-01-03T10:00:00.005Z"


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("2025-01-03T10:00:00.000Z", "2025-01-03T10:00:00.000Z"),
        ("2025-01-03T12:00:00+02:00", "2025-01-03T10:00:00.000Z"),
        ("2025-01-03 10:00:00", "2025-01-03T10:00:00.000Z"),
    ],
)
def test_foreign_times(text, normal):
    assert normal_time(text) == normal


@given(st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9000, 1, 1)))
def test_a_timestamp_is_normal_and_sorts_like_the_moment(moment):
    stamp = timestamp(moment.replace(tzinfo=UTC))
    assert normal_time(stamp) == stamp
    assert stamp < timestamp((moment + timedelta(seconds=1)).replace(tzinfo=UTC))
