"""Message and Turn: what a conversation consists of.

Plain data and its rules. Keys that are not known here are kept in `extra`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

ROLES = ("system", "user", "assistant", "tool")
PREVIEW_LENGTH = 80
STANDS_FOR = "stands_for"
"""The key of a summary: how many messages before it it stands for in what a model is sent."""

DAMAGED = "damaged"
"""The key of a gap: how many `bytes` could not be read."""

TurnState = Literal["empty", "open", "failed", "done"]
"""The newest turn: none yet; a user's message without a reply; one that ended in an error; one that was answered."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: str
    """One of ROLES."""
    content: str | None
    """The text; None for an assistant's message that only calls tools."""
    created_at: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """All other keys. Ours: `model`, `usage`, `duration_ms`, `finish_reason`, and `error` (`kind`, `message`) in the
    reply of a failed turn, whose content is what had arrived."""

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"a message has the role {self.role!r}")
        if not isinstance(self.content, str | None):
            raise ValueError("the content of a message is not text")
        if not isinstance(self.created_at, str | None):
            raise ValueError("the time of a message is not text")

    @classmethod
    def gap(cls, size: int, role: str) -> Message:
        """Return what stands for a damaged message of so many bytes, of which no more than its role is known."""
        return cls(role, f"[damaged: {size} bytes cannot be read]", None, {DAMAGED: {"bytes": size}})

    @property
    def is_gap(self) -> bool:
        """Whether this stands for a damaged message."""
        return isinstance(self.extra.get(DAMAGED), Mapping)

    @property
    def failed(self) -> bool:
        """Whether this is the reply of a failed turn."""
        return self.extra.get("error") is not None

    @property
    def is_summary(self) -> bool:
        """Whether this stands for the messages before it in what a model is sent."""
        return self.role == "system" and STANDS_FOR in self.extra

    def has(self, key: str, value: str | None = None) -> bool:
        """Tell whether this has one of the other keys, and this value if given."""
        return key in self.extra and value in (None, self.extra[key])

    @property
    def turn_state(self) -> TurnState:
        """The state of a turn whose last message this is."""
        if self.failed:
            return "failed"
        answered = self.role == "assistant" and not self.extra.get("tool_calls")
        return "done" if answered or self.role == "system" else "open"

    def to_dict(self) -> dict[str, Any]:
        """Return the message as it is stored."""
        made = {"role": self.role, "content": self.content}
        if self.created_at is not None:
            made["created_at"] = self.created_at
        return {**made, **self.extra}

    @classmethod
    def from_dict(cls, data: Any) -> Message:
        """Read a stored message. Raises ValueError, saying what is wrong with it."""
        if not isinstance(data, dict):
            raise ValueError("a message is not an object")
        rest = dict(data)
        role, content, created_at = rest.pop("role", None), rest.pop("content", None), rest.pop("created_at", None)
        return cls(role, content, created_at, rest)


class Turn(NamedTuple):
    """A user's message with all that answers it."""

    number: int
    """Counted from 1; failed and interrupted turns keep their numbers."""
    messages: tuple[Message, ...]

    @property
    def state(self) -> TurnState:
        """`done`, `failed`, or `open` (being answered, or interrupted)."""
        return self.messages[-1].turn_state


def preview(text: str | None) -> str:
    """Return a text on one line, cut to PREVIEW_LENGTH characters."""
    line = " ".join((text or "")[: 8 * PREVIEW_LENGTH].split())
    return line if len(line) <= PREVIEW_LENGTH else line[: PREVIEW_LENGTH - 1] + "…"
