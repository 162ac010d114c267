"""What Typer finds wrong with a command line, as an error of ours that says what to type instead."""

from __future__ import annotations

import re
from typing import Any

from typer.exceptions import TyperException

from po_sessions.cli.app.hints import Command, Hint, Words, meant
from po_sessions.errors import InvalidInput
from po_sessions.text.suggest import nearest


def usage_error(error: TyperException, args: list[str]) -> InvalidInput:
    """Return what is wrong with the arguments `args`."""
    ctx: Any = getattr(error, "ctx", None)
    message = error.format_message().strip() or "No command was given."
    path = ctx.command_path.split()[1:] if ctx else []
    first, help_ = "", Command(" ".join([*path, "--help"]))
    if hasattr(error, "possibilities"):
        message, at = _no_such_option(error, args)
        if ctx and at is not None and (line := _with_dashes(ctx, args, at)):
            first = f"If it is no option, put '--' in front: {line}\n"
    elif found := re.fullmatch(r"Got unexpected extra argument\(s\) \((.*)\)", message, re.DOTALL):
        message = f"There are more arguments than it takes: {found[1]}"
        first = "One that has spaces needs quotes. "
    elif ctx and message == "Missing command.":
        first = f"One of {', '.join(getattr(ctx.command, 'commands', ()))}. "
    message = message.replace("is not a valid int", "is not a whole number")
    hint = Hint(first, "Run ", help_, " to see how it is used.")
    return InvalidInput(message if message[-1] in ".?!" else f"{message}.", advice=hint)


def _no_such_option(error: Any, args: list[str]) -> tuple[str, int | None]:
    """Return what to say of an option that there is not, and where it is if there is no doubt."""
    refused: str = error.option_name
    found = [at for at, arg in enumerate(args) if arg.partition("=")[0] == refused]
    inside = ""
    if not found and len(refused) == 2:  # one of several letters behind one dash
        found = [at for at, arg in enumerate(args) if re.match("-[^-]", arg) and refused[1] in arg[1:]]
        inside = f", in {args[found[0]]!r}" if len(found) == 1 else ""
    message = f"No such option: {refused}{inside}. {meant(nearest(refused, error.possibilities or ()))}"
    return message.rstrip(), found[0] if len(found) == 1 else None


def _with_dashes(ctx: Any, args: list[str], at: int) -> str:
    """Return the command line in which the argument at `at` is text; nothing if it could be none there."""
    arguments = [param for param in ctx.command.params if param.param_type_name == "argument"]
    if not arguments or "--" in args:
        return ""
    takes_value = {
        name: not param.is_flag for param in ctx.command.params if hasattr(param, "is_flag") for name in param.opts
    }
    options, texts, rest = args[:at], [args[at]], iter(args[at + 1 :])
    for word in rest:
        name, equals, _ = word.partition("=")
        if name in takes_value:
            options += [word, *([next(rest, "")] if takes_value[name] and not equals else [])]
        else:
            texts.append(word)
    if len(texts) == 1 and arguments[-1].make_metavar(ctx).strip("[]") == "NAME":  # which may not begin with a dash
        return ""
    return Words("po", *options, "--", *texts).line(None)
