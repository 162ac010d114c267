"""A change of a setting, and what is in force after it."""

from __future__ import annotations

from itertools import takewhile

from po_sessions.cli.app import hints
from po_sessions.cli.app.hints import Command, Hint
from po_sessions.cli.app.input import as_text
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.config import settings
from po_sessions.cli.config.files import SettingsFile, environments_file, users_file
from po_sessions.cli.config.settings import InForce
from po_sessions.errors import InvalidInput, PoError


def apply(run: Invocation, key: str, value: str, *, environments: bool = False) -> InForce:
    """Set a setting and return what is in force then. Raises as `accept` of the setting and `store` do."""
    setting = settings.setting(key)
    file = file_meant(run, environments=environments)
    if not value.strip():
        unset = Command("config unset --environment" if environments else "config unset", key)
        raise InvalidInput(f"The value of {key!r} is empty.", advice=Hint("Run ", unset, " to remove it."))
    value = as_text(value)
    file.check(setting, value, Hint("Without --environment it is set for all environments."))
    value = setting.accept(value, run.out.note)
    if environments:
        run.environment(to_write_for="")
    file.store(setting, value)
    return tell(run, key, file)


def file_meant(run: Invocation, *, environments: bool) -> SettingsFile:
    """Return the file that a change goes to."""
    return environments_file(run.find_root()) if environments else users_file()


def tell(run: Invocation, key: str, file: SettingsFile) -> InForce:
    """Say what is in force after a change of a file; what keeps it from counting is worth a warning."""
    files = [file]
    try:
        files = settings.files(run.find_root())
        one = settings.in_force(key, files)
    except PoError as error:  # of another file, or there is no environment: the change is made all the same
        run.out.warn(hints.with_hint(error))
        one = settings.in_force(key, [file])
    if one.source == f"${one.setting.variable}":
        run.out.warn(f"{one.source} is set, so {key} stays {one.value}.")
    elif one.source in [over.path for over in takewhile(lambda over: over != file, files)]:
        run.out.warn(f"{one.source} sets {key}, so it stays {one.value}.")
    else:
        run.out.note(f"{key} is now {one.value} ({one.source}).")
    return one
