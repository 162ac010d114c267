"""The verb `po model default`."""

from __future__ import annotations

from typing import Annotated

import typer

from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.config import change, settings


def default(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", show_default=False, help="The model to choose; gguf:PATH is any GGUF file."),
    ] = None,
) -> None:
    """Print the default model, or choose it.

    It answers where neither --model nor the prompt object names one. Choosing it is 'po config set model NAME', and
    'po config unset model' takes that back.
    """
    run: Invocation = ctx.obj
    one = (
        settings.in_force("model", settings.files(run.find_root()))
        if name is None
        else change.apply(run, "model", name)
    )
    if run.out.as_json:
        return run.out.json({"version": 1, "name": one.value, "source": one.source})
    return run.out.line(one.value) if name is None else None


ABOUT = Verb(
    default,
    after="list",
    exit_codes=[7, 8],
)
