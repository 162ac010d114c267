"""The documents on the internals name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from po_sessions.doctor.layout import LOCKS

TOP = Path(__file__).parent.parent
PAGES = sorted((TOP / "docs" / "internals").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_files_that_are_named_exist(page):
    named = re.findall(r"`((?:po_sessions|tests|benchmarks|docs)/[^`]*)`", page.read_text())
    assert named
    assert [path for path in named if not (TOP / path).exists()] == []


def test_each_lock_has_its_place_in_the_order():
    text = (TOP / "docs" / "internals" / "store.md").read_text()
    rows = re.findall(r"^\| \d \| `\.locks/(\w+)`", text, re.MULTILINE)
    assert LOCKS - {"seen"} == set(rows) - {"ID"}
