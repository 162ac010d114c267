"""What a power cut may leave of what a recording did to files, under two models of a disk.

In both, what was synced is there, and the rest may be missing.

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
from collections.abc import Iterator
from dataclasses import dataclass, field

MODELS = ("ordered", "posix")
NEVER = 1 << 60
SECTORS = (512, 4096)
_INODE = re.compile(rb'"inode":(\d+)')
_TIME = re.compile(rb'(?:(?<="written":)|(?<="changed":))\d+')


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


class Recording:
    """What was done to the files below a directory, all of which were on the disk before."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.calls: list[str] = []
        self.units: list[Unit] = []
        self.syncs: list[tuple[int, Node]] = []
        """The number of each call that syncs, and what."""
        self.marks: list[int] = []
        """How many calls there had been whenever something was acknowledged."""

    def mark(self) -> None:
        """Note that what was done is acknowledged."""
        if not self.marks or self.marks[-1] != len(self.calls):
            self.marks.append(len(self.calls))

    def live(self, calls: int) -> Tree:
        """Return what there was after so many calls, for those who have not lost their power."""
        tree = Tree(self.root)
        for unit in self.units:
            if unit.at < calls:
                tree.apply(unit, ALL)
        return tree

    def durable_at(self, unit: Unit, model: str) -> int:
        """Return the number of the call that brought a unit to the disk, NEVER if there is none."""
        wanted = {node for node, _, _ in unit.names} if unit.names else {unit.node}
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
        for cut in dict.fromkeys([*reversed(self.marks), len(calls) - 1]):
            yield self._state(model, cut, durable, dict.fromkeys(cuts[cut], NONE))
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
        lower = sum(at <= cut for at in self.marks)
        begun = self.marks[lower - 1] if lower else 0
        under_way = lower < len(self.marks) and any(begun <= unit.at < cut for unit in self.units)
        missing = [f"{unit.call} ({choice[0]})" for unit, choice in choices.items() if choice != ALL]
        last = self.calls[cut - 1] if cut else "nothing"
        about = f"{model}: cut after {cut} of {len(self.calls)} calls ({last}); of what was not synced: {missing}"
        return State(tree, lower, lower + under_way, about)


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
            yield late | dict.fromkeys(writes, NONE)
        for unit in writes:
            for choice in _choices(model, unit, chance):
                yield {unit: choice}
        return
    yield dict.fromkeys(units, NONE)
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
    return picked | {unit: chance.choice(_choices(model, unit, chance)) for unit in units if chance.random() > kept}


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
        """Make it on a real file system, below the directory `where`; the index there tells of the files of today."""
        found: dict[Node, str] = {}
        made: dict[bytes, str] = {}
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
                made[b"%d" % node.number] = path
                _write(path, data, mode)
        for path, data, mode in late:
            _write(path, b"\n".join(_row_of_today(line, made) for line in data.split(b"\n")), mode)


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


def _row_of_today(line: bytes, made: dict[bytes, str]) -> bytes:
    """Return a row of the index with the inode and the time that its file has now: it is as good as it was."""
    inode = _INODE.search(line)
    path = made.get(inode[1]) if inode else None
    if path is None:
        return line
    about = os.stat(path)
    return _TIME.sub(b"%d" % about.st_ctime_ns, _INODE.sub(b'"inode":%d' % about.st_ino, line))


def _write(path: str, data: bytes, mode: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IMODE(mode))
    try:
        os.write(fd, data)
    finally:
        os.close(fd)
