"""The completion scripts for bash, zsh and fish, out of the commands' own definitions.

They complete commands and options, with what they do where the shell shows that, and the names of prompt objects, which
`po object list` tells.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from typer.main import get_command

from po_sessions.cli.root import COMMANDS, app

_OBJECTS = "command po object list --quiet 2>/dev/null </dev/null | cut -f 2"


@dataclass(frozen=True, slots=True)
class Place:
    """A command, as the shells see it."""

    path: str
    """The words behind `po`, as in `session list`; empty for `po` itself."""
    commands: dict[str, str]
    options: list[tuple[list[str], str, str | None]]
    """Names, what it does, and what its value is called, if it takes one."""
    takes_object: bool
    """Whether its first argument is a prompt object."""


def scripts() -> dict[str, str]:
    """Return the scripts by their files' names."""
    places = list(_places())
    return {"po.bash": _bash(places), "_po": _zsh(places), "po.fish": _fish(places)}


def _places() -> Iterator[Place]:
    root: Any = get_command(app)
    context = root.context_class(root, info_name="po")
    yield _place("", root, context, COMMANDS)
    for name in COMMANDS:
        command = root.get_command(context, name)
        inner = command.context_class(command, info_name=name, parent=context)
        verbs = {verb: command.get_command(inner, verb) for verb in getattr(command, "commands", {})}
        yield _place(name, command, inner, {verb: one.get_short_help_str(100) for verb, one in verbs.items()})
        for verb, one in verbs.items():
            yield _place(f"{name} {verb}", one, one.context_class(one, info_name=verb, parent=inner), {})


def _place(path: str, command: Any, context: Any, commands: dict[str, str]) -> Place:
    options, first = [], None
    for param in command.get_params(context):
        if param.param_type_name == "option":
            value = None if param.is_flag else param.make_metavar(context)
            options.append((list(param.opts), param.help or "", value))
        else:
            first = first or param.metavar
    return Place(path, commands, options, first == "PO")


def _bash(places: list[Place]) -> str:
    paths = "|".join(shlex.quote(place.path) for place in places if place.path)
    cases = []
    for place in places:
        words = " ".join(
            [*place.commands, *(name for names, _, _ in place.options for name in names if name[1] == "-")]
        )
        objects = "\n            ((given == 0)) && objects=1" if place.takes_object else ""
        path = shlex.quote(place.path) if place.path else '""'
        cases.append(f'        {path})\n            words="{words}"{objects}\n            ;;')
    values = "|".join(name for names in _with_value(places) for name in names)
    files = [name for place in places for names, _, value in place.options if value == "PATH" for name in names]
    others = "|".join(name for name in values.split("|") if name not in ("--po", "--root", *files))
    return f"""# bash completion for po. Generated; see po_sessions/cli/completion.py.

_po() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}}
    local path="" words="" objects=0 given=0 i word
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${{COMP_WORDS[i]}}
        case $word in
            {values})
                ((i++))
                continue
                ;;
            -*) continue ;;
        esac
        case "${{path:+$path }}$word" in
            {paths}) path="${{path:+$path }}$word" ;;
            *) ((given++)) ;;
        esac
    done
    case $prev in
        --po) objects=1 ;;
        --root)
            mapfile -t COMPREPLY < <(compgen -d -- "$cur")
            return
            ;;
        {"|".join(files)})
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
            ;;
        {others}) return ;;
    esac
    [[ $prev == --po ]] || case $path in
{chr(10).join(cases)}
    esac
    ((objects)) && words+=" $({_OBJECTS})"
    [[ $cur == -* ]] || words=$(tr ' ' '\\n' <<<"$words" | grep -v '^-')
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}}
complete -F _po po
"""


def _zsh(places: list[Place]) -> str:
    lines = []
    for place in places:
        parts = []
        for names, help_, value in place.options:
            group = "(" + " ".join(names) + ")" if len(names) > 1 else ""
            argument = f":{value}:{_zsh_value(names, value)}" if value else ""
            parts += [shlex.quote(f"{group}{name}[{_zsh_text(help_)}]{argument}") for name in names]
        if place.commands:
            parts += ["'1: :->command'", "'*:: :->rest'"]
        elif place.takes_object:
            parts.append("'1:prompt object:_po_objects'")
        function = "_po_" + place.path.replace(" ", "_") if place.path else "_po"
        body = " \\\n        ".join(["_arguments -C -s", *parts])
        declared = "    local context state state_descr line\n    typeset -A opt_args\n"
        text = f"{function}() {{\n{declared}    {body} && return\n"
        if place.commands:
            pairs = (shlex.quote(f"{name}:{help_}") for name, help_ in place.commands.items())
            listed = "\n".join(f"                {pair}" for pair in pairs)
            prefix = function + "_"
            text += f"""    case $state in
        command)
            local -a commands=(
{listed}
            )
            _describe command commands
            ;;
        rest) (( $+functions[{prefix}$line[1]] )) && {prefix}$line[1] ;;
    esac
"""
        lines.append(text + "}\n")
    head = "#compdef po\n# zsh completion for po. Generated; see po_sessions/cli/completion.py.\n\n"
    objects = f'_po_objects() {{\n    local -a names=(${{(f)"$({_OBJECTS})"}})\n    compadd -a names\n}}\n'
    return head + "\n".join([objects, *lines]) + '\n_po "$@"\n'


def _zsh_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")


def _zsh_value(names: list[str], value: str) -> str:
    return "_po_objects" if "--po" in names else {"DIR": "_files -/", "PATH": "_files"}.get(value or "", " ")


def _fish(places: list[Place]) -> str:
    lines = [
        "# fish completion for po. Generated; see po_sessions/cli/completion.py.",
        "",
        "function __po_at --argument-names path",
        "    set -l given (commandline -opc)[2..]",
        "    set -l words",
        f"    set -l valued {' '.join(name for names in _with_value(places) for name in names)}",
        "    set -l skip 0",
        "    for word in $given",
        "        if test $skip = 1",
        "            set skip 0",
        "        else if contains -- $word $valued",
        "            set skip 1",
        "        else if not string match -q -- '-*' $word",
        "            set -a words $word",
        "        end",
        "    end",
        "    set -l wanted (string split -n ' ' -- $path)",
        "    set -l depth (count $wanted)",
        "    test (count $words) -ge $depth; or return 1",
        '    test $depth = 0; or test "$words[1..$depth]" = "$path"; or return 1',
        "    set -q argv[2]; or return 0",
        "    test (count $words) = (math $depth + $argv[2])",
        "end",
        "",
        "complete -c po -f",
    ]
    for place in places:
        at = shlex.quote(f"__po_at {shlex.quote(place.path)}")
        exactly = shlex.quote(f"__po_at {shlex.quote(place.path)} 0")
        for name, help_ in place.commands.items():
            lines.append(f"complete -c po -n {exactly} -a {name} -d {_fish_text(help_)}")
        for names, help_, value in place.options:
            flags = " ".join(f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in names)
            source = _fish_values(names, value)
            needs = " -r -F" if value == "PATH" else f" -x{source}" if value else ""
            condition = exactly if place.commands else at
            lines.append(f"complete -c po -n {condition} {flags}{needs} -d {_fish_text(help_)}")
        if place.takes_object:
            lines.append(f"complete -c po -n {exactly} -a '({_OBJECTS})' -d 'prompt object'")
    return "\n".join(lines) + "\n"


def _fish_values(names: list[str], value: str | None) -> str:
    if "--po" in names:
        return f" -a '({_OBJECTS})'"
    return " -a '(__fish_complete_directories)'" if value == "DIR" else ""


def _fish_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _with_value(places: list[Place]) -> list[list[str]]:
    """Return the names of all options that take a value."""
    found = {tuple(names) for place in places for names, _, value in place.options if value}
    return [list(names) for names in sorted(found)]
