"""Sessions with names of their own, as the contract of stores has them."""

from __future__ import annotations

from support.builders import ULID

from po_sessions.session import Session

OTHER = "01ARZ3NDEKTSV4RRFFQ69G5FAW"

UUID = "123e4567-e89b-12d3-a456-426614174000"


def session(id=ULID, name="Tea", po_name="greeter", updated_at="2025-01-03T10:00:00.000Z", **more) -> Session:
    return Session(id, name, po_name, "2025-01-03T10:00:00.000Z", updated_at, **more)


NOW = "2025-02-01T10:00:00.000Z"
