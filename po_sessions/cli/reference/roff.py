"""Text of manual pages: escaped for roff, in bold what is typed as it stands, in italics what stands for a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping

_ESCAPES = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", '"': "\\(dq", "~": "\\(ti", "^": "\\(ha"}
"""What roff would read as its own, or print as another character than the one that can be pasted."""

_TERM = re.compile(r"(?P<bold>--?[a-z-]+)|(?P<italic>[A-Z]+(?:[:=][A-Z]+)*)")
_QUOTED = r"(?<!\w)'(?P<quoted>[^']+)'(?!\w)"
_MARKED = re.compile(
    _QUOTED + r"|`(?P<typed>[^`]+)`|(?P<page>po[a-z-]*)\((?P<section>\d)\)"
    r"|(?P<bold>(?<![\w-])--?[a-z][a-z-]*|\$[A-Z_]+)|(?P<word>(?<![\w$_])[A-Z_]+(?!\w))"
)

_WIDTH = 80
"""Bytes of a line of text, beyond which mandoc complains."""
_ENDS_SENTENCE = re.compile(r"[.!?](?:[])]|\\\(dq|\\f.)*$")


def escaped(text: str) -> str:
    """Return text that roff prints as it is."""
    return "".join(_ESCAPES.get(char, char) for char in text)


def bold(text: str) -> str:
    """Return text in bold."""
    return f"\\fB{escaped(text)}\\fR"


def italic(text: str) -> str:
    """Return text in italics."""
    return f"\\fI{escaped(text)}\\fR"


def reference(page: str, section: str = "1") -> str:
    """Return the mention of a page."""
    return f"{bold(page)}({section})"


def term(text: str) -> str:
    """Return options and arguments as a usage line has them."""
    return _marked(_TERM, text.replace("...", "…"), lambda found: bold(found[0]) if found["bold"] else italic(found[0]))


def prose(text: str, values: Collection[str] = (), page_of: Callable[[str], str | None] | None = None) -> str:
    """Return a sentence as it stands in a help text.

    `values` are the words that stand for a value; `page_of` returns the page that a text in quotes means, if any.
    """

    def marked(found: re.Match[str]) -> str:
        if found["quoted"]:
            page = page_of(found["quoted"]) if page_of else None
            return reference(page) if page else bold(found["quoted"])
        if found["page"]:
            return reference(found["page"], found["section"])
        if found["word"]:
            return italic(found[0]) if found[0] in values else escaped(found[0])
        return bold(found["typed"] or found["bold"])

    made = _marked(_MARKED, " ".join(text.split()), marked)
    return "\\&" + made if made.startswith(".") else made


def unquoted(text: str) -> str:
    """Return text without the quotes around names; apostrophes stay."""
    return re.sub(_QUOTED, lambda found: found["quoted"], text)


def items(pairs: Mapping[str, str]) -> list[str]:
    """Return the lines of a list of terms with what is said of each, both ready for roff."""
    return [line for name, text in pairs.items() for line in (".TP", "\\\n".join(_pieces(name, " ")), text)]


def filled(lines: Iterable[str]) -> str:
    """Return the text of a page of these lines, the long ones broken where roff makes nothing of it."""
    made = [part for line in lines for part in ([line] if line.startswith(".") or "\n" in line else _pieces(line))]
    return "".join(f"{line}\n" for line in made)


def _pieces(line: str, end: str = "") -> list[str]:
    """Return a line in pieces, broken at spaces; `end` ends each but the last.

    A piece that ends like a sentence would get another space, and one that begins with a dot or a
    quote would be a request.
    """
    joined: list[str] = []
    for word in line.split(" "):
        if joined and (word.startswith((".", "'")) or _ENDS_SENTENCE.search(joined[-1])):
            joined[-1] += f" {word}"
        else:
            joined.append(word)
    pieces = joined[:1]
    for words in joined[1:]:
        longer = f"{pieces[-1]} {words}"
        if len(longer.encode()) + 2 * len(end) <= _WIDTH:
            pieces[-1] = longer
        else:
            pieces[-1] += end
            pieces.append(words)
    return pieces


def _marked(pattern: re.Pattern[str], text: str, mark: Callable[[re.Match[str]], str]) -> str:
    made, end = "", 0
    for found in pattern.finditer(text):
        made += escaped(text[end : found.start()]) + mark(found)
        end = found.end()
    return made + escaped(text[end:])
