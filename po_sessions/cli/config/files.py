"""What a setting is, and the files of settings: the user's, and that of an environment."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from stat import S_IMODE
from typing import Any

from po_sessions import atomic, settings
from po_sessions.cli.app import hints
from po_sessions.cli.app.hints import Command, Hint
from po_sessions.cli.config import paths
from po_sessions.errors import InvalidInput, NotFound, Unreadable


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be chosen once and for all."""

    name: str
    """`TABLE.KEY`, or `KEY` outside any table of the file."""
    meaning: str
    variable: str
    """The environment variable that goes over the files."""
    default: str
    accept: Callable[[str, Callable[[str], None]], str]
    """Returns a value as it is to be written; may remark on it. Raises InvalidInput, ModelUnavailable."""
    check_environments: Callable[[str, str], None]
    """Sees that a value is one that an environment may choose; the second is its file. Raises InvalidInput."""
    check: Callable[[str], object] = str
    """Sees, without looking at anything else, that a text can be a value. Raises InvalidInput."""
    is_number: bool = False
    """Whether it is a number in a file."""
    key: str = ""
    """What a file calls it, if not its name: `model.x` cannot stand beside the text `model`."""

    @property
    def place(self) -> tuple[str, str]:
        """The table of a file that has it, empty for none, and its key there."""
        table, _, key = (self.key or self.name).rpartition(".")
        return table, key


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """One file of settings, which need not be there."""

    path: str
    is_environments: bool = False
    """Whether it is an environment's: it may have come with a repository, so it may not say everything."""
    _kept: list[dict[str, Any]] = field(default_factory=list, init=False, repr=False, compare=False)
    """What the file said when it was first read."""

    def value(self, one: Setting) -> str | None:
        """Return what the file sets a setting to. Raises Unreadable; InvalidInput if that is not for it to choose."""
        if not self._kept:
            self._kept.append(self._read()[0])
        value = _look_up(one, self._kept[0], self.path)
        if one.is_number and type(value) is int and value.bit_length() < 64:
            return str(value)
        if not isinstance(value, str | None):
            kind = "a number" if one.is_number else "text"
            command = Command("config set --environment" if self.is_environments else "config set", one.name, "VALUE")
            hint = Hint("Run ", command, ".")
            raise Unreadable(f"{self.path}: {one.name!r} is not {kind}.", advice=hint)
        if value:
            unset = Command("config unset --environment", one.name)
            self.check(one, value, Hint(unset, " takes it out of the file."))
        return value

    def check(self, one: Setting, value: str, hint: Hint) -> None:
        """See that the file may set a setting to `value`. Raises InvalidInput, with what to do in the `hint` too."""
        if not self.is_environments:
            return
        try:
            one.check_environments(value, self.path)
        except InvalidInput as error:
            raise InvalidInput(str(error), advice=hints.together(hints.of(error), hint)) from None

    def store(self, one: Setting, value: str | None) -> None:
        """Write a setting, or without a value remove it; all else in the file stays as it is.

        Raises Unreadable if the file cannot be read or would be too long, and then it is left alone; WriteFailed.
        """
        if value is None and not os.path.lexists(self._file):
            return
        with self._alone():
            self._kept.clear()
            self._store(one, value)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others from changing the file between its reading and its writing."""
        directory = os.path.dirname(self._file)
        with atomic.writing(directory):
            atomic.make_dir(directory)
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    @property
    def _file(self) -> str:
        """The file itself: the user's may be a link to it."""
        return self.path if self.is_environments else os.path.realpath(self.path)

    def _store(self, one: Setting, value: str | None) -> None:
        said, text = self._read()
        wanted = int(value) if value is not None and one.is_number else value
        if wanted == _look_up(one, said, self.path):
            return
        import tomlkit

        try:
            document = tomlkit.parse(text)
        except ValueError as error:  # it is stricter than what has read the file
            hint = Hint("Change it with an editor.")
            raise Unreadable(f"{self.path} cannot be changed: {error}.", advice=hint) from None
        table, key = one.place
        inside: Any = document.setdefault(table, tomlkit.table()) if table else document
        if wanted is None:
            del inside[key]
        else:
            inside[key] = wanted
        self._replace(tomlkit.dumps(document).encode())

    def _read(self) -> tuple[dict[str, Any], str]:
        """Return what the file says, and its text. One of an environment is never read through a link."""
        try:
            if self.is_environments:
                return settings.read(self.path)
            if os.path.isfile(self.path) or not os.path.exists(self.path):
                with open(self.path, "rb") as file:
                    return settings.parse(file.read(settings.LIMIT + 1), self.path)
            raise OSError(errno.EINVAL, "it is no file")  # but a fifo, which nobody may be writing to
        except (FileNotFoundError, NotADirectoryError):
            return {}, ""
        except OSError as error:
            hint = Hint("Mend its permissions, or move it.")
            raise Unreadable(f"Cannot read {self.path}: {error.strerror}.", advice=hint) from None

    def _replace(self, data: bytes) -> None:
        """Make or replace the file: the user's behind a link that leads to it; with the mode that it has."""
        file = self._file
        if len(data) > settings.LIMIT:
            raise Unreadable(f"{file} would be too long to be read.", advice=Hint("Shorten it with an editor."))
        with atomic.writing(file), atomic.staged(file, [data]) as (fd, temporary):
            if os.path.lexists(file):
                os.fchmod(fd, S_IMODE(os.lstat(file).st_mode))
            os.replace(temporary, file)
            atomic.sync_dir(os.path.dirname(file))


def users_file() -> SettingsFile:
    """Return the user's file. Raises NotFound if there is no home directory that can have it."""
    directory = paths.config_dir()
    if directory is None:
        hint = Hint("Set HOME or XDG_CONFIG_HOME, or add --environment to use the settings of the environment.")
        raise NotFound("It is not known where your settings are: there is no home directory for you.", advice=hint)
    return SettingsFile(os.path.join(directory, "config.toml"))


def environments_file(root: str) -> SettingsFile:
    """Return the file of the environment `root`."""
    return SettingsFile(os.path.join(root, settings.NAME), is_environments=True)


def _look_up(one: Setting, said: dict[str, Any], path: str) -> object:
    """Return what a file says of a setting, whatever it is; None if it says nothing. Raises Unreadable."""
    table, key = one.place
    inside = said.get(table, {}) if table else said
    if not isinstance(inside, dict):
        hint = Hint(f"Mend or remove it: it is [{table}] in the file.")
        raise Unreadable(f"{path}: {table!r} is not a table.", advice=hint)
    return inside.get(key)
