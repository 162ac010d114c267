"""What takes away, brings back and copies: `po session delete duplicate adopt undo retry`, `po trash`."""

from __future__ import annotations

import json
import subprocess
import time

import pytest
from conftest import command
from scripted import Script

from po_sessions import errors


@pytest.fixture
def talk(root, po, backend):
    """The greeter's session `Default` with two answered turns; returns its id."""
    for text in ("One", "Two"):
        assert po("send", "greeter", text).exit_code == 0
    return po("session", "list", "--ids").stdout.strip()


def contents(po, *args) -> list[str]:
    return [one["content"] for one in json.loads(po("session", "show", *args, "--json").stdout)["history"]]


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["session", "delete"], 2, "po: Missing argument 'S…'."),
        (["session", "delete", "Nope"], 3, "po: No session matches 'Nope'."),
        (["session", "delete", "Default", "Nope"], 3, "po: No session matches 'Nope'."),
        (["session", "delete", "Nope", "No"], 3, "po: 2 of what was asked for failed:\n  No session matches 'Nope'.\n"),
        (["session", "delete", ""], 2, "po: The session's name is empty."),
        (["session", "delete", "--purge", "Default"], 2, "po: Nothing was done: this cannot be undone"),
        (["session", "duplicate", "Nope"], 3, "po: No session matches 'Nope'."),
        (["session", "duplicate", "Default", "Default"], 5, "po: greeter has a session named 'Default'"),
        (["session", "duplicate", "Default", "@x"], 2, "po: '@x' cannot be a session's name"),
        (["session", "duplicate", "Default", "--to", "nobody"], 3, "po: No prompt object is named 'nobody'."),
        (["session", "adopt", "Default"], 2, "po: Missing option '--po'."),
        (["session", "adopt", "Nope", "--po", "reader"], 3, "po: No session matches 'Nope'."),
        (["session", "adopt", "Default", "--po", "nobody"], 3, "po: No prompt object is named 'nobody'."),
        (["session", "undo", "Nope"], 3, "po: No session matches 'Nope'."),
        (["session", "undo", "-n", "3"], 2, "po: Cannot undo 3 turns: 'Default' has 2."),
        (["session", "undo", "-n", "0"], 2, "po: Cannot undo 0 turns: 'Default' has 2."),
        (["session", "retry"], 5, "po: There is nothing to ask again in 'Default': its last turn was answered.\n"),
        (["session", "retry", "Nope"], 3, "po: No session matches 'Nope'."),
        (["session", "retry", "-o", "x"], 2, "po: 'x' is not of the form K=V."),
        (["trash"], 2, "po: Missing command.\nOne of list, restore, empty."),
        (["trash", "restore", "Nope"], 3, "po: Nothing in the trash is 'Nope'."),
        (["trash", "restore", "../state"], 3, "po: Nothing in the trash is '../state'."),
    ],
)
def test_errors_are_a_sentence_with_a_code_and_change_nothing(args, code, said, talk, root, po):
    def tree():
        return {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != "seen"}

    before = tree()
    result = po(*args)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith(said)
    assert tree() == before


def test_a_deleted_session_is_in_the_trash_and_comes_back_as_it_was(talk, root, po):
    file = root / "sessions" / f"{talk}.json"
    before = file.read_bytes()
    result = po("session", "delete", "Default")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert not file.exists()
    assert po("session", "list", "--all").stdout == ""
    (row,) = json.loads(po("trash", "list", "--json").stdout)
    assert (row["kind"], row["session_id"], row["name"], row["message_count"]) == ("deleted", talk, "Default", 4)
    assert (root / "trash" / f"{row['id']}.json").read_bytes() == before
    assert po("trash", "list").stdout.split("\t")[:2] == [row["id"], "deleted"]
    assert po("trash", "restore", talk[-6:]).stdout == f"{talk}\n"
    assert file.read_bytes() == before
    assert po("trash", "list", "--ids").stdout == ""


def test_deleting_the_current_session_clears_the_pointer(talk, po):
    assert po("session", "delete", "@current").exit_code == 0
    assert po("session", "current").exit_code == 3
    assert po("send", "greeter", "Anew").exit_code == 0
    assert contents(po) == ["Anew", "Anew"]
    result = po("trash", "restore", talk)
    assert (result.exit_code, result.stderr.splitlines()[0]) == (5, "po: greeter has a session named 'Default'.")
    assert f"{talk}." in result.stderr.splitlines()[1]
    assert po("trash", "restore", talk, "--as", "Old").stdout == f"{talk}\n"
    assert contents(po, "Old") == ["One", "One", "Two", "Two"]


def test_several_are_deleted_or_none_if_one_is_not_there(talk, po):
    ids = [po("session", "new", name).stdout.strip() for name in ("a", "b")]
    assert po("session", "delete", "a", "b", "zzz").exit_code == 3
    assert len(po("session", "list", "--ids").stdout.split()) == 3
    done = json.loads(po("session", "delete", "a", ids[1], "a", "--json").stdout)
    assert [one["id"] for one in done] == ids
    assert po("session", "list", "--ids").stdout.split() == [talk]


def test_purging_and_emptying_need_a_yes(talk, root, po):
    po("session", "new", "b")
    assert po("session", "delete", "b").exit_code == 0
    refused = po("trash", "empty")
    assert (refused.exit_code, refused.stderr.splitlines()[1]) == (2, "Run 'po trash empty --yes'.")
    assert po("trash", "empty", "--yes").exit_code == 0
    assert po("trash", "empty").exit_code == 0  # nothing to lose
    refused = po("session", "delete", "--purge", "Default")
    line = refused.stderr.splitlines()[1].removeprefix("Run 'po ").removesuffix("'.")
    assert po(*line.split()).exit_code == 0
    assert list((root / "trash").iterdir()) == []
    assert not (root / "sessions" / f"{talk}.json").exists()


def test_a_duplicate_is_another_session(talk, po):
    copy = po("session", "duplicate", "Default").stdout.strip()
    away = po("session", "duplicate", "Default", "Tea", "--to", "reader", "--switch").stdout.strip()
    listed = {one["id"]: one for one in json.loads(po("session", "list", "--all", "--json").stdout)}
    assert [(listed[id]["name"], listed[id]["po_name"]) for id in (talk, copy, away)] == [
        ("Default", "greeter"),
        ("Default 2", "greeter"),
        ("Tea", "reader"),
    ]
    assert po("status").stdout == "reader: Tea (4 msgs)\n"
    assert po("send", "greeter", "-s", copy, "Three").exit_code == 0
    assert contents(po, talk) == contents(po, away) == ["One", "One", "Two", "Two"]
    assert len(contents(po, copy)) == 6
    assert json.loads(po("session", "show", copy, "--json").stdout)["metadata"] == {"duplicate_of": talk}


def test_a_session_whose_prompt_object_went_is_kept_marked_and_adopted(talk, root, po):
    (root / "objects" / "greeter.md").unlink()
    assert po("session", "list").stdout.rstrip("\n").split("\t")[-1] == "orphaned"
    assert po("session", "new", "Default", "--po", "reader").exit_code == 0
    assert po("session", "list", "--orphaned", "--ids").stdout == f"{talk}\n"
    assert po("session", "show", talk).exit_code == 0
    lost = po("send", "greeter", "Hello")
    assert lost.exit_code == 3
    adopted = json.loads(po("session", "adopt", "Default", "--po", "reader", "--json").stdout)
    assert (adopted["id"], adopted["po_name"], adopted["name"]) == (talk, "reader", "Default 2")
    assert po("session", "list", "--orphaned").stdout == ""
    assert po("send", "reader", "-s", talk, "Three").exit_code == 0
    again = po("session", "adopt", talk, "--po", "coordinator")
    assert (again.exit_code, again.stderr.splitlines()[0]) == (
        5,
        "po: 'Default 2' is not orphaned: it belongs to reader.",
    )


def test_a_renamed_file_does_not_make_an_orphan_and_a_renamed_definition_does(talk, root, po):
    file = root / "objects" / "greeter.md"
    file.rename(root / "objects" / "other.md")
    assert json.loads(po("session", "list", "--json").stdout)[0]["orphaned"] is False
    (root / "objects" / "other.md").rename(file)
    file.write_text(file.read_text().replace("name: greeter", "name: welcomer"))
    assert json.loads(po("session", "list", "--json").stdout)[0]["orphaned"] is True


def test_undone_turns_come_back(talk, po):
    undone = json.loads(po("session", "undo", "--json").stdout)
    assert (undone["message_count"], undone["turn_count"]) == (2, 1)
    assert contents(po) == ["One", "One"]
    (row,) = json.loads(po("trash", "list", "--json").stdout)
    assert (row["id"], row["kind"], row["message_count"]) == (undone["trash_id"], "undone", 2)
    assert po("trash", "restore", undone["trash_id"]).stdout == f"{talk}\n"
    assert contents(po) == ["One", "One", "Two", "Two"]
    assert po("trash", "list", "--ids").stdout == ""
    assert po("session", "undo", "-n", "2").exit_code == 0
    assert contents(po) == []


def test_undone_turns_do_not_come_back_into_a_session_that_went_on(talk, po):
    entry = json.loads(po("session", "undo", "--json").stdout)["trash_id"]
    po("send", "greeter", "Other")
    refused = po("trash", "restore", entry)
    assert (refused.exit_code, refused.stdout) == (5, "")
    made = po("trash", "restore", entry, "--as", "Second thoughts").stdout.strip()
    assert made != talk
    assert contents(po, made) == ["Two", "Two"]
    assert contents(po) == ["One", "One", "Other", "Other"]


def test_retry_answers_the_failed_turn_in_place(talk, po, backend):
    backend.script = Script(says="Half of it.", error=errors.Unreachable("The line is dead."), error_at=2)
    assert po("send", "greeter", "Three").exit_code == 8
    assert po("session", "retry").exit_code == 8
    backend.script = None
    result = po("session", "retry", "--json")
    answer = json.loads(result.stdout)
    assert (answer["turn"], answer["reply"], answer["session_id"]) == (3, "Three", talk)
    assert [m["content"] for m in backend.asked[-1]["messages"][1:]] == ["One", "One", "Two", "Two", "Three"]
    assert contents(po)[4:] == ["Three", "Half of ", "Half of ", "Three"]
    assert po("send", "greeter", "Four").exit_code == 0
    sent = [m["content"] for m in backend.asked[-1]["messages"][1:]]
    assert sent == ["One", "One", "Two", "Two", "Three", "Three", "Four"]  # what had arrived is not sent
    assert json.loads(po("session", "list", "--json").stdout)[0]["turn_count"] == 4


def test_retry_answers_an_interrupted_turn(talk, po, po_process, monkeypatch):
    monkeypatch.setenv("PO_TEST_SCRIPT", '{"says": "a b c", "delay": 30}')
    child = subprocess.Popen([*command(), "send", "greeter", "Three"], stdout=subprocess.DEVNULL)
    while len(contents(po)) < 5:
        time.sleep(0.05)
    held = {
        verb: po_process("--no-wait", "session", verb, talk, *more)
        for verb, more in {"delete": [], "undo": [], "retry": [], "duplicate": [], "rename": ["New"]}.items()
    }
    assert {verb: done.returncode for verb, done in held.items()} == {
        "delete": 6,
        "undo": 6,
        "retry": 6,
        "duplicate": 0,
        "rename": 0,
    }
    assert f"process {child.pid} (send)" in held["delete"].stderr
    child.kill()
    child.wait()
    assert json.loads(po("session", "list", "--json").stdout)[-1]["last_turn"] == "interrupted"
    monkeypatch.delenv("PO_TEST_SCRIPT")
    done = po_process("session", "retry", talk)
    assert (done.returncode, done.stdout) == (0, "Three\n")
    assert contents(po, talk) == ["One", "One", "Two", "Two", "Three", "Three"]
    assert po("trash", "list", "--ids").stdout == ""


def test_retry_without_the_prompt_object_names_adopt(talk, root, po, backend):
    backend.script = Script(error=errors.Unreachable("no"))
    po("send", "greeter", "Three")
    (root / "objects" / "greeter.md").unlink()
    result = po("session", "retry", talk)
    assert result.exit_code == 3
    assert f"po session adopt {talk} --po PO" in result.stderr
