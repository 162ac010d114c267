"""What of a conversation a model gets to see. What is stored is never trimmed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any

from po_sessions.mending import Mended, is_blank, mend, with_own_ids
from po_sessions.message import Message, Turn
from po_sessions.prompt_objects.definition import Limit
from po_sessions.session import Session

_SENT = ("role", "content", "tool_calls", "tool_call_id")
"""The keys of a stored message that a model gets to see."""
_SUMMARY = "Summary of the conversation before this:"


@dataclass(frozen=True, slots=True)
class Window:
    """The messages that a model gets."""

    messages: list[dict[str, Any]]
    turns: int
    """How many earlier turns are in them."""
    trimmed: bool = False
    """Whether the limit left out others."""
    left_out: int = 0
    """How many messages the limit did not leave out, and are not sent: providers refuse them, or nothing answers them.
    A turn that failed is not among them."""
    mended: int = 0
    """How many messages are sent otherwise than they are stored, see `mending`."""


def window(session: Session, asked: str | Turn, *, system: str = "", limit: Limit | None = None) -> Window:
    """Return the system prompt, the earlier turns that were answered, as far as the limit goes, and what is `asked`.

    That is a new message, or the last turn of the session, which has no answer: then the model gets its question and
    goes on behind its last results of calls. It goes whatever the limit is, as do the system prompt and the newest
    summary, which stands for all before it; they count. A limit leaves out whole turns. The history is read from its
    end, no further than is needed. What no provider takes is mended or left out.
    """
    limit = limit or Limit()
    history = session.history[: len(session.history) - (len(asked.messages) if isinstance(asked, Turn) else 0)]
    at = session.summary_at()
    summary = None if at is None or at >= len(history) or is_blank(history[at].content) else history[at].content
    leading = [_text(one) for one in takewhile(lambda one: one.role == "system" and not one.is_summary, history)]
    told = [system, f"{_SUMMARY}\n\n{summary}" if summary else "", *(text or "" for text in leading)]
    told = [text for text in told if not is_blank(text)]
    new = _asked(asked)

    room = limit.number - sum(map(tokens, [*_head(told), *_head(new.instructions), *new.messages]))
    kept: list[Mended] = []
    left_out, mended, trimmed = sum(map(is_blank, leading)) + new.left_out, new.mended, False
    group: list[Message] = []
    since = len(history) if summary is None else len(history) - (at or 0) - 1
    for one in islice(reversed(history), since):
        group.append(one)
        if one.role != "user":
            continue
        turn, group = _turn(group[::-1]), []
        if turn.messages:
            room -= sum(map(tokens, [*_head(turn.instructions), *turn.messages]))
            trimmed = (limit.kind == "last" and len(kept) == limit.number) or (limit.kind == "tokens" and room < 0)
            if trimmed:
                group = []
                break
            kept.append(turn)
        left_out, mended = left_out + turn.left_out, mended + turn.mended
    kept.reverse()
    # What stands before the first user's message and is not in the head: a greeting, for example.
    first = mend([] if trimmed or summary is not None else _said(group[::-1][len(leading) :]))
    left_out, mended = left_out + first.left_out, mended + first.mended
    instructions = [text for one in (first, *kept, new) for text in one.instructions]
    messages = with_own_ids(one.messages for one in (first, *kept, new))
    return Window([*_head([*told, *instructions]), *messages], len(kept), trimmed, left_out, mended)


def _head(told: Sequence[str]) -> list[dict[str, Any]]:
    return [{"role": "system", "content": "\n\n".join(told)}] if told else []


def _asked(asked: str | Turn) -> Mended:
    """Return what a model is to answer: a message, or a turn that it goes on with."""
    if isinstance(asked, str):
        return Mended([{"role": "user", "content": asked}], [])
    question = {"role": "user", "content": asked.messages[0].content}
    return mend([question, *_said(asked.messages[1:])], goes_on=True)


def _turn(messages: Sequence[Message]) -> Mended:
    """Return what is sent of a turn: nothing if it failed, or if nothing answers what is asked."""
    if messages[-1].failed:
        return Mended([], [])
    said = _said(messages)
    made = mend(said)
    return made if made.is_turn else Mended([], [], len(said))


def _said(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return messages without what failed, and without summaries, which are sent otherwise."""
    return [
        {**{key: value for key, value in one.to_dict().items() if key in _SENT}, "content": _text(one)}
        for one in messages
        if not (one.failed or one.is_summary)
    ]


def _text(message: Message) -> str | None:
    """Return the text of a message; None for a gap, which says nothing but as the result of a call."""
    return None if message.is_gap and message.role != "tool" else message.content


def tokens(message: dict[str, Any]) -> int:
    """Estimate the tokens of a message: one for 4 characters of ASCII, one for any other character, and 4 around it.

    No two models count alike, and counting as one of them does would mean to load it.
    """
    text = json.dumps({**message, "role": ""}, ensure_ascii=False) if len(message) > 2 else message["content"] or ""
    other = len(text) - len(text.encode("ascii", "ignore"))
    return 4 + -(-(len(text) - other) // 4) + other
