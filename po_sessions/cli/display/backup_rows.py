"""How backups look: as JSON, and as columns."""

from __future__ import annotations

from typing import Any

from po_sessions.storage.records import Backup


def to_json(one: Backup) -> dict[str, Any]:
    """Return a backup as `--json` prints it; in a pipe, these are the columns."""
    return {
        "version": 1,
        "id": one.id,
        "session_id": one.session.id,
        "made_at": one.made_at,
        "po_name": one.session.po_name,
        "name": one.session.name,
        "message_count": one.session.message_count,
        "size": one.size,
        "preview": one.session.preview,
    }
