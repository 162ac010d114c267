"""A conversation as people read it on a terminal: Markdown, code in colours, tool calls folded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, ClassVar

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, Group, JustifyMethod, RenderableType, RenderResult
from rich.markdown import Heading, Markdown, MarkdownElement, TableElement
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from po_sessions.cli.terminal.output import counted, escape_controls, one_line
from po_sessions.message import Message

_WIDEST = 100
"""Cells of a line at most: longer ones are hard to read."""
_LONGEST = 30_000
"""Characters of a message that are laid out; a longer one is printed as it is, since that takes no time."""
_LONGEST_CODE = 5_000
"""Characters of code that are coloured: some lexers take the square of them."""
_DEEPEST = 18
"""Levels of lists and quotes that are laid out; a little below, the parser leaves out what is deeper."""
_CODE_THEME = "ansi_dark"  # the terminal's own colours, which suit its background
_THEME = Theme({"markdown.code": "bold cyan"})  # without the black background, which not every terminal has
_PADDING = re.compile(r"(?<! ) ++((?:\x1b\[[0-9;]*m)*)$", re.MULTILINE)  # looks at each space once
_STYLES = {"user": "bold cyan", "assistant": "bold green", "tool": "bold yellow", "system": "bold magenta"}


def rendered(numbered: Iterable[tuple[int, Message, list[str]]], *, width: int, full: bool) -> Iterator[str]:
    """Yield messages for a terminal of this many cells, each with its number and the words of its heading.

    `full` shows tool calls and what tools answered whole. The text holds nothing that acts on a terminal but colours.
    """
    console = Console(force_terminal=True, width=min(width, _WIDEST), height=25, highlight=False, theme=_THEME)
    for number, message, words in numbered:
        with console.capture() as captured:
            console.print()
            console.print(_heading(number, message, words))
            for part in _parts(message, full=full):
                if isinstance(part, str):
                    console.out(part, highlight=False)
                else:
                    console.print(Group(part))  # what is printed alone loses how it is to be wrapped
        yield _PADDING.sub(r"\1", captured.get())


def _heading(number: int, message: Message, words: list[str]) -> Text:
    style = _STYLES.get(message.role, "bold")
    behind = "".join(f", {one_line(word)}" for word in words[1:])
    return Text.assemble((f"[{number}] ", "dim"), (words[0], style), (behind, "red" if message.failed else "dim"))


def _parts(message: Message, *, full: bool) -> Iterator[RenderableType]:
    """Yield what a message consists of; a str is printed as it is."""
    text = escape_controls((message.content or "").replace("\r\n", "\n"))
    if message.role == "tool" and not full:
        yield _folded(text)
    elif len(text) > _LONGEST:
        yield text
    elif message.role == "assistant" or message.is_summary:
        yield _markdown(text)
    elif text:
        yield Text(text)
    calls = message.extra.get("tool_calls")
    for call in calls if isinstance(calls, list) else [calls] if calls else []:
        yield from _call(call, full=full)


def _folded(text: str) -> Text:
    """Return the first line of what a tool answered, and how much more there is."""
    first, _, rest = text.strip("\n").partition("\n")
    more = f" (and {counted(rest.count(chr(10)) + 1, 'more line')})" if rest else ""
    return Text.assemble(("▸ ", "dim"), first, (more, "dim"), no_wrap=True, overflow="ellipsis")


def _call(call: Any, *, full: bool) -> Iterator[RenderableType]:
    """Yield a call of a tool, in whichever of the usual forms it is."""
    about = call if isinstance(call, dict) else {"arguments": call}
    function = about.get("function")
    about = function if isinstance(function, dict) else about
    given = about.get("arguments")
    if isinstance(given, str):  # as OpenAI's interface has it
        with suppress(ValueError, RecursionError):
            given = json.loads(given)
    name = one_line(str(about.get("name") or "a tool"))
    if not full:
        shown = one_line("" if given is None else json.dumps(given, ensure_ascii=False))
        yield Text.assemble(("▸ ", "dim"), (name, "yellow"), f"({shown})", no_wrap=True, overflow="ellipsis")
        return
    yield Text.assemble(("▾ ", "dim"), (name, "yellow"))
    text = escape_controls(json.dumps(given, ensure_ascii=False, indent=2))
    language = "json" if len(text) <= _LONGEST_CODE else "text"
    yield Syntax(text, language, theme=_CODE_THEME, background_color="default", word_wrap=True, padding=(0, 2))


class _Table(TableElement):
    """A table whose cells are folded where they do not fit; otherwise their ends would be cut off."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for part in super().__rich_console__(console, options):
            if isinstance(part, Table):
                for column in part.columns:
                    column.overflow = "fold"
            yield part


class _MarkdownHeading(Heading):
    """A heading at the left, of whatever level: a reply is no page with a title."""

    LEVEL_ALIGN: ClassVar[dict[str, JustifyMethod]] = {}


class _Markdown(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _MarkdownHeading,
        "table_open": _Table,
    }


def _markdown(text: str) -> RenderableType:
    """Return Markdown without what would hide text: HTML is text, links and images show where they lead, lines end
    where they end.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
    tokens = parser.disable(["reference", "image"]).parse(text)
    if any(token.level >= _DEEPEST for token in tokens):
        return Text(text)
    for token in tokens:
        _mend(token)
    made = _Markdown("", code_theme=_CODE_THEME, hyperlinks=False)
    made.markup, made.parsed = text, tokens
    return made


def _mend(token: Token) -> None:
    token.content = escape_controls(token.content)  # what entities such as &#x202e; have become
    token.attrs = {name: escape_controls(str(value)) for name, value in token.attrs.items()}
    if token.type == "softbreak":
        token.type = "hardbreak"
    if token.type == "fence" and len(token.content) > _LONGEST_CODE:
        token.info = ""
    for inner in token.children or ():
        _mend(inner)
