"""The noun `po backup`."""

from __future__ import annotations

from po_sessions.cli.app.verb import Noun

ABOUT = Noun(
    "Copy sessions, list the copies, put one back.\n\nA turn on a session that has messages makes a backup first if "
    "the latest is older than backup.interval, a day, or there is none; the newest backup.keep of a session, 5, are "
    "kept. See po-config(1).",
    after="trash",
    see_also=["session export", "trash", "config"],
)
