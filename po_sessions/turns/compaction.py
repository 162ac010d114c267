"""Summaries of conversations, made by a model."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from po_sessions.errors import Advice, ContextTooLong, Interrupted, ModelError
from po_sessions.models import Chunk, ModelBackend, Reply

if TYPE_CHECKING:
    from po_sessions.models.time_limit import TimeLimit

Messages = Sequence[Mapping[str, Any]]

_TASK = (
    "You sum up conversations. The summary takes the place of the conversation: whoever goes on with it knows nothing "
    "else. Keep names, facts, numbers, decisions, what was asked for and what is still open, in the language of the "
    "conversation. Write the summary and nothing else."
)
_ASK = "Sum up this conversation."


def summarize(
    messages: Messages,
    backend: ModelBackend,
    model: str,
    options: Mapping[str, Any],
    time_limit: TimeLimit | None = None,
) -> Reply:
    """Return the model's summary of a conversation, of which an earlier summary may be the first message.

    One that is too long for the model is summed up in parts, each with the summary of those before; the reply tells
    what all of it took, and the `time_limit` is for all of it. Raises ModelError, also if nothing came; Interrupted.
    """
    try:
        return _summarize(messages, partial(backend.complete, model=model, options=options, time_limit=time_limit))
    except KeyboardInterrupt as error:
        raise Interrupted("Interrupted; no summary was added.") from error


def _summarize(messages: Messages, complete: partial[Generator[Chunk | Reply]]) -> Reply:
    try:
        return _ask(messages, complete)
    except ContextTooLong:
        middle = _middle(messages)
        if not middle:
            raise
    first = _summarize(messages[:middle], complete)
    so_far = {"role": "system", "content": str(first.message["content"])}
    second = _summarize([so_far, *messages[middle:]], complete)
    usage = Counter(first.usage)
    usage.update(second.usage)
    duration_ms = first.duration_ms + second.duration_ms
    return Reply(second.message, second.model, dict(usage), duration_ms, second.finish_reason)


def _middle(messages: Messages) -> int:
    """Return where the turn begins that is nearest to the middle; 0 if there is only one."""
    starts = [at for at, message in enumerate(messages) if message["role"] == "user"][1:]
    return min(starts, key=lambda at: abs(2 * at - len(messages)), default=0)


def _ask(messages: Messages, complete: partial[Generator[Chunk | Reply]]) -> Reply:
    """Return the model's summary of what fits it.

    It gets the conversation as one text: asked at the end of one, small models go on with it.
    """
    earlier = [str(message["content"]) for message in messages if message["role"] == "system"]
    said = [_line(message) for message in messages if message["role"] != "system"]
    text = "\n\n".join([*earlier, *said, _ASK])
    sent = [{"role": "system", "content": _TASK}, {"role": "user", "content": text}]
    with closing(complete(sent)) as events:
        reply = next((event for event in events if isinstance(event, Reply)), None)
    if reply is None or not str(reply.message.get("content") or "").strip():
        raise ModelError(f"{complete.keywords['model']} gave no summary.", advice=Advice("try_again_or_another"))
    return reply


def _line(message: Mapping[str, Any]) -> str:
    calls = message.get("tool_calls")
    called = f" (tool calls: {json.dumps(calls, ensure_ascii=False)})" if calls else ""
    return f"{message['role'].capitalize()}: {message['content'] or ''}{called}"
