"""What can lie in a place of the environment of `strange.World`, and what can happen there while a verb runs."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.strange import Kind, World, clear
from support.strange_verbs import ALPHA, DIRECTORIES, EMPTY, GAMMA, NOTES, TEMPORARY


def link(world: World, path: Path) -> None:
    """A link to what was there, outside: relative, as a repository has it."""
    there = world.away(path)
    path.symlink_to(os.path.relpath(there, path.parent.resolve()))


def dangling(world: World, path: Path) -> None:
    clear(path)
    path.symlink_to(world.outside / "there" / "made")


def to_itself(world: World, path: Path) -> None:
    clear(path)
    path.symlink_to(path.name)


def inside(world: World, path: Path) -> None:
    """A link to another place of the environment."""
    was_directory = path.is_dir()
    target = world.root / ("objects" if was_directory else "state.toml")
    if target == path:
        target = world.root / ("sessions" if was_directory else "config.toml")
    elif path.name == f"{ALPHA}.json":
        target = path.with_name(f"{GAMMA}.json")
    elif path.parent.name == "trash" and path.suffix == ".json":
        target = world.root / "sessions" / f"{NOTES}.json"
    clear(path)
    path.symlink_to(target)


def inside_sessions(world: World, path: Path) -> None:
    clear(path)
    path.symlink_to(world.root / "sessions")


def to_a_directory(world: World, path: Path) -> None:
    there = world.away(world.root / "quarantine")
    clear(path)
    path.symlink_to(there)


def to_a_private_file(world: World, path: Path) -> None:
    clear(path)
    path.symlink_to(world.outside / "id_rsa")


def hard_link(world: World, path: Path) -> None:
    """The file that was there has another name, outside."""
    os.link(world.away(path), path)


def hard_link_to_a_private_file(world: World, path: Path) -> None:
    clear(path)
    os.link(world.outside / "id_rsa", path)


def fifo(world: World, path: Path) -> None:
    clear(path)
    os.mkfifo(path)


def a_socket(world: World, path: Path) -> None:
    clear(path)
    before = os.getcwd()
    os.chdir(path.parent)  # the names of sockets are short
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path.name)
    os.chdir(before)


def zero(world: World, path: Path) -> None:
    clear(path)
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))


def null(world: World, path: Path) -> None:
    clear(path)
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))


def directory(world: World, path: Path) -> None:
    clear(path)
    path.mkdir()


def full_directory(world: World, path: Path) -> None:
    clear(path)
    path.mkdir()
    for name in (f"{EMPTY}.json", "greeter.md", f".x.{TEMPORARY}"):
        (path / name).write_text("Something.\n")


def file(world: World, path: Path) -> None:
    clear(path)
    path.write_text("Something.\n")


def of_another(world: World, path: Path) -> None:
    """What was there, and everything in it, belongs to somebody else."""
    path.mkdir(exist_ok=True)
    for one in (path, *path.rglob("*")):
        os.chown(one, 4242, 4242)


LINKS: dict[str, Kind] = {
    "a link to a directory outside": link,
    "a dangling link": dangling,
    "a link to itself": to_itself,
    "a link to another place": inside,
    "a link to the sessions": inside_sessions,
    "a link to a file outside": to_a_private_file,
}
"""In the place of a directory."""
NO_DIRECTORY: dict[str, Kind] = {
    "a file": file,
    "a fifo": fifo,
    "a socket": a_socket,
    "/dev/zero": zero,
    "/dev/null": null,
}
OF_ANOTHER: dict[str, Kind] = {"of another user": of_another}
DIRECTORY_KINDS = {**LINKS, **NO_DIRECTORY, **OF_ANOTHER}
FILE_KINDS: dict[str, Kind] = {
    "a link to a file outside": link,
    "a link to a private file": to_a_private_file,
    "a dangling link": dangling,
    "a link to itself": to_itself,
    "a link to another place": inside,
    "a link to a directory outside": to_a_directory,
    "a hard link": hard_link,
    "a hard link to a private file": hard_link_to_a_private_file,
    "a fifo": fifo,
    "a socket": a_socket,
    "/dev/zero": zero,
    "/dev/null": null,
    "a directory": directory,
    "a directory with files": full_directory,
}
ROOT_ONLY = {"/dev/zero", "/dev/null", "of another user"}


def kinds(place: str) -> dict[str, Kind]:
    """Return what can lie in a place, as far as this user can put it there."""
    of = DIRECTORY_KINDS if place in DIRECTORIES else FILE_KINDS
    return {name: kind for name, kind in of.items() if os.geteuid() == 0 or name not in ROOT_ONLY}


# What becomes of a place while a verb runs

CALLS = "open stat lstat scandir listdir mkdir rename replace link symlink unlink rmdir chmod utime readlink"


class Swap:
    """Puts a link in the place of a directory before the call number `due`, and leaves it there."""

    def __init__(self, world: World, place: str, due: int = -1) -> None:
        self.number = 0
        self._due = due
        self._path, self._aside = world.root / place, world.moved / "swapped"
        self._there = world.outside / "there" / self._path.name

    @contextmanager
    def active(self) -> Iterator[None]:
        real = {name: getattr(os, name) for name in CALLS.split()}
        for name, call in real.items():
            setattr(os, name, self._wrapped(call, real))
        try:
            yield
        finally:
            for name, call in real.items():
                setattr(os, name, call)

    def _wrapped(self, call: Callable[..., Any], real: dict[str, Callable[..., Any]]) -> Callable[..., Any]:
        def wrapper(*args: Any, **more: Any) -> Any:
            if self.number == self._due:
                real["rename"](self._path, self._aside)
                real["symlink"](self._there, self._path)
            self.number += 1
            return call(*args, **more)

        return wrapper
