"""How a list is printed for programs: `--ids`, `--format`, `-0`, `--json`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Annotated, Any, TypeVar

import typer

from po_sessions.cli.app.hints import Hint
from po_sessions.cli.app.input import as_text
from po_sessions.cli.display.template import Template
from po_sessions.cli.fast.cells import separators_replaced
from po_sessions.cli.terminal.output import Output
from po_sessions.errors import InvalidInput

T = TypeVar("T")

Ids = Annotated[bool, typer.Option("--ids", help="Print only the ids, one a line.")]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="TEMPLATE",
        help="Print a line like '{id} {name}' for each; its fields are the keys of --json, see po-formats(5).",
    ),
]
Null = Annotated[bool, typer.Option("--null", "-0", help="End each id or line with a NUL instead of a line end.")]


class Face:
    """The form in which the user wants a list."""

    def __init__(
        self, out: Output, fields: Sequence[str], *, ids: bool = False, template: str | None = None, null: bool = False
    ) -> None:
        """Raise InvalidInput if the options contradict each other, or the template has other fields than `fields`."""
        if ids and template is not None:
            raise InvalidInput("--ids and --format contradict each other.", advice=Hint("Give one of them."))
        if out.as_json and (ids or template is not None):
            raise InvalidInput("--json contradicts --ids and --format.", advice=Hint("Give one of them."))
        if null and not ids and template is None:
            raise InvalidInput("-0 ends ids or lines of --format.", advice=Hint("Add --ids or --format."))
        self._out = out
        self._end = "\0" if null else "\n"
        self._ids = ids
        self._template = None if template is None else to_template(template, fields)

    def printed(self, found: Iterable[T], to_json: Callable[[T], dict[str, Any]]) -> bool:
        """Print a list for a program; False if it is for people, or for the columns of a pipe."""
        if self._ids:
            self._out.pieces(id + self._end for id in map(attrgetter("id"), found))
        elif self._template is not None:
            self._out.pieces(_line(self._template, to_json(one), self._end) for one in found)
        elif self._out.as_json:
            self._out.json([to_json(one) for one in found])
        else:
            return False
        return True


def to_template(text: str, fields: Sequence[str]) -> Template:
    """Return the template that the user gave. Raises InvalidInput."""
    try:
        return Template(as_text(text), fields)
    except ValueError as error:
        raise InvalidInput(
            f"--format: {error}.", advice=Hint(f"Write it like '{{{fields[0]}}}\\t{{{fields[1]}}}'.")
        ) from None


def _line(template: Template, values: dict[str, Any], end: str) -> str:
    return template.fill({name: _as_field(values[name], end) for name in template.names}) + end


def _as_field(value: object, end: str) -> str:
    """Return a value as it stands in a line: text as it is, None as nothing, all else as JSON.

    What would end the line, or separate columns, is a space; a NUL where the line ends with one.
    """
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    return text.replace("\0", " ") if end == "\0" else separators_replaced(text)
