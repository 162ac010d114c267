"""The simulated disk: what it records, and what a power cut may leave of it."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from support.power import MODELS, written
from support.power_disk import Disk


@pytest.fixture
def disk_path(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.mkdir()
    return path


Files = tuple[tuple[str, bytes], ...]


def left(base: Path, do: Callable[[], object], model: str, *, at_end: bool = True) -> set[Files]:
    """Return what may be there after a block, at its end or at any moment."""
    disk = Disk(str(base))
    with disk.recording():
        do()
    disk.mark()
    states = disk.states(model, random.Random(1), 500)
    return {tuple((path, data) for path, _, _, data in one.tree.flat()) for one in states if one.lower or not at_end}


def sync(path: Path | str) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def make(path: Path, data: bytes = b"x", *, synced: bool = True) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, data)
    if synced:
        os.fsync(fd)
    os.close(fd)


def test_what_was_synced_is_there_and_a_name_only_with_its_directory(disk_path):
    def do() -> None:
        make(disk_path / "a")

    assert left(disk_path, do, "posix") == {(), (("/a", b"x"),)}
    (disk_path / "a").unlink()

    def do_all() -> None:
        do()
        sync(disk_path)

    for model in MODELS:
        assert left(disk_path, do_all, model) == {(("/a", b"x"),)}
        (disk_path / "a").unlink()


def test_a_directory_without_a_durable_name_is_gone_with_all_in_it(disk_path):
    def do() -> None:
        os.mkdir(disk_path / "new")
        make(disk_path / "new/a")
        sync(disk_path / "new")

    whole = (("/new", b""), ("/new/a", b"x"))
    assert left(disk_path, do, "posix") == {(), whole}
    (disk_path / "new/a").unlink()
    (disk_path / "new").rmdir()
    assert left(disk_path, do, "ordered") == {whole}


def test_a_rename_in_a_directory_is_one_change_and_between_two_it_is_two(disk_path):
    for name in ("d", "e"):
        (disk_path / name).mkdir()
    (disk_path / "d/a").write_bytes(b"x")

    def names(found: set[Files]) -> set[tuple[str, ...]]:
        return {tuple(path for path, _ in one if path.count("/") == 2) for one in found}

    within = left(disk_path, lambda: os.rename(disk_path / "d/a", disk_path / "d/b"), "posix")
    assert names(within) == {("/d/a",), ("/d/b",)}
    across = left(disk_path, lambda: os.rename(disk_path / "d/b", disk_path / "e/b"), "posix")
    assert names(across) == {("/d/b",), ("/e/b",), (), ("/d/b", "/e/b")}
    (disk_path / "e/b").rename(disk_path / "d/b")
    across = left(disk_path, lambda: os.rename(disk_path / "d/b", disk_path / "e/b"), "ordered")
    assert names(across) == {("/d/b",), ("/e/b",)}


def test_changes_of_names_are_kept_in_order_under_ordered_data_and_in_none_under_posix(disk_path):
    for name in ("d", "e"):
        (disk_path / name).mkdir()

    def do() -> None:
        make(disk_path / "d/a", b"")
        make(disk_path / "e/b", b"")

    def undo() -> None:
        (disk_path / "d/a").unlink()
        (disk_path / "e/b").unlink()

    only_second = (("/d", b""), ("/e", b""), ("/e/b", b""))
    assert only_second in left(disk_path, do, "posix", at_end=False)
    undo()
    assert only_second not in left(disk_path, do, "ordered", at_end=False)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (("all", 0, 0), b"a" * 500 + b"n" * 1000),
        (("zeros", 0, 0), b"a" * 600 + bytes(900)),
        (("torn", 512, 0b1), b"a" * 500 + b"n" * 12 + b"a" * 88),
        (("torn", 512, 0b10), b"a" * 512 + b"n" * 512),
        (("torn", 512, 0b10 | 1 << 15), b"a" * 512 + b"n" * 512 + bytes(476)),
        (("torn", 4096, 0b1), b"a" * 500 + b"n" * 1000),
    ],
)
def test_a_write_is_torn_between_sectors(choice, expected):
    assert written(b"a" * 600, 500, b"n" * 1000, choice) == expected


def test_calls_below_an_open_directory_are_the_same_as_those_by_paths(disk_path):
    def by_paths() -> None:
        os.mkdir(disk_path / "d", 0o700)
        make(disk_path / "d/a")
        os.link(disk_path / "d/a", disk_path / "b")
        os.rename(disk_path / "b", disk_path / "d/c")
        os.unlink(disk_path / "d/a")
        sync(disk_path / "d")
        os.unlink(disk_path / "d/c")
        os.rmdir(disk_path / "d")

    def by_descriptors() -> None:
        base = os.open(disk_path, os.O_RDONLY | os.O_DIRECTORY)
        os.mkdir("d", 0o700, dir_fd=base)
        inner = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=base)
        fd = os.open("a", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=inner)
        os.write(fd, b"x")
        os.fsync(fd)
        os.link("a", "b", src_dir_fd=inner, dst_dir_fd=base, follow_symlinks=False)
        os.rename("b", "c", src_dir_fd=base, dst_dir_fd=inner)
        os.unlink("a", dir_fd=inner)
        os.fsync(inner)
        os.unlink("c", dir_fd=inner)
        os.rmdir("d", dir_fd=base)
        for one in (fd, inner, base):
            os.close(one)

    recorded = []
    for do in (by_paths, by_descriptors):
        disk = Disk(str(disk_path))
        with disk.recording():
            do()
        views = [tuple((path, data) for path, _, _, data in disk.live(at).flat()) for at in range(len(disk.calls))]
        recorded.append((disk.calls, views))
    assert recorded[0] == recorded[1]
    assert len(recorded[0][0]) == 10


def test_every_way_to_write_is_recorded(disk_path):
    (disk_path / "source").write_bytes(b"0123456789")

    def do() -> None:
        fd = os.open(disk_path / "a", os.O_RDWR | os.O_CREAT, 0o600)
        os.write(fd, b"abc")
        os.pwrite(fd, memoryview(b"XY"), 1)
        os.ftruncate(fd, 2)
        source = os.open(disk_path / "source", os.O_RDONLY)
        if hasattr(os, "copy_file_range"):
            os.copy_file_range(source, fd, 4, 3, 2)
        os.close(source)
        os.close(fd)
        fd = os.open(disk_path / "a", os.O_WRONLY | os.O_APPEND)
        os.write(fd, b"end")
        os.close(fd)
        os.close(os.open(disk_path / "source", os.O_WRONLY | os.O_TRUNC))
        os.chmod(disk_path / "a", 0o640)

    disk = Disk(str(disk_path))
    with disk.recording():
        do()
    assert (disk_path / "a").read_bytes() == b"aX3456end"


def test_a_change_that_was_not_recorded_is_noticed(disk_path):
    disk = Disk(str(disk_path))
    with pytest.raises(AssertionError, match="unseen"), disk.recording(), open(disk_path / "a", "wb") as file:
        file.write(b"x")


def test_links_and_inodes_are_put_as_they_were(disk_path):
    (disk_path / "from").mkdir()
    (disk_path / "from/a").write_bytes(b"x")
    os.link(disk_path / "from/a", disk_path / "from/b")
    number = (disk_path / "from/a").stat().st_ino
    (disk_path / "from/index.json").write_bytes(b'{"inode":%d}' % number)
    (disk_path / "to").mkdir()
    Disk(str(disk_path / "from")).live(0).put(str(disk_path / "to"))
    about = (disk_path / "to/a").stat()
    assert about.st_nlink == 2
    assert (disk_path / "to/index.json").read_bytes() == b'{"inode":%d}' % about.st_ino
