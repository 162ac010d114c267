"""`po config`: the user's settings."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from po_sessions.cli import config
from po_sessions.cli.config import InForce
from po_sessions.cli.input import as_text
from po_sessions.cli.invocation import Invocation
from po_sessions.cli.root import PoCommand, noun
from po_sessions.errors import InvalidInput

app = noun(
    "Show and change your settings.\n\nThey are kept in one file of yours, and hold for all environments. They are:\n\n"
    + "\n\n".join(
        f"{one.name}: {one.meaning} ${one.variable} goes over it; the default is {one.default}."
        for one in config.SETTINGS.values()
    )
)

Key = Annotated[str, typer.Argument(metavar="KEY", show_default=False, help="The setting; 'po config list' has all.")]


@app.command("list", cls=PoCommand)
def list_(ctx: typer.Context) -> None:
    """List the settings in force.

    Tab-separated in a pipe: name; value; where it comes from: `$PO_MODEL`, the path of the file, or `default`.
    """
    run: Invocation = ctx.obj
    found = [config.in_force(name) for name in config.SETTINGS]
    if run.out.as_json:
        return run.out.json([to_json(one) for one in found])
    return run.out.rows(["Name", "Value", "From"], [[one.setting.name, one.value, one.source] for one in found])


@app.command(cls=PoCommand)
def get(ctx: typer.Context, key: Key) -> None:
    """Print the value of a setting that is in force."""
    run: Invocation = ctx.obj
    one = config.in_force(key)
    return run.out.json(to_json(one)) if run.out.as_json else run.out.line(one.value)


@app.command("set", cls=PoCommand)
def set_(
    ctx: typer.Context,
    key: Key,
    value: Annotated[str, typer.Argument(metavar="VALUE", show_default=False, help="What it is to be.")],
) -> None:
    """Change a setting.

    The rest of the file stays as it is, with its comments. 'po config unset KEY' removes the setting.
    """
    run: Invocation = ctx.obj
    one = change(run, key, value)
    if run.out.as_json:
        run.out.json(to_json(one))


@app.command(cls=PoCommand)
def unset(ctx: typer.Context, key: Key) -> None:
    """Remove a setting from the file, so that the default counts."""
    run: Invocation = ctx.obj
    config.setting(key)
    config.store(key, None)
    one = _tell(run, key)
    if run.out.as_json:
        run.out.json(to_json(one))


@app.command(cls=PoCommand)
def path(ctx: typer.Context) -> None:
    """Print the path of the file, which need not be there yet."""
    run: Invocation = ctx.obj
    file = str(config.path())
    return run.out.json({"version": 1, "path": file}) if run.out.as_json else run.out.line(file)


def change(run: Invocation, key: str, value: str) -> InForce:
    """Set a setting and return what is in force then. Raises as `accept` of the setting and `store` do."""
    setting = config.setting(key)
    if not value.strip():
        raise InvalidInput(f"The value of {key!r} is empty.", hint=f"Run 'po config unset {key}' to remove it.")
    config.store(key, setting.accept(as_text(value), run.out.note))
    return _tell(run, key)


def _tell(run: Invocation, key: str) -> InForce:
    """Say what is in force after a change; a variable that keeps it from counting is worth a warning."""
    one = config.in_force(key)
    if one.source == f"${one.setting.variable}":
        run.out.warn(f"{one.source} is set, so {key} stays {one.value}.")
    else:
        run.out.note(f"{key} is now {one.value} ({one.source}).")
    return one


def to_json(one: InForce) -> dict[str, Any]:
    """Return a setting as `--json` prints it."""
    return {
        "version": 1,
        "name": one.setting.name,
        "value": one.value,
        "source": one.source,
        "description": one.setting.meaning,
    }
