"""`po session list` in a pipe, answered before Typer is imported, reading only.

Only where the index is known to be up to date with the files, by the rules of the command itself, where nothing is left
to report or to update, and where the log is short. None stands for everything else.
"""

import os
import sys

from po_sessions.cli.fast.cells import separators_replaced, session_cells
from po_sessions.layout import environment, index, primitives, prompt_object

MERGED_LOG = 256 << 10
"""Bytes of a log that is merged here; a longer one is left to the command, which takes that time anyway."""


def answer(named: str | None, args: list[str]) -> bytes | None:
    """Return what is printed with these arguments."""
    given = _options(args)
    if given is None or sys.stdout.isatty():
        return None
    try:
        root = environment.usable_root(named, os.environ)
        said = root and environment.pointers(root)
        return _list(root, given, *said) if root and said else None
    except (OSError, index.Damaged):
        return None


def _options(args: list[str]) -> dict[str, str] | None:
    """Return the options that are given, by their long names."""
    given: dict[str, str] = {}
    words = iter(args)
    for word in words:
        name = {"-a": "--all", "-n": "--limit"}.get(word, word)
        if name in given or name not in ("--all", "--ids", "--limit", "--po"):
            return None
        given[name] = next(words, "") if name in ("--limit", "--po") else ""
    limit, po_name = given.get("--limit", "1"), given.get("--po", ".")
    is_number = limit.isascii() and limit.isdecimal() and len(limit) < 10 and int(limit) > 0
    is_name = po_name == "." or (primitives.is_po_name(po_name) and not po_name.startswith("-"))
    return given if is_number and is_name and not ("--po" in given and "--all" in given) else None


def _list(root: str, given: dict[str, str], current: str | None, pointers: dict[str, dict[str, str]]) -> bytes | None:
    sessions = f"{root}/sessions"
    look = index.known(sessions)  # before any row is read: what came by then is in the rows
    if look is None or look["strange"] or look["unread"]:
        return None
    po_name = given.get("--po", ".")
    if po_name == ".":
        if current is None and "--po" in given:
            return None
        po_name = "" if "--all" in given else current or ""
    found = _rows(sessions, po_name, int(given.get("--limit", "0")))
    if not found:
        return None
    if "--ids" in given:
        return "".join(f"{row['id']}\n" for row in found).encode()
    orphaned = any(not prompt_object.is_defined(f"{root}/objects", name) for name in {row["po_name"] for row in found})
    if orphaned or any(row["last_turn"] == "open" for row in found):
        return None
    ids = {at.get("current") for at in pointers.values()}
    return "".join(_line(row, is_current=row["id"] in ids) for row in found).encode("utf-8", "backslashreplace")


def _rows(sessions: str, po_name: str, limit: int) -> "list[index.Row] | None":
    """Return the newest rows, of one prompt object if `po_name` says so, as many as `limit` if it does.

    None unless each is of the file that is there. Raises Damaged, OSError.
    """
    needle = f'"po_name":"{po_name}"'.encode() if po_name else b""
    found, ids = [], set()
    for row in index.rows(sessions, index.logs(sessions, MERGED_LOG), needle):
        if row["id"] in ids or "damaged" in row:
            return None
        ids.add(row["id"])
        about = os.stat(f"{sessions}/{row['id']}.json", follow_symlinks=False)
        if not index.is_of(row, about):
            return None
        if po_name in ("", row["po_name"]):
            found.append(row)
            if len(found) == limit:
                break
    return found


def _line(row: "index.Row", *, is_current: bool) -> str:
    cells = session_cells(row.__getitem__, current=is_current, orphaned=False)
    return "\t".join(map(separators_replaced, cells)) + "\n"
