"""Model back ends: the protocol they share and the table of them.

A back end turns messages into a reply. It keeps no state between calls that changes an answer, never prints, and
reports every failure as a `ModelError`. What is wrong and keeps nothing from working goes to a `Notice`. `resolve`
picks the back end for a model's name; each is imported only when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol

from po_sessions.errors import Advice, Advised, InvalidInput, ModelUnavailable

if TYPE_CHECKING:
    from po_sessions.models.time_limit import TimeLimit

DEFAULT_MODEL = "smollm2"
"""The embedded model: what answers when nobody chose another."""

Notice = Callable[[str], None]
"""Hears sentences about what is wrong and keeps nothing from working, a plugin that cannot be loaded for example."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of the reply, as it arrives."""

    kind: Literal["text", "reasoning", "tool_call"]
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The whole reply: the last thing that `complete` yields."""

    message: Mapping[str, Any]
    """What to append to the history: at least `role` and `content`."""
    model: str
    """The model that answered, in full."""
    usage: Mapping[str, int] = field(default_factory=dict)
    """Tokens: `input` and `output`; other counts a provider gives keep their names."""
    duration_ms: int = 0
    finish_reason: str = "stop"
    """`stop`, `length`, `tool_calls`, or the provider's own word."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One line of `po model list`."""

    name: str
    description: str
    ready: bool
    """Whether it can answer now."""
    path: str | None = None


@dataclass(frozen=True, slots=True)
class ModelPaths:
    """Where the models on this machine are; decided by the caller, since a library does not read the environment."""

    cache: str | None
    """The directory that holds fetched weights; made when it is needed. None if there is none on this machine."""
    runtime: str
    """A directory for sockets, on a local file system, with a short path (under 60 bytes)."""
    gguf: str | None = None
    """A GGUF file that stands in for the embedded model's weights (`$PO_GGUF`)."""


class ModelBackend(Protocol):
    """What every back end can do."""

    def check(self, model: str, options: Mapping[str, Any]) -> None:
        """Tell cheaply, without loading anything, whether `model` can be asked with these options.

        Raises ModelUnavailable, NoKey; InvalidInput for an option.
        """

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
        """Ask `model`; yield chunks as they arrive, then exactly one Reply. The arguments are checked at the call.

        `messages` are dicts with `role` (`system`, `user`, `assistant`, `tool`) and `content`. Closing the iterator
        stops the model. Raises ModelError, also if the `time_limit` is over (TimedOut); InvalidInput for an option the
        model does not have or a value out of range.
        """

    def models(self) -> list[ModelInfo]:
        """Return the models this back end knows."""


BACKENDS: dict[str, str] = {
    "embedded": "po_sessions.models.embedded:EmbeddedBackend",
    "llm": "po_sessions.models.llm:LlmBackend",
}
"""The kinds of back end, and where each is."""


def backend(kind: str, paths: ModelPaths, notice: Notice = lambda _: None) -> ModelBackend:
    """Return the back end of this kind, imported now."""
    module, _, name = BACKENDS[kind].partition(":")
    made: ModelBackend = getattr(import_module(module), name)(paths, notice)
    return made


def resolve(model: str, paths: ModelPaths, notice: Notice = lambda _: None) -> ModelBackend:
    """Return the back end that answers for `model`.

    `smollm2`, and `gguf:PATH` for any other GGUF file, are answered here; whatever else there is, `llm` knows.
    """
    is_embedded = model == DEFAULT_MODEL or model.startswith("gguf:")
    return backend("embedded" if is_embedded else "llm", paths, notice)


def check_unasked(model: str, by: str) -> None:
    """See that `model`, which the file or prompt object `by` names, is no file.

    Raises InvalidInput: a directory that came from elsewhere must not choose what is loaded.
    """
    if model.startswith("gguf:"):
        raise InvalidInput(
            f"{by} names a model file, {model!r}; only you can choose one.",
            advice=Advice("named_model_file", model=model),
        )


def known(paths: ModelPaths, notice: Notice = lambda _: None) -> list[ModelInfo]:
    """Return every model of every back end; `notice` hears of a back end that cannot tell."""
    found: list[ModelInfo] = []
    for kind in BACKENDS:
        try:
            found += backend(kind, paths, notice).models()
        except ModelUnavailable as error:
            notice(Advised(str(error), error.advice))
    return found
