"""Every reason that the library gives has a hint, and every hint a reason; the library knows no commands."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.running import TESTS

from po_sessions.cli.app import hints
from po_sessions.cli.app.hints import Command, Hint, Words
from po_sessions.errors import Advice, Advised, Busy, NotFound, PoError, Several

PACKAGE = TESTS.parent / "po_sessions"


def library() -> Iterator[Path]:
    for path in PACKAGE.rglob("*.py"):
        if "cli" not in path.relative_to(PACKAGE).parts:
            yield path


def advices() -> Iterator[tuple[str, ast.Call]]:
    """Yield where the library gives advice."""
    for path in library():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Advice":
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node


def reason(node: ast.Call) -> str:
    (first,) = node.args
    assert isinstance(first, ast.Constant), ast.unparse(node)
    return str(first.value)


def test_each_reason_has_a_hint_and_each_hint_a_reason():
    assert {reason(node) for _, node in advices()} == set(hints.table())


def test_the_tables_share_no_reason():
    count = sum(len(module.HINTS) for module in hints.tables())
    assert count == len(hints.table())


def test_each_hint_takes_the_fields_that_the_library_gives():
    wrong = []
    for where, node in advices():
        made = hints.table()[reason(node)]
        fields = [keyword.arg for keyword in node.keywords]
        wanted = [] if isinstance(made, Hint) else list(inspect.signature(made).parameters)
        if sorted(map(str, fields)) != sorted(wanted):
            wrong.append((where, fields, wanted))
    assert wrong == []


def test_the_library_has_no_command_lines():
    found = [
        (str(path.relative_to(PACKAGE)), line)
        for path in library()
        for line in path.read_text().splitlines()
        if re.search(
            r"'po |\bRun '|\bhint=|--(po|root|model|session|new|option|format|timeout|keep-last|max-size)\b", line
        )
    ]
    assert found == []


FIELDS = {
    "delay": 1.0,
    "elsewhere": [("po", "id")],
    "errors": (),
    "failure": "Down.",
    "first": None,
    "has_name": True,
    "lacks_owner": True,
    "llm": ["llm"],
    "names": ["one"],
    "near": "that",
    "paths": ["x"],
    "reason": "Gone.",
    "then": None,
}
"""What stands for the fields that are not text."""


def made(reason: str) -> Hint:
    """Return the hint of a reason with fields of any value."""
    hint = hints.table()[reason]
    if isinstance(hint, Hint):
        return hint
    return hint(**{name: FIELDS.get(name, "x y") for name in inspect.signature(hint).parameters})


@pytest.mark.parametrize("reason", sorted(hints.table()))
def test_each_hint_is_a_sentence_whose_commands_are_there(reason, po):
    hint = made(reason)
    text = hint.text()
    assert not text or text[-1] in ".?!", text
    for command in (part for part in hint.parts if isinstance(part, Command)):
        verb, *options = command.line(None).partition(" -- ")[0].split(" --")
        words = shlex.split(verb)[1:]
        shown = po(*words, *(word for option in options for word in shlex.split(f"--{option}")), "--help")
        assert shown.exit_code == 0, shown.stderr
        path = command.verb.partition(" --")[0].split()[:2]
        for word, named in zip(path, shown.stdout.split()[2:4], strict=False):
            assert named in (word, "[OPTIONS]"), shown.stdout


ROOT = "/a 'b'"


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (Command("session show", "ID"), "po --root '/a '\"'\"'b'\"'\"'' session show ID"),
        (Command("send", "-x", "MESSAGE", session="-y"), "po --root X send --session=-y -- -x MESSAGE"),
        (Command("trash restore", "ID", as_="a b"), "po --root X trash restore ID --as 'a b'"),
        (Command("session switch NAME", po="a b"), "po --root X session switch NAME --po 'a b'"),
        (Command("model pull"), "po model pull"),
        (Command("init", "'po session list"), "po init ''\"'\"'po session list'"),
        (Words("po", "session", "retry", "ID", "--option=a=b c"), "po --root X session retry ID '--option=a=b c'"),
        (Words("mkdir", "-p", "--", "po x"), "mkdir -p -- 'po x'"),
    ],
)
def test_a_command_names_the_environment(command, line):
    quoted = "'/a '\"'\"'b'\"'\"''"
    assert command.line(ROOT) == line.replace("--root X", f"--root {quoted}")
    assert command.line(None) == line.replace("--root X ", "").replace(f"--root {quoted} ", "")


def test_a_value_that_looks_like_a_command_is_left_as_it_is():
    text = Hint("'po session list' is ", Command("session show", "'po session list'"), ".").text("/r")
    assert text == "'po session list' is 'po --root /r session show ''\"'\"'po session list'\"'\"'''."


def test_hints_of_several_errors_are_told_once():
    busy = Busy("Held.", advice=Advice("try_again"))
    error = Several([busy, NotFound("Gone."), busy, PoError("Full.", advice=Advice("write_failed"))])
    assert hints.of(error).text().splitlines() == [
        "Try again.",
        "Nothing was changed; make room or mend the permissions, and repeat.",
    ]


def test_a_notice_is_a_sentence_of_its_own():
    notice = Advised("It is back.", Advice("back_damaged"))
    assert notice == "It is back."
    assert hints.with_hint(notice).text("/r") == "It is back; see 'po --root /r doctor'."
    assert hints.with_hint("Plain.").text() == "Plain."
