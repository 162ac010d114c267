"""The settings: the table of them, and what is in force.

A variable goes over the environment's file, and that over the user's. An environment may come with a cloned repository,
which must not choose what this machine loads or whom it asks: each setting tells what an environment may set it to.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from po_sessions import models
from po_sessions.cli.app import hints
from po_sessions.cli.app.hints import Command, Hint, meant
from po_sessions.cli.app.input import Room
from po_sessions.cli.config import paths
from po_sessions.cli.config.files import Setting, SettingsFile, environments_file, users_file
from po_sessions.errors import Advised, InvalidInput, NoKey, Unreadable, WeightsMissing
from po_sessions.sessions.backups import BackupPolicy
from po_sessions.text.durations import parse_duration
from po_sessions.text.sizes import parse_size
from po_sessions.text.suggest import nearest

_SHORTEST_IDLE, _LONGEST_IDLE = 10, 3600
"""Seconds: what an environment may set model.idle_timeout to."""

DEFAULT = "default"
"""The source of a value that nobody set."""


@dataclass(frozen=True, slots=True)
class InForce:
    """The value of a setting, and where it comes from: `$VARIABLE`, the path of a file, or DEFAULT."""

    setting: Setting
    value: str
    source: str


def files(root: str) -> list[SettingsFile]:
    """Return the files that count in the environment `root`; the first that sets something counts.

    The user's is not among them where there is no home directory.
    """
    return [environments_file(root), *([users_file()] if paths.config_dir() else [])]


def setting(name: str) -> Setting:
    """Return the setting with this name. Raises InvalidInput, which tells of one that is nearly named so."""
    if name in SETTINGS:
        return SETTINGS[name]
    hint = Hint(f"{meant(nearest(name, SETTINGS))}The settings are: {', '.join(SETTINGS)}.")
    raise InvalidInput(f"There is no setting named {name!r}.", advice=hint)


def in_force(name: str, files: Sequence[SettingsFile]) -> InForce:
    """Return what counts for a setting: its variable, else the first of `files` that sets it, else the default.

    Raises Unreadable; InvalidInput if an environment's file sets it to what is not for it to choose.
    """
    one = setting(name)
    if value := os.environ.get(one.variable):
        return InForce(one, value, f"${one.variable}")
    for file in files:
        if value := file.value(one):
            return InForce(one, value, file.path)
    return InForce(one, one.default, DEFAULT)


def checked(name: str, files: Sequence[SettingsFile]) -> InForce:
    """Return what counts for a setting. Raises as `in_force`; with its source, if it can be no value: InvalidInput of a
    variable, Unreadable of a file.
    """
    one = in_force(name, files)
    try:
        one.setting.check(one.value)
    except InvalidInput as error:
        kind = InvalidInput if one.source.startswith("$") else Unreadable
        raise kind(f"{name} ({one.source}): {error}", advice=hints.of(error)) from None
    return one


class Settings:
    """The settings of one run in an environment: each is looked up when it is needed, and each file is read once.

    A property raises as `checked` does.
    """

    def __init__(self, root: str) -> None:
        self._files = files(root)

    @cached_property
    def model(self) -> str:
        """The model that answers where nobody names one. Raises as `in_force`."""
        return paths.model_name(in_force("model", self._files).value)

    @cached_property
    def idle_timeout(self) -> float | None:
        """How many seconds a model may send nothing, None for any."""
        return _seconds(checked("model.idle_timeout", self._files).value)

    @cached_property
    def backup_policy(self) -> BackupPolicy:
        """What is in force for backups."""
        interval, keep = (checked(name, self._files).value for name in ("backup.interval", "backup.keep"))
        return BackupPolicy(parse_duration(interval), _whole_number(keep))

    def room(self, name: str, what: str) -> Room:
        """Return the room for input whose largest size a setting tells. Raises as `checked`."""
        size = parse_size(checked(name, self._files).value)
        return Room(size, what, Hint("Give less, or allow more: ", Command("config set", name, "SIZE"), "."))

    def allows_link(self, path: str) -> bool:
        """Tell whether the user's own settings allow a directory of an environment to be a symbolic link."""
        own = [one for one in self._files if not one.is_environments] or [users_file()]
        value = in_force("links.allow", own).value
        return _spot(path) in map(_spot, filter(None, value.split(os.pathsep)))


def _spot(path: str) -> str:
    """Return where a link is, by whatever path its directory was reached."""
    directory, name = os.path.split(os.path.abspath(os.path.expanduser(path)))
    return os.path.join(os.path.realpath(directory), name)


def _accept_links(value: str, remark: Callable[[str], None]) -> str:  # noqa: ARG001
    links = [os.path.expanduser(link) for link in value.split(os.pathsep) if link]
    for link in links:
        if not os.path.isabs(link):
            raise InvalidInput(f"{link!r} is not an absolute path.", advice=Hint("Give the whole path of the link."))
    return os.pathsep.join(link.rstrip("/") or link for link in links)


def _refuse_links(value: str, file: str) -> None:  # noqa: ARG001
    hint = Hint("Run ", Command("config path"), ".")
    raise InvalidInput(f"{file} sets links.allow, which only your own settings can.", advice=hint)


def _seconds(text: str) -> float | None:
    """Return the seconds of a length of time, None for 0."""
    return None if text == "0" else parse_duration(text).total_seconds()


def _accept_idle(value: str, remark: Callable[[str], None]) -> str:  # noqa: ARG001
    value = value.strip()
    _check_idle(value)
    return value


def _check_idle(value: str) -> None:
    try:
        _seconds(value)
    except InvalidInput as error:
        raise InvalidInput(
            str(error), advice=hints.together(hints.of(error), Hint("With 0 there is no limit."))
        ) from None


def _check_environments_idle(value: str, file: str) -> None:
    """See that an environment neither has po wait for ever nor makes every send fail."""
    try:
        seconds = _seconds(value)
    except InvalidInput:
        return  # `check` reports it
    if seconds is None or not _SHORTEST_IDLE <= seconds <= _LONGEST_IDLE:
        raise InvalidInput(
            f"{file} sets model.idle_timeout to {value!r}; an environment may set it from 10s to 1h.",
            advice=Hint("Your own file may have any: ", Command("config set model.idle_timeout 1h"), "."),
        )


def _whole_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InvalidInput(
            f"{text!r} is no whole number from 0 on.",
            advice=Hint("Write 0, 1, 2 and so on; with 0 no backups are made by turns."),
        )
    return int(text)


def _accept_duration(value: str, remark: Callable[[str], None]) -> str:  # noqa: ARG001
    value = value.strip()
    try:
        parse_duration(value)
    except InvalidInput as error:
        never = Hint("To have no backup made of itself, run ", Command("config set backup.keep 0"), ".")
        raise InvalidInput(str(error), advice=hints.together(hints.of(error), never)) from None
    return value


def _accept_size(value: str, remark: Callable[[str], None]) -> str:  # noqa: ARG001
    parse_size(value.strip())
    return value.strip()


def _accept_number(value: str, remark: Callable[[str], None]) -> str:  # noqa: ARG001
    return str(_whole_number(value.strip()))


def _accept_model(value: str, remark: Callable[[str], None]) -> str:
    """Return the name of a model that is there, or only lacks its key or its weights."""
    name = paths.model_name(value)
    if name.startswith("gguf:"):
        name = f"gguf:{os.path.abspath(name.removeprefix('gguf:'))}"
    try:
        models.resolve(name, paths.model_paths()).check(name, {})
    except (WeightsMissing, NoKey) as error:
        remark(Advised(str(error), hints.of(error)))
    return name


def _anything(value: str, file: str) -> None:
    """Let an environment choose."""


SETTINGS = {
    one.name: one
    for one in [
        Setting(
            "model",
            "The model to ask; --model and a prompt object's own go before it.",
            variable="PO_MODEL",
            default=models.DEFAULT_MODEL,
            accept=_accept_model,
            check_environments=models.check_unasked,
        ),
        Setting(
            "model.idle_timeout",
            "How long a model may send nothing before the turn fails: 90s, 10min, 1h; 0 is for ever.",
            variable="PO_MODEL_IDLE_TIMEOUT",
            default="10min",
            accept=_accept_idle,
            check_environments=_check_environments_idle,
            check=_check_idle,
            key="model_idle_timeout",
        ),
        Setting(
            "backup.interval",
            "A turn makes a backup first if the latest is older: 12h, 1d, 2w, 6mo, 1y.",
            variable="PO_BACKUP_INTERVAL",
            default="1d",
            accept=_accept_duration,
            check_environments=_anything,
            check=parse_duration,
        ),
        Setting(
            "backup.keep",
            "How many backups of a session are kept; with 0, turns make none and remove none.",
            variable="PO_BACKUP_KEEP",
            default="5",
            accept=_accept_number,
            check_environments=_anything,
            check=_whole_number,
            is_number=True,
        ),
        Setting(
            "links.allow",
            f"Directories of environments that may be symbolic links: their paths, with {os.pathsep!r} between.",
            variable="PO_LINKS_ALLOW",
            default="",
            accept=_accept_links,
            check_environments=_refuse_links,
        ),
        Setting(
            "send.max_bytes",
            "The largest message that is sent: 500kB, 32MiB; all its parts together.",
            variable="PO_SEND_MAX_BYTES",
            default="32MiB",
            accept=_accept_size,
            check_environments=_anything,
            check=parse_size,
        ),
        Setting(
            "import.max_bytes",
            "The largest file, or standard input, that is imported: 500MB, 2GiB.",
            variable="PO_IMPORT_MAX_BYTES",
            default="256MiB",
            accept=_accept_size,
            check_environments=_anything,
            check=parse_size,
        ),
    ]
}
"""Every setting by its name; a new one is a line here."""
