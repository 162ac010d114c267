"""`po config`: the settings."""

from __future__ import annotations

from typing import Annotated

import typer

from po_sessions.cli.app.invocation import Invocation, raise_any
from po_sessions.cli.app.options import Environments, Key
from po_sessions.cli.app.root import PoCommand, noun
from po_sessions.cli.config import change, settings
from po_sessions.cli.config.settings import InForce
from po_sessions.cli.display import setting_rows
from po_sessions.cli.display.list_format import Face, Format, Null
from po_sessions.errors import PoError

app = noun(
    "Show and change your settings.\n\n"
    "They are kept in one file of yours, for all environments. An environment may have one too, which goes over yours. "
    "It may have come with a repository, so a model file is refused there. Whatever else a file has is left alone. The "
    "settings are:\n\n"
    + "\n\n".join(
        f"{one.name}: {one.meaning} ${one.variable} goes over the files; the default is {one.default}."
        for one in settings.SETTINGS.values()
    )
)


@app.command("list", cls=PoCommand)
def list_(ctx: typer.Context, template: Format = None, null: Null = False) -> None:
    """List the settings in force.

    Tab-separated in a pipe: name; value; where it comes from: `$PO_MODEL`, the path of a file, or `default`.
    """
    run: Invocation = ctx.obj
    face = Face(run.out, _FIELDS, template=template, null=null)
    files = settings.files(run.find_root())
    found, failed = list[InForce](), list[PoError]()
    for name in settings.SETTINGS:
        try:
            found.append(settings.checked(name, files))
        except PoError as error:
            if str(error) not in map(str, failed):  # a file that cannot be read is one failure
                failed.append(error)
    if not face.printed(found, setting_rows.to_json):
        run.out.rows(["Name", "Value", "From"], [[one.setting.name, one.value, one.source] for one in found])
    raise_any(failed)


@app.command(cls=PoCommand)
def get(ctx: typer.Context, key: Key) -> None:
    """Print the value of a setting that is in force."""
    run: Invocation = ctx.obj
    one = settings.checked(key, settings.files(run.find_root()))
    return run.out.json(setting_rows.to_json(one)) if run.out.as_json else run.out.line(one.value)


@app.command("set", cls=PoCommand)
def set_(
    ctx: typer.Context,
    key: Key,
    value: Annotated[str, typer.Argument(metavar="VALUE", show_default=False, help="What it is to be.")],
    environment: Environments = False,
) -> None:
    """Change a setting.

    The rest of the file stays as it is, with its comments. 'po config unset KEY' removes the setting.
    """
    run: Invocation = ctx.obj
    one = change.apply(run, key, value, environments=environment)
    if run.out.as_json:
        run.out.json(setting_rows.to_json(one))


@app.command(cls=PoCommand)
def unset(ctx: typer.Context, key: Key, environment: Environments = False) -> None:
    """Remove a setting from the file.

    The next source then counts, or the default.
    """
    run: Invocation = ctx.obj
    file = change.file_meant(run, environments=environment)
    file.store(settings.setting(key), None)
    one = change.tell(run, key, file)
    if run.out.as_json:
        run.out.json(setting_rows.to_json(one))


@app.command(cls=PoCommand)
def path(ctx: typer.Context, environment: Environments = False) -> None:
    """Print the path of the file, which need not be there yet."""
    run: Invocation = ctx.obj
    file = change.file_meant(run, environments=environment).path
    return run.out.json({"version": 1, "path": file}) if run.out.as_json else run.out.line(file)


_FIELDS = ("name", "value", "source", "description")
