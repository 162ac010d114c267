"""A recorder between `os` and the file system: what a block does to the files below a directory, see `power`.

It knows files by their inodes, however a call names them: by a path, or below an open directory.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from support.power import Node, Recording, Tree, Unit

_TMPFILE = getattr(os, "O_TMPFILE", -1)
_REAL = {name: getattr(os, name) for name in ("stat", "fstat", "lseek", "listdir", "readlink")}


class Disk(Recording):
    """The directory `base`, and what is done below it."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._nodes: dict[tuple[int, int], Node] = {}
        super().__init__(self._scanned(base))

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

    @contextmanager
    def recording(self) -> Iterator[Disk]:
        """Record what the block does. Raises AssertionError if it did anything that was not seen."""
        wrapped = {name.removeprefix("_on_"): getattr(self, name) for name in dir(self) if name.startswith("_on_")}
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
            about = (
                _REAL["fstat"](path)
                if isinstance(path, int)
                else _REAL["stat"](path, dir_fd=dir_fd, follow_symlinks=follow)
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

    def _on_open(
        self, real: Callable[..., int], path: Any, flags: int, mode: int = 0o777, *, dir_fd: Any = None
    ) -> int:
        is_nameless = flags & _TMPFILE == _TMPFILE
        makes = bool(flags & os.O_CREAT) and not is_nameless
        place, name = self._place(path, dir_fd) if makes else (None, "")
        was_there = place is None or _is_there(path, dir_fd)
        before = self._node(path, dir_fd, follow=True) if flags & os.O_TRUNC else None
        fd = real(path, flags, mode, dir_fd=dir_fd)
        if is_nameless:
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
        assert before, f"{src} is not on this disk"
        assert after, f"{dst} is not on this disk"
        assert node
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


def _bound(method: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **more: method(real, *args, **more)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _is_there(path: Any, dir_fd: int | None) -> bool:
    try:
        _REAL["stat"](path, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
