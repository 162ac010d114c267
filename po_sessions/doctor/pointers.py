"""The prompt objects that can be used, and what `state.toml` points at."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Callable, Iterator

from po_sessions import atomic, bounded, folders, locks, pointers
from po_sessions.doctor.finding import Finding, Repair
from po_sessions.doctor.store import PATIENCE, Store, is_gone
from po_sessions.errors import Advice, Conflict, PoError, Unreadable
from po_sessions.names import is_session_id
from po_sessions.pointers import Pointer, Pointers


def objects(store: Store) -> Iterator[Finding]:
    """Tell of prompt objects that cannot be used. They are a user's own text, so they stay where they are."""
    directory = os.path.join(store.root, "objects")
    named: defaultdict[str, int] = defaultdict(int)
    for one in store.definitions:
        if isinstance(one, Unreadable):
            yield Finding("object", directory, str(one), advice=one.advice)
        else:
            named[one.name] += 1
    for name, count in named.items():
        if count > 1:
            message = f"{count} files in {directory} are named {name!r} in their first lines."
            yield Finding("object", directory, message, advice=Advice("name_others_otherwise"))


def check(store: Store) -> Iterator[Finding]:
    """Tell of pointers that cannot be read, or lead nowhere."""
    try:
        about = folders.lstat(store.state)
        if not stat.S_ISREG(about.st_mode):
            return  # which has been told
        bounded.beginning(store.state, 1)
    except FileNotFoundError:
        return
    except Unreadable as error:
        yield Finding("unreadable", store.state, str(error), advice=error.advice)
        return
    try:
        as_written = pointers.read(store.state)
    except Unreadable as error:
        repair = _set_aside(store, about)
        yield Finding("state", store.state, str(error), advice=Advice("pointers_lost"), repair=repair)
        return
    try:
        stored = store.pointers.read()
    except PoError:  # of a renaming that cannot be read, and has been told
        return
    name = stored.po_name
    if name and not any(one in store.definitions for one in (name, as_written.po_name or "")):
        message = f"The current prompt object {name} is not there ({store.state})."
        repair = _changed(store, _without_po(name, store))
        yield Finding("pointer", store.state, message, repair=repair, advice=Advice("choose_po"))
    for name, one in stored.pointers.items():
        for which, id in (("current", one.current), ("previous", one.previous)):
            if id is not None and _is_gone(id, store) and id in _ids(store.pointers.read(), name):
                named = id if is_session_id(id) else repr(id)
                message = f"The {which} session of {name}, {named}, is not there ({store.state})."
                repair = _changed(store, _without(name, id, store))
                advice = Advice("choose_session", po_name=name)
                yield Finding("pointer", store.state, message, session_id=id, repair=repair, advice=advice)


def _is_gone(id: str, store: Store) -> bool:
    return not is_session_id(id) or is_gone(store.path(id))


def _ids(stored: Pointers, name: str) -> tuple[str | None, str | None]:
    one = stored.pointer(name)
    return one.current, one.previous


def _without(name: str, id: str, store: Store) -> Callable[[Pointers], Pointers]:
    def change(now: Pointers) -> Pointers:
        if not _is_gone(id, store):
            return now
        left = Pointer(*(None if at == id else at for at in _ids(now, name)))
        return now._replace(pointers={**now.pointers, name: left})

    return change


def _without_po(name: str, store: Store) -> Callable[[Pointers], Pointers]:
    return lambda now: now if name in store.definitions else now.without_po(name)


def _changed(store: Store, change: Callable[[Pointers], Pointers]) -> Repair:
    def do() -> str:
        store.pointers.change(change)
        return "Nothing points at it any more."

    return Repair("The pointer will be removed.", do)


def _set_aside(store: Store, about: os.stat_result) -> Repair:
    def do() -> str:
        atomic.make_dir(store.locks)
        with locks.locked(os.path.join(store.locks, "state"), timeout=PATIENCE):
            try:
                pointers.read(store.state)
            except Unreadable:
                return store.moved_away(store.state, about).do()
        raise Conflict(f"{store.state} has changed since.", advice=Advice("examine_again"))

    return Repair("It will be moved to the quarantine.", do)
