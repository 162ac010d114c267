"""How settings look as JSON."""

from __future__ import annotations

from typing import Any

from po_sessions.cli.config.settings import InForce


def to_json(one: InForce) -> dict[str, Any]:
    """Return a setting as `--json` prints it."""
    return {
        "version": 1,
        "name": one.setting.name,
        "value": one.value,
        "source": one.source,
        "description": one.setting.meaning,
    }
