"""`po object`: list, show, make, rename and delete prompt objects."""

from __future__ import annotations

from typing import Annotated

import typer

from po_sessions.cli.app.hints import Hint
from po_sessions.cli.app.input import Room, read_text
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import PoName
from po_sessions.cli.app.root import PoCommand, WaitingCommand, noun
from po_sessions.cli.display import object_rows
from po_sessions.cli.display.list_format import Face, Format, Null
from po_sessions.errors import InvalidInput
from po_sessions.prompt_objects.definition import Definition
from po_sessions.prompt_objects.directory import LIMIT
from po_sessions.session import check_po_name
from po_sessions.shell import joined

app = noun("List, show, make, rename and delete prompt objects.")


@app.command("list", cls=PoCommand)
def list_(ctx: typer.Context, template: Format = None, null: Null = False) -> None:
    """List the prompt objects.

    Tab-separated in a pipe: `*` if current, else `-`; name; model, or `-`; description.
    """
    run: Invocation = ctx.obj
    face = Face(run.out, _FIELDS, template=template, null=null)
    env = run.environment()
    current = env.session_manager.current_po()
    found = []
    for one in env.definitions:
        if isinstance(one, Definition):
            found.append(one)
        else:
            run.out.warn(str(one))
    if face.printed(found, lambda one: object_rows.to_json(one, current=one.name == current)):
        return None
    if not found:
        run.out.note(f"There are no prompt objects in {env.root}; 'po init' or 'po object new NAME' makes some.")
        return None
    no = "" if run.out.is_terminal else "-"
    rows = [["*" if one.name == current else no, one.name, one.model or no, one.description] for one in found]
    return run.out.rows(["", "Name", "Model", "Description"], rows, whole=["Name"])


@app.command(cls=PoCommand)
def show(ctx: typer.Context, po: PoName) -> None:
    """Print a prompt object's front matter and body."""
    run: Invocation = ctx.obj
    one = run.environment().prompt_object(run.po_name(po) or po).definition
    if run.out.as_json:
        current = run.environment().session_manager.current_po()
        return run.out.json({**object_rows.to_json(one, current=one.name == current), "body": one.body})
    return run.out.write(one.render())


@app.command(cls=WaitingCommand)
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
        raise InvalidInput("A prompt object cannot name a model file.", hint="Name it in --model when you send.")
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


@app.command(cls=PoCommand)
def path(ctx: typer.Context, po: PoName) -> None:
    """Print the path of a prompt object's file."""
    run: Invocation = ctx.obj
    name = run.po_name(po) or po
    file = run.environment().definitions.path(name)
    if run.out.as_json:
        return run.out.json({"version": 1, "name": name, "path": file})
    return run.out.line(file)


@app.command(cls=WaitingCommand)
def switch(ctx: typer.Context, po: PoName) -> None:
    """Make a prompt object the current one."""
    run: Invocation = ctx.obj
    env = run.environment()
    name = env.prompt_object(run.po_name(po) or po).name
    env.session_manager.switch_po(name)
    run.out.note(f"{name} is the current prompt object.")
    if run.out.as_json:
        run.out.json({"version": 1, "name": name})


@app.command(cls=WaitingCommand)
def rename(
    ctx: typer.Context,
    po: PoName,
    new: Annotated[str, typer.Argument(metavar="NEW", show_default=False, help="Letters, digits, '_' and '-'.")],
) -> None:
    """Give a prompt object another name.

    It changes in its file and in all its sessions. If it is interrupted, the next command finishes it.
    """
    run: Invocation = ctx.obj
    env = run.environment()
    old = run.po_name(po) or po
    env.rename_prompt_object(old, new)
    run.out.note(f"Renamed {old} to {new}.")
    if run.out.as_json:
        run.out.json({"version": 1, "name": new, "path": env.definitions.path(new)})


@app.command(cls=WaitingCommand)
def delete(ctx: typer.Context, po: PoName) -> None:
    """Move a prompt object's file to the trash; its sessions are kept.

    'po session list --orphaned' lists them, and 'po session adopt' gives them another prompt object.
    """
    run: Invocation = ctx.obj
    env = run.environment()
    name = run.po_name(po) or po
    path = env.definitions.path(name)
    kept = env.delete_prompt_object(name)
    run.out.note(f"Deleted {name}; '{joined(['mv', '-n', kept, path])}' brings it back.")
    if run.out.as_json:
        run.out.json({"version": 1, "name": name, "trash_path": kept})


_FIELDS = ("name", "description", "capabilities", "model", "options", "context", "extra", "current")
