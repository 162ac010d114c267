"""A back end that does what a test tells it to, under the contract that the real ones pass."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, ClassVar

from po_sessions import errors
from po_sessions.errors import InvalidInput
from po_sessions.models import DEFAULT_MODEL, Chunk, ModelInfo, ModelPaths, Notice, Reply
from po_sessions.models.time_limit import TimeLimit


@dataclass(frozen=True)
class Script:
    """What the scripted back end does, the same for each reply."""

    says: str | None = None
    """The reply; None says the last user's message again."""
    error: BaseException | None = None
    """Raised in the place of the word number `error_at`, or after the last word if there are fewer."""
    error_at: int = 0
    delay: float = 0.0
    """Seconds before each word."""
    finish_reason: str = "stop"
    unavailable: BaseException | None = None
    """Raised by `check`, and so before anything is asked."""

    @classmethod
    def from_json(cls, text: str) -> Script:
        """Read `{"says": "One two.", "error": "Unreachable", "error_at": 1, "delay": 0.1}`; errors by their class."""
        given = json.loads(text)
        for name in {"error", "unavailable"} & set(given):
            given[name] = getattr(errors, given[name])("The script says so.", advice=errors.Advice("send_again"))
        return cls(**given)


class ScriptedBackend:
    """Streams a word at a time. Tokens are words.

    What it does: the script it is made with; else the class's `script`; else `$PO_TEST_SCRIPT`, see `Script.from_json`;
    else it echoes. `asked` has what each call got, newest last; `checked` counts checks, and `closed` replies that were
    closed before their end.
    """

    script: ClassVar[Script | None] = None
    asked: ClassVar[list[dict[str, Any]]] = []
    checked: ClassVar[int] = 0
    closed: ClassVar[int] = 0

    def __init__(
        self, paths: ModelPaths | None = None, notice: Notice | None = None, script: Script | None = None
    ) -> None:
        self._given = script

    @property
    def _script(self) -> Script:
        return self._given or self.script or Script.from_json(os.environ.get("PO_TEST_SCRIPT", "{}"))

    def check(self, model: str, options: Mapping[str, Any]) -> None:
        type(self).checked += 1
        self._refuse(options)

    def _refuse(self, options: Mapping[str, Any]) -> None:
        _max_tokens(options)
        if self._script.unavailable is not None:
            raise self._script.unavailable

    def models(self) -> list[ModelInfo]:
        ready = self._script.unavailable is None
        return [ModelInfo(DEFAULT_MODEL, "does what a test tells it to", ready=ready)]

    def complete(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        model: str,
        tools: Sequence[Mapping[str, Any]] = (),
        options: Mapping[str, Any],
        key: str | None = None,
        time_limit: TimeLimit | None = None,
    ) -> Generator[Chunk | Reply]:
        self._refuse(options)
        asked = [dict(message) for message in messages]
        self.asked.append({"messages": asked, "model": model, "tools": tools, "options": dict(options), "key": key})
        return self._reply(asked, _max_tokens(options), time_limit or TimeLimit())

    def _reply(self, messages: list[dict[str, Any]], most: int, limit: TimeLimit) -> Generator[Chunk | Reply]:
        script = self._script
        said = script.says
        if said is None:
            said = next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")
        words = [word for word in said.replace(" ", " \0").split("\0") if word]
        try:
            for at, word in enumerate(words[:most]):
                _wait(script.delay, limit)
                if script.error is not None and at == script.error_at:
                    raise script.error
                yield Chunk("text", word)
            if script.error is not None:
                raise script.error
            yield Reply(
                message={"role": "assistant", "content": "".join(words[:most])},
                model="scripted-1",
                usage={
                    "input": sum(len((message["content"] or "").split()) + 1 for message in messages),
                    "output": len(words[:most]),
                },
                duration_ms=round(script.delay * len(words[:most]) * 1000),
                finish_reason="length" if most < len(words) else script.finish_reason,
            )
        except GeneratorExit:
            ScriptedBackend.closed += 1
            raise


def _wait(seconds: float, limit: TimeLimit) -> None:
    """Be silent for so long, or until the time is over."""
    if not seconds:
        return
    said: SimpleQueue[None] = SimpleQueue()
    timer = threading.Timer(seconds, said.put, [None])
    timer.start()
    try:
        limit.next_of(said, "The scripted model")
    finally:
        timer.cancel()
        timer.join()


def _max_tokens(options: Mapping[str, Any]) -> int:
    if unknown := set(options) - {"temperature", "seed", "max_tokens"}:
        raise InvalidInput(f"The scripted model has no option {min(unknown)!r}.")
    try:
        return int(options.get("max_tokens", 512))
    except ValueError:
        raise InvalidInput(f"The option 'max_tokens' cannot be {options['max_tokens']!r}.") from None
