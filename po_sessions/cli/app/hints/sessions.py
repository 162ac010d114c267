"""Hints on sessions and where they are stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from po_sessions.cli.app.hints.parts import Command, Hint, meant


def _as_another(entry_id: str) -> Command:
    """Return the command that brings something out of the trash under another name."""
    return Command("trash restore", entry_id, as_="NAME")


def _switch(po_name: str) -> Command:
    return Command("session switch NAME", po=po_name)


def _see_sessions(po_name: str, elsewhere: Sequence[tuple[str, str]], near: str | None) -> Hint:
    others = " and ".join(f"{other} has one, {id}" for other, id in elsewhere)
    before = f"{others}. " if others else meant(near)
    return Hint(before, "Run ", Command("session list", po=po_name), " to see what there is.")


def _no_current_session(po_name: str) -> Hint:
    return Hint("Run ", Command("send", po_name, "MESSAGE"), " to begin one, or ", _switch(po_name), ".")


def _pointed_at_nothing(po_name: str) -> Hint:
    return Hint("Run ", _switch(po_name), ", or ", Command("session new --switch", po=po_name), ".")


def _name_taken(name: str, po_name: str) -> Hint:
    ensure = Command("session ensure", name, po=po_name)
    return Hint("Choose another name; ", ensure, " prints the id of the one that is there.")


def _only_as_it_is(entry_id: str) -> Hint:
    restore = Command("trash restore", entry_id)
    return Hint("Run ", restore, " to bring it back as it is, then ", Command("doctor"), ".")


def _owned_by_another(session_id: str, po_name: str) -> Hint:
    return Hint("Run ", Command("session duplicate", session_id, to=po_name), " to copy it.")


HINTS: Mapping[str, Hint | Callable[..., Hint]] = {
    # Which session
    "see_all_sessions": Hint("Run ", Command("session list --all"), " to see what there is."),
    "see_sessions": _see_sessions,
    "no_po_to_look_in": Hint("Name the prompt object with --po: without one, only ids are looked up."),
    "no_current_po": Hint("Name one, or run ", Command("object switch NAME"), " first."),
    "no_current_session": _no_current_session,
    "no_such_pointer": lambda po_name: Hint("Run ", _switch(po_name), "."),
    "pointed_at_nothing": _pointed_at_nothing,
    "name_taken": _name_taken,
    "id_taken": lambda session_id: Hint("Run ", Command("session show", session_id), " to see it."),
    "owned_by_another": _owned_by_another,
    # What a store lacks
    "no_trash": Hint("Add --purge to remove it for good."),
    "no_backups": Hint("Run ", Command("session export"), " to keep a copy."),
    "no_files": Hint("Run ", Command("session export"), " to write one."),
    "no_sizes": Hint("Choose by age, or by --keep-last."),
    # What a session holds
    "fewer_turns": lambda session_id: Hint("Run ", Command("session show", session_id), " to see them."),
    "no_summary": lambda session_id: Hint("Run ", Command("session compact", session_id), " to add one."),
    "ends_otherwise": lambda session_id: Hint("Run ", Command("session show", session_id), " to see how it ends now."),
    "no_criterion": Hint("Add --older-than 30d, --before DATE, --empty, --keep-last N or --max-size SIZE."),
    "import_with_owner": Hint("Add --po PO to give it to one of your prompt objects."),
    # The trash and the backups
    "see_trash": lambda near: Hint(meant(near), "Run ", Command("trash list"), " to see what there is."),
    "see_backups": lambda near: Hint(meant(near), "Run ", Command("backup list --all"), " to see what there is."),
    "is_back": lambda name, session_id: Hint(f"{name!r} is back: {session_id}."),
    "back_damaged": Hint("; see ", Command("doctor"), "."),
    "only_as_it_is": _only_as_it_is,
    "cannot_put_back": lambda entry_id: Hint("Run ", _as_another(entry_id), " to make a session of them."),
    "trashed_id_taken": lambda entry_id: Hint("Run ", _as_another(entry_id), " to give this one another id and name."),
    "trashed_name_taken": lambda entry_id: Hint("Run ", _as_another(entry_id), " to give it another name."),
    "backed_up_name_taken": lambda backup_id: Hint(
        "Run ", Command("backup restore", backup_id, as_="NAME"), " to make a session with another name of it."
    ),
    # Files that are not as they should be, or in use
    "damaged": Hint("It was left as it is; ", Command("doctor"), " tells what can be done."),
    "damaged_in_trash": lambda entry_id: Hint(Command("trash restore", entry_id), " puts the file back as it is."),
    "has_backup": lambda session_id: Hint(
        "Run ", Command("backup restore", session_id), " to put it back to its last backup."
    ),
    "no_owner": lambda path: Hint(Command("session import", path, po="PO"), " makes a session of it."),
    "strange_file": Hint(Command("doctor"), " tells."),
    "maybe_stored": Hint("Look at the disk, then at the end of the session, before you send it again."),
    "written_by_others": Hint("Look for what else writes to it, and repeat."),
    "journal_unreadable": Hint(
        "Mend it, or run ", Command("doctor --repair"), ": it names the 'old' and the 'new' name."
    ),
    "rename_unfinished": lambda old, new: Hint(
        f"{old} is called {new} from now on, and the next command finishes what is left."
    ),
    "try_again": Hint("Try again."),
    "wait_longer": Hint("Try again, or wait longer with --lock-timeout SECONDS."),
}
