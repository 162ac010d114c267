"""What is answered before Typer is imported is, byte for byte, what the commands would have answered."""

from __future__ import annotations

import json
import os
import pty
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from po_sessions import quick
from po_sessions.environment import Environment
from po_sessions.session import Message, Session
from po_sessions.storage import session_file, state
from po_sessions.storage.state import Pointer, State

WAYS = {
    "as it is": "",
    "by the commands": "from po_sessions.cli import fast; fast.answer = lambda args: None",
    "before Typer": "import sys; sys.modules['typer'] = None",
}


def po(way: str, *args: str) -> list[str]:
    return [sys.executable, "-c", f"{WAYS[way]}\nfrom po_sessions.cli import main; main()", *args]


def run(way: str, *args: str, **settings: object) -> tuple[int, bytes, bytes]:
    done = subprocess.run(po(way, *args), capture_output=True, stdin=subprocess.DEVNULL, check=False, **settings)
    assert b"Traceback" not in done.stderr or way == "before Typer"
    return done.returncode, done.stdout, done.stderr


def has_answered(*args: str) -> bool:
    return run("before Typer", *args)[0] == 0


STATES: dict[str, Callable[[Environment, Path], object]] = {}
ORDINARY = set()
"""The states in which there has to be an answer before Typer."""


def situation(*, ordinary: bool = False) -> Callable[[Callable[[Environment, Path], object]], None]:
    def add(make: Callable[[Environment, Path], object]) -> None:
        name = make.__name__.strip("_").replace("_", " ")
        STATES[name] = make
        if ordinary:
            ORDINARY.add(name)

    return add


def file_of(env: Environment) -> Path:
    made = env.session_manager.begin("greeter")
    return Path(env.root, "sessions", f"{made.id}.json")


def with_bytes(change: Callable[[bytes], bytes]) -> Callable[[Environment, Path], object]:
    """Return a situation in which the current session's file, with two messages, was changed by somebody else."""

    def make(env: Environment, work: Path) -> None:
        file = file_of(env)
        env.session_manager.append(file.stem, Message("user", "Hello", "2025-01-03T10:00:00.000Z"))
        env.session_manager.append(file.stem, Message("assistant", "Hi", extra={"temperature": 0.7}))
        file.write_bytes(change(file.read_bytes()))

    return make


@situation(ordinary=True)
def no_store(env, work):
    os.rename(env.root, work / "elsewhere")


@situation(ordinary=True)
def an_empty_store(env, work): ...


@situation(ordinary=True)
def a_current_session(env, work):
    file_of(env)


@situation(ordinary=True)
def one_message(env, work):
    env.session_manager.append(file_of(env).stem, Message("user", "Hello"))


@situation(ordinary=True)
def a_long_last_message(env, work):
    id = file_of(env).stem
    for text in ("Hello", "x" * 70_000, "y" * 300_000):
        env.session_manager.append(id, Message("user", text))


@situation(ordinary=True)
def a_failed_turn(env, work):
    env.session_manager.append(file_of(env).stem, Message("assistant", "", extra={"error": {"kind": "x"}}))


@situation(ordinary=True)
def a_name_in_all_letters(env, work):
    env.session_manager.switch(env.session_manager.create("greeter", "naïve 日本語 \"q\" 'a' \\ 🎉"))


@situation(ordinary=True)
def several_prompt_objects(env, work):
    for name in ("reader", "greeter", "coordinator"):
        env.session_manager.begin(name)
    env.session_manager.switch_po("reader")


@situation(ordinary=True)
def tags_and_metadata(env, work):
    with_bytes(lambda data: data.replace(b'"metadata":{}', b'"tags":["a"],"pinned":true,"metadata":{"x":[1,2.5,null]}'))


@situation()
def a_prompt_object_without_sessions(env, work):
    env.session_manager.switch_po("greeter")


@situation()
def a_default_that_is_not_pointed_at(env, work):
    env.session_manager.create("greeter", "Default")
    env.session_manager.switch_po("greeter")


@situation()
def a_dangling_pointer(env, work):
    file_of(env).unlink()


@situation()
def a_pointer_that_is_no_id(env, work):
    Path(env.root, "state.toml").write_text('current = "greeter"\n\n[sessions.greeter]\ncurrent = "index"\n')


@situation()
def an_unreadable_state(env, work):
    Path(env.root, "state.toml").write_text("current = [\n")


@situation()
def a_state_that_is_a_directory(env, work):
    Path(env.root, "state.toml").mkdir()


@situation()
def a_state_by_hand(env, work):
    file = file_of(env)
    Path(env.root, "state.toml").write_text(f"current='greeter' # mine\nsessions.greeter.current='{file.stem}'\n")


@situation()
def a_state_with_a_table_twice(env, work):
    path = Path(env.root, "state.toml")
    file_of(env)
    path.write_text(path.read_text() + "\n[sessions.greeter]\n")


@situation()
def a_prompt_object_that_is_being_renamed(env, work):
    file_of(env)
    Path(env.root, "sessions", ".rename").write_text('{"version":1,"old":"greeter","new":"host"}')


@situation()
def a_name_with_controls(env, work):
    file = file_of(env)
    file.write_bytes(file.read_bytes().replace(b'"Default"', b'"a\\u001b[31m\\tb\\nc"'))


@situation(ordinary=True)
def a_name_with_joiners(env, work):
    file = file_of(env)
    file.write_bytes(file.read_bytes().replace(b'"Default"', '"👩\u200d👧"'.encode()))


@situation()
def a_lone_surrogate(env, work):
    file = file_of(env)
    file.write_bytes(file.read_bytes().replace(b'"Default"', b'"a\\ud800"'))


@situation()
def a_session_variable(env, work):
    file_of(env)
    env.session_manager.create("greeter", "Other")
    os.environ["PO_SESSION"] = "Other"


@situation(ordinary=True)
def a_root_variable(env, work):
    file_of(env)
    os.environ["PO_ROOT"] = env.root
    os.chdir("/")


@situation(ordinary=True)
def a_root_variable_for_the_directory_around(env, work):
    file_of(env)
    os.environ["PO_ROOT"] = str(work)
    os.chdir("/")


@situation(ordinary=True)
def a_root_variable_that_is_empty(env, work):
    file_of(env)
    os.environ["PO_ROOT"] = ""


@situation(ordinary=True)
def a_store_of_another_name(env, work):
    file_of(env)
    os.rename(env.root, work / "elsewhere")
    os.environ["PO_ROOT"] = str(work / "elsewhere")


@situation()
def a_root_variable_that_leads_nowhere(env, work):
    os.environ["PO_ROOT"] = "/nowhere/at all"


@situation(ordinary=True)
def a_directory_further_down(env, work):
    file_of(env)
    (work / "a" / "b").mkdir(parents=True)
    os.chdir(work / "a" / "b")


@situation()
def a_working_directory_that_has_gone(env, work):
    (work / "a").mkdir()
    os.chdir(work / "a")
    (work / "a").rmdir()


@situation(ordinary=True)
def the_store_in_the_home_directory(env, work):
    file_of(env)
    os.rename(env.root, Path.home() / ".prompt_objects")


@situation()
def a_store_that_others_can_write(env, work):
    file_of(env)
    os.chmod(env.root, 0o777)


@situation()
def a_store_that_is_a_file(env, work):
    os.rename(env.root, work / "elsewhere")
    Path(env.root).write_text("")


@situation()
def a_link_in_the_place_of_a_file(env, work):
    file = file_of(env)
    os.rename(file, work / "moved")
    file.symlink_to(work / "moved")


@situation()
def a_file_of_another_session(env, work):
    file = file_of(env)
    file.write_bytes(file.read_bytes().replace(file.stem.encode(), b"01JGMZ00000000000000000000"))


for name, change in {
    "a cut closing": lambda data: data[:-20],
    "a cut message": lambda data: data[: data.index(b"],") - 10],
    "a closing that counts wrong": lambda data: data.replace(b'"message_count":2', b'"message_count":7'),
    "a closing with spaces": lambda data: data.replace(b'"message_count":2', b'"message_count": 7'),
    "another layout": lambda data: json.dumps(json.loads(data), indent=2).encode(),
    "a document on one line": lambda data: json.dumps(json.loads(data)).encode(),
    "a last message that is none": lambda data: data.replace(b'"role":"assistant"', b'"role":"nobody"'),
    "a last message without its comma": lambda data: data.replace(b'\n,{"role":"assistant"', b'\n{"role":"assistant"'),
    "a key twice": lambda data: data.replace(b'"name":"Default"', b'"name":"Default","name":"Other"'),
    "a time that is none": lambda data: data.replace(b'"created_at":"2025-01', b'"created_at":"2025-13', 1),
    "a number that is none": lambda data: data.replace(b"0.7", b"NaN"),
    "a number too large": lambda data: data.replace(b"0.7", b"1e999"),
    "a newer version": lambda data: data.replace(b'"version":1', b'"version":9'),
    "no version": lambda data: data.replace(b'"version":1,', b""),
    "an empty name": lambda data: data.replace(b'"Default"', b'""'),
    "unknown keys": lambda data: data.replace(b'],"updated_at"', b'],"mine":1,"updated_at"'),
    "an empty file": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
    "bytes that are no text": lambda data: data.replace(b"Default", b"\xff\xfe"),
    "a byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "windows line ends": lambda data: data.replace(b"\n", b"\r\n"),
    "no line end": lambda data: data[:-1],
    "more behind it": lambda data: data + b"more\n",
}.items():
    STATES[name] = with_bytes(change)


@pytest.mark.parametrize("name", STATES)
def test_both_ways_say_the_same(name, env, root, monkeypatch):
    for variable in ("PO_ROOT", "PO_SESSION"):
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    STATES[name](env, root.parent)
    kept = root.parent.parent / "kept"
    if root.is_dir():
        shutil.copytree(root, kept, symlinks=True)
    assert (has_answered("status") and has_answered("status", "--format", "{session_id}")) or name not in ORDINARY
    line = ["status", "--format", r"{{{po_name}}}\t{session_name} \\{session_id}: {message_count}ü"]
    named = ["--root", str(root)]
    for args in (
        ["status"],
        line,
        *([*named, *one] for one in (["status"], line)),
        ["--root", "", "status"],
        ["--root", str(root.parent), "status"],
    ):
        said = []
        for way in ("as it is", "by the commands"):
            said.append(run(way, *args))
            if kept.is_dir():  # a command may have repaired something
                shutil.rmtree(root)
                shutil.copytree(kept, root, symlinks=True)
        assert said[0] == said[1]


@pytest.mark.parametrize(
    "line",
    [
        *("--version", "--version status", "status --version", "status -q", "status x", "--json status", ""),
        *("--root", "--root status", "__completed", "status --help", "status --format", "status --json --format x"),
        *("status --format {x}", "status --format {", "status --format }", r"status --format \e", "status --format= "),
    ],
)
def test_other_shapes_of_arguments(line, env):
    file_of(env)
    assert run("as it is", *line.split()) == run("by the commands", *line.split())


def test_the_version_is_told_before_typer():
    assert has_answered("--version")


def test_sessions_are_listed_before_typer(env, root):
    env.session_manager.begin("greeter")
    run("by the commands", "session", "list")  # folds the index
    (root / "sessions" / ".locks" / "seen").unlink()  # so that the next one looks at all files
    for named in ([], ["--root", str(root)]):
        for shape in ([], ["--all", "-n", "20"], ["--ids", "--po", "greeter"]):
            line = [*named, "session", "list", *shape]
            expected = run("by the commands", *line)  # and the index is in step then
            assert run("before Typer", *line) == run("as it is", *line) == expected


@pytest.mark.parametrize("name", ["a current session", "a name with controls", "an empty store", "no store"])
def test_both_ways_say_the_same_on_a_terminal(name, env, root):
    STATES[name](env, root.parent)
    shown = []
    for way in ("as it is", "by the commands"):
        pid, fd = pty.fork()
        if pid == 0:
            os.execv(sys.executable, po(way, "status"))
        data = b""
        try:
            while piece := os.read(fd, 4096):
                data += piece
        except OSError:
            pass
        shown.append((data, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
    assert shown[0] == shown[1]
    assert b"\x1b" not in shown[0][0]


@pytest.mark.parametrize("command", ["--version", "status", "session list", "--help", "-q status"])
@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        ("| true", 0, ""),
        ("> /dev/full", 9, "po: Cannot write to standard output: No space left on device.\n"),
        (">&-", 9, "po: Cannot write to standard output: it is closed.\n"),
        (">&- 2>&-", 9, ""),
    ],
)
def test_output_that_cannot_be_written(command, end, code, said, env):
    file_of(env)
    line = f"{shlex.join(po('as it is'))} {command} {end}"
    script = f"set -o pipefail; sleep 0.1 | {line}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, said)


def test_a_state_is_read_as_it_is_written(tmp_path):
    pointer = Pointer("01JGMZ0000000000000000000A", "01JGMZ0000000000000000000B")
    for one in (
        State(),
        State("greeter"),
        State("greeter", {"greeter": pointer}),
        State(None, {"a-b_C9": Pointer(None, pointer.previous), "x": Pointer()}),
    ):
        state.write(str(tmp_path / "state.toml"), one)
        read = quick.state((tmp_path / "state.toml").read_bytes())
        assert read is not None
        pointers = {name: Pointer(at.get("current"), at.get("previous")) for name, at in read[1].items()}
        assert State(read[0], pointers) == one


def test_a_session_file_is_read_as_it_is_written(tmp_path):
    id, now = "01JGMZ0000000000000000000A", "2024-02-29T23:59:59.999Z"
    for text in ("", "Hello", '"\\\n\t\x00\x7f\u2028 ü 🎉', "x" * 100_000):
        for count in range(4):
            history = tuple(Message("user", text, now, {"n": 1.5e-7}) for _ in range(count))
            one = Session(id, "N " + text[:50].replace("\x00", ""), "greeter", now, now, history, {"x": {}})
            path = tmp_path / "file.json"
            path.write_bytes(session_file.encode(one))
            assert quick.session(str(path), id) == (one.name, "greeter", count)
