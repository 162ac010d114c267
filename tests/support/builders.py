"""Messages and sessions, made by hand and by Hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from po_sessions.message import Message
from po_sessions.session import Session

ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def session(*history: Message) -> Session:
    return Session(ULID, "Tea", "greeter", "2025-01-03T10:00:00.000Z", "2025-01-03T10:00:00.000Z", history)


def user(text: str = "Hello") -> Message:
    return Message("user", text, "2025-01-03T10:00:00.000Z")


def assistant(text: str = "Hi", **extra: object) -> Message:
    return Message("assistant", text, "2025-01-03T10:00:01.000Z", extra)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)

extras = st.dictionaries(
    st.text(min_size=1).filter(lambda k: k not in {"role", "content", "created_at", "error", "tool_calls"}),
    json_values,
    max_size=3,
)

messages = st.builds(
    Message,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    st.none() | st.text(),
    st.none() | st.just("2025-01-03T10:00:00.000Z"),
    extras,
)

known = {
    *session().to_dict(),
    *("parent", "tags", "pinned", "note", "budget", "amended_at", "footer_at", "totals", "spent"),
}

sessions = st.builds(
    Session,
    id=st.just(ULID),
    name=st.text(min_size=1),
    po_name=st.just("greeter"),
    created_at=st.just("2025-01-03T10:00:00.000Z"),
    updated_at=st.just("2025-01-04T10:00:00.000Z"),
    history=st.lists(messages, max_size=5).map(tuple),
    metadata=st.dictionaries(st.text(), json_values, max_size=3),
    extra=st.dictionaries(st.text(min_size=1).filter(lambda k: k not in known), json_values, max_size=3),
)
