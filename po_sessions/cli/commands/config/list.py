"""The verb `po config list`."""

from __future__ import annotations

import typer

from po_sessions.cli.app.invocation import Invocation, raise_any
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.config import settings
from po_sessions.cli.config.settings import InForce
from po_sessions.cli.display import setting_rows
from po_sessions.cli.display.list_format import Face, Format, Null
from po_sessions.errors import PoError


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


ABOUT = Verb(
    list_,
    examples={
        "po config list": "See all settings, and where each comes from.",
    },
    exit_codes=[7, 8],
)


_FIELDS = ("name", "value", "source", "description")
