"""Hints on what any part of the library meets: files, values that cannot be used, several errors at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from po_sessions.cli.app import hints
from po_sessions.cli.app.hints.parts import Command, Hint, meant, together
from po_sessions.errors import PoError


def _several(errors: Sequence[PoError]) -> Hint:
    return together(*dict.fromkeys(map(hints.of, errors)), between="\n")


HINTS: Mapping[str, Hint | Callable[..., Hint]] = {
    "several": _several,
    # Values
    "ambiguous": lambda has_name: Hint(f"Use more characters of the id{', or the name' if has_name else ''}."),
    "choose_another_name": Hint("Choose another name."),
    "po_name_form": Hint("Use 1 to 64 letters, digits, '_' or '-'; the name becomes a file name."),
    "number_from_1": Hint("Give a number from 1 on."),
    "duration_form": Hint(
        "Write a whole number and one of s, min, h, d, w, mo (30 days), y (365 days): 12h, 30d, 6mo."
    ),
    "size_form": Hint("Write a number and one of B, kB, MB, GB, TB, or KiB, MiB, GiB, TiB: 500MB, 1.5GiB."),
    "see_prompt_objects": lambda near: Hint(meant(near), "Run ", Command("object list"), " to see what there is."),
    # Files
    "write_failed": Hint("Nothing was changed; make room or mend the permissions, and repeat."),
    "unconfirmed": Hint("Look at the disk: after a power cut the change may be gone."),
    "disk_failed": Hint("Look at the disk and its log."),
    "cannot_open": Hint("Look at the file and its permissions; ", Command("doctor"), " tells what can be done."),
    "examine": Hint(Command("doctor"), " tells what can be done."),
    "mend_or_remove": Hint("Mend or remove it."),
    "mend_permissions": Hint("Mend its permissions."),
    "look_at_permissions": Hint("Look at its permissions."),
    "foreign_directory": Hint("Look at where it comes from."),
    "linked_directory": lambda path: Hint("If the link is yours, run ", Command("config set links.allow", path), "."),
    "pointers_unreadable": Hint(
        "Mend it, or run ", Command("doctor --repair"), ": it holds only which sessions are current."
    ),
    "upgrade": Hint("Upgrade po-sessions."),
}
