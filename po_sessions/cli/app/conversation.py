"""Conversation commands: messages of `po send` that are not sent, but done."""

from __future__ import annotations

import re
from typing import Any

from po_sessions.cli.app.hints import Command, Hint
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.display import session_rows
from po_sessions.cli.display.list_format import Face
from po_sessions.errors import InvalidInput

_COMMAND = re.compile(
    r"/(?:(?P<list>sessions)|session (?:(?P<bare>new|export|info|delete)"
    r"|(?P<verb>new|export|rename|switch) (?P<rest>\S.*)))"
)
_TAKEN = {
    "new": {"switch"},
    "rename": {"session"},
    "export": {"session"},
    "info": {"session"},
    "delete": {"session", "yes"},
}
"""The options of `po send` that mean something for each verb."""


def parse(message: str | None) -> tuple[str, str | None] | None:
    """Return the verb of a message that is exactly a command, and what stands behind it; None for any other message."""
    found = _COMMAND.fullmatch(message or "")
    if found is None:
        return None
    return found["list"] or found["bare"] or found["verb"], (found["rest"] or "").rstrip() or None


def is_near(message: str | None) -> bool:
    """Tell whether a message that is no command begins like one."""
    return re.match(r"/sessions?\b", message or "") is not None


def carry_out(ctx: Any, verb: str, rest: str | None, *, session: str | None, switch: bool, yes: bool) -> None:
    """Do what a command says, with the session that a message would go to, by the verb of `po session` that does it."""
    run: Invocation = ctx.obj
    _refuse_others(ctx, verb)
    po_name = run.known_po(ctx.params["po"]) or ""
    if verb == "sessions":
        return _session(ctx, "list", "--po", po_name)
    if verb == "new":
        return _session(ctx, "new", "--po", po_name, *["--switch"] * switch, *(["--", rest] if rest else []))
    if verb == "switch":
        return _session(ctx, "switch", "--po", po_name, "--", rest or "")
    found = run.environment().session_manager.find(run.session_ref(session), po_name)
    if verb == "info":
        return session_rows.show_list(run, [found], Face(run.out, session_rows.FIELDS), with_po=True)
    if verb == "rename":
        return _session(ctx, "rename", "--", found.id, rest or "")
    if verb == "export":
        return _session(ctx, "export", *(["--format", rest] if rest else []), found.id)
    if not yes:
        raise InvalidInput(
            f"'/session delete' needs --yes: it moves {found.name!r} to the trash.",
            advice=Hint("Run ", Command("session delete", found.id), ", or add --yes."),
        )
    return _session(ctx, "delete", found.id)


def _refuse_others(ctx: Any, verb: str) -> None:
    taken = {"po", "message", *_TAKEN.get(verb, ())}
    given = [name for name in ctx.params if ctx.get_parameter_source(name).name == "COMMANDLINE" and name not in taken]
    for param in ctx.command.params:
        if param.name in given:
            raise InvalidInput(
                f"{param.opts[0]} means nothing with '/{'sessions' if verb == 'sessions' else f'session {verb}'}'.",
                advice=Hint("Leave it out, or add --literal to send the text to the model."),
            )


def _session(ctx: Any, *args: str) -> None:
    """Run a verb of `po session` within this run."""
    root = ctx.find_root()
    command = root.command.get_command(root, "session")
    with command.make_context("session", list(args), parent=root) as inner:
        command.invoke(inner)
