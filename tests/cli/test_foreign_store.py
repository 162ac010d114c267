"""Every command that needs only what all stores can do, on a store without trash, backups, files and sizes."""

from __future__ import annotations

import json

import pytest
from support import foreign_store
from support.stored import contents

from po_sessions import storage


@pytest.fixture
def po(po, root, monkeypatch, backend):
    monkeypatch.setitem(storage.KINDS, "files", "support.foreign_store:ForeignStore")
    monkeypatch.setattr(foreign_store, "ROWS", {})
    for name in ("Tea", "Coffee"):
        assert po("session", "new", name, "--po", "greeter").exit_code == 0
    assert po("send", "greeter", "Hello", "-s", "Tea").exit_code == 0
    assert po("session", "switch", "Tea", "--po", "greeter").exit_code == 0
    return po


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("session list --all --format {name}", "Tea\nCoffee\n"),
        ("session list -n 1 --format {name}", "Tea\n"),
        ("-q session current --format {name}", None),
        ("-q status --format {session_name}", "Tea\n"),
        ("session show --last", None),
        ("session export", None),
        ("session export --all -f jsonl", None),
        ("session new Milk", None),
        ("session ensure Tea", None),
        ("session duplicate Tea Copy", None),
        ("session duplicate Tea --to reader", None),
        ("session switch Coffee", None),
        ("session rename Coffee Milk", None),
        ("session delete Coffee --purge --yes", None),
        ("session prune --keep-last 1 --purge --yes", None),
        ("send greeter More", None),
        ("send --new greeter More", None),
        ("send greeter Hi --dry-run", None),
        ("session compact", None),
        ("object list", None),
        ("object rename greeter host", None),
        ("object delete reader", None),
        ("config list", None),
    ],
)
def test_a_command_of_the_core_works(line, printed, po):
    done = po(*line.split())
    assert done.exit_code == 0, done.stderr
    if printed is not None:
        assert done.stdout == printed


def test_what_is_exported_comes_back(po):
    exported = po("session", "export", "Tea", "-f", "json").stdout
    assert po("session", "delete", "Tea", "--purge", "--yes").exit_code == 0
    assert po("session", "show", "Tea").exit_code == 3
    assert po("session", "import", "-", input=exported).exit_code == 0
    assert contents(po, "Tea")[0] == "Hello"


def test_a_renamed_prompt_object_keeps_its_sessions(po):
    assert po("object", "rename", "greeter", "host").exit_code == 0
    assert {one["po_name"] for one in json.loads(po("session", "list", "--all", "--json").stdout)} == {"host"}
    assert contents(po)[0] == "Hello"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("session delete Coffee", "no trash"),
        ("session undo", "no trash"),
        ("session prune --keep-last 1 --yes", "no trash"),
        ("trash list", "no trash"),
        ("trash restore Tea", "no trash"),
        ("trash empty --yes", "no trash"),
        ("backup list", "no backups"),
        ("backup create", "no backups"),
        ("session path", "no files"),
        ("session prune --max-size 1k", "sizes"),
    ],
)
def test_what_needs_an_ability_is_refused_and_changes_nothing(line, said, po):
    before = {root: dict(rows) for root, rows in foreign_store.ROWS.items()}
    done = po(*line.split())
    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr
    assert before == foreign_store.ROWS
