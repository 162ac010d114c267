"""The settings of an environment."""

from __future__ import annotations

import os
from collections.abc import Iterator

from po_sessions import settings
from po_sessions.doctor.finding import Finding
from po_sessions.doctor.store import Store
from po_sessions.errors import Advice, Unreadable


def check(store: Store) -> Iterator[Finding]:
    """Tell if they cannot be read. They are a user's own text, so they stay where they are."""
    path = os.path.join(store.root, settings.NAME)
    try:
        settings.read(path)
    except FileNotFoundError:
        return
    except Unreadable as error:
        yield Finding("settings", path, str(error), advice=Advice("settings_unreadable"))
