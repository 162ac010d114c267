"""The pointers: the current prompt object, and the current and previous session of each."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

from po_sessions import atomic, bounded, locks, tree
from po_sessions.errors import Advice, Unreadable
from po_sessions.layout import primitives


class Pointer(NamedTuple):
    """The sessions, by id, that a prompt object's `@current` and `@previous` are."""

    current: str | None = None
    previous: str | None = None


class Pointers(NamedTuple):
    """All pointers of one store."""

    po_name: str | None = None
    """The current prompt object."""
    pointers: Mapping[str, Pointer] = MappingProxyType({})

    def pointer(self, po_name: str) -> Pointer:
        """Return the pointers of one prompt object."""
        return self.pointers.get(po_name, Pointer())

    def with_session(self, po_name: str, id: str) -> Pointers:
        """Return the state in which `id` is the current session of `po_name`, and the one before it the previous."""
        before = self.pointer(po_name)
        if before.current == id:
            return self
        return self._replace(pointers={**self.pointers, po_name: Pointer(id, before.current)})

    def without_session(self, id: str) -> Pointers:
        """Return the state in which nothing points at a session."""
        kept = {
            name: Pointer(*(None if at == id else at for at in (one.current, one.previous)))
            for name, one in self.pointers.items()
        }
        return self if kept == self.pointers else self._replace(pointers=kept)

    def with_po_renamed(self, old: str, new: str) -> Pointers:
        """Return the state in which a prompt object has another name."""
        if old not in (self.po_name, *self.pointers):
            return self
        pointers = {name: one for name, one in self.pointers.items() if name != old}
        if old in self.pointers:
            pointers[new] = self.pointers[old]
        return Pointers(new if self.po_name == old else self.po_name, pointers)

    def renamed(self, now: Callable[[str], str]) -> Pointers:
        """Return the state in which each prompt object is called what `now` returns for its name."""
        for name in {*self.pointers, *filter(None, [self.po_name])}:
            if (new := now(name)) != name:
                return self.with_po_renamed(name, new)
        return self

    def without_po(self, po_name: str) -> Pointers:
        """Return the state in which this prompt object is not the current one."""
        return self._replace(po_name=None) if self.po_name == po_name else self

    def with_po(self, po_name: str) -> Pointers:
        """Return the state in which `po_name` is the current prompt object."""
        return self._replace(po_name=po_name)


def read(path: str) -> Pointers:
    """Read `state.toml`; without the file there are no pointers. Raises Unreadable."""
    try:
        data = bounded.read(path, primitives.LARGEST)
    except FileNotFoundError:
        return Pointers()
    if (said := primitives.state(data)) is not None:
        return Pointers(said[0], {name: Pointer(at.get("current"), at.get("previous")) for name, at in said[1].items()})
    if len(data) > bounded.SMALL:
        raise bounded.too_large(path, bounded.SMALL)
    import tomllib

    try:
        table = tomllib.loads(data.decode())
        po_name, sessions = table.get("current"), table.get("sessions", {})
        if not isinstance(po_name, str | None):
            raise ValueError("'current' is not text")
        if not isinstance(sessions, dict) or not all(isinstance(one, dict) for one in sessions.values()):
            raise ValueError("'sessions' is not a table of tables")
        for name in (*sessions, *([] if po_name is None else [po_name])):
            if not primitives.is_po_name(name):
                raise ValueError(f"{name!r} cannot be a prompt object's name")
        pointers = {name: Pointer(one.get("current"), one.get("previous")) for name, one in sessions.items()}
        if not all(isinstance(id, str | None) for one in pointers.values() for id in (one.current, one.previous)):
            raise ValueError("an id is not text")
        return Pointers(po_name, pointers)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{path} cannot be read: {error}.", advice=Advice("pointers_unreadable")) from None


def write(path: str, state: Pointers) -> None:
    """Write `state.toml`. Raises WriteFailed."""
    import tomli_w

    table: dict[str, object] = {}
    if state.po_name is not None:
        table["current"] = state.po_name
    table["sessions"] = {
        name: {key: id for key, id in (("current", one.current), ("previous", one.previous)) if id}
        for name, one in state.pointers.items()
    }
    atomic.replace(path, tomli_w.dumps(table).encode())


class PointerStore(Protocol):
    """Where one user's pointers are kept; not in the sessions' store, which others may use too."""

    def read(self) -> Pointers:
        """Return the pointers. Raises Unreadable."""

    def change(self, change: Callable[[Pointers], Pointers]) -> Pointers:
        """Replace the pointers by what `change` makes of them, as one step; return them.

        Raises Unreadable, Busy, WriteFailed.
        """


class PointerFile:
    """The pointers in the file `state.toml` of an environment."""

    def __init__(
        self, root: str, *, lock_timeout: float = 60.0, current_name: Callable[[str], str] = lambda name: name
    ) -> None:
        """`lock_timeout` is in seconds; `current_name` returns what a prompt object is called now."""
        self._root = root
        self._path = os.path.join(root, "state.toml")
        self._timeout = lock_timeout
        self._current_name = current_name

    def read(self) -> Pointers:
        """Return the pointers. Raises Unreadable."""
        return read(self._path).renamed(self._current_name)

    def change(self, change: Callable[[Pointers], Pointers]) -> Pointers:
        """Replace the pointers by what `change` makes of them, as one step. Raises Unreadable, Busy, WriteFailed."""
        tree.make(self._root)
        with locks.locked(os.path.join(self._root, "sessions", ".locks", "state"), timeout=self._timeout):
            stored = read(self._path)
            after = change(stored.renamed(self._current_name))
            if after != stored:
                write(self._path, after)
        return after


class MemoryPointers:
    """Pointers that are kept nowhere."""

    def __init__(self) -> None:
        self._pointers = Pointers()
        self._lock = threading.Lock()

    def read(self) -> Pointers:
        """Return the pointers."""
        return self._pointers

    def change(self, change: Callable[[Pointers], Pointers]) -> Pointers:
        """Replace the pointers by what `change` makes of them."""
        with self._lock:
            self._pointers = change(self._pointers)
        return self._pointers
