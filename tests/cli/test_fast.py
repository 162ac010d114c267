"""What is answered before Typer is imported is, byte for byte, what the commands would have answered."""

from __future__ import annotations

import os
import pty
import shlex
import shutil
import subprocess
import sys
import traceback
import warnings
from tempfile import TemporaryFile

import pytest
from support.fast_states import ORDINARY, STATES, file_of
from support.selection import sampled, slow_but

from po_sessions import cli, pointers
from po_sessions.cli.app import root as all_commands  # noqa: F401 -- each copy of this process has them then
from po_sessions.cli.fast import dispatch
from po_sessions.layout import primitives
from po_sessions.message import Message
from po_sessions.pointers import Pointer, Pointers
from po_sessions.session import Session
from po_sessions.storage.files import codec

WAYS = {
    "as it is": "",
    "by the commands": "from po_sessions.cli.fast import dispatch; dispatch.answer = lambda args: None",
    "before Typer": "import sys; sys.modules['typer'] = None",
}


def po(way: str, *args: str) -> list[str]:
    return [sys.executable, "-c", f"{WAYS[way]}\nfrom po_sessions.cli import main; main()", *args]


def run(way: str, *args: str, **settings: object) -> tuple[int, bytes, bytes]:
    done = subprocess.run(po(way, *args), capture_output=True, stdin=subprocess.DEVNULL, check=False, **settings)
    assert b"Traceback" not in done.stderr or way == "before Typer"
    return done.returncode, done.stdout, done.stderr


def forked(way: str, *args: str) -> tuple[int, bytes, bytes]:
    """Do what `run` does in a copy of this process, which has imported what a new one would have to."""
    with open(os.devnull) as null, TemporaryFile() as out, TemporaryFile() as err:
        if pid := os.fork():
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            for file in (out, err):
                file.seek(0)
            said = code, out.read(), err.read()
            assert b"Traceback" not in said[2]
            return said
        try:
            warnings.simplefilter("ignore")
            for fd, file in enumerate((null, out, err)):
                os.dup2(file.fileno(), fd)
            streams = (os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", errors="backslashreplace"))
            sys.stdin, sys.stdout, sys.stderr = streams
            sys.argv = ["-c", *args]
            if way == "by the commands":
                dispatch.answer = lambda args: None
            cli.main()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(70)


def has_answered(*args: str) -> bool:
    return run("before Typer", *args)[0] == 0


@pytest.mark.parametrize("name", sampled(STATES, every=12))
def test_both_ways_say_the_same(name, env, root, monkeypatch):
    for variable in ("PO_ROOT", "PO_SESSION"):
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    STATES[name](env, root.parent)
    kept = root.parent.parent / "kept"
    if root.is_dir():
        shutil.copytree(root, kept, symlinks=True)
    if name in ORDINARY:
        assert has_answered("status")
        assert has_answered("status", "--format", "{session_id}")
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
            said.append(forked(way, *args))
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


@pytest.mark.parametrize("command", slow_but(["--version", "status", "session list", "--help", "-q status"], "status"))
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
        Pointers(),
        Pointers("greeter"),
        Pointers("greeter", {"greeter": pointer}),
        Pointers(None, {"a-b_C9": Pointer(None, pointer.previous), "x": Pointer()}),
    ):
        pointers.write(str(tmp_path / "state.toml"), one)
        read = primitives.state((tmp_path / "state.toml").read_bytes())
        assert read is not None
        there = {name: Pointer(at.get("current"), at.get("previous")) for name, at in read[1].items()}
        assert Pointers(read[0], there) == one


def test_a_session_file_is_read_as_it_is_written(tmp_path):
    id, now = "01JGMZ0000000000000000000A", "2024-02-29T23:59:59.999Z"
    for text in ("", "Hello", '"\\\n\t\x00\x7f\u2028 ü 🎉', "x" * 100_000):
        for count in range(4):
            history = tuple(Message("user", text, now, {"n": 1.5e-7}) for _ in range(count))
            one = Session(id, "N " + text[:50].replace("\x00", ""), "greeter", now, now, history, {"x": {}})
            path = tmp_path / "file.json"
            path.write_bytes(codec.encode(one))
            assert primitives.session(str(path), id) == (one.name, "greeter", count)
