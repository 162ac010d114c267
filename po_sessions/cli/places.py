"""Where this machine has what belongs to the user and not to an environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from po_sessions.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from po_sessions.models import ModelPaths


def home() -> str:
    """Return the home directory. Raises NotFound."""
    path = os.path.expanduser("~")
    if not os.path.isabs(path):
        raise NotFound(
            "It is not known where your home directory is.", hint="Set HOME, or name an environment: --root."
        )
    return path


def model_name(given: str) -> str:
    """Return a model's name as a user gave it, with the home directory in the place of `~` in `gguf:~/…`.

    Raises InvalidInput if it is empty.
    """
    if not given:
        raise InvalidInput("The model's name is empty.", hint="Name one of 'po model list', or leave it out.")
    if not given.startswith("gguf:"):
        return given
    return f"gguf:{os.path.expanduser(given.removeprefix('gguf:'))}"


def model_paths() -> ModelPaths:
    """Return where models are, as the environment variables tell."""
    import tempfile

    from platformdirs import user_cache_path

    from po_sessions.models import ModelPaths

    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if not (os.path.isabs(runtime) and os.access(runtime, os.W_OK | os.X_OK)):
        runtime = tempfile.gettempdir()
    return ModelPaths(str(user_cache_path("po")), runtime, os.environ.get("PO_GGUF") or None)
