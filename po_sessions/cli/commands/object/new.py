"""The verb `po object new`."""

from __future__ import annotations

from typing import Annotated

import typer

from po_sessions.cli.app.hints import Hint
from po_sessions.cli.app.input import Room, read_text
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.verb import Verb
from po_sessions.errors import InvalidInput
from po_sessions.names import check_po_name
from po_sessions.prompt_objects.definition import Definition
from po_sessions.prompt_objects.directory import LIMIT


def new(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="Letters, digits, '_' and '-'.")],
    description: Annotated[str, typer.Option("--description", "-d", metavar="TEXT", help="What it is for.")] = "",
    model: Annotated[str | None, typer.Option("--model", "-m", metavar="MODEL", help="The model that answers.")] = None,
    body: Annotated[
        str | None, typer.Option("--body", metavar="TEXT", help="The system prompt; `-` reads standard input.")
    ] = None,
) -> None:
    """Make a prompt object and print its name.

    'po object path NAME' tells which file to edit.
    """
    run: Invocation = ctx.obj
    check_po_name(name)
    if (model or "").startswith("gguf:"):
        raise InvalidInput(
            "A prompt object cannot name a model file.", advice=Hint("Name it in --model when you send.")
        )
    if body == "-":
        run.note_typing("the system prompt")
    text = (
        f"You are {name}. Answer briefly and clearly."
        if body is None
        else read_text(body, Room(LIMIT, "The system prompt", Hint("Shorten it.")))
    )
    path = run.environment(to_write_for="").create_prompt_object(
        Definition(name=name, description=description, model=model, body=text)
    )
    run.out.note(f"Made {path}.")
    if run.out.as_json:
        return run.out.json({"version": 1, "name": name, "path": path})
    return run.out.line(name)


ABOUT = Verb(
    new,
    after="show",
    waits=True,
    examples={
        'po object new tutor --description "Teaches." --body "You ask."': "Make one.",
    },
    exit_codes=[5, 6, 7],
)
