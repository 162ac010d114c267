"""Every provider that the `llm` library knows: its models, plugins, keys and aliases, with a history of our own.

Endpoints, keys and files come from what the user set up for `llm`, never from a prompt object: an option that could
name one is refused. Nothing is written to the log database of `llm`. The SDKs ask again by themselves, twice, when a
provider cannot be reached, is overloaded or sets a limit, but never after a reply has begun.
"""

from __future__ import annotations

import gc
import logging
import re
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from queue import SimpleQueue
from typing import Any, get_args

import llm
from llm.models import ModelWithAliases
from llm.parts import StreamEvent
from pydantic import ValidationError

from po_sessions.errors import Advice, InvalidInput, NoKey, TimedOut, UnknownModel
from po_sessions.models import DEFAULT_MODEL, Chunk, ModelInfo, ModelPaths, Notice, Reply
from po_sessions.models.embedded import EmbeddedBackend
from po_sessions.models.llm_errors import no_key, translate, unreachable
from po_sessions.models.llm_history import AnyModel, Request
from po_sessions.models.llm_plugins import Catalogue, program
from po_sessions.models.time_limit import TimeLimit
from po_sessions.text.suggest import nearest

_OURS = "po_sessions."  # the embedded model, which `llm` knows as a plugin
_SETS_UP = re.compile(
    r"(^|_)(urls?|uri|host|hostname|endpoint|base|paths?|dir|file|filename|keys?|headers?|proxy|proxies|socket|secret"
    r"|credentials?|password|authorization)(_|$)|(api|auth|access|bearer)_?token|api_?key|(api|base)_?(url|base)"
)
_PLAIN = {bool, int, float, type(None)}
"""The types of values that can be no address, key or file."""
_LIMITS = ("max_output_tokens", "max_completion_tokens", "max_new_tokens", "num_predict")
"""What models call `max_tokens` that do not call it so; a prompt object's limit holds for whichever model answers."""
_LONG_WAIT = 1.5  # seconds
_GRACE = 1.0  # seconds: how long the end of a reply that is not wanted any more is waited for
_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "completed": "stop",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
}


class LlmBackend:
    """Answers as every model of `llm`, by its id or an alias."""

    def __init__(self, paths: ModelPaths, notice: Notice = lambda _: None) -> None:
        self._embedded = EmbeddedBackend(paths)
        self._catalogue = Catalogue(notice)
        self._notice = notice

    def check(self, model: str, options: Mapping[str, Any]) -> None:
        """Look for the model, its key, and at the options; see ModelBackend."""
        found = self._find(model)
        if _is_ours(found):
            return self._embedded.check(DEFAULT_MODEL, options)
        _options(found, options)
        return _check_key(found)

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
        """Ask the model; see ModelBackend. `key` is one, or the name of one that `llm keys` knows.

        Tools have `name`, `description` and `parameters` (a JSON schema). None is run here: the reply has the calls.
        """
        found = self._find(model)
        if _is_ours(found):
            return self._embedded.complete(
                messages, model=DEFAULT_MODEL, tools=tools, options=options, time_limit=time_limit
            )
        settings = _options(found, options)
        if key is None:
            _check_key(found)
        if tools and not found.supports_tools:
            raise InvalidInput(f"{found.model_id} cannot call tools.", advice=Advice("no_tools"))
        request = Request(found, messages, tools=tools, options=settings, key=key)
        return _reply(found, request, self._notice, time_limit or TimeLimit())

    def models(self) -> list[ModelInfo]:
        """Return all models but the embedded one, which is there already."""
        return [_info(one) for one in self._catalogue.all() if not _is_ours(one.model)]

    def _find(self, name: str) -> AnyModel:
        if (found := self._catalogue.find(name)) is not None:
            return found
        near = nearest(name, [DEFAULT_MODEL, *self._catalogue.by_name()])
        advice = Advice("unknown_model", near=near, llm=program())
        raise UnknownModel(f"There is no model named {name!r}.", advice=advice)


def _is_ours(model: Any) -> bool:
    """Tell whether this is the embedded model, which somebody may have given an alias."""
    return type(model).__module__.startswith(_OURS)


def _check_key(model: AnyModel) -> None:
    try:
        key = model.get_key()
    except llm.NeedsKeyException:
        raise no_key(model) from None
    if key and not (key.isascii() and key.isprintable() and key == key.strip()):
        raise NoKey(
            f"The key of {model.model_id} has a line end, a space or another character that no header can carry.",
            advice=Advice("bad_key", llm=program(), key=model.needs_key or "NAME"),
        )


def _options(model: AnyModel, given: Mapping[str, Any]) -> llm.Options:
    """Return the options as the model takes them; they may come as text. Raises InvalidInput."""
    for name in given:
        field = model.Options.model_fields.get(name)
        is_plain = field is not None and {*(get_args(field.annotation) or (field.annotation,))} <= _PLAIN
        if not is_plain and _SETS_UP.search(re.sub(r"(?<=[a-z])(?=[A-Z])|-", "_", name).lower()):
            raise InvalidInput(
                f"The option {name!r} is refused: addresses, keys and files are not for a message to choose.",
                advice=Advice("set_up_in_llm"),
            )
    if "max_tokens" in given and "max_tokens" not in model.Options.model_fields:
        own = next((name for name in _LIMITS if name in model.Options.model_fields), "max_tokens")
        given = {own if name == "max_tokens" else name: value for name, value in given.items()}
    try:
        return model.Options(**given)
    except ValidationError as error:
        first = error.errors()[0]
        known = Advice("options_are", names=tuple(model.Options.model_fields))
        name = str(first["loc"][0]) if first["loc"] else ", ".join(given)
        if first["type"] == "extra_forbidden":
            raise InvalidInput(f"{model.model_id} has no option {name!r}.", advice=known) from None
        raise InvalidInput(
            f"The option {name!r} cannot be {given.get(name)!r}: {first['msg']}."
            if first["loc"]
            else f"The options {name} do not go together: {first['msg']}.",
            advice=known,
        ) from None


def _reply(model: AnyModel, request: Request, notice: Notice, time_limit: TimeLimit) -> Generator[Chunk | Reply]:
    began = time.monotonic()
    said: list[str] = []
    with _waits_told(model, notice), closing(_events(model, request, time_limit)) as events:
        for event in events:
            request.check_read()
            if event.type == "text":
                said.append(event.chunk)
            if event.chunk and (kind := _KINDS.get(event.type)) and not event.server_executed:
                yield Chunk(kind, event.chunk)
    request.check_read()
    text, calls = "".join(said), [_call(call) for call in request.response.tool_calls()]
    content = (text.rstrip() or None) if calls else text  # Anthropic's plugin adds a space that Anthropic refuses
    finish_reason = _finish_reason(request.response)
    if not (text.strip() or calls):  # providers refuse it as part of a history
        raise unreachable(model, f"the reply was empty{f' ({finish_reason})' if finish_reason else ''}.")
    if finish_reason is None and _always_tells_why(request.response):
        raise unreachable(model, "the reply ended before its end.")
    yield Reply(
        message={"role": "assistant", "content": content, **({"tool_calls": calls} if calls else {})},
        model=_resolved(model, request.response),
        usage=_usage(request.response.usage()),
        duration_ms=round((time.monotonic() - began) * 1000),
        finish_reason=finish_reason or ("tool_calls" if calls else "stop"),
    )


_KINDS: dict[str, Any] = {
    "text": "text",
    "reasoning": "reasoning",
    "tool_call_name": "tool_call",
    "tool_call_args": "tool_call",
}


def _events(model: AnyModel, request: Request, time_limit: TimeLimit) -> Generator[StreamEvent]:
    """Ask, and yield what comes. Raises ModelError, TimedOut.

    A thread asks. When this is closed, it ends with the next event; where none comes, it is left behind, with its
    connection, until the SDK gives up.
    """
    said: SimpleQueue[StreamEvent | BaseException | None] = SimpleQueue()
    unwanted = threading.Event()
    thread = threading.Thread(target=_ask, args=(request, said, unwanted), name="po-provider", daemon=True)
    thread.start()
    try:
        while (event := time_limit.next_of(said, model.model_id)) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event
    except TimedOut:
        unwanted.set()
        raise
    except Exception as error:
        raise translate(error, model, _key(model, request)) from error
    finally:
        if not unwanted.is_set():
            unwanted.set()
            thread.join(_GRACE)


def _ask(request: Request, said: SimpleQueue[StreamEvent | BaseException | None], unwanted: threading.Event) -> None:
    """Put the events of a reply into `said` until they are `unwanted`; then what went wrong, or None."""
    failure = None
    try:
        with closing(request.response.stream_events()) as events:
            for event in events:
                said.put(event)
                if unwanted.is_set():
                    break
    except BaseException as error:
        failure = error
    if failure or unwanted.is_set():
        # The stream of the OpenAI SDK refers to itself; until it is collected its connection stays open, and the
        # provider goes on.
        gc.collect()
    said.put(failure)


@contextmanager
def _waits_told(model: AnyModel, notice: Notice) -> Iterator[None]:
    """Have the SDKs tell of long waits: they ask again by themselves up to two minutes later, and only log it."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            given = record.args if isinstance(record.args, tuple) else ()
            wait = next((one for one in given if isinstance(one, float)), 0.0)
            if "Retrying request" in record.msg and wait >= _LONG_WAIT:
                notice(f"{model.model_id} does not answer now; it is asked again in {wait:.0f} s.")

    handler, loggers = Handler(), [logging.getLogger(f"{sdk}._base_client") for sdk in ("openai", "anthropic")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)


def _key(model: AnyModel, request: Request) -> str | None:
    with suppress(llm.NeedsKeyException):
        return model.get_key(request.key)
    return None


def _call(call: llm.ToolCall) -> dict[str, Any]:
    return {"id": call.tool_call_id, "name": call.name, "arguments": call.arguments}


def _finish_reason(response: llm.Response) -> str | None:
    """Return why the reply ended, or None where the plugin does not tell."""
    about: Any = response.response_json
    if not isinstance(about, dict):
        # llm drops the last event of a reply of OpenAI's newer interface if it was cut.
        return "incomplete" if type(response.model).__name__ == "Responses" and response.text() else None
    choice = next(iter(about.get("choices") or ()), None)
    places = [about, choice if isinstance(choice, dict) else {}]
    words = [place.get(key) for place in places for key in ("finish_reason", "stop_reason", "done_reason", "status")]
    word = next((word for word in words if isinstance(word, str) and word), None)
    return word and _FINISH.get(word, word)


def _always_tells_why(response: llm.Response) -> bool:
    """Tell whether a reply that does not say why it ended was cut."""
    about: Any = response.response_json
    return isinstance(about, dict) and (
        about.get("object") == "chat.completion.chunk" or about.get("type") == "message"  # of OpenAI, of Anthropic
    )


def _resolved(model: AnyModel, response: llm.Response) -> str:
    about = response.response_json
    told = about.get("model") if isinstance(about, dict) else None
    return response.resolved_model or (told if isinstance(told, str) and told else model.model_id)


def _usage(usage: llm.Usage) -> dict[str, int]:
    counts = {"input": usage.input, "output": usage.output}
    return {
        **{name: count for name, count in counts.items() if count is not None},
        **dict(_counts(usage.details or {})),
    }


def _counts(details: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, int]]:
    """Yield the counts of a provider under their own names; those inside others with a dot."""
    for name, value in details.items():
        if isinstance(value, Mapping):
            yield from _counts(value, f"{prefix}{name}.")
        elif isinstance(value, int) and not isinstance(value, bool):
            yield f"{prefix}{name}", value


def _info(one: ModelWithAliases) -> ModelInfo:
    model: Any = one.model
    kind = str(model).removesuffix(f": {model.model_id}")
    description = f"{kind}, also {', '.join(sorted(one.aliases))}" if one.aliases else kind
    try:
        model.get_key()
    except llm.NeedsKeyException:
        return ModelInfo(model.model_id, f"{description} (not ready: no key {model.needs_key!r})", ready=False)
    return ModelInfo(model.model_id, description, ready=True)
