"""The verb `po object list`."""

from __future__ import annotations

import typer

from po_sessions.cli.app.hints import Command, Hint
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display import object_rows
from po_sessions.cli.display.list_format import Face, Format, Null
from po_sessions.prompt_objects.definition import Definition


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
        run.out.note(
            Hint(
                f"There are no prompt objects in {env.root}; ",
                Command("init"),
                " or ",
                Command("object new NAME"),
                " makes some.",
            )
        )
        return None
    no = "" if run.out.is_terminal else "-"
    rows = [["*" if one.name == current else no, one.name, one.model or no, one.description] for one in found]
    return run.out.rows(["", "Name", "Model", "Description"], rows, whole=["Name"])


ABOUT = Verb(
    list_,
    examples={
        "po object list": "See which prompt objects there are.",
    },
    exit_codes=[7],
)


_FIELDS = ("name", "description", "capabilities", "model", "options", "context", "extra", "current")
