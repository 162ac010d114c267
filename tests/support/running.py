"""How tests run `po`, and with which clock."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from platformdirs import user_cache_path

REAL_CACHE = user_cache_path("po")

TESTS = Path(__file__).parent.parent

PO = str(Path(sys.executable).with_name("po"))


class Clock:
    """A clock that tells what it is told, and goes on by a second at each look."""

    def __init__(self) -> None:
        self.now = datetime(2025, 1, 3, 10, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def command(*, real: bool = False) -> list[str]:
    """Return what starts `po`, on the scripted back end unless `real`."""
    return [PO] if real else [sys.executable, str(TESTS / "support" / "po_scripted.py")]
