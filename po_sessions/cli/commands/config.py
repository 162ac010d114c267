"""`po config`: the settings."""

from __future__ import annotations

from itertools import takewhile
from typing import Annotated, Any

import typer

from po_sessions.cli.app.input import as_text
from po_sessions.cli.app.invocation import Invocation, raise_any
from po_sessions.cli.app.root import PoCommand, noun
from po_sessions.cli.config import settings
from po_sessions.cli.config.files import SettingsFile, environments_file, users_file
from po_sessions.cli.config.settings import InForce
from po_sessions.cli.display.list_format import Face, Format, Null
from po_sessions.errors import InvalidInput, PoError
from po_sessions.shell import command_line

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

Key = Annotated[str, typer.Argument(metavar="KEY", show_default=False, help="The setting; 'po config list' has all.")]
Environments = Annotated[bool, typer.Option("--environment", help="Use the environment's file instead of yours.")]


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
    if not face.printed(found, to_json):
        run.out.rows(["Name", "Value", "From"], [[one.setting.name, one.value, one.source] for one in found])
    raise_any(failed)


@app.command(cls=PoCommand)
def get(ctx: typer.Context, key: Key) -> None:
    """Print the value of a setting that is in force."""
    run: Invocation = ctx.obj
    one = settings.checked(key, settings.files(run.find_root()))
    return run.out.json(to_json(one)) if run.out.as_json else run.out.line(one.value)


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
    one = change(run, key, value, environments=environment)
    if run.out.as_json:
        run.out.json(to_json(one))


@app.command(cls=PoCommand)
def unset(ctx: typer.Context, key: Key, environment: Environments = False) -> None:
    """Remove a setting from the file.

    The next source then counts, or the default.
    """
    run: Invocation = ctx.obj
    file = _file(run, environments=environment)
    file.store(settings.setting(key), None)
    one = _tell(run, key, file)
    if run.out.as_json:
        run.out.json(to_json(one))


@app.command(cls=PoCommand)
def path(ctx: typer.Context, environment: Environments = False) -> None:
    """Print the path of the file, which need not be there yet."""
    run: Invocation = ctx.obj
    file = _file(run, environments=environment).path
    return run.out.json({"version": 1, "path": file}) if run.out.as_json else run.out.line(file)


def change(run: Invocation, key: str, value: str, *, environments: bool = False) -> InForce:
    """Set a setting and return what is in force then. Raises as `accept` of the setting and `store` do."""
    setting = settings.setting(key)
    file = _file(run, environments=environments)
    if not value.strip():
        unset = command_line("config unset --environment" if environments else "config unset", key)
        raise InvalidInput(f"The value of {key!r} is empty.", hint=f"Run '{unset}' to remove it.")
    value = as_text(value)
    file.check(setting, value, "Without --environment it is set for all environments.")
    value = setting.accept(value, run.out.note)
    if environments:
        run.environment(to_write_for="")
    file.store(setting, value)
    return _tell(run, key, file)


def _file(run: Invocation, *, environments: bool) -> SettingsFile:
    return environments_file(run.find_root()) if environments else users_file()


def _tell(run: Invocation, key: str, file: SettingsFile) -> InForce:
    """Say what is in force after a change of a file; what keeps it from counting is worth a warning."""
    files = [file]
    try:
        files = settings.files(run.find_root())
        one = settings.in_force(key, files)
    except PoError as error:  # of another file, or there is no environment: the change is made all the same
        run.out.warn(f"{error} {error.hint or ''}".rstrip())
        one = settings.in_force(key, [file])
    if one.source == f"${one.setting.variable}":
        run.out.warn(f"{one.source} is set, so {key} stays {one.value}.")
    elif one.source in [over.path for over in takewhile(lambda over: over != file, files)]:
        run.out.warn(f"{one.source} sets {key}, so it stays {one.value}.")
    else:
        run.out.note(f"{key} is now {one.value} ({one.source}).")
    return one


_FIELDS = ("name", "value", "source", "description")


def to_json(one: InForce) -> dict[str, Any]:
    """Return a setting as `--json` prints it."""
    return {
        "version": 1,
        "name": one.setting.name,
        "value": one.value,
        "source": one.source,
        "description": one.setting.meaning,
    }
