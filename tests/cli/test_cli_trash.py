"""What takes away, brings back and copies: `po session delete duplicate adopt undo retry`, `po trash`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest
from support.builders import ULID
from support.running import command
from support.scripted import Script
from support.stored import contents
from support.terminal import on_terminal, plain

from po_sessions import errors


@pytest.fixture
def talk(root, po, backend):
    """The greeter's session `Default` with two answered turns; returns its id."""
    for text in ("One", "Two"):
        assert po("send", "greeter", text).exit_code == 0
    return po("session", "list", "--ids").stdout.strip()


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
        (["session", "undo", "-n", "3"], 2, "po: Cannot undo 3 turns of 'Default', which has 2."),
        (["session", "undo", "-n", "0"], 2, "po: Cannot undo 0 turns of 'Default', which has 2."),
        (["session", "retry"], 5, "po: There is nothing to ask again in 'Default': its last turn was answered.\n"),
        (["session", "retry", "Nope"], 3, "po: No session matches 'Nope'."),
        (["session", "retry", "-o", "x"], 2, "po: 'x' is not of the form K=V."),
        (["trash"], 2, "po: Missing command.\nOne of list, restore, empty."),
        (["trash", "restore", "Nope"], 3, "po: Nothing in the trash matches 'Nope'."),
        (["trash", "restore", "../state"], 3, "po: Nothing in the trash matches '../state'."),
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


@pytest.mark.parametrize(("keys", "left"), [(b"n\n", 1), (b"\n", 1), (b"y\n", 0), (b"\x04", 1)])
def test_what_cannot_be_undone_asks_and_takes_no_for_an_answer(keys, left, root, po):
    po("session", "new", "Tea", "--po", "greeter")
    po("session", "delete", "Tea", "--po", "greeter")
    code, shown = on_terminal("trash", "empty", keys=keys)
    assert code == (0 if keys == b"y\n" else 130)
    assert ("Nothing was done." in shown) == (keys in (b"n\n", b"\n"))
    assert len(json.loads(po("trash", "list", "--json").stdout)) == left


def test_deleting_the_current_session_tells_where_plain_messages_go(root, po):
    po("session", "new", "Tea", "--po", "greeter", "--switch")
    assert (
        "greeter has no current session now; plain messages go to 'Default'."
        in on_terminal("session", "delete", "Tea")[1]
    )


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


def entry_of(po) -> str:
    return po("trash", "list", "--ids").stdout.strip()


def test_a_restoring_that_was_cut_is_finished_by_the_next(talk, root, po):
    file = root / "sessions" / f"{talk}.json"
    assert po("session", "delete", "Default").exit_code == 0
    entry = entry_of(po)
    os.link(root / "trash" / f"{entry}.json", file)  # as far as a restoring, or a deleting, can be cut
    assert po("trash", "restore", "Default").stdout == f"{talk}\n"
    assert (entry_of(po), contents(po, talk)) == ("", ["One", "One", "Two", "Two"])
    assert po("send", "greeter", "-s", talk, "Three").exit_code == 0


def test_restoring_where_the_id_is_taken_needs_another_name(talk, root, po, tmp_path):
    file = str(tmp_path / "x.json")
    assert po("session", "export", "-o", file).exit_code == 0
    assert po("send", "greeter", "Three").exit_code == 0
    assert po("session", "delete", "Default").exit_code == 0
    assert po("session", "import", file).stdout == f"{talk}\n"
    refused = po("trash", "restore", "Default")
    assert (refused.exit_code, refused.stdout) == (5, "")
    line = refused.stderr.splitlines()[1].removeprefix("Run 'po ").partition("'")[0].replace("NAME", "Whole")
    made = po(*line.split()).stdout.strip()
    assert made != talk
    assert contents(po, made) == ["One", "One", "Two", "Two", "Three", "Three"]
    assert contents(po, talk) == ["One", "One", "Two", "Two"]
    assert entry_of(po) == ""


def test_a_torn_end_comes_back_too(talk, root, po):
    file = root / "sessions" / f"{talk}.json"
    whole = file.read_bytes()
    file.write_bytes(whole[: whole.rindex(b"],")] + b',{"role":"user","content":"PRECIOUS')
    torn = file.read_bytes()
    assert po("session", "delete", talk).exit_code == 0
    assert po("trash", "restore", talk).exit_code == 0
    assert file.read_bytes() == torn


def test_undone_messages_come_back_all_or_none(talk, root, po, monkeypatch):
    entry = json.loads(po("session", "undo", "-n", "2", "--json").stdout)["trash_id"]
    before = (root / "sessions" / f"{talk}.json").read_bytes()

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "replace", fail)
        assert po("trash", "restore", entry).exit_code == 9
    assert (root / "sessions" / f"{talk}.json").read_bytes() == before
    assert po("trash", "restore", entry).exit_code == 0
    assert contents(po) == ["One", "One", "Two", "Two"]


def test_an_undoing_that_failed_leaves_nothing_in_the_trash(talk, root, po, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "replace", fail)
        assert po("session", "undo").exit_code == 9
    assert (entry_of(po), len(contents(po))) == ("", 4)


def test_emptying_removes_what_po_put_there_and_nothing_else(talk, root, po):
    assert po("session", "undo").exit_code == 0
    assert po("object", "delete", "reader").exit_code == 0
    trash = root / "trash"
    (trash / f"{talk}.20250103T100000.000Z.json").write_text("damaged")
    (trash / f"{talk}.20250103T100000.001Z.json").symlink_to(root / "state.toml")
    (trash / "link").symlink_to(root / "state.toml")
    mine = ["a", "b", "c", "foreign", "y"]
    for name in mine:
        (trash / name).touch()
    code, shown = on_terminal("trash", "list")
    assert (
        code,
        f"Also in {trash}: {next(trash.glob('reader.*.md')).name}; 'po trash empty' removes all.\n" in shown,
    ) == (0, True)
    assert f"Also in {trash}: a, b, c, foreign, link and 1 more; that is not po's" in shown
    gone = json.loads(po("trash", "empty", "--yes", "--json").stdout)
    assert len(gone) == 4
    assert sorted(path.name for path in trash.iterdir()) == sorted([*mine, "link"])
    assert (root / "state.toml").exists()


def test_emptying_while_another_takes_things_out(talk, root, po, monkeypatch):
    from po_sessions.storage.files.trash import Trash

    assert po("session", "undo").exit_code == 0
    names = [f"{entry_of(po)}.json", "gone.json"]
    monkeypatch.setattr(Trash, "names", lambda *_: names)
    assert po("trash", "empty", "--yes").exit_code == 0
    assert list((root / "trash").iterdir()) == []


def test_another_sessions_file_is_not_brought_back(talk, root, po):
    assert po("session", "delete", "Default").exit_code == 0
    entry = entry_of(po)
    file = root / "trash" / f"{entry}.json"
    other = ULID[:-1] + "W"
    file.write_bytes(file.read_bytes().replace(talk.encode(), other.encode()))
    result = po("trash", "restore", entry)
    assert (result.exit_code, "which is not its name" in result.stderr) == (7, True)
    assert not (root / "sessions" / f"{other}.json").exists()


DAMAGE = {
    "a message": lambda data: data.replace(b'"content":"One"', b'"content":"On\0"', 1),
    "the end": lambda data: data + data,
    "all": lambda data: b"junk",
}


@pytest.mark.parametrize("ref", ["id", "name", "trash id"])
@pytest.mark.parametrize("harm", DAMAGE)
def test_what_delete_took_comes_back_damaged_or_not(harm, ref, talk, root, po):
    assert po("session", "delete", "Default").exit_code == 0
    entry, file = entry_of(po), root / "sessions" / f"{talk}.json"
    trashed = root / "trash" / f"{entry}.json"
    damaged = DAMAGE[harm](trashed.read_bytes())
    trashed.write_bytes(damaged)
    listed = json.loads(po("trash", "list", "--json").stdout)
    assert [(one["id"], one["damaged"]) for one in listed] == [(entry, True)]
    if ref == "name" and harm == "all":
        assert po("trash", "restore", "Default").exit_code == 3
        return
    assert po("trash", "restore", entry, "--as", "Other").exit_code == 7
    result = po("trash", "restore", {"id": talk, "name": "Default", "trash id": entry}[ref])
    assert (result.exit_code, result.stdout) == (0, f"{talk}\n")
    assert "is back as it was, and cannot be read whole" in result.stderr
    assert (file.read_bytes(), trashed.exists()) == (damaged, False)


def test_deleting_a_damaged_session_says_so(talk, root, po):
    file = root / "sessions" / f"{talk}.json"
    damaged = file.read_bytes().replace(b'"content":"One"', b'"content":"On\0"', 1)
    file.write_bytes(damaged)
    result = po("session", "delete", talk)
    assert (result.exit_code, "cannot be read at byte" in result.stderr) == (0, True)
    assert f"'po trash restore {entry_of(po)}' puts the file back as it is." in result.stderr
    assert po("trash", "restore", talk).exit_code == 0
    assert file.read_bytes() == damaged


def test_a_delete_that_is_refused_leaves_one_name_and_no_entry(talk, root, po, monkeypatch):
    from po_sessions.storage.files.publish import SessionFiles

    def refused(self, id):
        raise errors.Busy("It is busy.")

    file = root / "sessions" / f"{talk}.json"
    monkeypatch.setattr(SessionFiles, "remove", refused)
    assert po("session", "delete", talk).exit_code == 6
    assert (file.stat().st_nlink, po("trash", "list", "--ids").stdout) == (1, "")


def test_a_restore_waits_for_a_delete_that_has_not_ended(talk, root, po, po_process):
    import fcntl

    with (root / "sessions" / ".locks" / "entries").open("a") as entries:
        fcntl.flock(entries, fcntl.LOCK_SH)  # as a process that makes a session does
        deleting = subprocess.Popen([*command(), "session", "delete", talk])
        while not list((root / "trash").glob(f"{talk}.*.json")):
            time.sleep(0.001)
        deleting.send_signal(signal.SIGSTOP)
        assert po("--no-wait", "trash", "restore", talk).exit_code == 6
        deleting.send_signal(signal.SIGCONT)
    assert deleting.wait() == 0
    assert po("trash", "restore", talk).exit_code == 0
    assert len(contents(po)) == 4


def test_a_composed_name_is_found_however_it_is_typed(talk, po):
    made = po("session", "new", "café", "--po", "greeter").stdout.strip()
    po("session", "delete", made)
    assert po("trash", "restore", "cafe\u0301").stdout == f"{made}\n"
    po("session", "delete", made)
    assert po("trash", "restore", made.lower()).stdout == f"{made}\n"


def test_a_terminal_shows_ids_that_restore_takes(talk, po):
    assert po("session", "undo").exit_code == 0
    assert po("session", "undo").exit_code == 0
    _, shown = on_terminal("trash", "list")
    ids = [line.split()[0] for line in shown.splitlines() if "undone" in line]
    assert len(set(ids)) == 2
    assert po("trash", "restore", ids[0]).exit_code == 0
    assert po("trash", "restore", ids[1]).exit_code == 0
    assert len(contents(po)) == 4


def test_a_session_of_a_newer_version_is_copied_by_nobody_and_restored_as_it_is(talk, root, po):
    file = root / "sessions" / f"{talk}.json"
    newer = file.read_bytes().replace(b'"version":1', b'"version":2', 1)
    file.write_bytes(newer)
    assert po("session", "duplicate", talk).exit_code == 7
    assert po("session", "delete", talk).exit_code == 0
    assert po("trash", "restore", talk, "--as", "Other").exit_code == 7
    assert po("trash", "restore", talk).stdout == f"{talk}\n"
    assert file.read_bytes() == newer


def test_an_orphan_is_adopted_once(talk, root, po, env):
    (root / "objects" / "greeter.md").unlink()
    session = next(iter(env.session_manager.list("greeter")))
    assert env.session_manager.adopt(session, "reader").po_name == "reader"
    with pytest.raises(errors.Conflict):
        env.session_manager.adopt(session, "coordinator")


def test_pointers_that_cannot_be_read_are_told_before_anything_is_done(talk, root, po):
    (root / "state.toml").write_text("x = [")
    (root / "objects" / "extra.md").write_text("---\nname: extra\n---\n")
    for args in (["object", "delete", "extra"], ["object", "rename", "greeter", "x"]):
        assert po(*args).exit_code == 7
    assert (root / "objects" / "extra.md").exists()
    assert not (root / "sessions" / ".rename").exists()
    (root / "objects" / "greeter.md").unlink()
    assert po("session", "adopt", talk, "--po", "reader").exit_code == 7
    assert b'"po_name":"greeter"' in (root / "sessions" / f"{talk}.json").read_bytes()


def test_a_lock_that_cannot_be_signed_is_still_a_lock(talk, root, po, monkeypatch):
    from po_sessions import locks

    monkeypatch.setattr(locks.os, "ftruncate", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    assert po("session", "delete", "--purge", "--yes", talk).exit_code == 0


def test_a_printed_command_means_the_environment_that_was_named(talk, root, po, monkeypatch, tmp_path):
    assert po("session", "undo").exit_code == 0
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    refused = po("--root", str(root), "trash", "empty")
    line = refused.stderr.splitlines()[1].removeprefix("Run '").removesuffix("'.")
    assert line == f"po --root {root} trash empty --yes"
    error = json.loads(po("--root", str(root), "trash", "empty", "--json").stderr)["error"]
    assert error["hint"] == f"Run '{line}'."


def test_what_stands_behind_two_hyphens_is_no_option(talk, po):
    result = po("send", "greeter", "--", "--json")
    assert (result.exit_code, result.stdout) == (0, "--json\n")
    result = po("session", "delete", "-x")
    assert (result.exit_code, result.stderr.splitlines()[1]) == (
        2,
        "If it is no option, put '--' in front: po session delete -- -x",
    )


def test_another_name_makes_another_session_of_what_is_there_already(talk, root, po):
    assert po("session", "delete", "Default").exit_code == 0
    entry = entry_of(po)
    os.link(root / "trash" / f"{entry}.json", root / "sessions" / f"{talk}.json")
    made = po("trash", "restore", entry, "--as", "Copy").stdout.strip()
    assert made != talk
    assert contents(po, "Copy") == contents(po, talk) == ["One", "One", "Two", "Two"]


@pytest.mark.parametrize("noun", ["trash", "backup"])
def test_the_id_on_a_terminal_tells_the_time_of_day_and_is_taken(noun, talk, root, po):
    assert po("backup", "create").exit_code == 0
    assert po("session", "undo").exit_code == 0
    id = po(noun, "list", "--ids").stdout.split()[0]
    shown = plain(on_terminal(noun, "list")[1]).splitlines()[1].split()[0]
    assert (shown, len(shown)) == (id.partition("T")[2][-11:], 11)
    assert po(noun, "restore", shown).exit_code == 0
