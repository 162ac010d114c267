"""The verb `po session import`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from po_sessions import formats
from po_sessions.cli.app.hints import Hint
from po_sessions.cli.app.input import read_bytes, read_stdin
from po_sessions.cli.app.invocation import Invocation, each
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display import session_rows
from po_sessions.errors import WriteFailed
from po_sessions.formats import Format
from po_sessions.session import Session
from po_sessions.sessions.importing import Imported, check_importable


def import_(
    ctx: typer.Context,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", show_default=False, help="Files; `-` is standard input.")
    ],
    po: Annotated[
        str | None, typer.Option("--po", metavar="PO", help="Give them all to this prompt object instead of their own.")
    ] = None,
) -> None:
    """Read what 'export' wrote; print the sessions' ids.

    The format is told by the content, whatever the file is called. Unless everything can be read, nothing is imported.
    A session that is here already adds nothing; one whose id is taken by another gets a new id.
    """
    run: Invocation = ctx.obj
    owner = None if po is None else run.environment().prompt_object(run.po_name(po) or po).name

    def read(file: str) -> tuple[Format, list[Session]]:
        where = "Standard input" if file == "-" else file
        if file == "-":
            run.note_typing("what is to be imported")
        form, sessions = formats.decode(_read(run, file), where)
        for session in sessions:
            check_importable(session, owner)
        return form, sessions

    documents = each(files, read)
    env = run.environment(to_write_for="")
    made: list[Imported] = []
    try:
        for form, sessions in documents:
            made.extend(env.session_manager.import_sessions(sessions, po_name=owner, format_name=form.name))
    except WriteFailed as error:
        error.advice = Hint("Make room or mend the permissions, and repeat: what is here already adds nothing.")
        raise
    finally:
        for one in made:
            _remark(run, one)
        _show_imported(run, made)


ABOUT = Verb(
    import_,
    after="export",
    waits=True,
    examples={
        "po session import default.md saved.jsonl": "Read what was exported.",
        "po session import default.md --po reader": "Give it to another prompt object.",
        "po --root ~ session export --all | po session import -": "Copy the sessions of another environment.",
    },
    see_also=["session export", "session adopt"],
    exit_codes=[5, 6, 7],
)


def _remark(run: Invocation, one: Imported) -> None:
    """Tell what became of an imported session, where that is not plain."""
    there, name = one.session, one.original.name
    if not one.made:
        return run.out.note(f"{there.name!r} of {there.po_name} is here already: {there.id}.")
    if there.id != one.original.id:
        run.out.note(f"The id {one.original.id} is taken or cannot be one, so {name!r} is {there.id}.")
    if there.name != name:
        run.out.note(f"The name {name!r} is taken or cannot be one, so {there.id} is called {there.name!r}.")
    return session_rows.remark_orphaned(run, there)


def _show_imported(run: Invocation, made: Sequence[Imported]) -> None:
    if not run.out.as_json:
        return run.out.write("".join(f"{one.session.id}\n" for one in made))
    return run.out.json(
        [
            {
                "version": 1,
                "id": one.session.id,
                "name": one.session.name,
                "po_name": one.session.po_name,
                "message_count": one.session.message_count,
                "made": one.made,
                "original_id": one.original.id,
            }
            for one in made
        ]
    )


def _read(run: Invocation, file: str) -> bytes:
    """Return a file's bytes, or standard input's. Raises as `read_bytes` does."""
    room = run.settings.room("import.max_bytes", "What is to be imported")
    return read_stdin(room) if file == "-" else read_bytes(file, room)
