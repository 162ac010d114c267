"""The manual pages, out of the commands' own definitions."""

from __future__ import annotations

import re
from typing import Any

from typer.main import get_command

from po_sessions import __version__, errors
from po_sessions.cli.root import COMMANDS, EXIT_BUG, app, global_options, lock_options

ENVIRONMENT = {
    "PO_ROOT": "The environment to use, as with --root.",
    "PO_SESSION": "The session to use where no other is named.",
    "PO_MODEL": "The model to ask where neither --model nor the prompt object names one.",
    "LLM_USER_PATH": "Where llm has its keys, aliases and models; keys may also come from variables of its own, as "
    "from OPENAI_API_KEY.",
    "PO_BACKUP_INTERVAL, PO_BACKUP_KEEP": "When a turn makes a backup first, and how many are kept; see po-config(1).",
    "PO_GGUF": "A GGUF file that stands in for the embedded model's weights.",
    "PAGER": "Shows what is longer than the screen, on a terminal; less if not set, nothing if empty.",
    "NO_COLOR, FORCE_COLOR": "No colours; colours in a pipe too.",
    "XDG_RUNTIME_DIR, TMPDIR": "Where the socket of the embedded model is made while it answers.",
    "XDG_CACHE_HOME": "Where the weights of the embedded model are kept, below po/.",
    "XDG_CONFIG_HOME": "Where po/config.toml is.",
}
FILES = {
    ".prompt_objects/": "An environment: the nearest in the working directory or above, else the one in the home "
    "directory. See po-formats(5).",
    "~/.config/po/config.toml": "The user's settings; see po-config(1).",
    "~/.cache/po/": "The weights of the embedded model.",
}
EXIT_STATUS = {
    0: "Done.",
    1: "A check found faults.",
    errors.InvalidInput.exit_code: "Wrong usage.",
    errors.NotFound.exit_code: "No such session, prompt object or file.",
    errors.AmbiguousSelector.exit_code: "More than one session matches.",
    errors.Conflict.exit_code: "Conflict: the name is taken, the session belongs to another prompt object.",
    errors.Busy.exit_code: "Busy: another process holds the session.",
    errors.Unreadable.exit_code: "Unreadable data, or data of a newer version.",
    errors.ModelError.exit_code: "The model failed or is not available.",
    errors.WriteFailed.exit_code: "The store or the output could not be written.",
    EXIT_BUG: "A bug in po; the message names the file that holds the traceback.",
    errors.Interrupted.exit_code: "Interrupted.",
}
_GLOBAL = {option.name for option in [*global_options(), *lock_options()]}


def pages() -> dict[str, str]:
    """Return the manual pages by their files' names: `po.1` and one for each command."""
    root: Any = get_command(app)
    context = root.context_class(root, info_name="po")
    made = {"po.1": _page("po", root, context, "named, persistent conversation sessions for prompt objects")}
    for name, short in COMMANDS.items():
        command = root.get_command(context, name)
        inner = command.context_class(command, info_name=name, parent=context)
        made[f"po-{name}.1"] = _page(f"po-{name}", command, inner, short[0].lower() + short[1:].rstrip("."))
    return made


def _page(title: str, command: Any, context: Any, short: str) -> str:
    names = list(getattr(command, "commands", {}))
    lines = [f'.TH {title.upper()} 1 "" "po {__version__}" "po"', ".SH NAME", _text(f"{title} - {short}")]
    lines += [".SH SYNOPSIS", *_synopsis(command, context), ".SH DESCRIPTION", *_paragraphs(command.help)]
    if title == "po":
        lines.append(".SH COMMANDS")
        lines += _list({f"po-{name}(1)": text for name, text in COMMANDS.items()})
    elif names:
        lines.append(".SH COMMANDS")
        for name in names:
            verb = command.get_command(context, name)
            inner = verb.context_class(verb, info_name=name, parent=context)
            lines += [f'.SS "{_text(" ".join([inner.command_path, *_pieces(verb, inner)]))}"']
            lines += [*_paragraphs(verb.help), *_parameters(verb, inner)]
    else:
        lines += [".SH OPTIONS", *_parameters(command, context)]
    own = _parameters(command, context) if title == "po" else []
    lines += [".SH GLOBAL OPTIONS", *_records([*global_options(), *lock_options()], context), *own]
    lines += [".SH EXIT STATUS", *_list({str(code): text for code, text in EXIT_STATUS.items()})]
    lines += [".SH ENVIRONMENT", *_list(ENVIRONMENT), ".SH FILES", *_list(FILES)]
    others = ["po(1)", *(f"po-{name}(1)" for name in COMMANDS), "po-formats(5)"]
    lines += [".SH SEE ALSO", _text(", ".join(one for one in others if one != f"{title}(1)"))]
    return "\n".join(lines) + "\n"


def _synopsis(command: Any, context: Any) -> list[str]:
    """Return the line that shows how a command is called."""
    return [f".B {_text(context.command_path)}", _text(" ".join(_pieces(command, context)))]


def _pieces(command: Any, context: Any) -> list[str]:
    return list(command.collect_usage_pieces(context))


def _parameters(command: Any, context: Any) -> list[str]:
    """Return the arguments and options that are a command's own."""
    return _records([param for param in command.params if param.name not in _GLOBAL], context)


def _records(params: list[Any], context: Any) -> list[str]:
    records = (param.get_help_record(context) for param in params)
    return _list({record[0]: record[1].removesuffix("  [required]") for record in records if record})


def _list(items: dict[str, str]) -> list[str]:
    return [line for term, text in items.items() for line in (".TP", f".B {_text(term)}", _text(text))]


def _paragraphs(text: str) -> list[str]:
    parts = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip())]
    return [line for part in parts for line in (".PP", _text(part))][1:]


def _text(text: str) -> str:
    """Return text for roff: no escapes, no requests, hyphens that can be copied."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return "\\&" + text if text.startswith((".", "'")) else text
