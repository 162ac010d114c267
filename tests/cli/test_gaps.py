"""A session with a damaged message on the command line: the rest is printed, the gap is marked, doctor mends it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.builders import assistant, user

from po_sessions.session import Session

NOW = "2025-01-03T10:00:00.000Z"
IDS = [f"01ARZ3NDEKTSV4RRFFQ6900{number:03}" for number in range(2)]


@pytest.fixture
def file(env, root) -> Path:
    """The file of the session `Big`, with 50 turns, one of whose questions is damaged; `Small` is sound."""
    said = [message for n in range(50) for message in (user(f"q{n}."), assistant(f"a{n}."))]
    storage = env.session_manager.storage
    storage.create(Session(IDS[0], "Big", "greeter", NOW, NOW, tuple(said)))
    storage.create(Session(IDS[1], "Small", "greeter", NOW, NOW, tuple(said[:2])))
    env.session_manager.switch_po("greeter")
    storage.close()
    path = root / "sessions" / f"{IDS[0]}.json"
    path.write_bytes(path.read_bytes().replace(b"q25.", b"q\0.."))
    return path


def test_show_prints_the_rest_and_marks_the_gap(file, po):
    result = po("session", "show", "Big")
    assert result.exit_code == 7
    assert [text for n in range(50) for text in (f"\nq{n}.\n", f"\na{n}.\n") if text not in result.stdout] == [
        "\nq25.\n"
    ]
    assert "[51] user, damaged\n[damaged: " in result.stdout
    assert "Message 51 of 'Big' is damaged, and marked as such." in result.stderr
    assert str(file) in result.stderr
    assert "po doctor" in result.stderr
    history = json.loads(po("session", "show", "Big", "--json").stdout)["history"]
    assert len(history) == 100
    assert [one["number"] for one in history if "damaged" in one] == [51]


def test_what_is_shown_without_a_gap_is_no_error(file, po):
    assert po("session", "show", "Big", "--range", "52:").exit_code == 0
    assert po("session", "show", "Big", "--last").stdout == "a49.\n"
    assert po("session", "show", "Big", "--range", "50:51").exit_code == 7


@pytest.mark.parametrize("form", ["markdown", "json", "jsonl"])
@pytest.mark.parametrize("where", ["", "file", "dir/"])
def test_export_writes_the_rest_and_marks_the_gap(form, where, file, po, tmp_path):
    target = tmp_path / where
    output = {"": [], "file": ["-o", str(target)], "dir/": ["-o", f"{target}/"]}[where]
    result = po("session", "export", "Big", "--format", form, *output)
    assert result.exit_code == 7
    assert "Message 51 of 'Big' is damaged" in result.stderr
    if not where:
        (tmp_path / "out").write_text(result.stdout)
        made = tmp_path / "out"
    else:
        made = Path(result.stdout.strip())
    again = po("session", "import", str(made), "--json")
    assert again.exit_code == 0, again.stderr
    (copy,) = json.loads(again.stdout)
    history = json.loads(po("session", "show", copy["id"], "--json").stdout)["history"]
    assert [one["number"] for one in history if "damaged" in one] == [51]
    assert len(history) == 100


def test_export_of_all_has_the_sound_and_the_damaged(file, po):
    result = po("session", "export", "--all", "--format", "json")
    assert result.exit_code == 7
    assert sorted(len(one["history"]) for one in json.loads(result.stdout)) == [2, 100]


def test_doctor_keeps_the_session_and_the_file_as_it_was(file, po, root, backend):
    damaged = file.read_bytes()
    found = po("doctor")
    assert found.exit_code == 1
    assert "its 99 messages will be kept, with 1 gap; the file as it is will be kept in the quarantine." in found.stdout
    assert file.read_bytes() == damaged
    assert po("doctor", "--repair").exit_code == 0
    (kept,) = root.glob("quarantine/*/sessions/*.json")
    assert kept.read_bytes() == damaged
    assert kept.stat().st_ino != file.stat().st_ino
    result = po("session", "show", "Big")
    assert (result.exit_code, result.stdout.count("damaged: ")) == (0, 1)
    assert po("doctor").exit_code == 0
    sent = json.loads(po("send", "greeter", "-s", "Big", "Go on", "--json").stdout)
    assert sent["context"]["left_out"] == 2


def test_a_repair_that_cannot_set_the_file_aside_changes_nothing(file, po, root):
    damaged = file.read_bytes()
    (root / "quarantine").write_text("in the way")
    assert po("doctor", "--repair").exit_code == 1
    assert file.read_bytes() == damaged
