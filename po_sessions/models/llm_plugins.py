"""The plugins of `llm` and the models they register. One that is broken does not keep the others from working."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from functools import cached_property, partial
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import llm
from llm import plugins
from llm.models import ModelWithAliases

from po_sessions.errors import Advice, ModelUnavailable
from po_sessions.models import Notice

_DEFAULT = "llm.default_plugins."


class Catalogue:
    """The models that `llm` knows here and now; read when it is first asked."""

    def __init__(self, notice: Notice) -> None:
        self._notice = notice
        self._found: dict[str, list[ModelWithAliases]] = {}

    def find(self, name: str) -> llm.Model | llm.KeyModel | None:
        """Return the model with this id or alias, or None.

        Raises ModelUnavailable if `llm` cannot be used here. Plugins that the user installed come first, here as in
        `llm`; so where one of them has the model, the OpenAI SDK, which a default plugin needs, is not imported (0.2
        s).
        """
        user_dir()
        _load_installed(self._notice)
        return self._by_name().get(name) or self.by_name().get(name)

    def by_name(self) -> dict[str, Any]:
        """Return all models by their ids and aliases."""
        _load_default(self._notice)
        return self._by_name()

    def all(self) -> list[ModelWithAliases]:
        """Return all models with their aliases. Raises ModelUnavailable."""
        user_dir()
        _load_default(self._notice)
        return self._registered()

    def _by_name(self) -> dict[str, Any]:
        # Where two share a name the later one has it, as in `llm.get_model`.
        return {name: one.model for one in self._registered() for name in (*one.aliases, one.model.model_id)}

    def _registered(self) -> list[ModelWithAliases]:
        """Ask each plugin that is loaded for its models, in the order in which `llm` asks them."""
        found: list[ModelWithAliases] = []
        for impl in reversed(plugins.pm.hook.register_models.get_hookimpls()):
            # One that looks at the models of others is asked again when there are more.
            if impl.plugin_name not in self._found or "model_aliases" in impl.argnames:
                self._found[impl.plugin_name] = self._ask(impl, found)
            found += self._found[impl.plugin_name]
        return found

    @cached_property
    def _user_aliases(self) -> dict[str, list[str]]:
        return _user_aliases(self._notice)

    def _ask(self, impl: Any, found: list[ModelWithAliases]) -> list[ModelWithAliases]:
        made: list[ModelWithAliases] = []

        def register(model: Any, async_model: Any = None, aliases: Any = None) -> None:
            if model is not None:
                names = {*(aliases or ()), *self._user_aliases.get(model.model_id, ())}
                made.append(ModelWithAliases(model, async_model, names))

        given = {"register": register, "model_aliases": found}
        try:
            impl.function(*[given[name] for name in impl.argnames])
        except Exception as error:
            where = f"; look at {user_dir() / 'extra-openai-models.yaml'}"
            self._notice(
                f"The plugin {impl.plugin_name} of llm could not register all its models: {_reason(error)}"
                + (where if impl.plugin_name.startswith(_DEFAULT) else "")
            )
        return made


def program() -> list[str]:
    """Return the words that start the `llm` that is imported here."""
    beside = Path(sys.executable).with_name("llm")
    on_path = shutil.which("llm")
    if on_path and Path(on_path) == beside:
        return ["llm"]
    return [str(beside)] if beside.exists() else [sys.executable, "-m", "llm"]


def user_dir() -> Path:
    """Return where `llm` keeps its settings. Raises ModelUnavailable if that cannot be made."""
    try:
        return Path(llm.user_dir())
    except OSError as error:
        raise ModelUnavailable(
            f"The settings of llm cannot be kept in {error.filename}: {error.strerror}.",
            advice=Advice("llm_directory"),
        ) from error


def _load_installed(notice: Notice) -> None:
    """Load the plugins that the user installed; one that fails is named and blocked, or it would stop `llm` later."""
    if plugins.LLM_LOAD_PLUGINS is not None:  # the user chose some, and `llm` loads them
        return
    for entry in entry_points(group="llm"):
        if plugins.pm.has_plugin(entry.name) or plugins.pm.is_blocked(entry.name):
            continue
        try:
            plugins.pm.register(entry.load(), name=entry.name)
        except (Exception, SystemExit) as error:
            plugins.pm.set_blocked(entry.name)
            name = entry.dist.name if entry.dist else entry.name
            notice(f"The plugin {name} of llm could not be loaded: {_reason(error)}")


def _load_default(notice: Notice) -> None:
    """Load what `llm` loads of itself, after what the user installed; all of it, whatever fails on the way."""
    _load_installed(notice)
    _try(plugins.load_plugins, notice)
    for name in plugins.DEFAULT_PLUGINS:
        _try(partial(_register, name), notice)


def _try(load: Callable[[], None], notice: Notice) -> None:
    try:
        load()
    except Exception as error:
        notice(f"A plugin of llm could not be loaded: {_reason(error)}")


def _register(module: str) -> None:
    if not plugins.pm.has_plugin(module):
        plugins.pm.register(import_module(module), module)


def _user_aliases(notice: Notice) -> dict[str, list[str]]:
    """Return what `llm aliases` set, by the model's id."""
    path = user_dir() / "aliases.json"
    found: dict[str, list[str]] = {}
    try:
        for alias, model in json.loads(path.read_text()).items():
            found.setdefault(model, []).append(alias)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, AttributeError, TypeError) as error:
        notice(f"{path} cannot be read: {_reason(error)}")
    return found


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
