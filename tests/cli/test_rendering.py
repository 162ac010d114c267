"""A conversation as it is laid out on a terminal."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from po_sessions.cli.display.rendering import rendered
from po_sessions.message import ROLES, Message

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def show(content: str | None, role: str = "assistant", *, width: int = 80, full: bool = False, **extra: object) -> str:
    message = Message(role, content, extra=extra)
    return "".join(rendered([(7, message, [role, "14:30", "m"])], width=width, full=full))


def plain(text: str) -> str:
    return COLOURS.sub("", text)


def test_markdown_is_laid_out():
    text = "# Title\n\nSome **bold**, `code`.\n\n- one\n- two\n\n| a | b |\n|--|--|\n| 日本 | 2 |\n"
    shown = plain(show(text))
    assert "**" not in shown
    assert "`" not in shown
    assert shown.startswith("\n[7] assistant, 14:30, m\n")
    for line in (r"Title", r"Some bold, code\.", r" • one", r" • two", r" a +b", r" 日本 +2"):
        assert re.search(f"^{line}$", shown, re.MULTILINE), line
    assert not re.search(" $", shown, re.MULTILINE)


def test_code_is_highlighted_and_otherwise_as_it_is():
    code = 'def f(x):\n    """Doc."""\n    return x  # **no** <b>markup</b>'
    shown = show(f"```python\n{code}\n```")
    assert "\n".join(line.removeprefix(" ") for line in plain(shown).split("\n")).count(code) == 1
    assert re.search(r"\x1b\[[0-9;]+mdef\x1b", shown)


def test_nothing_is_hidden():
    text = "one\ntwo <b>html</b> [a link](https://example.org/x?y=1)\n\n<div>block</div>\n\n<!-- comment -->\n"
    shown = plain(show(text))
    for line in ("one", "two <b>html</b> a link (https://example.org/x?y=1)", "<div>block</div>", "<!-- comment -->"):
        assert f"\n{line}\n" in shown


def test_definitions_and_images_are_shown():
    text = "[//]: # (a remark)\n\n[x]: https://example.org/x\n\n![picture](https://example.org/p.png)"
    shown = plain(show(text))
    for part in ("[//]: # (a remark)", "[x]: https://example.org/x", "picture (https://example.org/p.png)"):
        assert part in shown


@pytest.mark.parametrize("width", [20, 40, 80])
def test_no_cell_of_a_table_is_cut(width):
    url = "https://example.org/" + "abcdefghij" * 8
    shown = plain(show(f"| what | where |\n|--|--|\n| one two three | {url} |", width=width))
    assert "…" not in shown
    cells = [line[line.index("http") :] for line in shown.split("\n") if "http" in line]
    assert cells
    assert sum(shown.count(letter) for letter in "j") == 8


@pytest.mark.parametrize("mark", ["> ", "- ", "1. "])
@pytest.mark.parametrize("depth", [5, 9, 30, 1000])
def test_what_is_nested_deeply_is_shown(mark, depth):
    text = "".join(
        f"{' ' * len(mark) * level if mark != '> ' else mark * level}{mark}L{level}\n" for level in range(depth)
    )
    shown = plain(show(text, width=100))
    assert f"L{depth - 1}" in re.sub(r"\s", "", shown)


@pytest.mark.parametrize("full", [False, True])
def test_arguments_that_are_nested_too_deeply_are_shown_as_text(full):
    shown = show(None, full=full, tool_calls=[{"function": {"name": "f", "arguments": "[" * 100_000}}])
    assert "f" in plain(shown)


@pytest.mark.parametrize("role", ["user", "system"])
def test_what_people_wrote_stays_as_they_wrote_it(role):
    text = "# no heading\n**x** [red]y[/red] :smile:\n\n    indented"
    assert plain(show(text, role)).endswith(f"\n{text}\n")


def test_a_summary_is_laid_out():
    assert "**" not in show("**x**", "system", stands_for=3)


@given(st.text(st.characters(codec="utf-8")), st.sampled_from(ROLES), st.booleans())
def test_nothing_acts_on_the_terminal_but_colours(text, role, full):
    shown = plain(show(text, role, full=full, tool_calls=[{"name": text, "arguments": text}]))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", shown)


HOSTILE = [
    "\x1b[2J",
    "\x1b]8;;http://x\x07y",
    "\x9b31m",
    "a\rb",
    "\u202etxt",
    "[bold]x[/bold]",
    "&#27;[2J",
    "&#x9b;2J",
    "&#x202e;x",
]

FORMS = ["{}", "`{}`", "```\n{}\n```", "```{}\nx\n```", "# {}", "[{0}](<{0}>)", "> {}", "| {} |\n|--|"]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "form", ["{}", "`{}`", "```\n{}\n```", "```{}\nx\n```", "# {}", "[{0}](<{0}>)", "> {}", "| {} |\n|--|"]
)
def test_what_could_act_on_a_terminal_is_shown(text, form):
    shown = plain(show(form.format(text)))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", shown)


WORDS = st.text(st.sampled_from("ab 日本語🎉é\u0301\u200d"), min_size=1)


@given(st.lists(WORDS), st.integers(20, 60))
def test_no_line_is_wider_than_the_screen(words, width):
    text = " ".join(words)
    for role in ("assistant", "user", "tool"):
        shown = plain(show(text, role, width=width, tool_calls=[{"name": "t", "arguments": {"x": text}}]))
        _, *lines = shown.strip("\n").split("\n")
        assert all(cell_len(line) <= width for line in lines), lines


@pytest.mark.parametrize(
    ("calls", "folded"),
    [
        ([{"name": "add", "arguments": {"a": 1}}], '▸ add({"a": 1})'),
        ([{"id": "x", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}], '▸ add({"a": 1})'),
        ([{"name": "add", "arguments": "not JSON"}], '▸ add("not JSON")'),
        ([{"name": "add"}], "▸ add()"),
        ([{}], "▸ a tool()"),
        ([3], "▸ a tool(3)"),
        ({"name": "x"}, "▸ x()"),
        ("text", '▸ a tool("text")'),
        ([{"name": "add", "arguments": {"a": "x" * 500}}], '▸ add({"a": "' + "x" * 66 + "…"),
    ],
)
def test_a_tool_call_is_folded_to_a_line(calls, folded):
    assert plain(show(None, tool_calls=calls)).split("\n")[2:] == [folded, ""]


def test_what_a_tool_answered_is_folded_to_a_line():
    assert plain(show("one\ntwo\nthree\n", "tool")).split("\n")[2:] == ["▸ one (and 2 more lines)", ""]
    assert plain(show("one", "tool")).split("\n")[2:] == ["▸ one", ""]


def test_full_shows_tools_whole():
    text = plain(show(None, full=True, tool_calls=[{"name": "add", "arguments": {"a": "x" * 500, "b": [1]}}]))
    assert re.sub(r"\s", "", text).endswith('▾add{"a":"' + "x" * 500 + '","b":[1]}')
    assert plain(show("one\ntwo", "tool", full=True)).endswith("\none\ntwo\n")


def test_a_very_long_message_is_printed_as_it_is():
    text = "**x** " * 20_000
    assert plain(show(text)).endswith(f"\n{text.rstrip()}\n")


def test_without_colours(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", show("`code`\n\n```python\nx = 1\n```"))
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in show("`code` **x**")
