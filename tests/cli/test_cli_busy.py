"""Every verb on a session that another process holds in a turn: it succeeds, or it is exit 6 after a bounded wait."""

from __future__ import annotations

import json
import subprocess
import time

import pytest
from support.running import command
from support.selection import sampled

from po_sessions.storage import open_storage


@pytest.fixture
def held(root, po, backend, monkeypatch, tmp_path):
    """The greeter's session `Default`, with a turn done, a turn undone and one being answered; returns its id."""
    for text in ("One", "Two", "Three"):
        assert po("send", "greeter", text).exit_code == 0
    id = po("session", "list", "--ids").stdout.strip()
    assert po("session", "export", "-o", str(tmp_path / "before.md")).exit_code == 0
    assert po("session", "undo").exit_code == 0
    monkeypatch.setenv("PO_TEST_SCRIPT", '{"says": "a b c d", "delay": 30}')
    holder = subprocess.Popen([*command(), "send", "greeter", "Held"], stdout=subprocess.PIPE)
    store = open_storage("files", root=str(root))
    deadline = time.monotonic() + 20
    while store.summary(id).message_count < 5:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield id
    assert holder.poll() is None, "the session was not held to the end"
    holder.kill()
    holder.communicate()


WAITING = [
    ["send", "greeter", "Hello"],
    ["session", "retry"],
    ["session", "undo"],
    ["session", "delete", "Default"],
    ["session", "delete", "Default", "--purge", "--yes"],
    ["trash", "restore", "Default"],
    ["backup", "restore", "Default"],
]

FREE = [
    ["send", "greeter", "Hello", "--dry-run"],
    ["session", "list"],
    ["session", "show"],
    ["session", "show", "--last"],
    ["session", "current"],
    ["session", "switch", "Default"],
    ["session", "ensure", "Default"],
    ["session", "new", "Another"],
    ["session", "rename", "Default", "Tea"],
    ["session", "duplicate", "Default"],
    ["session", "duplicate", "Default", "--to", "reader"],
    ["session", "path"],
    ["session", "export"],
    ["session", "import", "before.md"],
    ["backup", "create"],
    ["backup", "list"],
    ["backup", "restore", "Default", "--as", "Copy"],
    ["trash", "list"],
    ["trash", "restore", "Default", "--as", "Back"],
    ["trash", "empty", "--yes"],
    ["trash", "empty", "--older-than", "1s", "--yes"],
    ["session", "prune", "--older-than", "30d", "--all"],
    ["session", "prune", "--before", "2999-01-01", "--all", "--yes"],
    ["session", "prune", "--max-size", "1B", "--purge", "--yes"],
    ["object", "rename", "greeter", "host"],
    ["object", "delete", "greeter"],
    ["doctor"],
    ["doctor", "--repair"],
    ["status"],
]


@pytest.mark.parametrize("args", sampled(WAITING, every=4), ids=" ".join)
@pytest.mark.parametrize("wait", sampled([["--no-wait"], ["--lock-timeout", "0.3"]], every=2), ids=" ".join)
def test_what_needs_the_turn_is_refused_with_the_owner(args, wait, held, po, po_process, root):
    before = open_storage("files", root=str(root)).load(held)
    began = time.monotonic()
    done = po_process(*args, *wait, "--json")
    assert time.monotonic() - began < 10
    error = json.loads(done.stderr)["error"]
    assert (done.returncode, error["kind"], error["retryable"], error["session_id"]) == (6, "busy", True, held)
    assert error["message"].startswith(f"The session {held} is in use by process ")
    assert error["message"].endswith(" (send).")
    assert "--lock-timeout" in error["hint"]
    assert open_storage("files", root=str(root)).load(held) == before


@pytest.mark.parametrize("args", sampled(FREE, every=10), ids=" ".join)
def test_what_does_not_need_it_goes_on(args, held, po_process, root, tmp_path):
    args = [str(tmp_path / arg) if arg == "before.md" else arg for arg in args]
    done = po_process(*args)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_orphaned_session_can_be_adopted(held, po_process):
    assert po_process("object", "delete", "greeter").returncode == 0
    assert po_process("session", "adopt", "Default", "--po", "reader").returncode == 0
    assert po_process("session", "list", "--po", "reader", "--ids").stdout == f"{held}\n"


def test_a_turn_goes_on_in_a_session_that_changes_its_names_meanwhile(root, po_process, monkeypatch):
    assert po_process("send", "greeter", "One").returncode == 0
    monkeypatch.setenv("PO_TEST_SCRIPT", '{"says": "a b c d", "delay": 0.5}')
    holder = subprocess.Popen([*command(), "send", "greeter", "Held"], stdout=subprocess.PIPE, text=True)
    store = open_storage("files", root=str(root))
    deadline = time.monotonic() + 20
    while next(iter(store.list())).message_count < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert po_process("object", "rename", "greeter", "host").returncode == 0
    assert po_process("session", "rename", "Default", "Tea").returncode == 0
    assert holder.communicate()[0] == "a b c d\n"
    assert holder.returncode == 0
    (listed,) = json.loads(po_process("session", "list", "--all", "--json").stdout)
    assert (listed["po_name"], listed["name"], listed["message_count"], listed["last_turn"]) == (
        "host",
        "Tea",
        4,
        "done",
    )
