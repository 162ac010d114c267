"""Lengths of time and amounts of bytes as people type them."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.hints import hint_of

from po_sessions.errors import InvalidInput
from po_sessions.text.durations import parse_duration
from po_sessions.text.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("45s", timedelta(seconds=45)),
        ("90min", timedelta(hours=1.5)),
        ("12h", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
        ("2w", timedelta(days=14)),
        ("6mo", timedelta(days=180)),
        ("1y", timedelta(days=365)),
        ("1000y", timedelta(days=365_000)),
        ("007d", timedelta(days=7)),
    ],
)
def test_lengths_of_time(text, length):
    assert parse_duration(text) == length


NO_LENGTHS = ["", "30", "d", "6m", "0d", "0s", "-1d", "+1d", "1.5h", "1d12h", "30 d", " 30d", "30d\n", "30D", "1yr"]
NO_LENGTHS += ["1001y", "999999999y", "99999999999d", "٣d", "3０d", "1e3d", "inf", "nan", "\udcffd", "9" * 5000 + "d"]


@pytest.mark.parametrize("text", NO_LENGTHS, ids=lambda text: repr(text)[:20])
def test_what_is_no_length_of_time(text):
    with pytest.raises(InvalidInput) as caught:
        parse_duration(text)
    assert "30d" in hint_of(caught.value)


def test_an_m_is_said_to_be_ambiguous():
    with pytest.raises(InvalidInput, match="minutes or months"):
        parse_duration("6m")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("500MB", 500_000_000),
        ("2GiB", 2 * 1024**3),
        ("100k", 100_000),
        ("100KB", 100_000),
        ("1kib", 1024),
        ("1.5GB", 1_500_000_000),
        ("0.001k", 1),
        ("7b", 7),
        ("1T", 10**12),
    ],
)
def test_amounts_of_bytes(text, size):
    assert parse_size(text) == size


NO_SIZES = ["", "0", "500", "0B", "0.0001k", "-1k", "1.k", ".5k", "1,5k", "1 MB", "MB", "1PB", "1ib", "1kbit", "1k\n"]
NO_SIZES += ["\u212a", "1\u212a", "٣k", "1e3k", "9" * 5000 + "k", "\udcffk"]


@pytest.mark.parametrize("text", NO_SIZES, ids=lambda text: repr(text)[:20])
def test_what_is_no_amount_of_bytes(text):
    with pytest.raises(InvalidInput) as caught:
        parse_size(text)
    assert "500MB" in hint_of(caught.value)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9949, "9.9 kB"),
        (9950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (20_000_000, "20 MB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_amounts_as_people_read_them(size, text):
    assert format_size(size) == text


@given(st.text() | st.from_regex(r"[0-9.]{0,12}[a-zA-Z]{0,4}", fullmatch=True))
def test_any_text_is_read_or_refused(text):
    with suppress(InvalidInput):
        assert parse_duration(text) > timedelta()
    with suppress(InvalidInput):
        assert parse_size(text) > 0
