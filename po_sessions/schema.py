"""The keys of a session beside its messages: which values they may have, and the totals that are made of replies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from po_sessions.layout.primitives import is_printable
from po_sessions.message import Message

Totals = Mapping[str, Mapping[str, int]]
"""For each model, by its name ("" where a reply does not tell it), the counts of TOTALS."""

NO_TOTALS: Totals = {}
TOTALS = ("replies", "failed", "input", "output", "cached", "duration_ms")
"""Replies that ended well, replies of failed turns, tokens read, written, and read from a cache, milliseconds."""


TAG_LENGTH = 100
_CACHED = ("cached_tokens", "cache_read_input_tokens", "cachedContentTokenCount", "prompt_cache_hit_tokens")
"""What providers call the tokens that they read from a cache; they may stand inside another count."""


@dataclass(frozen=True, slots=True)
class Parent:
    """The session that another one was made from."""

    id: str
    message: int
    """How many of its messages were taken."""
    kind: str
    """fork, copy or delegation."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """All other keys."""

    def __post_init__(self) -> None:
        if not (isinstance(self.id, str) and self.id and isinstance(self.kind, str) and self.kind):
            raise ValueError("the id or the kind of a parent is missing or not text")
        if type(self.message) is not int or self.message < 0:
            raise ValueError("the number of a parent's messages is not a whole number")

    def to_dict(self) -> dict[str, Any]:
        """Return the parent as it is stored."""
        return {"id": self.id, "message": self.message, "kind": self.kind, **self.extra}

    @classmethod
    def from_dict(cls, data: Any) -> Parent:
        """Read a stored parent. Raises ValueError."""
        if not isinstance(data, Mapping):
            raise ValueError("a parent is not an object")
        rest = dict(data)
        return cls(rest.pop("id", ""), rest.pop("message", -1), rest.pop("kind", ""), rest)


def check_tags(tags: Any) -> tuple[str, ...]:
    """Return tags if they can be a session's: 1 to TAG_LENGTH printable characters each, none twice.

    Raises ValueError.
    """
    if not isinstance(tags, list | tuple) or not all(isinstance(one, str) for one in tags):
        raise ValueError("'tags' is not a list of texts")
    for one in tags:
        if not (0 < len(one) <= TAG_LENGTH and is_printable(one) and one == one.strip()):
            raise ValueError(f"{one!r} cannot be a tag")
    if len(set(tags)) != len(tags):
        raise ValueError("a tag occurs twice")
    return tuple(tags)


def check_text(text: Any) -> str | None:
    """Return a text or None. Raises ValueError."""
    if not isinstance(text, str | None):
        raise ValueError(f"{text!r} is not text")
    return text


def check_count(count: Any) -> int | None:
    """Return a whole number of at least 0, or None. Raises ValueError."""
    if count is not None and (type(count) is not int or count < 0):
        raise ValueError(f"{count!r} is not a whole number of at least 0")
    return count


def totals_of(messages: Iterable[Message]) -> Totals:
    """Return the totals of a history."""
    totals: dict[str, dict[str, int]] = {}
    for message in messages:
        if counted := _counts(message):
            model, counts = counted
            there = totals.get(model)
            totals[model] = counts if there is None else {key: there[key] + counts[key] for key in TOTALS}
    return totals


def with_message(totals: Totals, message: Message) -> Totals:
    """Return the totals of a history with one more message."""
    counted = _counts(message)
    if counted is None:
        return totals
    model, counts = counted
    there = totals.get(model)
    return {**totals, model: counts if there is None else {key: there[key] + counts[key] for key in TOTALS}}


def without(totals: Totals, messages: Iterable[Message]) -> Totals:
    """Return the totals of a history without some of its messages."""
    left = dict(totals)
    for model, counts in totals_of(messages).items():
        there = left.pop(model, dict.fromkeys(TOTALS, 0))
        rest = {key: max(0, there[key] - counts[key]) for key in TOTALS}
        if any(rest.values()):
            left[model] = rest
    return left


def tokens_of(totals: Totals) -> int:
    """Return the tokens that were read and written."""
    return sum(counts["input"] + counts["output"] for counts in totals.values())


def tokens_in(message: Message) -> int:
    """Return the tokens of one message."""
    counted = _counts(message)
    return 0 if counted is None else counted[1]["input"] + counted[1]["output"]


def _counts(message: Message) -> tuple[str, dict[str, int]] | None:
    """Return the model and the counts of a reply, or of a summary that cost something; None for other messages."""
    about = message.extra
    usage = about.get("usage")
    is_reply = message.role == "assistant"
    if not isinstance(usage, Mapping):
        if not is_reply:
            return None
        usage = {}
    model = about.get("model")
    failed = message.failed
    cached = [_whole(count) for key, count in usage.items() if str(key).rpartition(".")[2] in _CACHED]
    counts = {
        "replies": int(is_reply and not failed),
        "failed": int(is_reply and failed),
        "input": _whole(usage.get("input")),
        "output": _whole(usage.get("output")),
        "cached": max(cached, default=0),
        "duration_ms": _whole(about.get("duration_ms")),
    }
    return (model if isinstance(model, str) else "", counts) if any(counts.values()) else None


def _whole(value: Any) -> int:
    return value if type(value) is int and value > 0 else 0


def read_totals(value: Any) -> Totals | None:
    """Return stored totals; None if they are not as they are written here."""
    if not isinstance(value, Mapping):
        return None
    for counts in value.values():
        if not isinstance(counts, Mapping) or list(counts) != list(TOTALS):
            return None
        if not all(type(count) is int and count >= 0 for count in counts.values()):
            return None
    return value


def stored_totals(footer: Mapping[str, Any], *, stale: bool = False) -> Totals | None:
    """Return the totals in a footer if they were made for its message count and time; also others if `stale`."""
    totals = footer.get("totals")
    if not isinstance(totals, Mapping):
        return None
    made_for = [totals.get(key) for key in ("message_count", "updated_at")]
    if not stale and made_for != [footer.get(key) for key in ("message_count", "updated_at")]:
        return None
    return read_totals(totals.get("models"))


def spent_by(stored: Mapping[str, Any], tokens: int) -> int:
    """Return the tokens ever spent, of a session whose messages have so many.

    `stored` may be of an earlier version, which carries what was spent along and does not count its own replies.
    """
    spent = _whole(stored.get("spent"))
    before = stored_totals(stored, stale=True)
    return max(tokens, spent if before is None else spent + max(0, tokens - tokens_of(before)))
