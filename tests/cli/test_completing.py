"""What `po __complete` answers, and `po completion`; what the shells make of it is in test_shells.py."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.running import PO
from support.selection import slow_but

from po_sessions.cli.fast import complete
from po_sessions.cli.fast.bash_line import Line
from po_sessions.message import Message
from po_sessions.session import Session

NOW = "2025-01-03T10:00:00.000Z"


def ask(*words: str, shell: str = "zsh") -> list[str]:
    """Return the candidates for the last word, as `value: description`; the kind if the shell completes itself."""
    done = subprocess.run([PO, "__complete", shell, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    kind, *found = done.stdout.splitlines() or ["words"]
    found = [line.replace("\t", ": ", 1).removesuffix(": ").replace("3 Jan 2025", "3 Jan") for line in found]
    return found if kind == "words" else [kind]


def names(*words: str) -> list[str]:
    return [one.partition(":")[0] for one in ask(*words)]


@pytest.fixture
def many(env):
    """Sessions of two prompt objects; one is the current one."""
    manager = env.session_manager
    for name in ("First", "Second", "Third"):
        manager.append(manager.create("greeter", name).id, Message("user", "Hello", env.session_manager.now()))
    manager.create("reader", "Notes")
    manager.switch(manager.find("First", "greeter"))
    return manager


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["se"], ["send", "session"]),
        (["session", "sw"], ["switch"]),
        (["session", "list", "--l"], ["--limit"]),
        (["session", "undo", "--num"], ["--number"]),
        (["send", "greeter", "--lo"], ["--lock-timeout"]),
        (["send", "gr"], ["greeter"]),
        (["--root", ".prompt_objects", "send", "gr"], ["greeter"]),
        (["send", "-m", "smollm2", ""], ["coordinator", "greeter", "reader"]),
        (["send", "greeter", ""], []),
        (["session", "new", "--po", "rea"], ["reader"]),
        (["session", "new", "--po=rea"], ["--po=reader"]),
        (["session", "duplicate", "--to", "EA"], ["reader"]),
        (["session", "export", "--format", ""], ["markdown", "jsonl", "json"]),
        (["session", "export", "-f", "ma"], ["markdown"]),
        (["send", "greeter", "-f", ""], ["files"]),
        (["session", "import", "a", ""], ["files"]),
        (["session", "list", "--root", ""], ["directories"]),
        (["init", ""], ["directories"]),
        (["config", "get", "back"], ["backup.interval", "backup.keep"]),
        (["config", "set", "backup.keep", ""], []),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["status", ""], []),
        (["nonsense", ""], []),
        (["session", "nonsense", ""], []),
        (["session", "list", "--nonsense=", ""], []),
        (["session", "list", "--limit", ""], []),
        ([""], list(complete.COMMANDS) and [name for name, _ in complete.COMMANDS[""][0]]),
    ],
    ids=" ".join,
)
def test_words(words, expected, root):
    assert names(*words) == expected


def test_the_sessions_of_the_prompt_object_newest_first(many):
    assert ask("session", "show", "") == [f"{name}: 1 message, 3 Jan" for name in ("Third", "Second", "First")]
    assert names("session", "show", "--po", "reader", "") == ["Notes"]
    assert names("session", "export", "First", "Sec") == ["Second"]
    assert names("session", "rename", "First", "") == []
    assert names("send", "reader", "--session", "") == ["Notes"]
    assert names("send", "reader", "--session=") == ["--session=Notes"]
    assert names("send", ".", "-s", "thi") == ["Third"]
    assert names("session", "show", "@") == ["@current", "@previous", "@last"]
    assert ask("session", "switch", "")[0] == "Third: 1 message, 3 Jan"
    many.switch(many.find("Second", "greeter"))
    assert ask("session", "switch", "")[0] == "-: the previous session"


def test_ids(many):
    first, notes = many.find("First", "greeter").id, many.find("Notes", "reader").id
    assert ask("session", "show", first[:-1].lower()) == [f"{first}: First, 1 message, 3 Jan"]
    assert ask("session", "show", notes[:-1]) == [f"{notes}: reader: Notes, 0 messages, 3 Jan"]


def test_without_a_current_prompt_object_ids_are_what_there_is(env):
    made = env.session_manager.create("greeter", "First")
    assert ask("session", "show", "") == [f"{made.id}: greeter: First, 0 messages, 3 Jan"]


def test_names_that_are_of_no_use_give_way_to_ids(env):
    ids = [f"01JGMZ0000000000000000000{last}" for last in "ABCD"]
    for id, name in zip(ids, ["-dash", "tab\there", "twice", "twice"], strict=True):
        env.session_manager.storage.create(Session(id, name, "greeter", NOW, NOW))
    assert names("session", "show", "--po", "greeter", "") == ["twice", *ids[2::-1]]
    assert names("session", "show", "--po", "greeter", "--", "") == ["twice", ids[2], ids[1], "-dash"]


def test_a_name_with_joiners_is_offered_and_shown(env):
    name = "emoji 👩\u200d👧 کتاب\u200cخانه"
    id = env.session_manager.create("greeter", name).id
    assert names("session", "show", "--po", "greeter", "emo") == [name]
    assert ask("session", "show", "--po", "reader", id) == [f"{id}: greeter: {name}, 0 messages, 3 Jan"]


def test_orphans_what_was_deleted_and_backups(many, env):
    gone = many.delete(many.find("Second", "greeter"))
    first = many.find("First", "greeter")
    backup = many.backups.create(first.id)
    assert ask("trash", "restore", "") == [f"{gone}: greeter: Second, 1 message"]
    assert ask("backup", "restore", "") == [f"{backup.id}: greeter: First, 1 message"]
    env.delete_prompt_object("reader")
    notes = many.find("Notes", "reader").id
    assert ask("session", "adopt", "") == [f"{notes}: reader: Notes, 0 messages, 3 Jan"]


def test_every_session_of_the_list_is_offered(env, po_process):
    manager = env.session_manager
    for number in range(30):
        made = manager.create("greeter", f"S {number} \"q\" 'a' \\ ü")
        if number % 3 == 0:
            manager.rename(made, f"Other {number}")
        if number % 5 == 0:
            manager.delete(made)
        if number == 15:
            manager.storage.close()  # some in index.json, some in the log
    listed = json.loads(po_process("session", "list", "--po", "greeter", "--json").stdout)
    assert names("session", "show", "--po", "greeter", "") == [one["name"] for one in listed]


def test_of_many_sessions_the_newest_are_offered_and_any_that_is_typed(env):
    for number in range(complete.MOST + 50):
        stamp = f"2025-01-03T10:{number // 60:02}:{number % 60:02}.000Z"
        one = Session(f"01JGMZ0000000000000000{number:04}", f"Session {number}", "greeter", stamp, stamp)
        env.session_manager.storage.create(one)
    found = names("session", "show", "--po", "greeter", "")
    assert found == [f"Session {number}" for number in range(complete.MOST + 49, 49, -1)]
    assert names("session", "show", "--po", "greeter", "Session 13") == [
        "Session 139", *(f"Session 13{n}" for n in range(8, -1, -1)), "Session 13"
    ]  # fmt: skip


def test_another_environment(many, env, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert names("session", "show", "--po", "reader", "") == []
    assert names("--root", env.root, "session", "show", "--po", "reader", "") == ["Notes"]
    assert names("session", "show", "--po", "reader", f"--root={env.root}", "") == ["Notes"]
    shutil.copytree(env.root, Path.home() / "e" / ".prompt_objects")
    assert names("session", "show", "--root", "~/e", "--po", "reader", "") == ["Notes"]
    monkeypatch.setenv("PO_ROOT", env.root)
    assert names("session", "show", "--po", "reader", "") == ["Notes"]


def test_before_there_is_an_environment_its_prompt_objects_to_be_are_offered():
    assert names("send", "") == ["coordinator", "greeter", "reader"]
    assert ask("session", "show", "") == []


def test_one_that_others_can_write_is_not_looked_into(many, env):
    os.chmod(env.root, 0o777)
    assert ask("session", "show", "--po", "reader", "") == []
    assert names("--root", env.root, "session", "show", "--po", "reader", "") == ["Notes"]


PLACES = ["sessions", "sessions/index.json", "sessions/index.log", "state.toml", "objects"]


@pytest.mark.parametrize(
    "what",
    slow_but(PLACES, "sessions/index.json"),
)
@pytest.mark.parametrize("damage", ["missing", "garbage", "directory", "unreadable", "fifo"])
def test_a_damaged_store_says_nothing(what, damage, many, env):
    many.storage.close()
    path = Path(env.root, what)
    if path.exists():
        path.rename(Path(env.root, "aside"))
    if damage == "garbage":
        path.write_bytes(b'{"id":"01JGMZ0000000000000000000A","name":[\xff\n{"id":7}\n\0\0')
    elif damage == "directory":
        path.mkdir()
    elif damage == "unreadable":
        path.symlink_to("/nowhere")
    elif damage == "fifo":
        os.mkfifo(path)
    before = sorted(os.listdir(env.root)), sorted(os.listdir(path.parent))
    for words in (
        ["session", "show", ""],
        ["session", "show", "--po", "greeter", ""],
        ["send", ""],
        ["trash", "restore", ""],
    ):
        ask(*words)
    assert (sorted(os.listdir(env.root)), sorted(os.listdir(path.parent))) == before


def test_a_file_that_has_gone_is_not_offered(many, env):
    os.unlink(many.storage.path(many.find("Second", "greeter").id))
    assert names("session", "show", "") == ["Third", "First"]


def test_models(root, tmp_path, monkeypatch):
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "llm"))
    assert "smollm2" in names("send", "greeter", "--model", "smol")
    assert "smollm2" in names("config", "set", "model", "smol")
    assert "smollm2" in names("model", "default", "smol")


@pytest.mark.parametrize("args", [[], ["zsh"], ["bash"], ["bash", "9", "po"], ["elvish", "x"], ["bash", "9", "", "x"]])
def test_questions_that_make_no_sense(args):
    done = subprocess.run([PO, "__complete", *args], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("line", "replaced", "words", "word"),
    [
        ("po ", "", [], ""),
        ("po session sw", "sw", ["session"], "sw"),
        ('po "a b" c', "c", ["a b"], "c"),
        ("po a\\ b c\\", "c\\", ["a b"], "c"),
        ("po 'it'\\''s' x", "x", ["it's"], "x"),
        ('po "a \\"b\\" \\x" "c ', "c ", ['a "b" \\x'], "c "),
        ("po '' x", "x", [""], "x"),
        ("A=1 B= po x y", "y", ["x"], "y"),
        ("true; po x", "x", [], "x"),
        ("po x >out y", "y", ["x"], "y"),
        ("po x=y", "y", [], "x=y"),
    ],
)
def test_a_bash_line(line, replaced, words, word):
    made = Line(line, replaced)
    assert (made.words, made.word, made.redirects) == (words, word, False)


def test_a_bash_line_that_ends_in_a_redirection():
    assert Line("po session export > fi", "fi").redirects
    assert Line("po session export >", "").redirects


def test_the_scripts_are_printed(po):
    for shell, sign in {"bash": "complete -o nosort -F _po po", "zsh": "#compdef po", "fish": "complete -c po"}.items():
        assert sign in po("completion", shell).stdout
    assert json.loads(po("completion", "zsh", "--json").stdout)["script"] == po("completion", "zsh").stdout
    refused = po("completion", "tcsh")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == "po: There is no completion for 'tcsh'.\nThe shells are bash, zsh, fish.\n"


@pytest.mark.parametrize(
    ("shell", "variable", "own", "usual"),
    [
        ("bash", "XDG_DATA_HOME", "bash-completion/completions/po", ".local/share/bash-completion/completions/po"),
        ("zsh", "XDG_DATA_HOME", "zsh/site-functions/_po", ".local/share/zsh/site-functions/_po"),
        ("fish", "XDG_CONFIG_HOME", "fish/completions/po.fish", ".config/fish/completions/po.fish"),
    ],
)
def test_a_script_is_installed(shell, variable, own, usual, po, tmp_path, monkeypatch):
    path = Path.home() / usual
    for _ in range(2):  # again is no harm
        done = po("completion", shell, "--install")
        assert (done.exit_code, done.stdout) == (0, f"{path}\n")
        assert path.read_text() == po("completion", shell).stdout
    path.write_text("# mine\n")
    refused = po("completion", shell, "--install")
    assert (refused.exit_code, refused.stdout) == (5, "")
    assert refused.stderr == f"po: {path} is there and not po's, so it was left alone.\nMove it away first.\n"
    assert path.read_text() == "# mine\n"
    monkeypatch.setenv(variable, str(tmp_path / "xdg"))
    assert json.loads(po("completion", shell, "--install", "--json").stdout)["path"] == str(tmp_path / "xdg" / own)
    monkeypatch.setenv(variable, "relative")  # which the specification has ignored
    assert po("completion", shell, "--install").exit_code == 5


def test_an_installed_script_behind_a_link_stays_behind_it(po, tmp_path):
    path = Path.home() / ".config/fish/completions/po.fish"
    path.parent.mkdir(parents=True)
    (tmp_path / "dotfiles").write_text("# fish completion for po. An earlier one.\n")
    path.symlink_to(tmp_path / "dotfiles")
    assert po("completion", "fish", "--install").exit_code == 0
    assert path.is_symlink()
    assert path.read_text() == po("completion", "fish").stdout


def test_a_script_that_cannot_be_written(po, tmp_path):
    (Path.home() / ".config").write_text("")
    done = po("completion", "fish", "--install")
    assert done.exit_code == 9
    assert done.stderr.startswith("po: Cannot write ")


def test_bash_loads_the_installed_script_by_itself(po, root):
    loader = "/usr/share/bash-completion/bash_completion"
    if not os.path.exists(loader):
        pytest.skip("bash-completion is not installed")
    assert po("completion", "bash", "--install").exit_code == 0
    script = f"source {loader}; _completion_loader po; complete -p po"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert "_po po" in done.stdout
