"""`po model`: the models that can answer."""

from __future__ import annotations

from typing import Annotated

import typer

from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.root import PoCommand, noun
from po_sessions.cli.app.weights import fetch
from po_sessions.cli.display.list_format import Face, Format, Null
from po_sessions.cli.fast import model_names

app = noun("List the models, choose the default, fetch the embedded one.")


@app.command("list", cls=PoCommand)
def list_(ctx: typer.Context, template: Format = None, null: Null = False) -> None:
    """List the models.

    Tab-separated in a pipe: name; `ready` or `not ready`; description.
    """
    from dataclasses import asdict, fields

    from po_sessions import models

    run: Invocation = ctx.obj
    face = Face(run.out, [field.name for field in fields(models.ModelInfo)], template=template, null=null)
    origin = model_names.origin()
    found = models.known(run.model_paths, run.out.warn)
    model_names.store([(one.name, one.description) for one in found], origin)  # completion waits for no second
    if face.printed(found, lambda one: {"version": 1, **asdict(one)}):
        return None
    rows = [[one.name, "ready" if one.ready else "not ready", one.description] for one in found]
    return run.out.rows(["Name", "State", "Description"], rows, whole=["Name"])


@app.command(cls=PoCommand)
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
    from po_sessions.cli.config import change, settings

    run: Invocation = ctx.obj
    one = (
        settings.in_force("model", settings.files(run.find_root()))
        if name is None
        else change.apply(run, "model", name)
    )
    if run.out.as_json:
        return run.out.json({"version": 1, "name": one.value, "source": one.source})
    return run.out.line(one.value) if name is None else None


@app.command(cls=PoCommand)
def pull(ctx: typer.Context) -> None:
    """Fetch the embedded model (93 MB) and print its path.

    What is there already is only checked.
    """
    run: Invocation = ctx.obj
    path = fetch(run)
    if run.out.as_json:
        return run.out.json({"version": 1, "name": "smollm2", "path": path})
    return run.out.line(path)
