"""One run of `po`: its global options, the environment variables that count, and what it opens."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from po_sessions import environment
from po_sessions.cli.output import Output
from po_sessions.environment import DIRECTORY, Environment
from po_sessions.errors import InvalidInput, NotFound, Unreadable
from po_sessions.selector import no_current_po

if TYPE_CHECKING:
    from po_sessions.models import ModelPaths

LOCK_TIMEOUT = 60.0
"""Seconds to wait for another process, unless told otherwise."""


class Invocation:
    """What the commands of one run share; `ctx.obj`."""

    def __init__(self) -> None:
        self.out = Output()
        self.root: str | None = None
        self.lock_timeout = LOCK_TIMEOUT
        self.debug = False
        self._environment: Environment | None = None

    def set(self, name: str, value: Any) -> None:
        """Take a global option."""
        if name == "json":
            self.out.as_json = value
        elif name == "quiet":
            self.out.quiet = value
        elif name == "no_wait":
            self.lock_timeout = 0.0
        else:
            setattr(self, name, value)

    @cached_property
    def now(self) -> datetime:
        """When this run began, in the local zone."""
        return datetime.now().astimezone()

    def environment(self, *, to_write: bool = False, to_send: bool = False) -> Environment:
        """Open the environment that is meant; one in the home directory is made before the first write.

        Only with `to_send` does it know where models are.

        Raises NotFound if it was named and is not there, InvalidInput if it is not safe to use unasked.
        """
        if self._environment is None:
            root = self._find_root()
            self._environment = Environment.open(
                root,
                lock_timeout=self.lock_timeout,
                notice=self.out.warn,
                model_paths=self.model_paths if to_send else None,
                default_model=(os.environ.get("PO_MODEL") or self._configured_model()) if to_send else None,
            )
        if to_write and not os.path.isdir(self._environment.root) and Environment.create(self._environment.root):
            names = ", ".join(environment.starters())
            self.out.note(f"Made {self._environment.root} with the prompt objects {names}.")
        return self._environment

    def _find_root(self) -> str:
        named = self.root or os.environ.get("PO_ROOT")
        if not named:
            return environment.find_root(os.getcwd(), os.path.expanduser("~"))
        inside = os.path.join(named, DIRECTORY)
        if os.path.basename(os.path.abspath(named)) != DIRECTORY and os.path.isdir(inside):
            return inside
        if not os.path.isdir(named):
            raise NotFound(f"There is no environment at {named}.", hint="Run 'po init DIR' to make one in DIR.")
        return named

    def po_name(self, given: str | None = None) -> str | None:
        """Return the prompt object that is meant: the one given, where `.` is the current one, or the current one."""
        if given not in (None, "."):
            return given
        current = self.environment().session_manager.current_po()
        if given == "." and current is None:
            raise no_current_po()
        return current

    def session_ref(self, given: str | None) -> str | None:
        """Return the selector that is meant: the one given, or `$PO_SESSION`."""
        return given or os.environ.get("PO_SESSION") or None

    @cached_property
    def model_paths(self) -> ModelPaths:
        """Where models are."""
        import tempfile

        from platformdirs import user_cache_path

        from po_sessions.models import ModelPaths

        runtime = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
        return ModelPaths(str(user_cache_path("po")), runtime, os.environ.get("PO_GGUF") or None)

    def _configured_model(self) -> str | None:
        """Return the `model` of the user's `config.toml`."""
        import tomllib

        from platformdirs import user_config_path

        path = user_config_path("po") / "config.toml"
        try:
            model = tomllib.loads(path.read_text(encoding="utf-8")).get("model")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise Unreadable(f"{path} cannot be read: {error}.", hint="Mend or remove it.") from None
        if not isinstance(model, str | None):
            raise Unreadable(f"{path}: 'model' is not text.", hint=f"Mend {path}.")
        return model

    def close(self) -> None:
        """Do what the run left to do."""
        if self._environment is not None:
            self._environment.session_manager.storage.settle()


def read_text(argument: str | None) -> str:
    """Return a text given as an argument, or standard input for `-` and None. Raises InvalidInput."""
    if argument is not None and argument != "-":
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise InvalidInput(
                "The text is not valid UTF-8.", hint="Convert it first, with iconv for example."
            ) from None
        return argument
    if sys.stdin is None:
        return ""
    try:
        # The line end that echo and here-documents add is not part of the text.
        return sys.stdin.buffer.read().decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"Standard input is not valid UTF-8 (byte {error.start}).", hint="Convert it first, with iconv for example."
        ) from None
