"""`po object rename` and `delete`."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from support.running import command

from po_sessions import folders
from po_sessions.errors import Conflict


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


@pytest.mark.parametrize("names", [("greeter", "../../x"), ("../x", "y"), ("greeter", "a/b"), (["greeter"], "x")])
def test_what_a_file_says_never_becomes_a_path(names, talk, root, po):
    before = sorted(path.name for path in root.parent.rglob("*.md"))
    (root / "sessions" / ".rename").write_text(json.dumps({"version": 1, "old": names[0], "new": names[1]}))
    assert po("session", "list").exit_code == 7
    assert sorted(path.name for path in root.parent.rglob("*.md")) == before


def test_a_file_that_has_to_be_mended_is_found_and_can_be_deleted(talk, root, po):
    file = root / "objects" / "greeter.md"
    file.write_text("---\nname: [\n---\nHi\n")
    assert po("object", "show", "greeter").exit_code == 7
    assert po("object", "path", "greeter").stdout == f"{file}\n"
    assert po("object", "path", "nobody").exit_code == 3
    assert po("object", "delete", "greeter").exit_code == 0
    (kept,) = (root / "trash").iterdir()
    assert (file.exists(), kept.read_text()) == (False, "---\nname: [\n---\nHi\n")


@pytest.mark.parametrize("round", range(4))
def test_two_renamings_at_once_do_not_merge_what_they_rename(round, talk, root, po, po_process):
    po_process("send", "reader", "One")
    pairs = [("greeter", "x"), ("reader", "x")] if round % 2 else [("greeter", "x"), ("greeter", "y")]
    both = [subprocess.Popen([*command(), "object", "rename", *pair], stderr=subprocess.PIPE) for pair in pairs]
    codes = sorted((one.communicate(), one.returncode)[1] for one in both)
    assert codes[0] == 0
    assert codes[1] in (3, 5)
    names = [one["name"] for one in json.loads(po("object", "list", "--json").stdout)]
    assert len(names) == len(set(names)) == 3
    listed = json.loads(po("session", "list", "--all", "--json").stdout)
    assert len({one["po_name"] for one in listed}) == 2
    assert not any(one["orphaned"] for one in listed)


def test_a_session_made_while_its_prompt_object_is_renamed_belongs_to_it(talk, root, env):
    manager = env.session_manager
    (root / "sessions" / ".rename").write_text('{"version":1,"old":"greeter","new":"z"}')
    with pytest.raises(Conflict):
        manager.create("greeter", "Default")
    assert manager.ensure("greeter", "Default")[0].id == talk
    assert manager.create("greeter", "Other").po_name == "z"


def test_a_renaming_that_cannot_begin_changes_nothing(talk, root, po, monkeypatch):
    link = folders.link

    def refuse(source, target, **settings):
        if target.endswith("/z.md"):
            raise OSError(13, "Permission denied")
        link(source, target, **settings)

    before = (root / "objects" / "greeter.md").read_bytes()
    with monkeypatch.context() as fails:
        fails.setattr(folders, "link", refuse)
        assert po("object", "rename", "greeter", "z").exit_code == 9
    assert not (root / "sessions" / ".rename").exists()
    assert (root / "objects" / "greeter.md").read_bytes() == before
    assert po("status").stdout == "greeter: Default (2 msgs)\n"
    assert po("object", "rename", "greeter", "z").exit_code == 0


def test_sessions_in_the_trash_get_the_new_name_too(talk, root, po):
    assert po("session", "delete", "Default").exit_code == 0
    assert po("object", "rename", "greeter", "z").exit_code == 0
    assert po("trash", "restore", talk).exit_code == 0
    (one,) = json.loads(po("session", "list", "--all", "--json").stdout)
    assert (one["po_name"], one["orphaned"]) == ("z", False)


def test_a_mark_of_a_renaming_without_the_directory_of_locks(talk, root, po):
    shutil.rmtree(root / "sessions" / ".locks")
    (root / "sessions" / ".rename").write_text('{"version":1,"old":"greeter","new":"z"}')
    assert po("session", "list", "--all").exit_code == 0
    assert po("status").stdout == "z: Default (2 msgs)\n"


def test_renaming_keeps_what_surrounds_the_name(talk, root, po):
    file = root / "objects" / "greeter.md"
    file.write_text("---\nname: greeter # mine\n---\nTalk.\n")
    file.chmod(0o644)
    assert po("object", "rename", "greeter", "z").exit_code == 0
    renamed = root / "objects" / "z.md"
    assert (renamed.read_text(), renamed.stat().st_mode & 0o777) == ('---\nname: "z" # mine\n---\nTalk.\n', 0o644)
    renamed.write_text("Talk.\nname: nothing of the kind\n")
    assert po("object", "rename", "z", "y").exit_code == 0
    assert (root / "objects" / "y.md").read_text() == "Talk.\nname: nothing of the kind\n"
