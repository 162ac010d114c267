"""The manual pages are what the commands' definitions say, and are sound."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from po_sessions.cli.reference import pages

MAN = Path(__file__).parent.parent / "man"


def test_the_checked_in_pages_are_the_generated_ones():
    assert {path.name for path in MAN.glob("*.1")} == set(pages())
    for name, text in pages().items():
        assert (MAN / name).read_text() == text, f"{name} is stale: run 'python -m po_sessions.cli.reference'"


def test_every_option_of_a_command_is_in_its_page(po):
    for name, text in pages().items():
        words = name.removesuffix(".1").split("-")[1:]
        for option in re.findall(r"--[a-z-]+", po(*words, "--help").stdout):
            assert option == "--help" or option.replace("-", "\\-") in text, f"{name} lacks {option}"


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed")
@pytest.mark.parametrize("page", sorted(MAN.iterdir()), ids=lambda page: page.name)
def test_man_has_nothing_to_say_about_a_page(page):
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", str(page)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "NAME" in done.stdout
