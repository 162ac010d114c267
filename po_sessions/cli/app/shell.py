"""Command lines as they are printed: whatever a value holds, a shell that is given one reads that value and no more."""

from __future__ import annotations

from collections.abc import Iterable

from po_sessions.layout.primitives import is_printable


def quoted(word: str) -> str:
    """Return a word as a shell reads it, without a character that acts on a terminal."""
    import shlex  # which imports `re`

    if is_printable(word):
        return shlex.quote(word)
    # A shell that does not know this form reads another word, but one word: there is no quote in it.
    escaped = "".join(map(_escaped, word.encode("utf-8", "surrogateescape")))
    return f"$'{escaped}'"


def _escaped(byte: int) -> str:
    """Return a byte as it stands between `$'` and `'`."""
    return chr(byte) if 0x20 <= byte < 0x7F and byte not in b"'\\" else f"\\{byte:03o}"


def joined(words: Iterable[str]) -> str:
    """Return a command line of these words."""
    return " ".join(map(quoted, words))
