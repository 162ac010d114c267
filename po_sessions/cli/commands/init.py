"""The command `po init`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from po_sessions.cli.app.hints import Command, Hint, Words
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.verb import Verb
from po_sessions.environment import Environment
from po_sessions.errors import Conflict, InvalidInput, NotFound
from po_sessions.layout.environment import DIRECTORY
from po_sessions.prompt_objects import starters


def init(
    ctx: typer.Context,
    directory: Annotated[
        str, typer.Argument(metavar="[DIR]", show_default=False, help="Where; the working directory if not given.")
    ] = ".",
) -> None:
    """Make DIR/.prompt_objects with starter prompt objects; print its path.

    One that is there already is left as it is.
    """
    run: Invocation = ctx.obj
    if run.root is not None:
        place = os.path.join(".", run.root)  # which begins with no dash
        raise InvalidInput("init takes the directory as an argument.", advice=Hint("Run ", Command("init", place), "."))
    if os.path.exists(directory) and not os.path.isdir(directory):
        raise Conflict(f"{directory!r} is not a directory.", advice=Hint("Name a directory."))
    if not os.path.isdir(directory):
        raise NotFound(
            f"There is no directory {directory!r}.",
            advice=Hint("Run ", Words("mkdir", "-p", "--", directory), " first."),
        )
    try:
        path = os.path.join(os.path.abspath(directory), DIRECTORY)
    except FileNotFoundError:
        hint = Hint("Run ", Words("cd"), " to leave it.")
        raise NotFound("The working directory is not there any more.", advice=hint) from None
    if DIRECTORY in path.split(os.sep)[:-1]:
        raise InvalidInput(
            f"{os.path.dirname(path)} is inside an environment.", advice=Hint("Name a directory outside of it.")
        )
    made = Environment.create(path)
    run.out.note(
        f"Made {path} with the prompt objects {', '.join(starters.names())}." if made else f"{path} is there already."
    )
    if run.out.as_json:
        return run.out.json({"version": 1, "path": path, "made": made})
    return run.out.line(path)


ABOUT = Verb(
    init,
    after="doctor",
    summary="Make an environment with starter prompt objects.",
    examples={
        "po init": "Make an environment for the working directory and those below it.",
        "mkdir notes && po init notes": "Make one for another directory.",
    },
    see_also=["object"],
    exit_codes=[5],
)
