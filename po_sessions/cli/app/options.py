"""Arguments and options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Po = Annotated[str | None, typer.Option("--po", metavar="PO", help="The prompt object; the current one if not given.")]
Ref = Annotated[
    str | None,
    typer.Argument(
        metavar="[S]",
        show_default=False,
        help="A session: its name, its id, at least 4 characters of either end of the id, "
        "@current, @previous or @last. The current one if not given.",
    ),
]
All = Annotated[bool, typer.Option("--all", "-a", help="Those of every prompt object; not with --po.")]
Switch = Annotated[bool, typer.Option("--switch", help="Make it the current session.")]
PoName = Annotated[
    str, typer.Argument(metavar="PO", show_default=False, help="The prompt object; `.` is the current one.")
]
Key = Annotated[str, typer.Argument(metavar="KEY", show_default=False, help="The setting; 'po config list' has all.")]
Environments = Annotated[bool, typer.Option("--environment", help="Use the environment's file instead of yours.")]
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
