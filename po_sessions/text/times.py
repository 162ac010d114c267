"""Times as they are stored: ISO-8601 text in UTC with milliseconds, `2025-01-03T10:00:00.000Z`, which sorts as text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

UNKNOWN_TIME = "1970-01-01T00:00:00.000Z"
"""What stands for the times of a session whose file does not tell them."""

_UTC_MILLISECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def timestamp(moment: datetime) -> str:
    """Return an aware datetime as the store writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def normal_time(text: str) -> str:
    """Return any ISO-8601 time in the form of `timestamp`; one without a zone is taken as UTC.

    Raises ValueError if it is not a time.
    """
    moment = datetime.fromisoformat(text)
    if _UTC_MILLISECONDS.fullmatch(text):
        return text
    try:
        return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except OverflowError:
        raise ValueError(f"{text} lies outside of time") from None


def time_or(text: str | None, default: str) -> str:
    """Return a time in the form of `timestamp`; the default for None and for what is not a time."""
    try:
        return normal_time(text or default)
    except ValueError:
        return default


def is_far_ahead(time: str, now: str) -> bool:
    """Tell whether a time lies more than a day ahead of another, so that the clock must have been wrong."""
    return time > now and datetime.fromisoformat(time) - datetime.fromisoformat(now) > timedelta(days=1)
