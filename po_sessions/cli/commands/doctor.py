"""The command `po doctor`: is every file as it should be, and what can be done if not."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC
from typing import Annotated, Any

import typer

from po_sessions.cli.app import hints
from po_sessions.cli.app.hints import Command, Hint
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.terminal.output import counted, one_line
from po_sessions.doctor import Finding, Store, examine
from po_sessions.errors import Busy, Conflict, ForeignDirectory, WriteFailed

_SHOWN = 20
"""How many findings of one kind a terminal gets."""


def doctor(
    ctx: typer.Context,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Repair what is certain, and move the rest to quarantine/; nothing is lost."),
    ] = False,
) -> None:
    """Check every file of the environment; with --repair, mend what is wrong.

    Without --repair nothing is written. Prints each fault as its kind and a sentence, and below it what can be done or
    was done; the exit status is 1 if faults are there, or are left after a repair. What is no fault, such as an
    interrupted turn, is remarked on terminals and listed by --json; po-formats(5) has the kinds. What another process
    holds is left alone and told.
    """
    run: Invocation = ctx.obj
    root = run.find_root()
    if not os.path.isdir(root):
        if run.out.as_json:
            run.out.json([])
        return run.out.note(f"There is no environment at {root} yet.")
    with run.out.progress("Checking") as (_, read):
        store = Store(root, run.now.astimezone(UTC), read, run.may_be_link(root))
        found = list(examine(store, repair=repair))
    _show(run, found, repair=repair)
    _sum_up(run, found, len(store.rows), repair=repair)
    if failures := [
        one.failed for one in found if one.failed and not isinstance(one.failed, (Busy, Conflict, ForeignDirectory))
    ]:
        raise WriteFailed(
            f"{counted(len(failures), 'repair')} failed; the first: {failures[0]}", advice=hints.of(failures[0])
        )
    raise typer.Exit(1 if any(one.remains for one in found) else 0)


ABOUT = Verb(
    doctor,
    after="config",
    summary="Check every file of the environment, and repair.",
    examples={
        'po doctor || echo "Something is wrong."': "Check the environment.",
        "po doctor --json | jq -r '.[] | select(.fault).message'": "Only what is wrong, in a script.",
        "po doctor --repair": "Repair what can be.",
    },
    see_also=["backup", "trash"],
    exit_codes=[1, 7],
)


def _show(run: Invocation, found: Sequence[Finding], *, repair: bool) -> None:
    if run.out.as_json:
        return run.out.json([_to_json(run, one) for one in found])
    kinds = Counter[str]()
    for one in found:
        kinds[one.kind] += 1
        if run.out.is_terminal and kinds[one.kind] > _SHOWN:
            continue
        lines = [f"{one.kind}: {one.message}", *(f"  {told}" for told in _prospects(run, one, repair=repair))]
        text = "\n".join(map(one_line, lines))
        if one.fault:
            run.out.line(text)
        else:
            run.out.note(text)
    for kind, count in kinds.items():
        if run.out.is_terminal and count > _SHOWN:
            run.out.line(f"{kind}: {count - _SHOWN} more like these; --json has them all.")
    return None


def _prospects(run: Invocation, one: Finding, *, repair: bool) -> list[str]:
    """Return what was done about a finding, or what can be."""
    if one.done:
        told = [run.out.text(one.done)]
    elif one.failed:
        told = [f"Not repaired: {one.failed}"]
    elif one.repair and not repair:
        told = [f"--repair: {one.repair.will[0].lower()}{one.repair.will[1:]}"]
    else:
        told = []
    return told + ([run.out.text(hint)] if (hint := hints.for_advice(one.advice)) else [])


def _sum_up(run: Invocation, found: Sequence[Finding], sessions: int, *, repair: bool) -> None:
    faults = [one for one in found if one.fault]
    left = sum(one.remains for one in faults)
    curable = sum(one.repair is not None for one in faults)
    said = f"{counted(sessions, 'session')}, {counted(len(faults), 'fault')}"
    if not faults:
        run.out.note(f"{counted(sessions, 'session')}, nothing is wrong.")
    elif repair:
        run.out.note(f"{said}, {len(faults) - left} repaired, {left} left.")
    elif curable:
        run.out.note(Hint(f"{said}, {curable} can be repaired: run ", Command("doctor --repair"), "."))
    else:
        run.out.note(f"{said}, none can be repaired without you.")


def _to_json(run: Invocation, one: Finding) -> dict[str, Any]:
    return {
        "version": 1,
        "kind": one.kind,
        "path": one.path,
        "session_id": one.session_id,
        "fault": one.fault,
        "message": one.message,
        "repair": one.repair.will if one.repair else None,
        "hint": run.out.text(hints.for_advice(one.advice)) or None,
        "done": run.out.text(one.done) if one.done else None,
        "failed": str(one.failed) if one.failed else None,
    }
