"""The prompt objects that a new environment has: the Markdown files beside this module."""

from __future__ import annotations

import os

from po_sessions.prompt_objects.definition import Definition, parse

_DIRECTORY = os.path.dirname(__file__)


def names() -> list[str]:
    """Return the names of the starters, sorted."""
    return sorted(name.removesuffix(".md") for name in os.listdir(_DIRECTORY) if name.endswith(".md"))


def text(name: str) -> bytes:
    """Return the file of a starter."""
    with open(os.path.join(_DIRECTORY, f"{name}.md"), "rb") as file:
        return file.read()


def definition(name: str) -> Definition:
    """Return the definition of a starter."""
    return parse(text(name).decode(), stem=name, where=name)
