"""The command tree as the files of `cli/commands` declare it, whatever was generated before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pkgutil import walk_packages
from typing import Any

from typer.main import get_command

from po_sessions.cli import commands
from po_sessions.cli.app.root import app, load, make
from po_sessions.cli.app.verb import Noun


def root() -> Any:
    """Return `po` with the commands that have a file."""
    group: Any = get_command(app)
    group.take("", table())
    return group


def table() -> dict[str, dict[str, str]]:
    """Return the names of the commands below each noun, in the order of a list, with what they do."""
    below = defaultdict[str, list[str]](list)
    for module in walk_packages(commands.__path__, f"{commands.__name__}."):
        path = module.name.removeprefix(f"{commands.__name__}.").split(".")
        words = " ".join(part.removesuffix("_") for part in path)  # `import_.py` has the verb `import`
        below[words.rpartition(" ")[0]].append(words)
    return {
        above: {words.rpartition(" ")[2]: summary(words) for words in in_order(some)} for above, some in below.items()
    }


def in_order(some: Iterable[str]) -> list[str]:
    """Return commands in the order in which they stand behind each other. Raises ValueError if one stands nowhere.

    Of two that stand behind the same, the one with fewer behind it comes first: a new verb stands where it says.
    """
    behind = defaultdict[str, list[str]](list)
    for words in sorted(some):
        noun, after = words.rpartition(" ")[0], load(words).after
        behind[f"{noun} {after}".strip() if after else ""].append(words)

    def follow(words: str) -> list[str]:
        chains = sorted(([each, *follow(each)] for each in behind.pop(words, ())), key=len)
        return [each for chain in chains for each in chain]

    found = follow("")
    if behind:
        raise ValueError(f"What these stand behind is not there: {dict(behind)}")
    return found


def summary(words: str) -> str:
    """Return what a command does, in a sentence."""
    about = load(words)
    if isinstance(about, Noun):
        return about.help.partition("\n\n")[0]
    return about.summary or str(make(words, about).get_short_help_str(1000))
