"""`po backup`, and the backups that turns make, on the command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time

import pytest
from support.builders import ULID
from support.running import command
from support.stored import contents
from support.terminal import on_terminal, plain

from po_sessions.session import Session
from po_sessions.storage import open_storage


@pytest.fixture
def talk(root, po, backend):
    """The greeter's session `Default` with one answered turn; returns its id."""
    assert po("send", "greeter", "One").exit_code == 0
    return po("session", "list", "--ids").stdout.strip()


def backups(po, *args) -> list[dict]:
    return json.loads(po("backup", "list", *(args or ["--all"]), "--json").stdout)


def age(root, days: int = 2) -> None:
    """Make all backups older by some days."""
    for file in (root / "backups").rglob("*.json"):
        day = int(file.name[:8])
        file.rename(file.with_name(f"{day - 10000 * days}{file.name[8:]}"))  # years, which is older too


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["backup"], 2, "po: Missing command.\nOne of create, list, restore."),
        (["backup", "create", "Nope"], 3, "po: No session matches 'Nope'."),
        (["backup", "create", "Default", "--all"], 2, "po: Sessions and --all contradict each other."),
        (["backup", "create", "Default", "--po", "nobody"], 3, "po: No prompt object is named 'nobody'."),
        (["backup", "create", "--po", "reader"], 3, "po: reader has no current session"),
        (["backup", "list", "Nope"], 3, "po: No session matches 'Nope'."),
        (["backup", "list", "Default", "--all"], 2, "po: --all and a session contradict each other."),
        (["backup", "list", "--po", "greeter", "--all"], 2, "po: --all and --po contradict each other."),
        (["backup", "restore"], 2, "po: Missing argument 'B'."),
        (["backup", "restore", "Nope"], 3, "po: No backup matches 'Nope'.\nRun 'po backup list --all'"),
        (["backup", "restore", "../state"], 3, "po: No backup matches '../state'."),
        (["backup", "restore", f"{ULID}.20250101T000000.000Z"], 3, f"po: No backup matches '{ULID}.2025"),
        (["backup", "restore", "Default", "--as", "@x"], 2, "po: '@x' cannot be a session's name"),
        (["backup", "restore", "Default", "--as", "Default"], 5, "po: greeter has a session named 'Default'."),
    ],
)
def test_errors_are_a_sentence_with_a_code_and_change_nothing(args, code, said, talk, root, po):
    assert po("backup", "create").exit_code == 0

    def tree():
        return {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != "seen"}

    before = tree()
    result = po(*args)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith(said)
    assert 2 <= result.stderr.count("\n") <= 3
    assert json.loads(po(*args, "--json").stderr)["error"]["code"] == code
    assert tree() == before


def test_create_prints_the_ids_and_list_shows_them(talk, root, po):
    other = po("session", "new", "Tea", "--po", "reader").stdout.strip()
    result = po("backup", "create", "Default")
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.fullmatch(rf"{talk}\.\d{{8}}T\d{{6}}\.\d{{3}}Z\n", result.stdout)
    first = result.stdout.strip()
    ids = po("backup", "create", "--all").stdout.split()
    assert {id.partition(".")[0] for id in ids} == {talk, other}
    assert po("backup", "create", "--all", "--po", "reader").stdout.startswith(other)
    every = po("backup", "list", "--all", "--ids").stdout.split()
    assert (len(every), set(every) >= {first, *ids}) == (4, True)
    (made,) = json.loads(po("backup", "create", "@current", "--json").stdout)
    assert made == backups(po)[0] == backups(po, "Default")[0]
    assert made == {
        "version": 1, "id": made["id"], "session_id": talk, "made_at": made["made_at"], "po_name": "greeter",
        "name": "Default", "message_count": 2, "size": (root / "sessions" / f"{talk}.json").stat().st_size,
        "preview": "One",
    }  # fmt: skip
    row = po("backup", "list").stdout.splitlines()[0].split("\t")
    assert row == [made["id"], talk, made["made_at"], "greeter", "Default", "2", str(made["size"]), "One"]
    assert [one["session_id"] for one in backups(po, "Tea", "--po", "reader")] == [other, other]
    assert po("backup", "list", "--ids").stdout.split() == [one["id"] for one in backups(po, "Default")]


def test_without_any_there_is_nothing_and_no_directory(root, po):
    assert (po("backup", "list", "--all").stdout, backups(po)) == ("", [])
    result = po("backup", "create", "--all", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])
    assert not (root / "backups").exists()


def test_restoring_and_taking_it_back(talk, root, po):
    backup = po("backup", "create").stdout.strip()
    before = (root / "sessions" / f"{talk}.json").read_bytes()
    assert po("send", "greeter", "Two").exit_code == 0
    assert po("session", "rename", "Default", "Talk").exit_code == 0
    restored = json.loads(po("backup", "restore", backup, "--json").stdout)
    assert (restored["id"], restored["name"], restored["message_count"], restored["current"], restored["changed"]) == (
        talk, "Default", 2, True, True,
    )  # fmt: skip
    assert (root / "sessions" / f"{talk}.json").read_bytes() == before
    assert po("trash", "restore", restored["trash_id"], "--as", "Again").exit_code == 0
    assert contents(po, "Again") == ["One", "One", "Two", "Two"]
    again = json.loads(po("backup", "restore", backup, "--json").stdout)
    assert (again["changed"], again["trash_id"]) == (False, None)
    assert po("trash", "list", "--ids").stdout == ""
    assert po("backup", "restore", "Default").stdout == f"{talk}\n"
    assert po("send", "greeter", "Three").exit_code == 0
    assert contents(po) == ["One", "One", "Three", "Three"]


def test_what_an_error_prints_works_when_pasted(talk, po, root, monkeypatch, tmp_path):
    backup = po("backup", "create").stdout.strip()
    assert po("session", "delete", "Default").exit_code == 0
    assert po("send", "greeter", "Other").exit_code == 0
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    refused = po("--root", str(root), "backup", "restore", backup)
    assert (refused.exit_code, refused.stdout) == (5, "")
    line = refused.stderr.splitlines()[1].removeprefix("Run 'po ").partition("'")[0].replace("NAME", "Old")
    made = po(*line.split()).stdout.strip()
    assert made not in ("", talk)
    assert contents(po, "--root", str(root), made) == ["One", "One"]


def test_a_session_that_went_is_listed_and_comes_back(talk, root, po):
    backup = po("backup", "create").stdout.strip()
    assert po("session", "delete", "Default").exit_code == 0
    for ref in ("Default", talk, talk.lower()):
        assert po("backup", "list", ref, "--ids").stdout == f"{backup}\n"
    assert po("backup", "restore", talk[-6:], "--as", "Copy").exit_code == 0
    assert po("backup", "restore", talk).stdout == f"{talk}\n"
    assert contents(po, "Default") == ["One", "One"]
    assert po("trash", "list", "--ids").stdout.startswith(talk)


def test_a_damaged_session_is_reported_and_comes_back(talk, root, po):
    other = po("session", "new", "Tea").stdout.strip()
    backup = po("backup", "create").stdout.strip()
    file = root / "sessions" / f"{talk}.json"
    file.write_text("junk")
    result = po("backup", "create", "--all")
    assert (result.exit_code, len(result.stdout.split())) == (7, 1)
    assert (result.stdout.startswith(other), f"{file} cannot be read" in result.stderr) == (True, True)
    assert po("backup", "list", talk, "--ids").stdout == f"{backup}\n"
    assert po("backup", "restore", backup).stdout == f"{talk}\n"
    assert contents(po, talk) == ["One", "One"]
    assert [path.read_text() for path in (root / "trash").glob("*.json")] == ["junk"]


def test_the_first_turn_after_a_while_copies_first(talk, root, po, monkeypatch):
    assert not (root / "backups").exists()
    before = (root / "sessions" / f"{talk}.json").read_bytes()
    for text in ("Two", "Three"):
        assert po("send", "greeter", text).exit_code == 0
    (file,) = (root / "backups" / talk).iterdir()
    assert file.read_bytes() == before
    monkeypatch.setenv("PO_BACKUP_KEEP", "2")
    for count in range(4):
        age(root)
        assert po("send", "greeter", "More").exit_code == 0
        assert [one["message_count"] for one in backups(po)] == [6 + 2 * count, *([4 + 2 * count] if count else [2])]


def test_the_settings_count(talk, root, po, monkeypatch):
    assert po("config", "set", "backup.keep", "0").exit_code == 0
    assert po("send", "greeter", "Two").exit_code == 0
    assert backups(po) == []
    assert po("config", "set", "backup.keep", "1").exit_code == 0
    assert po("config", "set", "backup.interval", "10y").exit_code == 0
    for text in ("Three", "Four"):
        assert po("send", "greeter", text).exit_code == 0
    assert [one["message_count"] for one in backups(po)] == [4]
    age(root, 5)
    assert po("send", "greeter", "Five").exit_code == 0
    assert [one["message_count"] for one in backups(po)] == [4]
    monkeypatch.setenv("PO_BACKUP_INTERVAL", "1y")
    assert po("send", "greeter", "Six").exit_code == 0
    assert [one["message_count"] for one in backups(po)] == [10]


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "PO_BACKUP_INTERVAL",
            "5m",
            "backup.interval ($PO_BACKUP_INTERVAL): '5m' is not a length of time: 'm' could be minutes or months.",
        ),
        ("PO_BACKUP_KEEP", "few", "backup.keep ($PO_BACKUP_KEEP): 'few' is no whole number from 0 on."),
    ],
)
def test_a_wrong_setting_is_told_at_each_turn_and_refused_by_create(variable, value, said, talk, po, monkeypatch):
    for _ in range(6):
        po("backup", "create")
    kept = backups(po)
    monkeypatch.setenv(variable, value)
    result = po("send", "greeter", "Two")
    assert (result.exit_code, result.stdout) == (0, "Two\n")
    assert backups(po) == kept
    assert result.stderr.startswith(f"po: warning: No backup of 'Default' was made: {said}")
    assert po("send", "greeter", "Three", "--quiet").stderr == ""
    result = po("backup", "create")
    assert (result.exit_code, result.stderr.startswith(f"po: {said}\n")) == (2, True)


def test_a_backup_that_cannot_be_made_keeps_no_turn_from_happening(talk, root, po):
    (root / "backups").write_text("in the way")
    result = po("send", "greeter", "Two")
    assert (result.exit_code, result.stdout) == (0, "Two\n")
    assert result.stderr.startswith(f"po: warning: No backup of 'Default' was made: {root}/backups is not a directory.")
    assert len(result.stderr.splitlines()) == 1
    result = po("backup", "create")
    assert (result.exit_code, result.stdout) == (7, "")


def test_many_sends_at_once_make_one(talk, root, po):
    sends = [
        subprocess.Popen([*command(), "send", "greeter", f"m{number}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for number in range(8)
    ]
    assert [send.communicate()[1] for send in sends] == [b""] * 8
    assert [send.returncode for send in sends] == [0] * 8
    assert [one["message_count"] for one in backups(po)] == [2]
    assert len(contents(po)) == 18


def test_outside_any_session_nothing_is_copied(talk, root, po):
    assert po("send", "greeter", "Two", "--no-save").exit_code == 0
    assert po("send", "greeter", "Two", "--dry-run").exit_code == 0
    assert not (root / "backups").exists()


def test_purging_takes_the_backups_along(talk, root, po):
    assert po("backup", "create").exit_code == 0
    assert po("session", "delete", "Default", "--purge", "--yes").exit_code == 0
    assert list((root / "backups").iterdir()) == []


def test_a_prompt_object_that_is_not_there_is_told(talk, root, po):
    backup = po("backup", "create").stdout.strip()
    assert po("send", "greeter", "Two").exit_code == 0
    assert po("object", "rename", "greeter", "host").exit_code == 0
    assert json.loads(po("backup", "restore", backup, "--json").stdout)["po_name"] == "host"
    assert po("session", "delete", talk).exit_code == 0
    _, shown = on_terminal("backup", "restore", backup)
    assert f"There is no prompt object greeter; 'po session adopt {talk} --po PO' gives the session another." in shown
    assert po("session", "adopt", talk, "--po", "host").exit_code == 0


def test_on_a_terminal(talk, root, po):
    _, shown = on_terminal("backup", "create")
    id = shown.splitlines()[-1]
    assert shown.splitlines()[0] == f"Copied 'Default' of greeter; 'po backup restore {id}' puts it back."
    assert po("backup", "create", talk).exit_code == 0
    code, shown = on_terminal("backup", "list", columns=50)
    assert (code, max(map(len, plain(shown).splitlines())) <= 50) == (0, True)
    code, shown = on_terminal("backup", "list")
    assert re.search(r" \d{3} B  One$", plain(shown), re.MULTILINE)
    head, *rows = plain(shown).splitlines()
    assert (code, head.split()) == (
        0,
        ["Id", "When", "PO", "Session", "Its", "id", "Msgs", "Size", "First", "message"],
    )
    shorts = [row.split()[0] for row in rows]
    assert [id.endswith(shorts[1]), len(set(shorts))] == [True, 2]
    assert rows[0].split()[2:6] == ["greeter", "Default", talk[-6:], "2"]
    assert on_terminal("backup", "restore", shorts[1])[1].startswith("'Default' of greeter is as it was in the backup")
    assert po("send", "greeter", "Two").exit_code == 0
    _, shown = on_terminal("backup", "restore", shorts[1])
    line = plain(shown).splitlines()[0]
    assert line.startswith("Put 'Default' of greeter back to 2 messages (")
    undo = re.search(r"'po (trash restore \S+ --as) NAME'", line)
    assert undo is not None
    assert po(*undo[1].split(), "Before").exit_code == 0
    assert contents(po, "Before") == ["One", "One", "Two", "Two"]
    _, shown = on_terminal("backup", "restore", shorts[1], "--as", "Copy")
    undo = re.search(r"'po (session delete \S+)' takes it back", shown)
    assert undo is not None
    assert po(*undo[1].split()).exit_code == 0
    assert on_terminal("backup", "list", "Before")[1] == "There are no backups; 'po backup create' makes one.\n"


@pytest.mark.slow
def test_a_thousand_sessions(root, po, po_process):
    store = open_storage("files", root=str(root))
    for number in range(1000):
        id = f"01ARZ3NDEKTSV4RRFFQ69G{number:04}"
        store.create(Session(id, f"s{number}", "greeter", "2025-01-03T10:00:00.000Z", "2025-01-03T10:00:00.000Z"))
    done = po_process("backup", "create", "--all")
    assert (done.returncode, done.stderr, len(set(done.stdout.split()))) == (0, "", 1000)
    listed = po_process("backup", "list", "--all")
    assert [row.split("\t")[0] for row in listed.stdout.splitlines()] == sorted(
        done.stdout.split(), key=lambda id: id.split(".", 1)[::-1], reverse=True
    )
    shell = f"set -o pipefail; {' '.join(command())} backup list --all | head -1"
    assert subprocess.run(["bash", "-c", shell], capture_output=True, check=False).returncode == 0


def test_the_turn_lock_is_held_while_it_is_put_back(talk, root, po, po_process):
    backup = po("backup", "create").stdout.strip()
    assert po("send", "greeter", "Two").exit_code == 0
    store = open_storage("files", root=str(root))
    with store.turn(talk, "send"):
        done = po_process("--no-wait", "backup", "restore", backup, "--json")
        error = json.loads(done.stderr)["error"]
        assert (done.returncode, error["session_id"], error["retryable"]) == (6, talk, True)
        assert po_process("--no-wait", "backup", "restore", backup, "--as", "Copy").returncode == 0
    with store.claim_name("greeter", "x"):
        waiting = subprocess.Popen([*command(), "backup", "restore", backup])
        deadline = time.monotonic() + 20
        while "(backup restore)" not in (store.turn_owner(talk) or ""):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert store.turn_owner(talk) == f"process {waiting.pid} (backup restore)"
    assert waiting.wait() == 0
    assert os.listdir(root / "sessions" / ".locks").count(talk) == 0
