"""From our messages to a request of `llm`, for plugins of either kind.

Plugins since 0.32 read `prompt.messages`: all that was said. Older ones read `prompt.prompt` and the past responses of
a conversation, and ignore the messages without a word. So a request has both, as those that `llm chat` makes. What a
plugin reads tells whether it passes on what was said; one that does not is not asked, or its reply not taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import llm
from llm.parts import Part, TextPart, ToolCallPart, ToolResultPart

from po_sessions.errors import Advice, ModelError

AnyModel = llm.Model | llm.KeyModel


class Request:
    """One request to a model, not sent yet: `response` sends it when it is iterated over."""

    def __init__(
        self,
        model: AnyModel,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]],
        options: llm.Options,
        key: str | None,
    ) -> None:
        """Raises ModelError for a history with a model that takes none."""
        self._model = model
        self.key = key
        system, steps, left = _steps(messages)
        self._is_first = not steps
        self._past = _Past(_past(model, step, system) for step in steps)
        self._prompt = _Prompt(  # type: ignore[no-untyped-call]
            left.text,
            model=model,
            system=system,
            messages=_messages(messages),
            tools=[_tool(tool) for tool in tools],
            tool_results=left.results,
            options=options,
        )
        past = llm.Conversation(model=model, responses=self._past)
        told = [*steps, left]
        self._prompt.is_whole = all(step.is_plain for step in told) and (
            model.supports_tools or not any(step.calls or step.results for step in told)
        )
        try:
            self.response = llm.Response(self._prompt, model, model.can_stream, conversation=past, key=key)
        except llm.ConversationNotSupported:
            raise ModelError(
                f"The model {model.model_id} takes a single message and no conversation.",
                advice=Advice("takes_one_message"),
            ) from None

    def check_read(self) -> None:
        """Raise ModelError if the plugin asked its model without what was said before."""
        if not (self._is_first or self._prompt.was_read or self._past.was_read):
            raise _unfaithful(self._model)


@dataclass
class _Step:
    """What goes to a model at once, and what it answered."""

    results: list[llm.ToolResult] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    answer: str = ""
    calls: list[llm.ToolCall] = field(default_factory=list)
    system_inside: bool = False

    @property
    def text(self) -> str | None:
        return "\n\n".join(self.texts) or None

    @property
    def is_plain(self) -> bool:
        """Whether a prompt and a response can say it as it was."""
        return not self.system_inside and (len(self.texts) == 1 or bool(self.results and not self.texts))


def _steps(messages: Sequence[Mapping[str, Any]]) -> tuple[str | None, list[_Step], _Step]:
    """Return the system prompt, the steps that were answered, and what is left to answer."""
    system = _text(messages[0]) if messages and messages[0]["role"] == "system" else None
    names = _tool_names(messages)
    done, step = list[_Step](), _Step()
    for message in messages[system is not None :]:
        match message["role"]:
            case "user":
                step.texts.append(_text(message))
            case "tool":
                id = message.get("tool_call_id")
                step.results.append(llm.ToolResult(names.get(id, ""), _text(message), tool_call_id=id))
            case "assistant":
                step.answer = _text(message)
                step.calls = [
                    llm.ToolCall(call["name"], call["arguments"], call["id"])
                    for call in message.get("tool_calls") or ()
                ]
                done.append(step)
                step = _Step()
            case _:
                step.system_inside = True
    return system, done, step


def _messages(messages: Sequence[Mapping[str, Any]]) -> list[llm.Message]:
    names = _tool_names(messages)
    made: list[llm.Message] = []
    for message in messages:
        role, parts = message["role"], list(_parts(message, names))
        if role == "tool" and made and made[-1].role == "tool":
            made[-1].parts += parts  # the results of calls made at once go together
        else:
            made.append(llm.Message(role, parts))
    return made


def _parts(message: Mapping[str, Any], names: Mapping[Any, str]) -> Iterator[Part]:
    text = _text(message)
    if message["role"] == "tool":
        id = message.get("tool_call_id")
        yield ToolResultPart(names.get(id, ""), text, id)
        return
    if text or message["role"] != "assistant":
        yield TextPart(text)
    for call in message.get("tool_calls") or ():
        yield ToolCallPart(call["name"], call["arguments"], call["id"])


def _tool_names(messages: Iterable[Mapping[str, Any]]) -> dict[Any, str]:
    """Return the names of the tools by the ids of their calls; a result does not have it."""
    return {call["id"]: call["name"] for message in messages for call in message.get("tool_calls") or ()}


def _text(message: Mapping[str, Any]) -> str:
    """Return the content, without the halves of characters that no wire can carry."""
    return (message.get("content") or "").encode("utf-8", "replace").decode("utf-8")


def _tool(tool: Mapping[str, Any]) -> llm.Tool:
    """Return a tool without an implementation: a model's call of it is handed to our caller."""
    return llm.Tool(tool["name"], tool.get("description"), dict(tool.get("parameters") or {}))


def _past(model: AnyModel, step: _Step, system: str | None) -> llm.Response:
    """Return a response as it is after it was given, as `llm` itself makes one of its log."""
    prompt = llm.Prompt(step.text, model=model, system=system, tool_results=step.results)
    response = llm.Response(prompt, model, stream=False)
    response._chunks, response._tool_calls, response._done = [step.answer], step.calls, True
    return response


class _Prompt(llm.Prompt):
    """A prompt that knows whether its messages were read, and gives nothing less where that would lose something."""

    is_whole = True
    """Whether the prompt and past responses say all that the messages say."""
    was_read = False

    @property
    def messages(self) -> list[llm.Message]:
        self.was_read = True
        return super().messages

    @property
    def prompt(self) -> str:
        if not (self.is_whole or self.was_read):
            raise _unfaithful(self.model)
        return str(super().prompt)


class _Past(list[Any]):
    """Past responses that know whether they were read."""

    was_read = False

    def __iter__(self) -> Iterator[Any]:
        self.was_read = True
        return super().__iter__()

    def __getitem__(self, at: Any) -> Any:
        self.was_read = True
        return super().__getitem__(at)


def _unfaithful(model: Any) -> ModelError:
    return ModelError(
        f"The plugin {type(model).__module__} does not pass on to {model.model_id} all that was said before.",
        advice=Advice("unfaithful_plugin"),
    )
