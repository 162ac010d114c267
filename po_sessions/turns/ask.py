"""One call of a model, from its first piece to a reply or a failure. Nothing is stored here."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from typing import NamedTuple

from po_sessions.models import Chunk, Reply


class Failed(NamedTuple):
    """What came of a call that failed or was interrupted."""

    model: str
    arrived: str
    """The text that had arrived."""
    error: BaseException


def ask(events: Generator[Chunk | Reply], model: str, on_chunk: Callable[[Chunk], None]) -> Reply | Failed:
    """Hand on what `model` says while it arrives, and return what came of it. Raises nothing, not even an interrupt."""
    arrived, reply = list[str](), None
    try:
        with closing(events):  # an interrupt between two pieces must not leave the model running
            for event in events:
                if isinstance(event, Reply):
                    reply = event
                    continue
                if event.kind == "text":
                    arrived.append(event.text)
                on_chunk(event)
        if reply is None:
            raise RuntimeError(f"the back end of {model} ended without a reply")
    except BaseException as error:
        return Failed(model, "".join(arrived), error)
    return reply
