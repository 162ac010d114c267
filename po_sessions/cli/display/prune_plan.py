"""How pruning looks: what would go, and what went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from po_sessions.cli.app import hints
from po_sessions.cli.app.hints import Command, Hint, Words
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.terminal.output import counted
from po_sessions.cli.terminal.times import local_time
from po_sessions.errors import PoError, Unreadable, WriteFailed
from po_sessions.sessions.pruning import Choice, Criteria, Pruned, Selection
from po_sessions.sessions.selector import short_ids
from po_sessions.text.sizes import format_size


def preview(run: Invocation, selection: Selection, criteria: Criteria, command: Words) -> None:
    """Show what would go, and the command line that does it."""
    chosen = selection.chosen
    if run.out.as_json:
        sessions = [_to_json(one) for one in chosen]
        kept = [_to_json(one) for one in selection.spared]
        return run.out.json(_summed(sessions, kept, selection.rest, done=False) | {"command": command.line(run.root)})
    shown = short_ids(one.session.id for one in chosen)
    rows = (
        [
            shown[one.session.id] if run.out.is_terminal else one.session.id,
            one.session.po_name,
            one.session.name,
            str(one.session.message_count),
            local_time(one.session.updated_at, run.now) if run.out.is_terminal else one.session.updated_at,
            format_size(one.size) if run.out.is_terminal else str(one.size),
            one.reason,
        ]
        for one in chosen
    )
    if chosen:
        run.out.rows(["Id", "PO", "Name", "Msgs", "Last", "Size", "Why"], rows, right=["Msgs", "Size"])
    _remark_rest(run, selection.spared, selection.rest, criteria)
    if not chosen:
        return run.out.note("There is nothing to prune.")
    return run.out.note(Hint(f"{_amount(chosen)} would go: run ", command, "."))


def carry_out(run: Invocation, selection: Selection, criteria: Criteria, *, purge: bool) -> None:
    """Take away what was chosen, and tell what came of it, however far it got."""
    manager = run.environment().session_manager
    done = list[Pruned]()
    total, so_far = sum(one.size for one in selection.chosen), 0
    try:
        with run.out.progress("Pruning") as (_, advance):
            for one in manager.prune(selection.chosen, purge=purge):
                done.append(one)
                so_far += one.choice.size
                advance(so_far, total)
    finally:
        _show_done(run, selection, done, criteria, purge=purge)
    failures = [one.failure for one in done if one.failure is not None]
    if failures:
        raise _failed(failures)


def _show_done(
    run: Invocation, selection: Selection, done: Sequence[Pruned], criteria: Criteria, *, purge: bool
) -> None:
    gone = [one for one in done if one.spared is None and one.failure is None]
    stayed = [one for one in done if one.spared is not None or one.failure is not None]
    left = [Choice(one.choice.session, one.choice.size, one.spared or str(one.failure)) for one in stayed]
    kept = [*selection.spared, *left]
    rest = selection.rest + sum(one.size for one in left)
    if run.out.as_json:
        sessions = [{**_to_json(one.choice), "trash_id": one.trash_id} for one in gone]
        return run.out.json(_summed(sessions, [_to_json(one) for one in kept], rest, done=True))
    _remark_rest(run, kept, rest, criteria)
    if not gone:
        return run.out.note("Nothing was pruned.")
    amount = _amount([one.choice for one in gone])
    if purge:
        return run.out.note(f"Removed {amount} for good.")
    return run.out.note(
        Hint(f"Moved {amount} to the trash; ", Command("trash list"), " shows what can be brought back.")
    )


def _remark_rest(run: Invocation, kept: Sequence[Choice], rest: int, criteria: Criteria) -> None:
    """Tell what stays although the criteria mean it, and whether the rest is still too much."""
    if kept:
        reasons = Counter(one.reason for one in kept)
        run.out.note(f"Kept: {', '.join(f'{number} {reason}' for reason, number in reasons.items())}.")
    if criteria.max_size is not None and rest > criteria.max_size:
        run.out.note(f"What stays takes {format_size(rest)}, more than {format_size(criteria.max_size)}.")


def _failed(failures: Sequence[PoError]) -> PoError:
    first = failures[0]
    if len(failures) == 1:
        return first
    kind = Unreadable if isinstance(first, Unreadable) else WriteFailed
    return kind(f"{len(failures)} sessions could not be removed; the first: {first}", advice=hints.of(first))


def _amount(chosen: Sequence[Choice]) -> str:
    return f"{counted(len(chosen), 'session')} ({format_size(sum(one.size for one in chosen))})"


def _to_json(one: Choice) -> dict[str, Any]:
    return {
        "version": 1,
        "id": one.session.id,
        "name": one.session.name,
        "po_name": one.session.po_name,
        "message_count": one.session.message_count,
        "updated_at": one.session.updated_at,
        "bytes": one.size,
        "reason": one.reason,
    }


def _summed(sessions: list[dict[str, Any]], kept: list[dict[str, Any]], rest: int, *, done: bool) -> dict[str, Any]:
    size = sum(one["bytes"] for one in sessions)
    about = {"version": 1, "done": done, "count": len(sessions), "bytes": size, "rest_bytes": rest}
    return {**about, "sessions": sessions, "kept": kept}
