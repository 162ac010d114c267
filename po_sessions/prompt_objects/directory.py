"""The prompt objects of an environment: its `objects/*.md` files, found by the names they say."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from po_sessions import atomic, bounded, folders, locks, tree
from po_sessions.errors import (
    Advice,
    Conflict,
    InvalidInput,
    NotFound,
    PoError,
    PromptObjectNotFound,
    Unfinished,
    Unreadable,
)
from po_sessions.layout import prompt_object
from po_sessions.names import check_po_name
from po_sessions.text.suggest import nearest

if TYPE_CHECKING:  # what parses is imported by what reads a file; `list` only sees whether there is one
    from po_sessions.prompt_objects.definition import Definition

LIMIT = prompt_object.LARGEST
"""Bytes of a definition's file."""


class Definitions:
    """The definitions in the directory `objects` of the environment `root`, which need not be there."""

    def __init__(self, root: str, *, lock_timeout: float = 60.0) -> None:
        """`lock_timeout` is in seconds."""
        self._root = root
        self._timeout = lock_timeout
        self._directory = os.path.join(root, "objects")
        self._known: dict[str, bool] = {}

    def __iter__(self) -> Iterator[Definition | Unreadable]:
        """Yield what each file holds, in the order of their names; an error for one that is unreadable."""
        for stem in self._stems():
            try:
                yield self._parsed(stem, self._bytes(stem))
            except FileNotFoundError:
                continue
            except Unreadable as error:
                yield error

    def __contains__(self, name: str) -> bool:
        """Tell whether a prompt object has this name; asked once, and cheap where its file is named like it."""
        if name not in self._known:
            self._known[name] = self._is_defined(name)
        return self._known[name]

    def get(self, name: str) -> Definition:
        """Return the definition with this name.

        Raises PromptObjectNotFound; Unreadable if its file is not as it should be; Conflict if two files claim it.
        """
        return self._find(name)[0]

    def path(self, name: str) -> str:
        """Return the file of a definition, also of one whose text has to be mended. Raises as `get` does."""
        try:
            return self._path(self._find(name)[1])
        except Unreadable:
            path = self._path(name)
            with suppress(OSError):
                if stat.S_ISREG(folders.lstat(path).st_mode):
                    return path
            raise

    def check_free(self, name: str) -> None:
        """Raise InvalidInput if no prompt object can have a name, Conflict if one has it."""
        check_po_name(name)
        if any(not isinstance(known, Unreadable) and known.name == name for known in self):
            raise _taken(name)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others from making, renaming and deleting prompt objects; held before names. Raises Busy."""
        tree.make(self._root)
        lock = os.path.join(self._root, "sessions", ".locks", "rename")
        with locks.locked(
            lock, timeout=self._timeout, busy=lambda: "The prompt objects are in use by another process."
        ):
            yield

    def create(self, made: Definition) -> str:
        """Write a new definition and return its file.

        The caller holds them, here and in `delete` and `rename`. Raises
        InvalidInput, also if it is too large to be read; Conflict if the name is taken.
        """
        from po_sessions.prompt_objects import definition

        check_po_name(made.name)
        text = made.render()
        try:
            definition.parse(text, stem=made.name, where=made.name)
        except Unreadable as error:
            raise InvalidInput(str(error), advice=Advice("shorten_or_mend")) from None
        if len(text.encode()) > LIMIT:
            raise InvalidInput(f"The prompt object has more than {LIMIT} bytes.", advice=Advice("shorten"))
        self.check_free(made.name)
        path = self._path(made.name)
        atomic.make_dir(self._directory)
        try:
            atomic.create(path, text.encode())
        except FileExistsError:
            raise Conflict(f"{path} is there already.", advice=Advice("file_is_there")) from None
        self._known.clear()
        return path

    def delete(self, name: str, trash: str) -> str:
        """Move a definition's file to the directory `trash` and return where it is. Raises as `get` does."""
        path = self.path(name)
        atomic.make_dir(trash)
        kept = os.path.join(trash, f"{name}.{os.urandom(4).hex()}.md")
        try:
            with atomic.writing(path):
                try:
                    atomic.link_or_copy(path, kept)
                    atomic.sync_dir(trash)
                    folders.unlink(path)
                    atomic.sync_dir(self._directory)
                except FileNotFoundError:  # by the hand of a user
                    raise PromptObjectNotFound(name) from None
        finally:
            self._known.clear()
        return kept

    def check_rename(self, old: str, new: str) -> None:
        """See that a definition can get another name. Raises as `get` does; InvalidInput, Conflict."""
        self._known.clear()
        self._renamed_text(*self._find(old), check_po_name(new))
        if new in self or folders.lexists(self._path(new)):
            raise _taken(new)

    def rename(self, old: str, new: str) -> None:
        """Give a definition and its file another name, from wherever an earlier call was cut.

        All else in the file stays as it is. Raises Unfinished; any other PoError means that nothing has changed.
        """
        self._known.clear()
        try:
            made, stem = self._find(old)
        except PromptObjectNotFound:
            made, stem = None, old
        before, after = self._path(stem), self._path(new)
        text = None if made is None else self._text(stem, old)
        try:
            if made is not None:
                self._write(before, self._renamed_text(made, stem, new))
            if stem == old and folders.lexists(before):
                if not _is_moved(before, after) and made is not None:
                    raise _taken(new)
                atomic.sync_dir(self._directory)
        except PoError as error:
            try:
                if stem == old and not folders.lexists(before):
                    _is_moved(after, before)
                elif stem == old and folders.lexists(after) and _is_same(before, after):
                    folders.unlink(after)
                if text is not None:
                    self._write(before, text)
            except (PoError, OSError):
                raise Unfinished(str(error), advice=Advice("next_finishes")) from error
            raise

    def _is_defined(self, name: str) -> bool:
        if prompt_object.is_defined(self._directory, name):
            return True
        try:
            self._find(name, suggest=False)
        except (NotFound, InvalidInput):
            return False
        except PoError:
            pass  # it is there, and not as it should be
        return True

    def _find(self, name: str, *, suggest: bool = True) -> tuple[Definition, str]:
        """Return a definition by its name, and its file's name without the ending."""
        check_po_name(name)
        found: list[tuple[Definition, str]] = []
        broken: PoError | None = None
        for stem in self._stems():
            try:
                data = self._bytes(stem)
                if stem != name and not prompt_object.may_be_named(data, name):
                    continue  # to parse a file takes longer than all else
                one = self._parsed(stem, data)
            except FileNotFoundError:
                continue
            except Unreadable as error:
                broken = error if stem == name else broken
                continue
            if one.name == name:
                found.append((one, stem))
        if len(found) > 1:
            files = " and ".join(f"{stem}.md" for _, stem in found)
            raise Conflict(f"Two prompt objects are named {name!r}: {files}.", advice=Advice("name_one_otherwise"))
        if found:
            return found[0]
        if broken:
            raise broken
        if not os.path.isdir(self._root):
            raise PromptObjectNotFound(name, advice=Advice("no_environment_yet"))
        known = [one.name for one in self if not isinstance(one, Unreadable)] if suggest else []
        raise PromptObjectNotFound(name, advice=Advice("see_prompt_objects", near=nearest(name, known)))

    def _stems(self) -> list[str]:
        try:
            names = sorted(folders.names(self._directory))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise Unreadable(f"Cannot read {self._directory}: {error.strerror}.") from error
        return [name.removesuffix(".md") for name in names if name.endswith(".md") and not name.startswith(".")]

    def _bytes(self, stem: str) -> bytes:
        return bounded.read(self._path(stem), LIMIT)

    def _parsed(self, stem: str, data: bytes) -> Definition:
        from po_sessions.prompt_objects import definition

        path = self._path(stem)
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise Unreadable(f"{path} is not UTF-8 text (byte {error.start}).", advice=Advice("save_as_utf8")) from None
        return definition.parse(text, stem=stem, where=path)

    def _write(self, path: str, text: bytes) -> None:
        with atomic.writing(path):
            mode = stat.S_IMODE(folders.lstat(path).st_mode)
            atomic.replace(path, text)
            folders.chmod_file(path, mode)

    def _renamed_text(self, made: Definition, stem: str, new: str) -> bytes:
        """Return a definition's file with another name in it. Raises Unreadable if that is more than one line."""
        from po_sessions.prompt_objects import definition

        path = self._path(stem)
        for text in _with_name(self._text(stem, made.name), json.dumps(new).encode()):
            with suppress(PoError):
                renamed = definition.parse(text.decode(), stem=new, where=path)
                if renamed == replace(made, name=new) and len(text) <= LIMIT:
                    return text
        advice = Advice("change_name_there", name=new)
        raise Unreadable(f"The name in {path} is not on a line of its own.", advice=advice)

    def _text(self, stem: str, name: str) -> bytes:
        """Return a definition's file. Raises PromptObjectNotFound if it has gone since it was found; Unreadable."""
        try:
            return atomic.read(self._path(stem))
        except FileNotFoundError:
            raise PromptObjectNotFound(name) from None

    def _path(self, stem: str) -> str:
        return os.path.join(self._directory, f"{stem}.md")


def _with_name(text: bytes, name: bytes) -> Iterator[bytes]:
    """Yield what may be a definition's file with another name: as it is, if it has none; else with a line changed."""
    yield text
    lines = text.split(b"\n")
    at = next((at for at, line in enumerate(lines) if line.startswith(b"name:")), None)
    if at is not None:
        line = lines[at]
        end = b"\r" * line.endswith(b"\r")
        comment = line.find(b" #")
        for rest in (line[comment:].removesuffix(b"\r"), b"") if comment > 0 else (b"",):
            lines[at] = b"name: " + name + rest + end
            yield b"\n".join(lines)


def _is_moved(before: str, after: str) -> bool:
    """Give a file another name, from wherever an earlier call was cut; False if another file has it, and stays.

    A rename could replace a file that an editor has just made. Raises WriteFailed.
    """
    with atomic.writing(after):
        try:
            folders.link(before, after)
            atomic.sync_dir(os.path.dirname(after))
        except FileExistsError:
            with suppress(Unreadable):  # the earlier call may have written its text anew since
                if atomic.read(before) == atomic.read(after):
                    folders.unlink(before)
                    return True
            return False
        folders.unlink(before)
    return True


def _is_same(one: str, other: str) -> bool:
    """Tell whether two names are of one file. Raises OSError."""
    return folders.lstat(one).st_ino == folders.lstat(other).st_ino


def _taken(name: str) -> Conflict:
    return Conflict(f"There is a prompt object named {name!r}.", advice=Advice("choose_another_name"))
