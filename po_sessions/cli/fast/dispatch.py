"""What is answered before Typer is imported: `--version`, `status`, `session list` in a pipe, and what completion asks.

A shell prompt, a script's loop and a press of Tab wait for these, and importing Typer takes four times as long as
starting Python. Only these shapes of arguments are answered, and only where all is as usual; anything else is left to
the commands, which do the same and also say what is wrong. `tests/test_fast.py` runs both and compares bytes. Nothing
that takes as long as the whole answer is imported: no `re`, `json`, `dataclasses`, `typing`.
"""

import os
import sys

from po_sessions import __version__
from po_sessions.layout import environment, primitives


def answer(args: list[str]) -> None:
    """Print the answer and end the process, or return where the commands have to."""
    if sys.stdout is None or sys.stderr is None:
        return  # something is closed
    said: bytes | None = None
    root, rest = (args[1], args[2:]) if args[:1] == ["--root"] and len(args) > 2 else (None, args)
    if args == ["--version"]:
        said = f"po {__version__}\n".encode()
    elif rest[:1] == ["status"]:
        said = _status(root, rest[1:])
    elif rest[:2] == ["session", "list"]:
        from po_sessions.cli.fast import session_list

        said = session_list.answer(root, rest[2:])
    elif args[:1] == ["__complete"]:
        from po_sessions.cli.fast import complete

        said = complete.answer(args[1:])
    if said is not None and _print(said):
        os._exit(0)  # nothing is left to do, and taking the interpreter down takes a millisecond


def _print(data: bytes) -> bool:
    """Write to standard output; False if that is for the commands to do, which say what went wrong."""
    rest = data
    try:
        while rest:
            rest = rest[os.write(1, rest) :]
    except BrokenPipeError:
        return True  # whoever read it has gone; no failure
    except OSError as error:
        if rest == data:
            return False
        sys.stderr.write(f"po: Cannot write to standard output: {error.strerror}.\n")  # none of it is written twice
        sys.stderr.flush()
        os._exit(9)
    return True


def _status(named: str | None, args: list[str]) -> bytes | None:
    """Return what `po status` prints with these arguments."""
    template = None
    if args:
        from po_sessions.cli.display.template import STATUS_FIELDS, Template

        try:
            (flag, text) = args
            template = Template(text, STATUS_FIELDS) if flag == "--format" else None
        except ValueError:
            return None
        if template is None:
            return None
    root = None if os.environ.get("PO_SESSION") else environment.usable_root(named, os.environ)
    said = root and environment.pointers(root)
    if not said:
        return None
    po_name, sessions = said
    if po_name is None:
        return None if sys.stderr.isatty() else b""  # there is a remark then
    id = sessions.get(po_name, {}).get("current", "")
    found = primitives.session(f"{root}/sessions/{id}.json", id) if primitives.is_session_id(id) else None
    if found is None:
        return None
    name, _, count = found
    if not primitives.is_printable(name):
        return None
    if template is None:
        line = f"{po_name}: {name} ({count} msg{'' if count == 1 else 's'})"
    else:
        line = template.fill(dict(zip(STATUS_FIELDS, (po_name, name, id, str(count)), strict=True)))
    if sys.stdout.isatty() and not primitives.is_printable(line):  # as a template may make it
        return None
    try:
        return line.encode() + b"\n"
    except UnicodeEncodeError:
        return None
