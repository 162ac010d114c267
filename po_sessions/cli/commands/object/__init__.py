"""The noun `po object`."""

from __future__ import annotations

from po_sessions.cli.app.verb import Noun

ABOUT = Noun(
    "List, show, make, rename and delete prompt objects.",
    after="backup",
    see_also=["send", "session list", "session adopt"],
)
