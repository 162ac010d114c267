"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Po = Annotated[str | None, typer.Option("--po", metavar="PO", help="The prompt object; the current one if not given.")]
Model = Annotated[
    str | None,
    typer.Option("--model", "-m", metavar="MODEL", help="The model to ask: one of 'po model list', or gguf:PATH."),
]
ModelOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        "-o",
        metavar="K=V",
        help="An option for the model; repeatable. One that it does not have is refused, with those it has.",
    ),
]
ContextLimit = Annotated[
    str | None,
    typer.Option(
        "--context",
        metavar="LIMIT",
        help="How much of the conversation to send: all, last:N for the last N turns, or tokens:N for what fits about "
        "N tokens. What the prompt object's front matter says as 'context' if not given, else all.",
    ),
]
Timeout = Annotated[
    str | None,
    typer.Option(
        "--timeout",
        metavar="D",
        help="Give up if the whole reply takes longer: 90s, 5min, 2h; exit 8. The setting model.idle_timeout limits "
        "how long the model may send nothing.",
    ),
]
NoStream = Annotated[bool, typer.Option("--no-stream", help="Print the reply when it is whole.")]
