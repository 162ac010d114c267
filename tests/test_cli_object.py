"""`po object rename` and `delete`."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def talk(root, po, backend):
    """The greeter's session `Default` with one answered turn; returns its id."""
    assert po("send", "greeter", "One").exit_code == 0
    return po("session", "list", "--ids").stdout.strip()


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["object", "rename", "greeter"], 2, "po: Missing argument 'NEW'."),
        (["object", "rename", "nobody", "x"], 3, "po: No prompt object is named 'nobody'."),
        (["object", "rename", "greeter", "reader"], 5, "po: There is a prompt object named 'reader'."),
        (["object", "rename", "greeter", "greeter"], 5, "po: There is a prompt object named 'greeter'."),
        (["object", "rename", "greeter", "../x"], 2, "po: '../x' cannot be a prompt object's name."),
        (["object", "delete", "nobody"], 3, "po: No prompt object is named 'nobody'."),
        (["object", "delete"], 2, "po: Missing argument 'PO'."),
    ],
)
def test_errors_are_a_sentence_with_a_code_and_change_nothing(args, code, said, talk, root, po):
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != "seen"}
    result = po(*args)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith(said)
    assert before == {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != "seen"}


def test_renaming_keeps_the_file_but_for_the_name(talk, root, po):
    file = root / "objects" / "greeter.md"
    text = "---\n# Mine.\nname:   greeter\ndescription: Says hello.\r\n---\nname: greeter\n"
    file.write_bytes(text.encode())
    assert po("object", "rename", "greeter", "welcomer").exit_code == 0
    assert not file.exists()
    renamed = (root / "objects" / "welcomer.md").read_bytes().decode()
    assert renamed == text.replace("name:   greeter", 'name: "welcomer"', 1)
    assert po("status").stdout == "welcomer: Default (2 msgs)\n"
    assert po("send", "welcomer", "Two").exit_code == 0
    (one,) = json.loads(po("session", "list", "--all", "--json").stdout)
    assert (one["id"], one["po_name"], one["message_count"], one["current"]) == (talk, "welcomer", 4, True)
    assert json.loads((root / "sessions" / f"{talk}.json").read_bytes())["po_name"] == "welcomer"
    assert po("send", "greeter", "Hello").exit_code == 3


def test_renaming_one_whose_file_says_no_name(talk, root, po):
    (root / "objects" / "greeter.md").write_text("You greet.\n")
    assert po("object", "rename", ".", "g").exit_code == 0
    assert (root / "objects" / "g.md").read_text() == "You greet.\n"
    assert po("status").stdout == "g: Default (2 msgs)\n"


def test_a_name_that_is_not_on_a_line_of_its_own_is_not_guessed_at(talk, root, po):
    (root / "objects" / "greeter.md").write_text("---\n{name: greeter}\n---\nYou greet.\n")
    result = po("object", "rename", "greeter", "g")
    assert result.exit_code == 7
    assert "is not on a line of its own" in result.stderr
    assert po("status").stdout == "greeter: Default (2 msgs)\n"


def test_a_name_that_orphans_have_is_taken(talk, root, po):
    (root / "objects" / "greeter.md").unlink()
    result = po("object", "rename", "reader", "greeter")
    assert result.exit_code == 5
    assert f"po session adopt {talk} --po reader" in result.stderr


def test_deleting_keeps_the_sessions_and_the_file(talk, root, po):
    text = (root / "objects" / "greeter.md").read_bytes()
    kept = json.loads(po("object", "delete", "greeter", "--json").stdout)["trash_path"]
    with open(kept, "rb") as file:
        assert file.read() == text
    assert po("status").stdout == ""
    assert po("session", "list", "--orphaned", "--ids").stdout == f"{talk}\n"
    assert po("trash", "list").exit_code == 0


def test_what_was_interrupted_is_finished_by_a_command_that_only_reads(talk, root, po):
    (root / "sessions" / ".rename").write_text('{"version":1,"old":"greeter","new":"g"}\n')
    result = po("session", "list", "--all", "--json")
    assert [(one["po_name"], one["orphaned"]) for one in json.loads(result.stdout)] == [("g", False)]
    assert result.stderr == "po: warning: Finished renaming greeter to g, which had been interrupted.\n"
    assert not (root / "sessions" / ".rename").exists()
    assert po("session", "list").stderr == ""


def test_a_damaged_mark_of_a_renaming_is_an_error_that_names_it(talk, root, po):
    (root / "sessions" / ".rename").write_text("{")
    result = po("session", "list")
    assert result.exit_code == 7
    assert ".rename cannot be read" in result.stderr
