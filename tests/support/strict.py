"""A provider that refuses what the strictest refuse: OpenAI, Anthropic, Gemini, and the templates of chat models."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def refused(messages: list[dict[str, Any]]) -> str | None:
    """Tell why messages in po's shape are refused, None if they are taken."""
    return next(_faults(messages), None)


def refused_by_openai(messages: list[dict[str, Any]]) -> str | None:
    """Tell the same of messages as they are on OpenAI's wire."""
    return refused([_own(one) for one in messages])


def _own(one: dict[str, Any]) -> dict[str, Any]:
    if not one.get("tool_calls"):
        return one
    calls = [
        {"id": call["id"], "name": call["function"]["name"], "arguments": json.loads(call["function"]["arguments"])}
        for call in one["tool_calls"]
    ]
    return {**one, "tool_calls": calls}


def _faults(messages: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what is wrong. Halves of characters in texts are the back ends' to replace."""
    before, waiting, ids = "", list[str](), set[str]()
    for at, one in enumerate(messages):
        role, text, calls = one["role"], one["content"], one.get("tool_calls", [])
        if waiting and role != "tool":
            yield f"{at}: calls without results"
        if role == "tool":
            if not isinstance(text, str) or not waiting or one.get("tool_call_id") != waiting.pop(0):
                yield f"{at}: a result without its call, or in the wrong order"
            before = role
            continue
        if role == "system" and at:
            yield f"{at}: a system message that is not the first"
        if role == before or (role == "user" and before == "tool"):
            yield f"{at}: {role} behind {before}"
        if not (isinstance(text, str) and text.strip()) and not (role == "assistant" and calls and text is None):
            yield f"{at}: a blank text"
        json.dumps(calls, ensure_ascii=False).encode()  # as SDKs do
        for call in calls:
            if set(call) != {"id", "name", "arguments"} or not isinstance(call["arguments"], dict):
                yield f"{at}: {call!r}"
            if not _NAME.fullmatch(call["name"]) or not _NAME.fullmatch(call["id"]) or call["id"] in ids:
                yield f"{at}: the id or the name of {call!r}"
            ids.add(call["id"])
            waiting.append(call["id"])
        before = role
    if waiting:
        yield "calls without results at the end"
    if before not in ("user", "tool"):
        yield "the last message is an assistant's, so there is nothing to answer"
