"""The noun `po trash`."""

from __future__ import annotations

from po_sessions.cli.app.verb import Noun

ABOUT = Noun(
    "List, restore and empty what was deleted or undone.",
    after="session",
    see_also=["session delete", "session undo", "session prune", "backup"],
)
