"""What a command finds after a power cut: all there is, and whether that is what was acknowledged before it."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any

from po_sessions.environment import Environment
from po_sessions.errors import PoError, Unreadable
from po_sessions.message import Message
from po_sessions.sessions.manager import SessionManager
from po_sessions.storage import load

Things = dict[tuple[str, str], Any]
"""By kind and name: sessions, prompt objects, pointers, what is in the trash, backups, files, what po says."""

_EXPECTED = ("Repaired", "Finished renaming")
_NOW = "2025-03-01T10:00:00.000Z"


class Fault(AssertionError):
    """A cut has cost something."""


def look(base: str, root: str) -> Things:
    """Return all there is. Raises Fault if that does not agree with itself, PoError."""
    said: list[str] = []
    env = Environment.open(root, lock_timeout=1, notice=said.append)
    manager = env.session_manager
    listed = {one.id: one for one in manager.list()}
    things: Things = {}
    for path in _session_files(f"{root}/sessions"):
        id = os.path.basename(path).removesuffix(".json")
        try:
            session = load(manager.storage, id)
        except PoError:
            things["damaged", os.path.relpath(path, base)] = _read(path)
            continue
        things["session", id] = session.to_dict()
        if session.summary() != listed.get(id):
            raise Fault(f"DISAGREES: the list says of {id}: {listed.get(id)}, and its file: {session.summary()}")
    if strange := listed.keys() - {os.path.basename(name).removesuffix(".json") for _, name in things}:
        raise Fault(f"DISAGREES: the list has {sorted(strange)}")
    for entry in manager.trash.list():
        with suppress(Unreadable):  # and so it is one of the other files there
            things["trash", entry.id] = {"kind": entry.kind, **manager.storage.trashed(entry.id).to_dict()}
    for backup in manager.backups.list():
        things["backup", backup.id] = manager.storage.backed_up(backup.id).to_dict()
    with suppress(Unreadable):
        state = manager.pointers.read()
        things["pointers", ""] = [state.po_name, sorted(state.pointers.items())]
    for one in env.definitions:
        if isinstance(one, Unreadable):
            said.append(str(one))
        else:
            things["object", one.name] = _read(env.definitions.path(one.name))
    in_trash = {f"{root}/trash/{name}.json" for kind, name in things if kind == "trash"}
    for path in set(_other_files(base, root)) - in_trash:
        things["file", os.path.relpath(path, base)] = _read(path)
    return things | {("told", one.replace(base, "")): True for one in said if not one.startswith(_EXPECTED)}


def _session_files(directory: str) -> Iterator[str]:
    if os.path.isdir(directory):
        for name in sorted(os.listdir(directory)):
            if name.startswith("01") and name.endswith(".json") and " " not in name:
                yield f"{directory}/{name}"


def _other_files(base: str, root: str) -> Iterator[str]:
    """Yield what was set aside, settings, and what stands outside of environments."""
    if os.path.exists(f"{root}/config.toml"):
        yield f"{root}/config.toml"
    for place in (f"{root}/trash", f"{root}/quarantine", f"{base}/home", f"{base}/out"):
        for directory, inside, names in os.walk(place):
            inside[:] = [name for name in inside if not name.startswith((".prompt_objects", ".po-"))]
            yield from (f"{directory}/{name}" for name in names if not name.endswith(".tmp"))


def compare(
    got: Things, lower: Things, upper: Things, earlier: Sequence[Things] = (), may_come_back: Collection[str] = ()
) -> None:
    """See that each thing is as in `lower` or in `upper`, and nothing else is there. Raises Fault.

    What was only in an `earlier` view has come back, which the kinds in `may_come_back` do.
    """
    for key in sorted({*got, *lower, *upper}):
        there, before, after = got.get(key), lower.get(key), upper.get(key)
        if there in (before, after) or _is_between(there, before, after) or (key[1].endswith(".torn") and there):
            continue
        if key[0] in ("told", "damaged") and there is not None:
            raise Fault(f"UNREADABLE {key}: {there!r:.200}")
        if key[0] != "told" and there is None:
            raise Fault(f"LOST {key}: {before!r:.200}")
        if before is None and after is None and any(one.get(key) == there for one in earlier):
            if key[0] not in may_come_back:
                raise Fault(f"CAME BACK {key}: {there!r:.200}")
        elif there is not None:
            raise Fault(f"CHANGED {key}: {there!r:.300}, not {before!r:.300}")
    if gone := (_contents(lower) & _contents(upper)) - _contents(got):
        raise Fault(f"LOST on the way: {sorted(map(repr, gone))!r:.300}")


def check_kept(before: Things, after: Things) -> None:
    """See that all that was said is there still, and each file. Raises Fault."""
    if gone := _contents(before) - _contents(after):
        raise Fault(f"LOST in a repair: {sorted(map(repr, gone))!r:.300}")


def _is_between(there: Any, before: Any, after: Any) -> bool:
    """Tell whether a session has some of the messages that it was about to get."""
    if not (isinstance(there, dict) and isinstance(after, dict) and "history" in there and before != after):
        return False
    had, has, gets = (one["history"] if one else [] for one in (before, there, after))
    same = all(there[key] == after[key] for key in ("id", "name", "po_name"))
    return same and has[: len(had)] == had and gets[: len(has)] == has


def _contents(things: Things) -> set[Any]:
    """Return all that was said, and the content of all files that hold something else."""
    found: set[Any] = set()
    for (kind, _), one in things.items():
        if kind in ("session", "trash", "backup"):
            found |= {message["content"] for message in one["history"]}
        elif kind in ("object", "damaged", "file"):
            found.add(one)
    return found


def use(root: str, things: Things, touched: Collection[str], chance: int) -> None:
    """See that sessions go on, all that are `touched`, and that something comes back, what it is by `chance`.

    Raises Fault, PoError.
    """
    env = Environment.open(root, lock_timeout=1)
    manager = env.session_manager
    sessions = [id for kind, id in things if kind == "session"]
    for id in {*touched, *_one_of(sessions, chance)}.intersection(sessions):
        count = len(things["session", id]["history"])
        if manager.append(id, Message("user", "after", _NOW)).message_count != count + 1:
            raise Fault(f"NOT GOING ON: {id} has other than {count + 1} messages")
        json.loads(_read(f"{root}/sessions/{id}.json"))
    for id in _one_of([id for kind, id in things if kind == "trash"], chance):
        back = manager.trash.restore(manager.trash.find(id), "Back from the trash")
        _check_back(load(manager.storage, back.id).to_dict(), things["trash", id])
    for id in _one_of([id for kind, id in things if kind == "backup"], chance):
        backup = next(one for one in manager.backups.list(id.partition(".")[0]) if one.id == id)
        back = manager.backups.restore(backup, "Back from a backup").session
        _check_back(load(manager.storage, back.id).to_dict(), things["backup", id])
    if os.path.isdir(root):  # whatever has become of the prompt object
        SessionManager(manager.storage, clock=manager._clock).ensure("greeter", "After the cut")
    manager.storage.close()


def _one_of(ids: Sequence[str], chance: int) -> Sequence[str]:
    return [ids[chance % len(ids)]] if ids else []


def _check_back(back: dict[str, Any], kept: dict[str, Any]) -> None:
    if back["history"] != kept["history"]:
        raise Fault(f"NOT COMING BACK: {back!r:.200}, not {kept!r:.200}")


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
