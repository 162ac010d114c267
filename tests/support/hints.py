"""The hint that the command line gives for an error of the library."""

from __future__ import annotations

from po_sessions.cli.app import hints
from po_sessions.errors import PoError


def hint_of(error: PoError) -> str:
    return hints.of(error).text()
