"""The table that completion reads, made of the commands' own definitions, and where the scripts are.

The scripts themselves, in `completions/`, know no command: they hand over the line and show the answer.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from po_sessions.cli.app.root import global_options
from po_sessions.cli.config.settings import SETTINGS
from po_sessions.cli.reference import tree
from po_sessions.formats import FORMATS

SHELLS = {"bash": "po.bash", "zsh": "_po", "fish": "po.fish"}
"""The shells that have a script, and its file's name."""

_ARGUMENTS = {
    "PO": "objects",
    "S": "sessions",
    "T": "trash",
    "B": "backups",
    "KEY": "settings",
    "VALUE": "values",
    "MODEL": "models",
    "SHELL": "shells",
    "FILE": "files",
    "DIR": "directories",
}
_OPTIONS = {
    "PO": "objects",
    "S": "sessions",
    "MODEL": "models",
    "FORMAT": "formats",
    "PATH": "files",
    "DIR": "directories",
}
"""What completes a value, by what the manual calls it; what is not here is not completed."""

_BRIEF = 58
"""What a line of 80 columns leaves for a description, in characters."""

_HEAD = '''"""The commands as completion sees them. Generated; see completion.py, which `cli.reference` runs."""

# fmt: off
'''


def script(shell: str) -> str:
    """Return the completion script of a shell."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    inside = os.path.join(package, "completions")  # where a wheel puts them; without one they stand beside the package
    directory = inside if os.path.isdir(inside) else os.path.join(os.path.dirname(package), "completions")
    with open(os.path.join(directory, SHELLS[shell]), encoding="utf-8") as file:
        return file.read()


def table() -> str:
    """Return the text of `commands_table.py`."""
    root = tree.root()
    context = root.context_class(root, info_name="po")
    everywhere = [_option(param, context) for param in global_options()]
    words = {
        "formats": [(name, "") for name in FORMATS],
        "settings": [(one.name, brief(one.meaning)) for one in SETTINGS.values()],
        "shells": [(name, "") for name in SHELLS],
    }
    lines = [
        _HEAD,
        "EVERYWHERE = (",
        *_rows(everywhere),
        ")",
        '"""The options of every command."""',
        "",
        "COMMANDS = {",
    ]
    for path, commands, params in _places(root, context):
        options = [_option(param, context) for param in params if param.param_type_name == "option"]
        arguments = [_argument(path, param) for param in params if param.param_type_name == "argument"]
        own = [option for option in options if option not in everywhere]
        inner, outer = _tuple(commands), _tuple(own)
        lines += f"    {path!r}: ({inner}, {tuple(arguments)!r}, {outer}),".split("\n")
    lines += [
        "}",
        '"""By its words: its commands, its arguments, its options with their names, what they do and take."""',
    ]
    lines += ["", "WORDS = {"]
    for kind, some in words.items():
        lines += [f"    {kind!r}: (", *_rows(some, 8), "    ),"]
    return "\n".join([*lines, "}", '"""Values that are always the same."""', ""])


def _tuple(things: list[Any]) -> str:
    """Return a tuple with each of its things on a line of its own."""
    return "\n".join(["(", *_rows(things, 8), "    )"]) if things else "()"


def _rows(things: list[Any], indent: int = 4) -> list[str]:
    return [f"{' ' * indent}{thing!r}," for thing in things]


def _places(root: Any, context: Any) -> Iterator[tuple[str, list[tuple[str, str]], list[Any]]]:
    """Yield every command: its words, the commands below it with what they do, its parameters."""
    yield "", list(root.table[""].items()), root.get_params(context)
    for name in root.table[""]:
        command = root.get_command(context, name)
        inner = command.context_class(command, info_name=name, parent=context)
        verbs = root.table.get(name, {})
        yield name, list(verbs.items()), command.get_params(inner)
        for verb in verbs:
            one = command.get_command(inner, verb)
            yield f"{name} {verb}", [], one.get_params(one.context_class(one, info_name=verb, parent=inner))


def _option(param: Any, context: Any) -> tuple[tuple[str, ...], str, str | None]:
    kind = None if param.is_flag else _OPTIONS.get(param.make_metavar(context), "")
    return tuple(param.opts), brief(param.help or ""), kind


def brief(text: str) -> str:
    """Return the first sentence of a help, up to a semicolon or colon where it would not fit on a line of a menu."""
    parts = re.split(r"(?<=[;:]) ", text.split(". ")[0])
    while len(parts) > 1 and len(" ".join(parts)) > _BRIEF:
        parts.pop()
    return text and " ".join(parts).rstrip(".;:") + "."


def _argument(path: str, param: Any) -> str:
    name = param.metavar.strip("[]")
    if path == "session adopt" and name == "S":
        return "orphans"
    return _ARGUMENTS.get(name.removesuffix("…"), "") + ("…" if name.endswith("…") else "")
