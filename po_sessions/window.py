"""What of a conversation a model gets to see. What is stored is never trimmed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any, Literal

from po_sessions.errors import InvalidInput
from po_sessions.session import Message, Session

_LIMIT = re.compile(r"(last|tokens):([0-9]{1,9})")
_SENT = ("role", "content", "tool_calls", "tool_call_id", "name")
"""The keys of a stored message that a model gets to see."""
_SUMMARY = "Summary of the conversation before this:"


@dataclass(frozen=True, slots=True)
class Limit:
    """How much of a conversation is sent: all of it, its last turns, or what fits a number of tokens."""

    kind: Literal["all", "last", "tokens"] = "all"
    number: int = 0

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Read `all`, `last:N` or `tokens:N`. Raises InvalidInput."""
        if text == "all":
            return cls()
        found = _LIMIT.fullmatch(text)
        number = int(found[2]) if found else 0
        if found is None or (found[1] == "tokens" and not number):
            raise InvalidInput(
                f"{text!r} does not say how much of the conversation to send.",
                hint="Write all, last:N for the last N turns, or tokens:N for what fits N tokens.",
            )
        return cls("last" if found[1] == "last" else "tokens", number)

    def __str__(self) -> str:
        return "all" if self.kind == "all" else f"{self.kind}:{self.number}"


@dataclass(frozen=True, slots=True)
class Window:
    """The messages that a model gets."""

    messages: list[dict[str, Any]]
    turns: int
    """How many earlier turns are in them as they are."""
    trimmed: bool = False
    """Whether the limit left out others."""


def window(session: Session, message: str, *, system: str = "", limit: Limit | None = None, end: int = 0) -> Window:
    """Return the system prompt, the earlier turns that were answered, as far as the limit goes, and the new message.

    With `end`, so many messages at the end of the session are passed over. The newest summary stands for all before
    it, and goes whatever the limit is, as does the system prompt. The history is read from its end, no further than is
    needed.
    """
    limit = limit or Limit()
    history = session.history[: len(session.history) - end]
    at = session.summary_at()
    summary = None if at is None or at >= len(history) else history[at].content
    told = "\n\n".join(part for part in (system, f"{_SUMMARY}\n\n{summary}" if summary else "") if part)
    head = [{"role": "system", "content": told}] if told else []
    head += [_sent(one) for one in takewhile(lambda one: one.role == "system" and not one.is_summary, history)]
    new = {"role": "user", "content": message}

    room = limit.number - sum(map(tokens, [*head, new]))
    kept: list[list[dict[str, Any]]] = []
    group: list[Message] = []
    since = len(history) if summary is None else len(history) - (at or 0) - 1
    for one in islice(reversed(history), since):
        group.insert(0, one)
        if one.role != "user":
            continue
        turn = [_sent(each) for each in group if not each.failed] if group[-1].turn_state == "done" else []
        group = []
        if not turn:
            continue
        room -= sum(map(tokens, turn))
        if (limit.kind == "last" and len(kept) == limit.number) or (limit.kind == "tokens" and room < 0):
            return Window([*head, *_joined(kept), new], len(kept), trimmed=True)
        kept.append(turn)
    # What stands before the first user's message and is not in the head: a greeting, for example.
    group = group if summary is None else []
    first = [_sent(one) for one in group[len(head) - bool(told) :] if not one.failed]
    return Window([*head, *first, *_joined(kept), new], len(kept))


def _joined(newest_first: Sequence[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [message for turn in reversed(newest_first) for message in turn]


def _sent(message: Message) -> dict[str, Any]:
    return {key: value for key, value in message.to_dict().items() if key in _SENT}


def tokens(message: dict[str, Any]) -> int:
    """Estimate the tokens of a message: one for 4 characters of ASCII, one for any other character, and 4 around it.

    No two models count alike, and counting as one of them does would mean to load it.
    """
    text = json.dumps({**message, "role": ""}, ensure_ascii=False) if len(message) > 2 else message["content"] or ""
    other = len(text) - len(text.encode("ascii", "ignore"))
    return 4 + -(-(len(text) - other) // 4) + other
