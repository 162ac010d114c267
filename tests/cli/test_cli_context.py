"""`--context` and the front matter's `context`: what is sent is trimmed, and what is stored never."""

from __future__ import annotations

import json

import pytest
from support.scripted import Script
from support.stored import history
from support.terminal import on_terminal

from po_sessions.errors import Unreachable


@pytest.fixture
def talk(root, po, backend):
    """A session of three turns."""
    for text in ("one", "two", "three"):
        assert po("send", "greeter", text).exit_code == 0


def asked(backend):
    return [one["content"] for one in backend.asked[-1]["messages"] if one["role"] == "user"]


@pytest.mark.parametrize(
    ("limit", "contents"),
    [
        ("all", ["one", "two", "three", "four"]),
        ("last:2", ["two", "three", "four"]),
        ("last:0", ["four"]),
        ("last:9", ["one", "two", "three", "four"]),
        ("tokens:1", ["four"]),
        ("tokens:10000", ["one", "two", "three", "four"]),
    ],
)
def test_what_is_sent(limit, contents, po, backend, talk):
    done = po("send", "greeter", "four", "--context", limit, "--json")
    assert asked(backend) == contents
    assert backend.asked[-1]["messages"][0]["role"] == "system"
    context = {"turns": len(contents) - 1, "trimmed": len(contents) < 4, "left_out": 0, "mended": 0}
    assert json.loads(done.stdout)["context"] == context
    assert len(history(po)) == 8


def test_the_prompt_object_says_how_much_and_the_option_goes_over_it(root, po, backend, talk):
    file = root / "objects" / "greeter.md"
    file.write_text(file.read_text().replace("---\n", "---\ncontext: last:1\n", 1))
    assert po("send", "greeter", "four").exit_code == 0
    assert asked(backend) == ["three", "four"]
    assert po("send", "greeter", "five", "--context", "all").exit_code == 0
    assert asked(backend) == ["one", "two", "three", "four", "five"]
    assert "last:1" in po("object", "show", "greeter").stdout
    file.write_text(file.read_text().replace("last:1", "some"))
    done = po("send", "greeter", "six")
    assert done.exit_code == 7
    assert "'some' does not say how much" in done.stderr
    assert len(history(po)) == 10


def test_retry_and_dry_run(po, backend, talk):
    backend.script = Script(error=Unreachable("No."))
    failed = po("send", "greeter", "four", "--context", "last:1")
    assert failed.exit_code == 8
    assert "--context=last:1" in failed.stderr
    backend.script = None
    assert po("session", "retry", "--context", "last:1").exit_code == 0
    assert asked(backend) == ["three", "four"]
    dry = json.loads(po("send", "greeter", "five", "--context", "last:1", "--dry-run", "--json").stdout)
    assert [one["content"] for one in dry["messages"]][1:] == ["four", "four", "five"]


def test_a_remark_tells_of_what_was_left_out(root, backend, po, talk):
    _, shown = on_terminal("send", "greeter", "four", "--context", "last:1")
    assert "Sent the last 1 of 3 earlier turns." in shown
    _, shown = on_terminal("send", "greeter", "five")
    assert "earlier" not in shown


def test_what_is_no_limit(po, talk):
    done = po("send", "greeter", "four", "--context", "3")
    assert done.exit_code == 2
    assert "last:N" in done.stderr
    assert len(history(po)) == 6
