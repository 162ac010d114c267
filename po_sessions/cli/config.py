"""The user's settings: the table of them, the one file that holds them, and what is in force.

An environment has no settings of its own: a cloned repository may ship one, and must not choose what this machine loads
or asks.
"""

from __future__ import annotations

import errno
import os
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from stat import S_IMODE
from typing import Any, TypeVar

from platformdirs import user_config_path

from po_sessions import models
from po_sessions.backups import BackupPolicy
from po_sessions.cli import places
from po_sessions.durations import parse_duration
from po_sessions.errors import InvalidInput, NoKey, Unreadable, WeightsMissing
from po_sessions.near import did_you_mean
from po_sessions.storage import atomic

T = TypeVar("T")

DEFAULT = "default"
"""The source of a value that nobody set."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that a user can choose once and for all."""

    name: str
    """`TABLE.KEY`, or `KEY` outside any table of the file."""
    meaning: str
    variable: str
    """The environment variable that goes over the file."""
    default: str
    accept: Callable[[str, Callable[[str], None]], str]
    """Returns a value as it is to be written; may remark on it. Raises InvalidInput, ModelUnavailable."""
    is_number: bool = False
    """Whether it is a number in the file."""


@dataclass(frozen=True, slots=True)
class InForce:
    """The value of a setting, and where it comes from: `$VARIABLE`, the path of the file, or DEFAULT."""

    setting: Setting
    value: str
    source: str


def path() -> Path:
    """Return the file, which need not be there."""
    return user_config_path("po") / "config.toml"


def setting(name: str) -> Setting:
    """Return the setting with this name. Raises InvalidInput, which tells of one that is nearly named so."""
    if name in SETTINGS:
        return SETTINGS[name]
    hint = f"{did_you_mean(name, SETTINGS)}The settings are: {', '.join(SETTINGS)}."
    raise InvalidInput(f"There is no setting named {name!r}.", hint=hint)


def in_force(name: str) -> InForce:
    """Return what counts for a setting: its variable, else the file, else the default. Raises Unreadable."""
    one = setting(name)
    if value := os.environ.get(one.variable):
        return InForce(one, value, f"${one.variable}")
    if value := _stored(one):
        return InForce(one, value, str(path()))
    return InForce(one, one.default, DEFAULT)


def store(name: str, value: str | None) -> None:
    """Write a setting to the file, or without a value remove it; all else in the file stays as it is.

    Raises Unreadable if the file cannot be read, and then it is left alone; WriteFailed.
    """
    one = setting(name)
    said, text = _read()
    wanted = int(value) if value is not None and one.is_number else value
    if wanted == _look_up(one, said):
        return
    import tomlkit

    document = tomlkit.parse(text)
    table, _, key = name.rpartition(".")
    inside: Any = document.setdefault(table, tomlkit.table()) if table else document
    if wanted is None:
        del inside[key]
    else:
        inside[key] = wanted
    _replace(tomlkit.dumps(document).encode())


def backup_policy() -> BackupPolicy:
    """Return what is in force for backups. Raises Unreadable; InvalidInput, which tells where the value is."""
    return BackupPolicy(_parsed("backup.interval", parse_duration), _parsed("backup.keep", _whole_number))


def _parsed(name: str, parse: Callable[[str], T]) -> T:
    one = in_force(name)
    try:
        return parse(one.value)
    except InvalidInput as error:
        raise InvalidInput(f"{name} ({one.source}): {error}", hint=error.hint) from None


def _whole_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InvalidInput(f"{text!r} is no whole number from 0 on.", hint="With 0 no backup is made of itself.")
    return int(text)


def _accept_duration(value: str, remark: Callable[[str], None]) -> str:  # noqa: ARG001
    value = value.strip()
    try:
        parse_duration(value)
    except InvalidInput as error:
        hint = f"{error.hint} To have no backup made of itself, run 'po config set backup.keep 0'."
        raise InvalidInput(str(error), hint=hint) from None
    return value


def _accept_number(value: str, remark: Callable[[str], None]) -> str:  # noqa: ARG001
    return str(_whole_number(value.strip()))


def _accept_model(value: str, remark: Callable[[str], None]) -> str:
    """Return the name of a model that is there, or only lacks its key or its weights."""
    name = places.model_name(value)
    if name.startswith("gguf:"):
        name = f"gguf:{os.path.abspath(name.removeprefix('gguf:'))}"
    try:
        models.resolve(name, places.model_paths()).check(name, {})
    except (WeightsMissing, NoKey) as error:
        remark(f"{error} {error.hint or ''}".rstrip())
    return name


SETTINGS = {
    one.name: one
    for one in [
        Setting(
            "model",
            "The model that answers where neither --model nor the prompt object names one.",
            variable="PO_MODEL",
            default=models.DEFAULT_MODEL,
            accept=_accept_model,
        ),
        Setting(
            "backup.interval",
            "A turn on a session whose latest backup is older than this makes one first: 12h, 1d, 2w, 6mo, 1y.",
            variable="PO_BACKUP_INTERVAL",
            default="1d",
            accept=_accept_duration,
        ),
        Setting(
            "backup.keep",
            "How many backups of a session are kept; with 0 none is made or removed of itself.",
            variable="PO_BACKUP_KEEP",
            default="5",
            accept=_accept_number,
            is_number=True,
        ),
    ]
}
"""Every setting by its name; a new one is a line here."""


def _stored(one: Setting) -> str | None:
    value = _look_up(one, _read()[0])
    if one.is_number and type(value) is int:
        return str(value)
    if not isinstance(value, str | None):
        kind = "a number" if one.is_number else "text"
        raise Unreadable(f"{path()}: {one.name!r} is not {kind}.", hint=f"Run 'po config set {one.name} VALUE'.")
    return value


def _look_up(one: Setting, said: dict[str, Any]) -> object:
    """Return what the file says of a setting, whatever it is; None if it says nothing. Raises Unreadable."""
    table, _, key = one.name.rpartition(".")
    inside = said.get(table, {}) if table else said
    if not isinstance(inside, dict):
        raise Unreadable(
            f"{path()}: {table!r} is not a table.", hint=f"Mend or remove it: it is [{table}] in the file."
        )
    return inside.get(key)


def _read() -> tuple[dict[str, Any], str]:
    """Return what the file says, and its text."""
    try:
        if path().is_fifo():
            raise OSError(errno.EINVAL, "it is a fifo")  # which nobody may be writing to
        text = path().read_bytes().decode()  # with the line ends that it has
        return tomllib.loads(text), text
    except (FileNotFoundError, NotADirectoryError):
        return {}, ""
    except OSError as error:
        raise Unreadable(f"Cannot read {path()}: {error.strerror}.", hint="Mend its permissions, or move it.") from None
    except ValueError as error:
        raise Unreadable(f"{path()} cannot be read: {error}.", hint="Mend or remove it.") from None


def _replace(data: bytes) -> None:
    """Make or replace the file: behind a link that leads to it, with the mode that it has."""
    file = os.path.realpath(path())
    atomic.make_dir(os.path.dirname(file))
    with atomic.writing(file), atomic.staged(file, [data]) as (fd, temporary):
        if os.path.exists(file):
            os.fchmod(fd, S_IMODE(os.stat(file).st_mode))
        os.replace(temporary, file)
        atomic.sync_dir(os.path.dirname(file))
