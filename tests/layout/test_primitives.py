"""The smallest readers, against those of the standard library."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from po_sessions.layout.primitives import is_time
from po_sessions.text.times import normal_time


@given(st.datetimes(min_value=datetime(1, 1, 1)))
def test_each_time_of_the_calendar_is_one(moment):
    text = f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03}Z"
    time = f"{moment.year:04}-{moment.month:02}-{moment.day:02}T{text}"
    assert is_time(time)
    assert normal_time(time) == time


@given(st.lists(st.sampled_from([*"0123456789"]), min_size=17, max_size=17).map("".join))
def test_other_digits_are_one_if_the_calendar_has_them(digits):
    date, clock = f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}", f"{digits[8:10]}:{digits[10:12]}:{digits[12:14]}"
    time = f"{date}T{clock}.{digits[14:]}Z"
    try:
        datetime.fromisoformat(time)
        expected = True
    except ValueError:
        expected = False
    assert is_time(time) == expected


@pytest.mark.parametrize(
    "value",
    [
        *(
            "2025-02-29T00:00:00.000Z",
            "1900-02-29T00:00:00.000Z",
            "2025-04-31T00:00:00.000Z",
            "0000-01-01T00:00:00.000Z",
        ),
        *(
            "2025-01-01T24:00:00.000Z",
            "2025-01-01T00:00:60.000Z",
            "2025-00-01T00:00:00.000Z",
            "2025-01-00T00:00:00.000Z",
        ),
        *(
            "2025-01-01 00:00:00.000Z",
            "2025-01-01T00:00:00.000z",
            "2025-01-01T00:00:00,000Z",
            "2025-01-01T00:00:00.00²Z",
        ),
        *("+025-01-01T00:00:00.000Z", "2025-01-01T00:00:00Z", "", None, 5, b"2025-01-01T00:00:00.000Z"),
    ],
)
def test_what_is_not_a_time(value):
    assert not is_time(value)


@pytest.mark.parametrize("value", ["2024-02-29T23:59:59.999Z", "2000-02-29T00:00:00.000Z", "9999-12-31T00:00:00.000Z"])
def test_the_ends_of_months_and_years(value):
    assert is_time(value)
