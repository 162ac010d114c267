"""The verb `po session prune`: what is old, empty or too much, first shown and then taken away."""

from __future__ import annotations

from typing import Annotated

import typer

from po_sessions.cli.app.hints import Hint, Words
from po_sessions.cli.app.input import parse_moment
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display import prune_plan
from po_sessions.errors import InvalidInput, NoCurrent
from po_sessions.sessions.pruning import Criteria
from po_sessions.text.durations import parse_duration
from po_sessions.text.sizes import parse_size


def prune(
    ctx: typer.Context,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="D", help="Sessions that have been idle for so long: 12h, 30d, 2w, 6mo."),
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(
            "--before", metavar="T", help="Sessions that have been idle since T: 2025-03-01 or 2025-03-01T14:30."
        ),
    ] = None,
    empty: Annotated[
        bool, typer.Option("--empty", help="Those without messages; without an age, older than an hour.")
    ] = False,
    keep_last: Annotated[
        int | None, typer.Option("--keep-last", metavar="N", help="Not the newest N of each prompt object.")
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option("--max-size", metavar="SIZE", help="The oldest, until the rest takes at most 500MB, 2GiB, …."),
    ] = None,
    po: Annotated[
        str | None, typer.Option("--po", metavar="PO", help="Those of PO; of the current one if not given.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", "-a", help="Those of every prompt object; not with --po.")] = False,
    purge: Annotated[bool, typer.Option("--purge", help="Remove them and their backups for good instead.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it; without this, only show what would go.")] = False,
) -> None:
    """Move old, empty or too many sessions to the trash.

    A session goes if all that is given holds for it. One that is current, pinned, in use, of a newer version, cut in
    its last write, of unknown age or from the future, or that cannot be read, always stays. One in use is not waited
    for. Ages are those in the record, not those of the files.

    Without --yes nothing is changed and what would go is listed, oldest first; tab-separated in a pipe: id; prompt
    object; name; messages; time of the newest message, even an undone one, else of creation; bytes; reason. With --yes
    nothing is printed but with --json.
    """
    run: Invocation = ctx.obj
    if older_than is not None and before is not None:
        raise InvalidInput("--older-than and --before contradict each other.", advice=Hint("Give one of them."))
    if keep_last is not None and keep_last < 1:
        raise InvalidInput(f"--keep-last {keep_last} keeps nothing.", advice=Hint("Give a number from 1 on."))
    criteria = Criteria(
        older_than=None if older_than is None else parse_duration(older_than),
        before=None if before is None else parse_moment(before),
        empty=empty,
        keep_last=keep_last,
        max_size=None if max_size is None else parse_size(max_size),
    )
    po_name = _whose(run, po, all_=all_)
    selection = run.environment().session_manager.prunable(criteria, po_name)
    if yes:
        return prune_plan.carry_out(run, selection, criteria, purge=purge)
    given = {"--older-than": older_than, "--before": before, "--keep-last": keep_last, "--max-size": max_size}
    words = [word for option, value in given.items() if value is not None for word in (option, str(value))]
    switches = ["--empty"] * empty + ["--purge"] * purge + (["--all"] if po_name is None else ["--po", po_name])
    command = Words("po", "session", "prune", *words, *switches, "--yes")
    return prune_plan.preview(run, selection, criteria, command)


ABOUT = Verb(
    prune,
    after="import",
    waits=True,
    examples={
        "po session prune --older-than 90d": "Show the sessions that have been idle for 90 days,",
        "po session prune --older-than 90d --yes": "and move them to the trash.",
        "po session prune --older-than 90d --keep-last 20 --all --yes": "The same for all, every night, but for "
        "the newest 20 of each prompt object.",
        "po session prune --empty --all --yes": "Move those without messages.",
        "po session prune --max-size 500MB --all": "Show what is too much.",
    },
    see_also=["session delete", "trash", "backup"],
    exit_codes=[5, 6, 7],
)


def _whose(run: Invocation, po: str | None, *, all_: bool) -> str | None:
    """Return the prompt object whose sessions are meant, None for all. Raises InvalidInput, NoCurrent."""
    if po is not None and all_:
        raise InvalidInput("--po and --all contradict each other.", advice=Hint("Give one of them."))
    po_name = None if all_ else run.known_po(po)
    if po_name is None and not all_:
        raise NoCurrent(
            "There is no current prompt object.",
            advice=Hint("Add --po PO, or --all to prune those of every prompt object."),
        )
    return po_name
