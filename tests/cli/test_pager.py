"""What is longer than the screen goes through the user's pager, on a terminal only."""

from __future__ import annotations

import os
import re
import shutil

import pytest
from support.running import command
from support.terminal import on_terminal, plain, shown_on_terminal

from po_sessions.environment import Environment
from po_sessions.message import Message

MESSAGES = 30


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    for name in ("PAGER", "LESS", "NO_COLOR", "FORCE_COLOR", "LINES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def long(root):
    """A current session of more lines than the screen has; returns its file."""
    manager = Environment.open(str(root)).session_manager
    session = manager.create("greeter", "Long")
    for number in range(MESSAGES):
        manager.append(session.id, Message("user", f"Question {number}"))
    manager.switch(session)
    return root / "sessions" / f"{session.id}.json"


def pager(tmp_path, monkeypatch, script: str) -> None:
    """Let a shell script be the pager; it has `$out` to write to."""
    file = tmp_path / "a pager"
    file.write_text(f"#!/bin/sh\nout='{tmp_path}/out'\n{script}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PAGER", f"'{file}' -x")


def test_what_is_longer_than_the_screen_goes_through_the_pager(long, tmp_path, monkeypatch):
    pager(tmp_path, monkeypatch, 'echo "$LESS $1" > "$out"; tee -a "$out"')
    code, shown = on_terminal("session", "show")
    said = (tmp_path / "out").read_text()
    assert code == 0
    assert said.startswith("FRX -x\ngreeter: Long (30 messages, 30 turns, ")
    assert plain(said).count("\nQuestion ") == MESSAGES
    assert plain(shown) == plain(said).partition("\n")[2]


@pytest.mark.parametrize("args", [["list", "--all"], ["show", "--json"], ["list", "--all", "--json"]])
def test_lists_and_json_do_too(args, long, tmp_path, monkeypatch, po):
    for number in range(30):
        po("session", "new", f"Session {number}", "--po", "greeter")
    pager(tmp_path, monkeypatch, 'cat > "$out"; echo the end')
    assert on_terminal("session", *args) == (0, "the end\n")
    assert (tmp_path / "out").read_text().count("\n") > 30


def test_a_screenful_does_not(long, tmp_path, monkeypatch, po):
    pager(tmp_path, monkeypatch, 'echo used > "$out"')
    for args in (["session", "list"], ["session", "show", "--range", "-5:"], ["session", "show", "--last"]):
        on_terminal(*args)
    assert not (tmp_path / "out").exists()
    # 23 lines fit, a 24th would push the first off the screen
    monkeypatch.setenv("LINES", "22")
    assert "Question" in on_terminal("session", "show", "--range", "-6:")[1]
    assert not (tmp_path / "out").exists()
    monkeypatch.setenv("LINES", "20")
    on_terminal("session", "show", "--range", "-7:")
    assert (tmp_path / "out").exists()


def test_a_pipe_has_no_pager(long, tmp_path, monkeypatch, po_process):
    pager(tmp_path, monkeypatch, 'echo used > "$out"')
    assert po_process("session", "show").stdout.count("Question") == MESSAGES
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["", "cat", "no-such-pager --x", "'unbalanced"])
def test_without_a_pager_all_is_printed(name, long, monkeypatch):
    monkeypatch.setenv("PAGER", name)
    code, shown = on_terminal("session", "show")
    assert (code, plain(shown).count("\nQuestion ")) == (0, MESSAGES)


def test_a_pager_that_cannot_be_started_loses_nothing(long, tmp_path, monkeypatch):
    file = tmp_path / "broken"
    file.write_text("#!/no/such/interpreter\n")
    file.chmod(0o755)
    monkeypatch.setenv("PAGER", str(file))
    code, shown = on_terminal("session", "show")
    assert (code, plain(shown).count("\nQuestion ")) == (0, MESSAGES)


def test_leaving_the_pager_early_is_no_failure(long, tmp_path, monkeypatch, root):
    manager = Environment.open(str(root)).session_manager
    for number in range(40):
        manager.append(long.stem, Message("assistant", f"{number} " + "word " * 1000))
    pager(tmp_path, monkeypatch, "head -n 1")
    code, shown = on_terminal("session", "show")
    assert code == 0
    assert shown.count("\n") == 1


@pytest.mark.parametrize("script", ["exit 3", "kill -9 $$"])
def test_a_pager_that_fails_is_told(script, long, tmp_path, monkeypatch):
    pager(tmp_path, monkeypatch, script)
    code, shown = on_terminal("session", "show")
    assert code == 0
    assert "po: warning: The pager ended " in shown


def test_less_shows_colours_whatever_the_user_told_it(long, tmp_path, monkeypatch):
    monkeypatch.setenv("LESS", "-S")
    pager(tmp_path, monkeypatch, 'echo "$LESS" > "$out"; cat > /dev/null')
    on_terminal("session", "show")
    assert (tmp_path / "out").read_text() == "-R -S\n"


def test_an_interrupt_is_for_the_pager(long, tmp_path, monkeypatch, root):
    manager = Environment.open(str(root)).session_manager
    for number in range(40):
        manager.append(long.stem, Message("assistant", f"{number} " + "word " * 1000))
    pager(tmp_path, monkeypatch, "trap '' INT; kill -INT 0; sleep 0.2; cat > \"$out\"")
    assert on_terminal("session", "show")[0] == 0
    assert (tmp_path / "out").read_text().count("word ") > 30_000


def test_damage_is_told_behind_what_could_be_read(long, tmp_path, monkeypatch):
    data = long.read_bytes()
    at = data.index(b"Question 25") - 5
    long.write_bytes(data[:at] + b"\0\0\0" + data[at + 3 :])
    pager(tmp_path, monkeypatch, 'sed "s/Question/Q/"; sleep 0.1')
    code, shown = on_terminal("session", "show")
    assert code == 7
    assert "Q 24" in shown
    assert shown.rpartition("Q 24")[2].count("po: ") == 1


@pytest.mark.skipif(not shutil.which("less"), reason="less is not installed")
def test_less_shows_colours_and_waits_for_the_user(long, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    code, shown = on_terminal("session", "show", keys=b"q")
    assert code == 0
    assert "Question 1\n" in plain(shown)
    assert "Question 29" not in shown
    assert "\x1b[1;36muser" in shown


def test_colours_are_the_users_choice(long, monkeypatch):
    monkeypatch.setenv("PAGER", "")
    assert re.search(r"\x1b\[1;36m", on_terminal("session", "show")[1])
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", on_terminal("session", "show")[1])


def test_a_dumb_terminal_gets_no_escapes(long):
    words = ["env", "TERM=dumb", *command(), "session", "show"]
    code, shown = shown_on_terminal(words)
    assert (code, shown.count("Question")) == (0, MESSAGES)
    assert "\x1b" not in shown


def test_colours_can_be_had_in_a_pipe(long, po_process):
    about = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm"}
    assert "\x1b[1;36muser" in po_process("session", "show", env=about).stdout
    assert "\x1b" not in po_process("session", "list", env=about).stdout
    assert "\x1b" not in po_process("session", "export", env=about).stdout
    assert "\x1b" not in po_process("session", "show", env={**about, "NO_COLOR": "1", "FORCE_COLOR": ""}).stdout
