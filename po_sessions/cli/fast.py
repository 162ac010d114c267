"""What is answered before Typer is imported: `--version`, `status`, `session list` in a pipe, and what completion asks.

A shell prompt, a script's loop and a press of Tab wait for these, and importing Typer takes four times as long as
starting Python. Only these shapes of arguments are answered, and only where all is as usual; anything else is left to
the commands, which do the same and also say what is wrong. `tests/test_fast.py` runs both and compares bytes. Nothing
that takes as long as the whole answer is imported: no `re`, `json`, `dataclasses`, `typing`.
"""

import os
import sys

from po_sessions import __version__, quick

_DIRECTORY = ".prompt_objects"


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
        from po_sessions.cli import listing

        said = listing.answer(root, rest[2:])
    elif args[:1] == ["__complete"]:
        from po_sessions.cli import completing

        said = completing.answer(args[1:])
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


def find_root(named: str | None) -> str | None:
    """Return the environment that is used, which need not be there; None if it is not sure to be the one.

    As `Invocation` finds it: `named`, else `$PO_ROOT`, else the nearest on the way up, else the one in the home
    directory.
    """
    named = os.environ.get("PO_ROOT") or None if named is None else named
    if named == "":
        return None
    try:
        directory = os.getcwd() if named is None else os.path.abspath(named)
    except OSError:
        return None
    if named is not None:
        is_one = os.path.basename(directory) == _DIRECTORY
        if not is_one and os.path.isdir(path := os.path.join(directory, _DIRECTORY)):
            return path
        inside = [directory] if is_one else [os.path.join(directory, name) for name in ("objects", "sessions")]
        return directory if any(map(os.path.isdir, inside)) else None
    while not os.path.isdir(path := os.path.join(directory, _DIRECTORY)):
        parent = os.path.dirname(directory)
        if parent == directory:
            home = os.environ.get("HOME", "")
            return os.path.join(home, _DIRECTORY) if os.path.isabs(home) else None
        directory = parent
    about = os.stat(path)
    return path if about.st_uid == os.geteuid() and not about.st_mode & 0o022 else None


def pointers(root: str) -> tuple[str | None, dict[str, dict[str, str]]] | None:
    """Return the current prompt object, and the ids of the `current` and `previous` session of each, by its name."""
    if not quick.is_absent(f"{root}/sessions/.rename"):
        return None
    path = f"{root}/state.toml"
    data = b"" if quick.is_absent(path) else quick.read(path)
    return None if data is None else quick.state(data)


def _status(named: str | None, args: list[str]) -> bytes | None:
    """Return what `po status` prints with these arguments."""
    template = None
    if args:
        from po_sessions.cli.template import STATUS_FIELDS, Template

        try:
            (flag, text) = args
            template = Template(text, STATUS_FIELDS) if flag == "--format" else None
        except ValueError:
            return None
        if template is None:
            return None
    root = None if os.environ.get("PO_SESSION") else find_root(named)
    said = root and pointers(root)
    if not said:
        return None
    po_name, sessions = said
    if po_name is None:
        return None if sys.stderr.isatty() else b""  # there is a remark then
    id = sessions.get(po_name, {}).get("current", "")
    found = quick.session(f"{root}/sessions/{id}.json", id) if quick.is_session_id(id) else None
    if found is None:
        return None
    name, _, count = found
    if not quick.is_printable(name):
        return None
    if template is None:
        line = f"{po_name}: {name} ({count} msg{'' if count == 1 else 's'})"
    else:
        line = template.fill(dict(zip(STATUS_FIELDS, (po_name, name, id, str(count)), strict=True)))
    if sys.stdout.isatty() and not quick.is_printable(line):  # as a template may make it
        return None
    try:
        return line.encode() + b"\n"
    except UnicodeEncodeError:
        return None
