"""How prompt objects look as JSON."""

from __future__ import annotations

from typing import Any

from po_sessions.prompt_objects.definition import Definition


def to_json(one: Definition, *, current: bool) -> dict[str, Any]:
    """Return a prompt object as `--json` prints it."""
    return {
        "version": 1,
        "name": one.name,
        "description": one.description,
        "capabilities": list(one.capabilities),
        "model": one.model,
        "options": dict(one.options),
        "context": None if one.context is None else str(one.context),
        "extra": dict(one.extra),
        "current": current,
    }
