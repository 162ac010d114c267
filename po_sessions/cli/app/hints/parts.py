"""Parts of a hint: text and commands, which name the environment of the run when they are printed."""

from __future__ import annotations

from po_sessions.cli.app.shell import joined, quoted
from po_sessions.errors import Advice

_WITH_ROOT = ("session", "send", "object", "trash", "backup", "doctor", "config")
"""The commands that work in an environment; the others would refuse or ignore the one that is named."""


class Command:
    """A command line of `po`: a verb, as it stands, and the values and options that it is given.

    Values that begin with a dash are put where they are not taken for options. The name of an option that is a word of
    Python ends with `_`.
    """

    def __init__(self, verb: str, *values: str, **options: str) -> None:
        self.verb = verb
        self.values = values
        self.options = options

    def line(self, root: str | None) -> str:
        """Return the command line for the environment `root`, or for the one that is found."""
        named = root is not None and self.verb.split()[0] in _WITH_ROOT
        options = [
            f"--{name.rstrip('_')}={quoted(value)}"
            if value.startswith("-")
            else f"--{name.rstrip('_')} {quoted(value)}"
            for name, value in self.options.items()
        ]
        words = [quoted(value) for value in self.values]
        rest = ["--", *words] if any(value.startswith("-") for value in self.values) else []
        before = ["po", *([f"--root {quoted(root)}"] if named and root is not None else []), self.verb]
        return " ".join([*before, *options, *rest] if rest else [*before, *words, *options])

    def shown(self, root: str | None) -> str:
        """Return the command line as it is shown inside a sentence."""
        return f"'{self.line(root)}'"


class Words:
    """A command line whose words are known one by one, of `po` or of another program."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def line(self, root: str | None) -> str:
        """Return the command line for the environment `root`, or for the one that is found."""
        program, *rest = self.words
        return joined([program, *(["--root", root] if program == "po" and root is not None else []), *rest])

    def shown(self, root: str | None) -> str:
        """Return the command line as it is shown inside a sentence."""
        return f"'{self.line(root)}'"


class Bare:
    """A command line that is shown without quotes around it, since it may have its own."""

    def __init__(self, command: Command | Words) -> None:
        self.command = command

    def shown(self, root: str | None) -> str:
        """Return the command line."""
        return self.command.line(root)


Part = str | Command | Words | Bare


class Hint(Advice):
    """Advice as the command line gives it: text with commands in it."""

    def __init__(self, *parts: Part) -> None:
        super().__init__("written")
        self.parts = tuple(part for part in parts if part != "")

    def __bool__(self) -> bool:
        return bool(self.parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hint) and self.text() == other.text()

    __hash__ = Advice.__hash__

    def __add__(self, other: Hint) -> Hint:
        return Hint(*self.parts, *other.parts)

    def going_on(self, rest: str) -> Hint:
        """Return the hint with its last sentence going on."""
        before, last = self.parts[:-1], self.parts[-1] if self.parts else ""
        return Hint(*before, last.removesuffix(".") if isinstance(last, str) else last, rest)

    def text(self, root: str | None = None) -> str:
        """Return the hint with its commands for the environment `root`, or for the one that is found."""
        return "".join(part if isinstance(part, str) else part.shown(root) for part in self.parts)


def meant(near: str | None) -> str:
    """Return the suggestion that stands before a hint, if there is one."""
    return f"Did you mean {near!r}? " if near else ""


def together(*hints: Hint, between: str = " ") -> Hint:
    """Return the hints that say anything, as one."""
    parts = list[Part]()
    for hint in filter(None, hints):
        parts += [between, *hint.parts] if parts else hint.parts
    return Hint(*parts)
