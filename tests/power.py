"""A simulated disk: it records what a block does to the files below a directory, and makes what a power cut may leave.

The recorder stands between `os` and the file system, and knows files by their inodes, however they are named. What it
recorded is replayed under two models. In both, what was synced is there, and the rest may be missing.

`ordered`, as ext4 with data=ordered: changes of names are on the disk in their order, and syncing anything brings all
before it there. What was written into a file that was there before may be missing, zeros, or torn.

`posix`, what the standard promises: any of the changes of names that their directory was not synced after, and any of
what was written, missing, zeros, or torn. A rename within a directory is one change, as is one of a directory; another
one is two. What stands in a directory that has no name is gone.
"""

from __future__ import annotations

import os
import random
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

MODELS = ("ordered", "posix")
NEVER = 1 << 60
SECTORS = (512, 4096)
_INODE = re.compile(rb'(?<="inode":)\d+')
_REAL = {name: getattr(os, name) for name in ("stat", "fstat", "lseek", "listdir", "readlink", "pread", "open", "close")}


@dataclass(eq=False)
class Node:
    """A file or a directory, as it was when the recording began or when it was made."""

    number: int
    mode: int
    data: bytes = b""
    entries: dict[str, Node] = field(default_factory=dict)
    made_at: int = -1
    """Before which operation it was made; -1 if it was there from the beginning."""

    @property
    def is_dir(self) -> bool:
        return stat.S_ISDIR(self.mode)


@dataclass(frozen=True, eq=False)
class Unit:
    """What is on the disk or is not: changes of names, or a write, or a file's length or mode."""

    at: int
    """The number of its call."""
    call: str
    """The call, in words."""
    names: tuple[tuple[Node, str, Node | None], ...] = ()
    """Directory, name, what it names from then on."""
    node: Node | None = None
    """The file that is written to, cut to `size`, or gets `mode`."""
    offset: int = 0
    data: bytes = b""
    size: int | None = None
    mode: int | None = None

    @property
    def is_write(self) -> bool:
        return self.node is not None and self.size is None and self.mode is None


Choice = tuple[str, int, int]
"""What there is of a unit: `none`, `all`, `zeros`, or `torn` with the size of a sector and a mask of new sectors."""
NONE, ALL, ZEROS = ("none", 0, 0), ("all", 0, 0), ("zeros", 0, 0)


class Disk:
    """The directory `base`, all of which is on the disk, and what a recording did below it."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.calls: list[str] = []
        self.units: list[Unit] = []
        self.syncs: list[tuple[int, Node | None]] = []
        """The number of each call that syncs, and what; None is everything."""
        self.marks: list[tuple[int, str]] = []
        """How many calls there had been when something was acknowledged, and what it was."""
        self._nodes: dict[tuple[int, int], Node] = {}
        self.root = self._scanned(base)

    def _scanned(self, path: str) -> Node:
        about = _REAL["stat"](path, follow_symlinks=False)
        key = (about.st_dev, about.st_ino)
        if key not in self._nodes:
            node = self._nodes[key] = Node(about.st_ino, about.st_mode)
            if node.is_dir:
                node.entries = {name: self._scanned(f"{path}/{name}") for name in sorted(_REAL["listdir"](path))}
            elif stat.S_ISLNK(about.st_mode):
                node.data = os.fsencode(_REAL["readlink"](path))
            else:
                node.data = _read(path)
        return self._nodes[key]

    # Recording

    def mark(self, what: str = "acknowledged") -> None:
        """Note that what was done is acknowledged."""
        self.marks.append((len(self.calls), what))

    @contextmanager
    def recording(self) -> Iterator[Disk]:
        """Record what the block does. Raises AssertionError if it did anything that was not seen."""
        wrapped = {
            name.removeprefix("_on_"): getattr(self, name) for name in dir(self) if name.startswith("_on_")
        }
        real = {name: getattr(os, name) for name in wrapped if hasattr(os, name)}
        for name, call in real.items():
            setattr(os, name, _bound(wrapped[name], call))
        try:
            yield self
        finally:
            for name, call in real.items():
                setattr(os, name, call)
        seen, there = self.live(len(self.calls)).flat(), Tree(Disk(self.base).root).flat()
        assert seen == there, "something changed files unseen"

    def _node(self, path: Any, dir_fd: int | None = None, *, follow: bool = False) -> Node | None:
        try:
            about = _REAL["fstat"](path) if isinstance(path, int) else _REAL["stat"](
                path, dir_fd=dir_fd, follow_symlinks=follow
            )
        except OSError:
            return None
        return self._nodes.get((about.st_dev, about.st_ino))

    def _place(self, path: Any, dir_fd: int | None) -> tuple[Node | None, str]:
        """Return the directory in which a path stands, None if it is not below the base, and its name there."""
        parent, name = os.path.split(os.fspath(path))
        about: Any
        try:
            if not parent and dir_fd is not None:
                about = _REAL["fstat"](dir_fd)
            else:
                about = _REAL["stat"](parent or ".", dir_fd=dir_fd)
        except OSError:
            return None, name
        return self._nodes.get((about.st_dev, about.st_ino)), name

    def _new(self, about: os.stat_result) -> Node:
        node = Node(about.st_ino, about.st_mode, made_at=len(self.calls))
        self._nodes[about.st_dev, about.st_ino] = node
        return node

    def _add(self, call: str, *units: Any, sync: Node | None = None) -> None:
        at = len(self.calls)
        self.calls.append(call)
        for unit in units:
            self.units.append(Unit(at, call, **unit))
        if sync:
            self.syncs.append((at, sync))

    def _on_open(self, real: Callable[..., int], path: Any, flags: int, mode: int = 0o777, *, dir_fd: Any = None) -> int:
        makes = bool(flags & os.O_CREAT) or flags & os.O_TMPFILE == os.O_TMPFILE
        place, name = self._place(path, dir_fd) if makes else (None, "")
        was_there = place is None or _is_there(path, dir_fd)
        before = self._node(path, dir_fd, follow=True) if flags & os.O_TRUNC else None
        fd = real(path, flags, mode, dir_fd=dir_fd)
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            self._new(_REAL["fstat"](fd))
        elif place is not None and not was_there:
            self._add(f"create {name}", {"names": ((place, name, self._new(_REAL["fstat"](fd))),)})
        elif flags & os.O_TRUNC and before:
            self._add(f"truncate {name}", {"node": before, "size": 0})
        return fd

    def _wrote(self, fd: int, offset: int, data: bytes) -> None:
        node = self._node(fd)
        if node is not None and data:
            self._add(f"write {len(data)} at {offset}", {"node": node, "offset": offset, "data": data})

    def _on_write(self, real: Callable[..., int], fd: int, data: Any) -> int:
        import fcntl

        known = self._node(fd)
        offset = 0
        if known is not None:
            appends = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND
            offset = _REAL["fstat"](fd).st_size if appends else _REAL["lseek"](fd, 0, os.SEEK_CUR)
        count = real(fd, data)
        self._wrote(fd, offset, bytes(data)[:count])
        return count

    def _on_pwrite(self, real: Callable[..., int], fd: int, data: Any, offset: int) -> int:
        count = real(fd, data, offset)
        self._wrote(fd, offset, bytes(data)[:count])
        return count

    def _on_copy_file_range(
        self, real: Callable[..., int], src: int, dst: int, count: int, offset_src: Any = None, offset_dst: Any = None
    ) -> int:
        offset = _REAL["lseek"](dst, 0, os.SEEK_CUR) if offset_dst is None else offset_dst
        done = real(src, dst, count, offset_src, offset_dst)
        self._wrote(dst, offset, _read(f"/proc/self/fd/{dst}")[offset : offset + done])
        return done

    def _on_ftruncate(self, real: Callable[..., None], fd: int, size: int) -> None:
        node, before = self._node(fd), _REAL["fstat"](fd).st_size
        real(fd, size)
        if node is not None and before != size:
            self._add(f"truncate to {size}", {"node": node, "size": size})

    def _on_truncate(self, real: Callable[..., None], path: Any, size: int) -> None:
        if isinstance(path, int):
            return self._on_ftruncate(real, path, size)
        node = self._node(path, follow=True)
        real(path, size)
        if node is not None:
            self._add(f"truncate to {size}", {"node": node, "size": size})
        return None

    def _on_link(
        self,
        real: Callable[..., None],
        src: Any,
        dst: Any,
        *,
        src_dir_fd: Any = None,
        dst_dir_fd: Any = None,
        follow_symlinks: bool = True,
    ) -> None:
        node, (place, name) = self._node(src, src_dir_fd, follow=follow_symlinks), self._place(dst, dst_dir_fd)
        real(src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, follow_symlinks=follow_symlinks)
        if place is not None:
            assert node is not None, f"{src} is not on this disk"
            self._add(f"link {name}", {"names": ((place, name, node),)})

    def _on_unlink(self, real: Callable[..., None], path: Any, *, dir_fd: Any = None) -> None:
        place, name = self._place(path, dir_fd)
        real(path, dir_fd=dir_fd)
        if place is not None:
            self._add(f"unlink {name}", {"names": ((place, name, None),)})

    _on_remove = _on_rmdir = _on_unlink

    def _on_mkdir(self, real: Callable[..., None], path: Any, mode: int = 0o777, *, dir_fd: Any = None) -> None:
        real(path, mode, dir_fd=dir_fd)
        place, name = self._place(os.fspath(path).rstrip("/"), dir_fd)
        if place is not None:
            made = self._new(_REAL["stat"](path, dir_fd=dir_fd, follow_symlinks=False))
            self._add(f"mkdir {name}", {"names": ((place, name, made),)})

    def _on_rename(
        self, real: Callable[..., None], src: Any, dst: Any, *, src_dir_fd: Any = None, dst_dir_fd: Any = None
    ) -> None:
        (before, old), (after, new) = self._place(src, src_dir_fd), self._place(dst, dst_dir_fd)
        node, replaced = self._node(src, src_dir_fd), self._node(dst, dst_dir_fd)
        real(src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        if before is None and after is None:
            return
        assert before is not None and after is not None and node is not None, f"{src}, {dst}: not on this disk"
        if node is replaced:
            return
        gone, come = (before, old, None), (after, new, node)
        call = f"rename {old} {new}"
        if before is after or node.is_dir:
            self._add(call, {"names": (gone, come)})
        else:
            self._add(call, {"names": (come,)}, {"names": (gone,)})

    _on_replace = _on_rename

    def _on_fsync(self, real: Callable[..., None], fd: Any) -> None:
        real(fd)
        node = self._node(fd if isinstance(fd, int) else fd.fileno())
        if node is not None:
            self._add("sync a directory" if node.is_dir else "sync a file", sync=node)

    _on_fdatasync = _on_fsync

    def _on_fchmod(self, real: Callable[..., None], fd: int, mode: int) -> None:
        self._on_chmod(lambda *_, **__: real(fd, mode), fd, mode)

    def _on_chmod(
        self, real: Callable[..., None], path: Any, mode: int, *, dir_fd: Any = None, follow_symlinks: bool = True
    ) -> None:
        more = {} if isinstance(path, int) else {"dir_fd": dir_fd, "follow_symlinks": follow_symlinks}
        before = _REAL["fstat"](path) if isinstance(path, int) else _REAL["stat"](path, **more)
        real(path, mode, **more)
        node = self._node(path, dir_fd, follow=follow_symlinks)
        if node is not None and stat.S_IMODE(before.st_mode) != mode:
            self._add(f"chmod {mode:o}", {"node": node, "mode": stat.S_IFMT(before.st_mode) | mode})

    # Replaying

    def live(self, calls: int) -> Tree:
        """Return what there was after so many calls, for those who have not lost their power."""
        tree = Tree(self.root)
        for unit in self.units:
            if unit.at < calls:
                tree.apply(unit, ALL)
        return tree

    def durable_at(self, unit: Unit, model: str) -> int:
        """Return the number of the call that brought a unit to the disk, NEVER if there is none."""
        if unit.names:
            wanted = {node for node, _, _ in unit.names}
        else:
            wanted = {unit.node}
        any_will_do = model == "ordered" and not unit.is_write
        for at, node in self.syncs:
            if at > unit.at and (any_will_do or node in wanted):
                return at
        return NEVER

    def states(self, model: str, chance: random.Random, most: int) -> Iterator[State]:
        """Yield different states, at most so many: those that miss little or much, then others by chance."""
        found: set[tuple[int, int, int]] = set()
        for state in self._candidates(model, chance, most):
            key = (hash(state.tree.flat()), state.lower, state.upper)
            if key not in found:
                found.add(key)
                yield state
            if len(found) >= most:
                return

    def _candidates(self, model: str, chance: random.Random, most: int) -> Iterator[State]:
        durable = {unit: self.durable_at(unit, model) for unit in self.units}
        calls = range(len(self.calls) + 1)
        cuts = {cut: [unit for unit in self.units if unit.at < cut <= durable[unit]] for cut in calls}
        # First what is there right after something was acknowledged if nothing else has got to the disk by itself.
        for cut in dict.fromkeys([*(at for at, _ in reversed(self.marks)), len(calls) - 1]):
            yield self._state(model, cut, durable, {unit: NONE for unit in cuts[cut]})
        planned = [(cut, choices) for cut in calls for choices in _systematic(model, cuts[cut], chance)]
        chance.shuffle(planned)
        for cut, choices in planned:
            yield self._state(model, cut, durable, choices)
        for _ in range(most * 4):
            cut = chance.choice(calls)
            yield self._state(model, cut, durable, _by_chance(model, cuts[cut], chance))

    def _state(self, model: str, cut: int, durable: dict[Unit, int], choices: dict[Unit, Choice]) -> State:
        tree = Tree(self.root)
        for unit in self.units:
            if unit.at < cut:
                tree.apply(unit, ALL if durable[unit] < cut else choices.get(unit, ALL))
        lower = sum(at <= cut for at, _ in self.marks)
        under_way = lower < len(self.marks) and any(unit.at < cut and unit.at >= self._begun(lower) for unit in self.units)
        missing = [f"{unit.call} ({choice[0]})" for unit, choice in choices.items() if choice != ALL]
        last = self.calls[cut - 1] if cut else "nothing"
        about = f"{model}: cut after {cut} of {len(self.calls)} calls ({last}); of what was not synced: {missing}"
        return State(tree, lower, lower + under_way, about)

    def _begun(self, lower: int) -> int:
        return self.marks[lower - 1][0] if lower else 0


def _choices(model: str, unit: Unit, chance: random.Random) -> list[Choice]:
    """Return what there can be of a unit that was not synced, but all of it."""
    if not unit.is_write:
        return [NONE]
    assert unit.node is not None
    if model == "ordered" and unit.node.made_at >= 0:
        return [NONE]
    torn = [("torn", sector, chance.getrandbits(16)) for sector in SECTORS]
    return [NONE, ZEROS, *torn]


def _systematic(model: str, units: list[Unit], chance: random.Random) -> Iterator[dict[Unit, Choice]]:
    yield {}
    if model == "ordered":
        names = [unit for unit in units if not unit.is_write]
        writes = [unit for unit in units if unit.is_write]
        for begin in sorted({unit.at for unit in names}, reverse=True):
            late = {unit: NONE for unit in names if unit.at >= begin}
            yield late
            yield late | {unit: NONE for unit in writes}
        for unit in writes:
            for choice in _choices(model, unit, chance):
                yield {unit: choice}
        return
    yield {unit: NONE for unit in units}
    for unit in units:
        for choice in _choices(model, unit, chance):
            yield {unit: choice}
        yield {other: NONE for other in units if other is not unit}


def _by_chance(model: str, units: list[Unit], chance: random.Random) -> dict[Unit, Choice]:
    kept = chance.random()
    if model == "ordered":
        at = sorted({unit.at for unit in units if not unit.is_write})
        begin = chance.choice([*at, NEVER])
        picked = {unit: NONE for unit in units if not unit.is_write and unit.at >= begin}
        units = [unit for unit in units if unit.is_write]
    else:
        picked = {}
    return picked | {
        unit: chance.choice(_choices(model, unit, chance)) for unit in units if chance.random() > kept
    }


@dataclass(frozen=True)
class State:
    """What a cut may leave."""

    tree: Tree
    lower: int
    """How many marks had been made: what they acknowledged has to be there."""
    upper: int
    """That, or one more if something else had begun."""
    about: str


Flat = tuple[tuple[str, int, int, bytes], ...]
"""Of everything: its path, which is the one before of the same file, its mode, its content."""


class Tree:
    """What is on a disk."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self._entries: dict[Node, dict[str, Node]] = {}
        self._data: dict[Node, bytes] = {}
        self._modes: dict[Node, int] = {}
        self._flat: Flat | None = None

    def entries(self, node: Node) -> dict[str, Node]:
        return self._entries.get(node, node.entries)

    def data(self, node: Node) -> bytes:
        return self._data.get(node, node.data)

    def apply(self, unit: Unit, choice: Choice) -> None:
        """Do what there is of a unit."""
        if choice == NONE:
            return
        for place, name, node in unit.names:
            entries = self._entries.setdefault(place, dict(place.entries))
            entries.pop(name, None)
            if node is not None:
                entries[name] = node
        if unit.node is None:
            return
        if unit.mode is not None:
            self._modes[unit.node] = unit.mode
            return
        data = self.data(unit.node)
        if unit.size is not None:
            self._data[unit.node] = data[: unit.size].ljust(unit.size, b"\0")
        else:
            self._data[unit.node] = written(data, unit.offset, unit.data, choice)

    def _walk(self, node: Node, path: str) -> Iterator[tuple[str, Node]]:
        for name, one in sorted(self.entries(node).items()):
            yield f"{path}/{name}", one
            if one.is_dir:
                yield from self._walk(one, f"{path}/{name}")

    def flat(self) -> Flat:
        """Return all that can be reached."""
        if self._flat is None:
            first: dict[Node, int] = {}
            self._flat = tuple(
                (path, first.setdefault(node, at), self._modes.get(node, node.mode), self.data(node))
                for at, (path, node) in enumerate(self._walk(self.root, ""))
            )
        return self._flat

    def put(self, where: str) -> None:
        """Make it on a real file system, below the directory `where`; the index there has the inodes of today."""
        found: dict[Node, str] = {}
        inodes: dict[bytes, bytes] = {}
        late = []
        for path, node in self._walk(self.root, where):
            mode = self._modes.get(node, node.mode)
            if node in found:
                os.link(found[node], path, follow_symlinks=False)
                continue
            found[node] = path
            if node.is_dir:
                os.mkdir(path, stat.S_IMODE(mode))
            elif stat.S_ISLNK(mode):
                os.symlink(os.fsdecode(self.data(node)), path)
            else:
                data = self.data(node)
                if path.rpartition("/")[2].startswith("index.") and b'"inode":' in data:
                    late.append((path, data, mode))
                    continue
                inodes[b"%d" % node.number] = b"%d" % _write(path, data, mode)
        for path, data, mode in late:
            _write(path, _INODE.sub(lambda found: inodes.get(found[0], found[0]), data), mode)


def written(data: bytes, offset: int, new: bytes, choice: Choice) -> bytes:
    """Return a file's content with what there is of a write."""
    end = offset + len(new)
    padded = data.ljust(end, b"\0")
    whole = padded[:offset] + new + padded[end:]
    kind, sector, mask = choice
    if kind == "all":
        return whole
    if kind == "zeros":
        return padded
    mixed = bytearray(padded)
    last = len(data)
    for number, start in enumerate(range(offset // sector * sector, end, sector)):
        if mask >> (number % 15) & 1:
            mixed[start : start + sector] = whole[start : start + sector]
            last = max(last, min(start + sector, len(whole)))
    return bytes(mixed if mask >> 15 & 1 else mixed[:last])


def _bound(method: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **more: method(real, *args, **more)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _write(path: str, data: bytes, mode: int) -> int:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IMODE(mode))
    try:
        os.write(fd, data)
        return os.fstat(fd).st_ino
    finally:
        os.close(fd)


def _is_there(path: Any, dir_fd: int | None) -> bool:
    try:
        _REAL["stat"](path, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
