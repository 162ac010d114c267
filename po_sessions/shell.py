"""Command lines as they are printed: whatever a value holds, a shell that is given one reads that value and no more."""

from __future__ import annotations

from collections.abc import Iterable

from po_sessions.layout.primitives import is_printable


def quoted(word: str) -> str:
    """Return a word as a shell reads it, without a character that acts on a terminal."""
    import shlex  # which imports `re`

    # What adds --root to a command line finds its beginning by the quote, so that no value may look like one.
    if is_printable(word):
        return shlex.quote(word).replace("'po ", "po' ")
    # A shell that does not know this form reads another word, but one word: there is no quote in it.
    escaped = "".join(map(_escaped, word.encode("utf-8", "surrogateescape")))
    return f"$'{escaped}'".replace("'po ", "'\\160o ")


def _escaped(byte: int) -> str:
    """Return a byte as it stands between `$'` and `'`."""
    return chr(byte) if 0x20 <= byte < 0x7F and byte not in b"'\\" else f"\\{byte:03o}"


def joined(words: Iterable[str]) -> str:
    """Return a command line of these words."""
    return " ".join(map(quoted, words))


def command_line(verb: str, *values: str, **options: str) -> str:
    """Return a command line of `po`: a verb, as it stands, and what it is given.

    Values that begin with a dash are put where they are not taken for options. The name of an option that is a word of
    Python ends with `_`.
    """
    given = [
        f"--{name.rstrip('_')}={quoted(value)}" if value.startswith("-") else f"--{name.rstrip('_')} {quoted(value)}"
        for name, value in options.items()
    ]
    words = [quoted(value) for value in values]
    if any(value.startswith("-") for value in values):
        return " ".join(["po", verb, *given, "--", *words])
    return " ".join(["po", verb, *words, *given])
