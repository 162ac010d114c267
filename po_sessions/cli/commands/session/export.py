"""The verb `po session export`."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from typing import Annotated

import typer

from po_sessions import atomic, formats
from po_sessions.cli.app.hints import Hint, Words
from po_sessions.cli.app.invocation import Invocation, each, raise_any
from po_sessions.cli.app.options import Po
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display.gaps import Gaps
from po_sessions.cli.terminal.output import counted
from po_sessions.errors import Conflict, InvalidInput, NotFound, PoError
from po_sessions.formats import Format
from po_sessions.session import Session


def export(
    ctx: typer.Context,
    refs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[S…]", show_default=False, help="Sessions, each as for 'show'; the current one if none is given."
        ),
    ] = None,
    po: Po = None,
    all_: Annotated[bool, typer.Option("--all", "-a", help="Every session, with --po every one of PO.")] = False,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="markdown, jsonl or json. If not given, what the ending of --output says; else markdown for one "
            "session and for files in a directory, jsonl for several.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Write this file, or a file for each session into this directory; `-` is standard output.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Print sessions as Markdown, JSON or JSON Lines.

    Each format has all there is of a session, and 'po session import' reads it back. With --output it is written to
    files that only you can read, and their paths are printed.
    """
    run: Invocation = ctx.obj
    if output == "":
        raise InvalidInput("--output is empty.", advice=Hint("Give a file, or a directory."))
    output = None if output == "-" else output
    directory = output if output and (output.endswith("/") or os.path.isdir(output)) else None
    named = _format(format_ or ("json" if run.out.as_json and not output else None), output)
    chosen = run.session_ids(refs, po, all_=all_)
    form = named or formats.format_named("markdown" if directory or len(chosen) == 1 else "jsonl")
    if not directory:
        _check_fits(form, len(chosen))
    failed: list[PoError] = []
    pieces = formats.encode(form, _opened(run, chosen, failed), several=len(chosen) != 1)
    if directory:
        _write_each(run, directory, chosen, form, force=force)
    elif output:
        _check_target(output, force=force)
        _write(output, pieces, force=force)
        _tell(run, {output: list(chosen)})
    else:
        run.out.pieces(pieces)
    raise_any(failed)


ABOUT = Verb(
    export,
    after="path",
    examples={
        "po session export > default.md": "Write the current session as Markdown.",
        'po session export "Debug task" --format json | jq .history': "Hand a session to another program.",
        "po session export --all --output saved.jsonl": "Write every session to one file.",
        "po session export --all --format markdown -o sessions/": "Write a file for each into a directory.",
    },
    see_also=["session import", "session show", "backup"],
    exit_codes=[4, 5, 7],
)


def _format(name: str | None, output: str | None) -> Format | None:
    """Return the format with this name, or the one that a file's ending asks for, if there is one."""
    if name:
        return formats.format_named(name)
    ending = os.path.splitext(output or "")[1].lower()
    return next((form for form in map(formats.format_named, formats.FORMATS) if form.suffix == ending), None)


def _check_fits(form: Format, count: int) -> None:
    """Raise InvalidInput if so many sessions cannot be one document."""
    if form.several is None and count != 1:
        raise InvalidInput(
            f"{counted(count, 'session')} cannot be one {form.name} document.",
            advice=Hint("Add --output DIR/ to have a file for each, or choose --format jsonl."),
        )


def _opened(run: Invocation, chosen: Sequence[str], failed: list[PoError]) -> Iterator[Session]:
    """Yield the sessions one by one. Raises if none can be read.

    The errors of those that cannot be read, or have gaps, go to `failed`. One of several is read whole before it is
    yielded, since what is printed of it cannot be taken back.
    """

    def those() -> Iterator[Session]:
        manager = run.environment().session_manager
        for id in chosen:
            with ExitStack() as stack:
                gaps = Gaps()
                try:
                    session = stack.enter_context(manager.reading(id, on_gap=gaps.add))
                    if len(chosen) > 1:
                        all(session.history)
                except PoError as error:
                    failed.append(error)
                    continue
                yield session
                try:
                    gaps.check(session)
                except PoError as error:
                    failed.append(error)

    sessions = those()
    first = next(sessions, None)
    if first is None:
        raise_any(failed)
        return sessions
    return chain([first], sessions)


def _write_each(run: Invocation, directory: str, chosen: Sequence[str], form: Format, *, force: bool) -> None:
    """Write a file for each session into a directory, which is made if it is missing."""
    paths = {os.path.join(directory, id + form.suffix): id for id in chosen}
    for path in paths:
        _check_target(path, force=force, to_make=True)
    _make_dirs(directory)
    manager = run.environment().session_manager
    done: dict[str, list[str]] = {}

    def write(path: str) -> None:
        gaps = Gaps()
        with manager.reading(paths[path], on_gap=gaps.add) as session:
            _write(path, form.encode(session), force=force)
        done[path] = [paths[path]]
        gaps.check(session)

    try:
        each(paths, write)
    finally:
        _tell(run, done)


def _make_dirs(directory: str) -> None:
    """Make a directory and those above it that are missing, so that only their owner can enter them."""
    missing = []
    directory = os.path.abspath(directory)
    while not os.path.lexists(directory):
        missing.append(directory)
        directory = os.path.dirname(directory)
    for path in reversed(missing):
        atomic.make_dir(path)


def _tell(run: Invocation, written: dict[str, list[str]]) -> None:
    """Print which files were written."""
    if run.out.as_json:
        return run.out.json([{"version": 1, "path": path, "session_ids": ids} for path, ids in written.items()])
    return run.out.write("".join(f"{path}\n" for path in written))


def _check_target(path: str, *, force: bool, to_make: bool = False) -> None:
    """Raise an error if a file cannot be written here; with `to_make` its directory may be missing."""
    directory = os.path.dirname(path) or "."
    if not to_make and not os.path.isdir(directory):
        raise NotFound(
            f"There is no directory {directory!r}.",
            advice=Hint("Run ", Words("mkdir", "-p", "--", directory), " first."),
        )
    if not os.path.lexists(path):
        return
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise Conflict(
            f"{path} is not a regular file.", advice=Hint("Name another, or leave --output out and use a pipe.")
        )
    if not force:
        raise _taken(path)


def _taken(path: str) -> Conflict:
    return Conflict(f"{path} is there already.", advice=Hint("Name another file, or add --force to replace it."))


def _write(path: str, pieces: Iterable[bytes], *, force: bool) -> None:
    """Make or replace a file as one step; only its owner can read it. Raises Conflict, WriteFailed."""
    path = os.path.abspath(path)
    with atomic.writing(path), atomic.staged(path, pieces) as (_, temporary):
        if not force:
            try:
                os.link(temporary, path)
            except FileExistsError:
                raise _taken(path) from None
            except OSError:  # a file system without hard links
                _claim(path)
                os.replace(temporary, path)
        else:
            os.replace(temporary, path)
        atomic.sync_dir(os.path.dirname(path))


def _claim(path: str) -> None:
    """Make an empty file that nobody else made. Raises Conflict, OSError."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise _taken(path) from None
