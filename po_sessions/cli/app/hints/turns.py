"""Hints on turns, prompt objects, environments and documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from po_sessions.cli.app import hints
from po_sessions.cli.app.hints.parts import Command, Hint, meant, together
from po_sessions.errors import Advice


def _unanswered(session_id: str) -> Hint:
    retry, undo = Command("session retry", session_id), Command("session undo", session_id)
    return Hint("Run ", retry, ", or ", undo, ", first.")


def _answered(session_id: str) -> Hint:
    return Hint("Run ", Command("session undo", session_id), " to take that turn back, and send another message.")


def _no_answers(session_id: str) -> Hint:
    return Hint("Run ", Command("session show", session_id), ": no question there has an answer.")


def _other_turns(session_id: str) -> Hint:
    return Hint("Run ", Command("session show", session_id), " to see what came meanwhile.")


def _partial_reply(failure: str, then: Advice | None) -> Hint:
    return together(Hint(f"It is not whole: {failure}"), hints.for_advice(then))


def _reply_lost(first: Advice | None, reason: str, then: Advice | None) -> Hint:
    lost = together(Hint(f"Nothing of the reply was stored: {reason}"), hints.for_advice(then))
    return together(hints.for_advice(first), lost, between="\n")


def _front_matter(po_name: str, first: Advice | None) -> Hint:
    return together(hints.for_advice(first), Hint(Command("object path", po_name), " tells which file says so."))


def _former_sessions(session_id: str, po_name: str) -> Hint:
    adopt = Command("session adopt", session_id, po=po_name)
    return Hint("Choose another name, or run ", adopt, " for each of them first.")


def _no_such_format(near: str | None, names: Sequence[str]) -> Hint:
    return Hint(f"{meant(near)}The formats are {', '.join(names)}.")


HINTS: Mapping[str, Hint | Callable[..., Hint]] = {
    # Turns
    "empty_message": Hint("Give a MESSAGE, or '-' to read it from standard input."),
    "asks_nothing": lambda session_id: Hint("Run ", Command("session undo", session_id), " to take it back."),
    "no_turns": lambda po_name, session_id: Hint("Run ", Command("send", po_name, "MESSAGE", session=session_id), "."),
    "answered": _answered,
    "unanswered": _unanswered,
    "send_first": Hint("Send a message first."),
    "no_answers": _no_answers,
    "not_its_own": lambda po_name: Hint(f"Choose another session, or send to {po_name}."),
    "partial_reply": _partial_reply,
    "reply_lost": _reply_lost,
    "other_turns": _other_turns,
    "key_form": lambda longest: Hint(f"Use 1 to {longest} printable characters."),
    "key_of_another_message": Hint("Choose another key for another message."),
    "key_is_past": Hint("Choose another key to send the message again."),
    "context_form": Hint("Write all, last:N for the last N turns, or tokens:N for what fits N tokens."),
    "try_again_or_another": Hint("Try again, or another model with --model."),
    # Prompt objects
    "front_matter": _front_matter,
    "former_sessions": _former_sessions,
    "mend": lambda path: Hint(f"Mend {path}."),
    "shorten": Hint("Shorten it."),
    "shorten_or_mend": Hint("Shorten it, or mend it."),
    "file_is_there": Hint("Choose another name, or mend that file."),
    "name_one_otherwise": Hint("Give one of them another name."),
    "change_name_there": lambda name: Hint(f"Change it to {name} there, or mend it."),
    "save_as_utf8": Hint("Save it as UTF-8."),
    "next_finishes": Hint("The next command finishes what is left."),
    # Environments
    "no_environment_yet": Hint(
        "There is no environment yet: run ", Command("init"), ", or send a first message to greeter."
    ),
    "no_session_given": Hint("Name one, or run ", Command("session switch NAME --po PO"), " first."),
    # Documents
    "no_such_format": _no_such_format,
    "only_as_json": Hint("Choose --format json."),
    "not_a_document": Hint(
        "Nothing was imported. It takes what ", Command("session export"), " writes: Markdown, JSON or JSON Lines."
    ),
}
