"""Hints: what the command line advises for each reason that the library gives, with the commands to run.

Each module has a table of one part of the library: the reason, and the hint or what makes it of the reason's fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from po_sessions.cli.app.hints.parts import Bare, Command, Hint, Words, meant, together
from po_sessions.errors import Advice, Advised, PoError

__all__ = ["Bare", "Command", "Hint", "Words", "for_advice", "meant", "of", "table", "together", "with_hint"]


class Table(Protocol):
    """A module with the hints of one part of the library."""

    HINTS: Mapping[str, Hint | Callable[..., Hint]]


def of(error: PoError) -> Hint:
    """Return what to do about an error; an empty hint if nothing is known."""
    return for_advice(error.advice)


def for_advice(advice: Advice | None) -> Hint:
    """Return the hint that the command line gives for an advice of the library."""
    if advice is None:
        return Hint()
    if isinstance(advice, Hint):
        return advice
    made = table()[advice.reason]
    return made if isinstance(made, Hint) else made(**advice.fields)


def with_hint(said: PoError | str) -> Hint:
    """Return an error or a notice and what to do about it, as one text.

    A hint that begins with a semicolon goes on with the sentence.
    """
    hint = of(said) if isinstance(said, PoError) else for_advice(said.advice if isinstance(said, Advised) else None)
    if hint and isinstance(first := hint.parts[0], str) and first.startswith(";"):
        return Hint(str(said).removesuffix(".")) + hint
    return together(Hint(str(said)), hint)


def table() -> Mapping[str, Hint | Callable[..., Hint]]:
    """Return every reason with its hint."""
    return {reason: made for module in tables() for reason, made in module.HINTS.items()}


def tables() -> Sequence[Table]:
    """Return the modules with hints, which are needed only where there is something to advise."""
    from po_sessions.cli.app.hints import doctor, general, models, sessions, turns

    return general, sessions, turns, models, doctor
