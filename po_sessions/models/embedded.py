"""The embedded back end: SmolLM2-135M, or any GGUF file, run by llama.cpp inside this process.

A toy in what it knows, and real in all that a session needs: it streams, counts tokens, has limits, can be interrupted,
and gives the same answer to the same messages.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from po_sessions.errors import Advice, InvalidInput, ModelError, ModelUnavailable
from po_sessions.models import DEFAULT_MODEL, Chunk, ModelInfo, ModelPaths, Notice, Reply, weights
from po_sessions.models.engine import Run, require, too_long
from po_sessions.models.time_limit import TimeLimit

_GGUF = "gguf:"
_MAGIC = b"GGUF"
_ROOM_SPARE = 1024  # tokens: what a template may put in front of the messages
_ROOM_PER_MESSAGE = 16  # tokens: what it puts around each
_ROOM_STEP = 256
_TOKEN_LENGTH = 81
"""Bytes of the longest token that our own weights know, a line end and 80 spaces: no text has fewer tokens."""
_OTHER_TOKEN_LENGTH = 256
"""The same of any other model, with a margin: the longest known stands for 128 spaces."""


@dataclass(frozen=True, slots=True)
class _Number:
    low: float
    high: float
    default: float | None = None
    """None leaves it to llama.cpp."""
    whole: bool = False

    def __str__(self) -> str:
        return f"{'a whole number' if self.whole else 'a number'} from {self.low:g} to {self.high:.12g}"


_NUMBERS = {
    "temperature": _Number(0, 2, default=0),
    "top_p": _Number(0, 1),
    "top_k": _Number(0, 1_000_000, whole=True),
    "min_p": _Number(0, 1),
    "repeat_penalty": _Number(0.1, 10, default=1.1),
    "seed": _Number(0, 2**32 - 2, default=0, whole=True),  # the one above stands for a random one
    "max_tokens": _Number(1, 131_072, default=512, whole=True),
    "n_ctx": _Number(256, 131_072, default=8192, whole=True),
}
OPTIONS = (*_NUMBERS, "stop")
"""The options of `complete`. `n_ctx` is the most tokens that messages and reply may have together."""


class EmbeddedBackend:
    """Answers as `smollm2` and as `gguf:PATH`. Each call loads the model anew (0.2 s), so there is nothing to close."""

    def __init__(self, paths: ModelPaths, notice: Notice = lambda _: None) -> None:  # noqa: ARG002 -- has nothing to say
        self._paths = paths

    def check(self, model: str, options: Mapping[str, Any]) -> None:
        """Look at the options, for xllamacpp, and at the size and the first bytes of the file; see ModelBackend."""
        _settings(options)
        self._check_file(model)

    def _check_file(self, model: str) -> None:
        require()
        if (other := self._other(model)) is None:
            weights.check(self._paths)
        else:
            _check_gguf(other)

    def complete(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        model: str,
        tools: Sequence[Mapping[str, Any]] = (),
        options: Mapping[str, Any],
        key: str | None = None,  # noqa: ARG002 -- a model on this machine asks for none
        time_limit: TimeLimit | None = None,
    ) -> Generator[Chunk | Reply]:
        """Ask the model; see ModelBackend. Options, tools and the file are checked before the first chunk is asked for.

        Options: OPTIONS. Unless told otherwise the same messages get the same reply, of at most 512 tokens. Loading
        a large file cannot be interrupted, by a time limit neither; anything after it stops within a token or 64 tokens
        of the prompt.
        """
        if tools:
            raise InvalidInput("The embedded model cannot call tools.", advice=Advice("no_tools"))
        settings = _settings(options)
        self._check_file(model)
        plain = [_plain(message) for message in messages]
        return self._reply(plain, model, settings, time_limit or TimeLimit())

    def models(self) -> list[ModelInfo]:
        """Return the one model that has a name; a GGUF file is named by its path."""
        what = "the embedded model: a toy that knows little, but is real, free and works offline"
        if self._paths.gguf is not None:
            what = f"the embedded model, replaced by {Path(self._paths.gguf).name}"
        try:
            self.check(DEFAULT_MODEL, {})
        except ModelUnavailable as error:
            return [ModelInfo(DEFAULT_MODEL, f"{what} (not ready: {error})", ready=False)]
        return [ModelInfo(DEFAULT_MODEL, what, ready=True, path=self._paths.gguf or weights.path(self._paths))]

    def _other(self, model: str) -> str | None:
        """Return the path of the GGUF file that `model` means, or None if it is our own weights."""
        if model.startswith(_GGUF):
            return model.removeprefix(_GGUF)
        if model != DEFAULT_MODEL:
            raise ModelUnavailable(f"There is no embedded model named {model!r}.", advice=Advice("see_models"))
        return self._paths.gguf

    def _reply(
        self, messages: list[dict[str, str]], model: str, settings: Mapping[str, Any], time_limit: TimeLimit
    ) -> Generator[Chunk | Reply]:
        began = time.monotonic()
        other = self._other(model)
        _check_length(messages, settings["n_ctx"], is_ours=other is None)
        gguf = other or weights.path(self._paths)
        request = {"messages": messages, "cache_prompt": False, **settings}
        request.pop("n_ctx")
        content: list[str] = []
        usage: dict[str, int] = {}
        finish_reason = ""
        n_ctx = _room(messages, settings)
        with Run(gguf, request, n_ctx=n_ctx, runtime=self._paths.runtime, time_limit=time_limit) as run:
            if other is None:
                weights.verify(self._paths)
            for said in run:
                for choice in said["choices"]:
                    finish_reason = choice["finish_reason"] or finish_reason
                    if reasoning := choice["delta"].get("reasoning_content"):
                        yield Chunk("reasoning", reasoning)
                    if text := choice["delta"].get("content"):
                        content.append(text)
                        yield Chunk("text", text)
                if counts := said.get("usage"):
                    usage = {"input": counts["prompt_tokens"], "output": counts["completion_tokens"]}
            if not usage:
                raise ModelError("The embedded model stopped before the end of its reply.", advice=Advice("send_again"))
            yield Reply(
                message={"role": "assistant", "content": "".join(content)},
                model=Path(gguf).stem,
                usage=usage,
                duration_ms=round((time.monotonic() - began) * 1000),
                finish_reason=finish_reason or "stop",
            )


def _settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what to ask llama.cpp for; numbers may come as text. Raises InvalidInput."""
    settings: dict[str, Any] = {name: spec.default for name, spec in _NUMBERS.items() if spec.default is not None}
    for name, value in options.items():
        if name == "stop":
            settings[name] = _stop(value)
        elif name in _NUMBERS:
            settings[name] = _number(name, value)
        else:
            advice = Advice("options_are", names=tuple(OPTIONS))
            raise InvalidInput(f"The embedded model has no option {name!r}.", advice=advice)
    return settings


def _number(name: str, value: Any) -> float:
    spec = _NUMBERS[name]
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not spec.low <= number <= spec.high or (spec.whole and not number.is_integer()):
        raise InvalidInput(f"The option {name!r} cannot be {value!r}.", advice=Advice("option_form", form=str(spec)))
    return int(number) if spec.whole else number


def _stop(value: Any) -> list[str]:
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list | tuple) or not all(isinstance(stop, str) and stop for stop in stops):
        raise InvalidInput(
            f"The option 'stop' cannot be {value!r}.", advice=Advice("option_form", form="a text, or a list of them")
        )
    return list(stops)


def _plain(message: Mapping[str, Any]) -> dict[str, str]:
    """Return what the model's template knows of a message, without the halves of characters that llama.cpp refuses."""
    content = message.get("content") or ""
    return {"role": message["role"], "content": content.encode("utf-8", "replace").decode("utf-8")}


def _room(messages: Sequence[Mapping[str, str]], settings: Mapping[str, Any]) -> int:
    """Return how many tokens to make room for: never too few, since a token is a byte or more, at most `n_ctx`.

    Always making room for 8192 would take 0.1 s and 140 MB more than the 2048 of a short conversation.
    """
    said = sum(len(message["content"].encode()) + _ROOM_PER_MESSAGE for message in messages)
    wanted = said + settings["max_tokens"] + _ROOM_SPARE
    return int(min(-(-wanted // _ROOM_STEP) * _ROOM_STEP, settings["n_ctx"]))


def _check_length(messages: Sequence[Mapping[str, str]], n_ctx: int, *, is_ours: bool) -> None:
    """Refuse what has more tokens than there is room for, by its bytes: to count them takes 130 times the memory.

    Nothing that would fit is refused. The template of our own weights leaves nothing out; others may drop what an
    assistant thought, and spaces around a message. Raises ContextTooLong.
    """
    if is_ours:
        tokens = sum(len(one["content"].encode()) for one in messages) // _TOKEN_LENGTH
    else:
        said = [one["content"].strip().encode() for one in messages if one["role"] == "user"]
        tokens = sum(map(len, said)) // _OTHER_TOKEN_LENGTH
    if tokens > n_ctx:
        raise too_long(f"at least {tokens}", n_ctx)


def _check_gguf(path: str) -> None:
    try:
        with open(path, "rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise ModelUnavailable(
            f"Cannot read the model {path!r}: {error.strerror}.", advice=Advice("give_gguf")
        ) from error
    if magic != _MAGIC:
        raise ModelUnavailable(f"{path!r} is not a GGUF file.", advice=Advice("give_gguf"))
