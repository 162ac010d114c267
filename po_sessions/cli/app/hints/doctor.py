"""Hints on what the doctor finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from po_sessions.cli.app.hints.parts import Command, Hint, Words


def _sound_backup(backup_id: str, message_count: int, made_at: str) -> Hint:
    restore = Command("backup restore", backup_id)
    return Hint(restore, f" puts it back to its last sound copy ({message_count} messages, {made_at}).")


def _moved_session(path: str, lacks_owner: bool) -> Hint:
    command = Command("session import", path, po="PO") if lacks_owner else Command("session import", path)
    return Hint("; ", command, " brings in what it holds.")


def _tracked_by_git(top: str, paths: Sequence[str]) -> Hint:
    remove = Words("git", "-C", top, "--literal-pathspecs", "rm", "-r", "-q", "--cached", "--", *paths)
    return Hint(
        remove, " takes them out of the next commit and leaves the files; what was committed stays in the history."
    )


def _several_names(number: int) -> Hint:
    return Hint(f"Its mode is left alone: it has {number} names, and another may be outside of the environment.")


HINTS: Mapping[str, Hint | Callable[..., Hint]] = {
    "examine_again": Hint("Run ", Command("doctor"), " again."),
    "examine_when_done": Hint("Run ", Command("doctor"), " again when it is done."),
    "repair_again": Hint("Run ", Command("doctor --repair"), " again."),
    # Sessions
    "can_be_imported": Hint("It can be imported with --po PO."),
    "moved_session": _moved_session,
    "sound_backup": _sound_backup,
    "no_backup": Hint("There is no backup of it."),
    "only_backups": lambda backup_id: Hint(Command("backup restore", backup_id), " makes it again."),
    "upgrade_to_write": Hint("Upgrade po-sessions to write to it."),
    "interrupted": lambda session_id: Hint(Command("session retry", session_id), " asks again."),
    "orphaned": lambda session_id: Hint(Command("session adopt", session_id, po="PO"), " gives it another."),
    "same_name": lambda session_id, free_name: Hint(
        Command("session rename", session_id, free_name or "NAME"), " gives it another."
    ),
    # Prompt objects, pointers, settings
    "name_others_otherwise": Hint("Give each but one another name, or move it away."),
    "pointers_lost": Hint(
        "It holds only which sessions are current; ", Command("session switch NAME --po PO"), " chooses them again."
    ),
    "choose_po": Hint(Command("object switch NAME"), " chooses another."),
    "choose_session": lambda po_name: Hint(Command("session switch NAME", po=po_name), " chooses another."),
    "settings_unreadable": Hint("Mend or remove it: without it the user's own settings count."),
    # The environment's files
    "look_at_disk": Hint("Look at the disk and the permissions."),
    "look_at_owner": Hint("Look at its permissions and its owner, and at the disk."),
    "run_as_owner": Hint("Run this as its owner."),
    "owned_by_other_user": Hint("Run po as its owner, or use another."),
    "give_to_owner": lambda owner, path: Hint("Run ", Words("sudo", "chown", str(owner), path), "."),
    "no_modes": Hint("Keep it on another."),
    "several_names": _several_names,
    "two_file_systems": Hint("It works; keep them on one file system to have it faster."),
    "not_a_local_disk": Hint(
        *("Keep it on a local disk, and exchange sessions with ", Command("session export"), " and "),
        *(Command("session import FILE"), "."),
    ),
    "tracked_by_git": _tracked_by_git,
}
