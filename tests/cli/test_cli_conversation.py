"""Conversation commands: a MESSAGE that is exactly one is done and calls no model; any other text is text."""

from __future__ import annotations

import json

import pytest
from support.stored import history
from support.terminal import on_terminal


@pytest.fixture
def say(root, po, backend):
    def say(message, *options, **more):
        done = po("send", "greeter", message, *options, **more)
        assert backend.asked == []
        return done

    return say


def names(po):
    return {one["name"]: one for one in json.loads(po("session", "list", "--po", "greeter", "--json").stdout)}


def test_a_session_from_its_beginning_to_its_end(say, po):
    made = say("/session new Tea & 'cake'")
    assert made.stdout.strip() == names(po)["Tea & 'cake'"]["id"]
    assert not names(po)["Tea & 'cake'"]["current"]
    assert say("/session new", "--switch").exit_code == 0
    assert names(po)["Session"]["current"]
    assert say("/session switch Tea & 'cake'").exit_code == 0
    assert names(po)["Tea & 'cake'"]["current"]
    assert say("/session rename -Tea").exit_code == 2
    assert say("/session rename Tea").exit_code == 0
    assert say("/sessions").stdout == po("session", "list", "--po", "greeter").stdout
    assert say("/session info").stdout.split("\t")[3] == "Tea"
    assert say("/session info", "--session", "Session").stdout.split("\t")[3] == "Session"
    assert json.loads(say("/session export json").stdout)["name"] == "Tea"
    assert say("/session export").stdout.startswith("---\n")
    assert say("/session export pdf").exit_code == 2
    refused = say("/session delete")
    assert refused.exit_code == 2
    assert "needs --yes: it moves 'Tea' to the trash" in refused.stderr
    assert say("/session delete", "--yes").exit_code == 0
    assert set(names(po)) == {"Session"}
    assert len(json.loads(po("trash", "list", "--json").stdout)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "/Sessions",
        "/sessions ",
        " /sessions",
        "/sessions all",
        "/session",
        "/session rename",
        "/session switch",
        "/session delete it",
        "/session info please",
        "/session merge A B",
        "/session new\nname",
        "/session new a\nb",
        "//sessions",
    ],
)
def test_anything_else_is_text(text, root, po, backend):
    assert po("send", "greeter", text).exit_code == 0
    assert history(po)[0]["content"] == text


def test_what_comes_another_way_is_text(root, po, backend, tmp_path):
    (tmp_path / "file").write_text("/sessions")
    assert po("send", "greeter", "/sessions", "--literal").exit_code == 0
    assert po("send", "greeter", input="/sessions").exit_code == 0
    assert po("send", "greeter", "-", input="/sessions").exit_code == 0
    assert po("send", "greeter", "--file", str(tmp_path / "file")).exit_code == 0
    assert [one["content"] for one in history(po)][::2] == ["/sessions"] * 4


@pytest.mark.parametrize(
    "options",
    [
        ("--model", "x"),
        ("--new",),
        ("--no-save",),
        ("--dry-run",),
        ("--if-turns", "1"),
        ("--stdin",),
        ("--file", "x"),
        ("--yes",),
    ],
)
def test_what_means_nothing_with_a_command_is_refused(options, say):
    done = say("/sessions", *options)
    assert done.exit_code == 2
    assert f"{options[0]} means nothing with '/sessions'" in done.stderr


@pytest.mark.parametrize(("text", "told"), [("/session switch", True), ("/sessions ", True), ("/sessionists", False)])
def test_what_is_nearly_a_command_is_sent_with_a_remark(text, told, root):
    code, shown = on_terminal("send", "greeter", "--no-save", text)
    remark = f"{text!r} is no conversation command, see 'po send --help': it is sent as text.\n"
    assert (code, remark in shown) == (0, told)
    assert "no conversation command" not in on_terminal("send", "greeter", "--no-save", "--literal", text)[1]


@pytest.mark.parametrize("text", ["/sessions", "/session new x", "/session switch x", "/session info"])
def test_a_session_is_refused_where_it_means_nothing(text, say):
    done = say(text, "--session", "nosuch")
    if text == "/session info":
        assert (done.exit_code, "No session matches 'nosuch'" in done.stderr) == (3, True)
    else:
        assert (done.exit_code, "--session means nothing with" in done.stderr) == (2, True)


def test_a_prompt_object_that_is_not_there(say, po, backend):
    assert po("send", "nobody", "/sessions").exit_code == 3
    assert say("/session switch Nothing").exit_code == 3
    assert say("/session switch Nothing", "--switch").exit_code == 2
