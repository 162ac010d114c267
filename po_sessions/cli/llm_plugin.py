"""The embedded model as a plugin of `llm`, so that `llm -m smollm2` has it too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import llm

if TYPE_CHECKING:
    from po_sessions.models import Reply


class EmbeddedModel(llm.Model):
    """SmolLM2-135M, run by llama.cpp inside the process."""

    model_id = "smollm2"
    can_stream = True

    def execute(
        self,
        prompt: llm.Prompt,
        stream: bool,  # noqa: ARG002 -- it streams always
        response: llm.Response,
        conversation: llm.Conversation | None,  # noqa: ARG002 -- the prompt has it
    ) -> Iterator[str]:
        """Ask the model with the whole history, which `prompt.messages` has."""
        from po_sessions.cli.app.hints import with_hint
        from po_sessions.cli.config.paths import model_paths
        from po_sessions.errors import PoError
        from po_sessions.models import Chunk
        from po_sessions.models.embedded import EmbeddedBackend

        options = {name: value for name, value in prompt.options if value is not None}
        try:
            backend = EmbeddedBackend(model_paths())
            for event in backend.complete(_plain(prompt), model=self.model_id, options=options):
                if not isinstance(event, Chunk):
                    _record(response, event)
                elif event.kind == "text":
                    yield event.text
        except PoError as error:
            raise llm.ModelError(with_hint(error).text()) from error


@llm.hookimpl
def register_models(register: Any) -> None:
    """Tell `llm` of the model."""
    from pydantic import create_model

    from po_sessions.models.embedded import OPTIONS

    options: dict[str, Any] = dict.fromkeys(OPTIONS, (Any, None))
    model = EmbeddedModel()
    model.Options = create_model("Options", __base__=llm.Options, **options)  # type: ignore[arg-type]
    register(model)


def _plain(prompt: llm.Prompt) -> list[dict[str, Any]]:
    made = []
    for message in prompt.messages:
        text = "".join(part.text for part in message.parts if isinstance(part, llm.parts.TextPart))
        made.append({"role": message.role, "content": text})
    return made


def _record(response: llm.Response, reply: Reply) -> None:
    response.set_usage(input=reply.usage["input"], output=reply.usage["output"])
    response.set_resolved_model(reply.model)
    response.response_json = {"finish_reason": reply.finish_reason}
