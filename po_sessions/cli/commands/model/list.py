"""The verb `po model list`."""

from __future__ import annotations

from dataclasses import asdict, fields

import typer

from po_sessions import models
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display.list_format import Face, Format, Null
from po_sessions.cli.fast import model_names


def list_(ctx: typer.Context, template: Format = None, null: Null = False) -> None:
    """List the models.

    Tab-separated in a pipe: name; `ready` or `not ready`; description.
    """
    run: Invocation = ctx.obj
    face = Face(run.out, [field.name for field in fields(models.ModelInfo)], template=template, null=null)
    origin = model_names.origin()
    found = models.known(run.model_paths, run.out.warn)
    model_names.store([(one.name, one.description) for one in found], origin)  # completion waits for no second
    if face.printed(found, lambda one: {"version": 1, **asdict(one)}):
        return None
    rows = [[one.name, "ready" if one.ready else "not ready", one.description] for one in found]
    return run.out.rows(["Name", "State", "Description"], rows, whole=["Name"])


ABOUT = Verb(
    list_,
    exit_codes=[7, 8],
)
