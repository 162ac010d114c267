"""The command `po completion`: the scripts, printed or put where a shell finds them."""

from __future__ import annotations

import os
import shlex
from typing import Annotated

import typer

from po_sessions import atomic
from po_sessions.cli.app.hints import Hint, meant
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.config import paths
from po_sessions.cli.reference.completion_table import SHELLS, script
from po_sessions.errors import Conflict, InvalidInput
from po_sessions.text.suggest import nearest

_MARK = "completion for po."
"""What the beginning of a script of ours has."""


def completion(
    ctx: typer.Context,
    shell: Annotated[str, typer.Argument(metavar="SHELL", show_default=False, help="bash, zsh or fish.")],
    install: Annotated[
        bool, typer.Option("--install", help="Write it where the shell finds it, and print the file.")
    ] = False,
) -> None:
    """Print the completion script of a shell, or install it for yourself.

    It completes commands, options, files, and what there is: sessions, prompt objects, models, settings, formats, what
    is in the trash, backups. To try it: source <(po completion bash).
    """
    run: Invocation = ctx.obj
    if shell not in SHELLS:
        known = Hint(f"{meant(nearest(shell, SHELLS))}The shells are {', '.join(SHELLS)}.")
        raise InvalidInput(f"There is no completion for {shell!r}.", advice=known)
    text = script(shell)
    if not install:
        return run.out.json({"version": 1, "shell": shell, "script": text}) if run.out.as_json else run.out.write(text)
    path, hint = _place(shell)
    _write(path, text)
    run.out.note(hint)
    return run.out.json({"version": 1, "shell": shell, "path": path}) if run.out.as_json else run.out.line(path)


ABOUT = Verb(
    completion,
    after="status",
    summary="Print or install completion for bash, zsh or fish.",
    examples={
        "source <(po completion bash)": "Try it out.",
        "po completion zsh --install": "Install it for yourself.",
    },
    exit_codes=[5],
)


def _place(shell: str) -> tuple[str, str]:
    """Return the user's own file that the shell looks for, and what it still needs."""
    if shell == "bash":
        own = os.environ.get("BASH_COMPLETION_USER_DIR", "")
        own = own if os.path.isabs(own) else os.path.join(_base("XDG_DATA_HOME", ".local/share"), "bash-completion")
        path = os.path.join(own, "completions", "po")
        return path, (
            "The package bash-completion finds it in every new shell; without that, add this to ~/.bashrc: "
            f"source {shlex.quote(path)}"
        )
    if shell == "zsh":
        directory = os.path.join(_base("XDG_DATA_HOME", ".local/share"), "zsh", "site-functions")
        return os.path.join(directory, "_po"), (
            "If new shells do not complete po, put this into ~/.zshrc, before compinit: "
            f"fpath=({shlex.quote(directory)} $fpath)"
        )
    path = os.path.join(_base("XDG_CONFIG_HOME", ".config"), "fish", "completions", "po.fish")
    return path, "Every new fish finds it."


def _base(variable: str, default: str) -> str:
    """Return a directory of the user's, as the XDG specification has it."""
    named = os.environ.get(variable, "")
    return named if os.path.isabs(named) else os.path.join(paths.home(Hint(f"set {variable}")), default)


def _write(path: str, text: str) -> None:
    """Write a script to its place, or to where a link there leads. Raises Conflict if another's file is there."""
    file = os.path.realpath(path)
    with atomic.writing(file):
        os.makedirs(os.path.dirname(file), exist_ok=True)
        try:
            with open(file, "rb") as there:
                if _MARK.encode() not in there.read(200):
                    raise Conflict(
                        f"{path} is there and not po's, so it was left alone.", advice=Hint("Move it away first.")
                    )
        except FileNotFoundError:
            pass
    atomic.replace(file, text.encode())
