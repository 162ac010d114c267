"""The verb `po session compact`: a summary that stands for what was said before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from po_sessions.cli.app.hints import Hint
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import Model, ModelOptions, Po, Timeout
from po_sessions.cli.app.turn import Asking, make_ready, note_left_out, note_waiting, to_asking
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.display import session_rows
from po_sessions.cli.terminal.output import counted
from po_sessions.errors import InvalidInput, ReplyNotStored
from po_sessions.session import SessionSummary

if TYPE_CHECKING:
    from po_sessions.turns.window import Window


def compact(
    ctx: typer.Context,
    ref: Annotated[
        str | None,
        typer.Argument(
            metavar="[S]", show_default=False, help="A session, as for 'show'; the current one if not given."
        ),
    ] = None,
    po: Po = None,
    model: Model = None,
    option: ModelOptions = None,
    timeout: Timeout = None,
    undo: Annotated[bool, typer.Option("--undo", help="Move the newest summary to the trash instead.")] = False,
) -> None:
    """Have the model sum up a session, and print the summary.

    From then on the summary is sent in place of all that was said before it, which stays in the session and in what
    'show' and 'export' print. With --undo it is sent again.
    """
    run: Invocation = ctx.obj
    if undo and (model or option or timeout):
        raise InvalidInput("--undo asks no model.", advice=Hint("Leave --model, --option and --timeout out."))
    if undo:
        manager = run.environment().session_manager
        _undo(run, manager.find(run.session_ref(ref), run.known_po(po)))
    else:
        _compact(run, ref, po, to_asking(model, option, None, timeout))


ABOUT = Verb(
    compact,
    after="prune",
    waits=True,
    examples={
        "po session compact": "Sum up the current session.",
        "po session compact --undo": "Have all of it sent again.",
        'po session compact "Debug task" --option max_tokens=64': "Have a short summary of another.",
    },
    see_also=["send", "session show", "model"],
    exit_codes=[4, 5, 6, 7, 8],
)


def _undo(run: Invocation, session: SessionSummary) -> None:
    after, entry_id = run.environment().session_manager.forget_summary(session)
    run.out.note(f"Took the newest summary out of {after.name!r}; it is in the trash as {entry_id}.")
    if run.out.as_json:
        run.out.json({**session_rows.as_json(run, after), "trash_id": entry_id})


def _compact(run: Invocation, ref: str | None, po: str | None, asking: Asking) -> None:
    env = run.environment(to_send=True)
    session = env.session_manager.find(run.session_ref(ref), run.known_po(po))
    prompt_object = env.prompt_object(session.po_name)
    idle = run.settings.idle_timeout
    asked = make_ready(run, env, prompt_object, asking)
    note_waiting(run, session)
    context = asking.context(env, session, idle, asked)

    def begin(window: Window) -> None:
        run.out.note(f"Summing up {counted(session.turn_count, 'turn')} of {session.name!r}…")
        note_left_out(run, window)

    try:
        after, summary = prompt_object.compact(context=context, begin=begin)
    except ReplyNotStored as error:
        if not run.out.as_json:  # as JSON the error has it
            run.out.line(error.reply)
        raise
    if run.out.as_json:
        return run.out.json(_to_json(after, summary.to_dict()))
    run.out.line(summary.content or "")
    if summary.extra["finish_reason"] == "length":
        run.out.note("It was cut at the most tokens of a reply; --undo and --option max_tokens=N allow more.")
    return run.out.note(f"It stands for {counted(after.message_count - 1, 'message')} from now on; --undo removes it.")


def _to_json(session: SessionSummary, summary: dict[str, Any]) -> dict[str, Any]:
    about = ("stands_for", "model", "usage", "duration_ms", "finish_reason")
    return {
        "version": 1,
        "session_id": session.id,
        "session_name": session.name,
        "po_name": session.po_name,
        "summary": summary["content"],
        **{key: summary[key] for key in about},
    }
