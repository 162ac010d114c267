"""`po model`: the models that can answer."""

from __future__ import annotations

import typer

from po_sessions.cli.invocation import Invocation
from po_sessions.cli.root import PoCommand, noun

app = noun("List the models, fetch the embedded one.")


@app.command("list", cls=PoCommand)
def list_(ctx: typer.Context) -> None:
    """List the models.

    Tab-separated in a pipe: name; `ready` or `missing`; description.
    """
    from po_sessions import models

    run: Invocation = ctx.obj
    found = models.known(run.model_paths)
    if run.out.as_json:
        from dataclasses import asdict

        return run.out.json([{"version": 1, **asdict(one)} for one in found])
    rows = [[one.name, "ready" if one.ready else "missing", one.description] for one in found]
    return run.out.rows(["Name", "State", "Description"], rows)


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


def fetch(run: Invocation) -> str:
    """Fetch the weights, telling how it goes; return their path."""
    from po_sessions.models import weights

    with run.out.progress("Fetching") as (say, fetched):
        return weights.pull(run.model_paths, progress=say, fetched=fetched)
