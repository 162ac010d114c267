"""`po session list` before Typer is imported says, byte for byte, what the command says; where unsure, nothing.

Both are asked in this process; that the early one is asked at all, `test_fast.py` sees.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fast_states import STATES as OTHERS
from support.running import PO
from support.selection import sampled

from po_sessions import pointers
from po_sessions.cli.fast import session_list
from po_sessions.environment import Environment
from po_sessions.message import Message
from po_sessions.pointers import Pointers
from po_sessions.storage import open_storage
from po_sessions.storage.files.index import Index

SHAPES = [
    line.split()
    for line in (
        "",
        "--all",
        "-a --ids",
        "--ids",
        "-n 1",
        "--limit 2 --all",
        "-n 99 -a",
        "--po reader",
        "--po .",
        "--po greeter --ids -n 1",
        "--po nobody",
    )
]
OPEN = "01JGMZ0000000000000000000A"
STATES: dict[str, Callable[[Environment, Path], object]] = {}
ORDINARY = set()
"""The states in which there has to be an answer before Typer, in every shape but that of nobody's sessions."""
Make = Callable[[Environment, Path], object]


def situation(*, ordinary: bool = False) -> Callable[[Make], None]:
    def add(make: Make) -> None:
        name = make.__name__.strip("_").replace("_", " ")
        STATES[name] = make
        if ordinary:
            ORDINARY.add(name)

    return add


def say(env: Environment, id: str, text: str, *, answered: bool = True) -> None:
    env.session_manager.append(id, Message("user", text, env.session_manager.now()))
    if answered:
        env.session_manager.append(id, Message("assistant", "Hi", env.session_manager.now()))


def seen(sessions: Path, **changed: object) -> None:
    path = sessions / ".locks" / "seen"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def in_step(root: Path) -> None:
    """Have the index folded, and just compared with the files; what po changes from now on is believed for long."""
    store = open_storage("files", root=str(root))
    for _ in range(2):
        store.rescan()
        store.close()
    seen(root / "sessions", took=1000.0, comparing_took=1000.0)


def files(sessions: Path) -> list[Path]:
    return sorted(path for path in sessions.glob("*.json") if path.stem != "index")


def index(change: Callable[[bytes], bytes]) -> Make:
    """Return a situation in which the index was changed by somebody else."""

    def make(env: Environment, sessions: Path) -> None:
        path = sessions / "index.json"
        path.write_bytes(change(path.read_bytes()))

    return make


def log(data: bytes) -> Make:
    return lambda env, sessions: (sessions / "index.log").write_bytes(data)


@pytest.fixture
def filled(env, root):
    """An environment with sessions of two prompt objects, in step."""
    manager = env.session_manager
    for name in ("Default", "naïve 日本語 \"q\" 'a' \\ 🎉", "Tea", "Empty"):
        one = manager.create("greeter", name)
        if name != "Empty":
            say(env, one.id, f"Hello\t{name}\u2028")
    manager.switch(manager.find("Tea", "greeter"))
    other = manager.begin("reader")
    say(env, other.id, "Hello")
    manager.append(other.id, Message("assistant", "", extra={"error": {"kind": "x"}}))
    manager.switch_po("greeter")
    in_step(root)
    return env


@situation(ordinary=True)
def as_it_is(env, sessions): ...


@situation(ordinary=True)
def no_current_session(env, sessions):
    env.session_manager.pointers.change(lambda _: Pointers("greeter"))


@situation()
def no_current_prompt_object(env, sessions):
    env.session_manager.pointers.change(lambda _: Pointers())


def own(name: str, change: Callable[[Environment], object]) -> None:
    """Add the situations after a change by po, folded or with its log as it is."""

    def make(env: Environment, sessions: Path) -> None:
        change(env)
        env.session_manager.storage.close()

    STATES[f"{name}, folded"] = make
    STATES[name] = lambda env, sessions: change(env)
    ORDINARY.update({name, f"{name}, folded"})


def any_session(env: Environment) -> str:
    return env.session_manager.find("Tea", "greeter").id


own("a new session", lambda env: env.session_manager.create("greeter", "New"))
own("a turn", lambda env: say(env, any_session(env), "More"))
own("a rename", lambda env: env.session_manager.rename(env.session_manager.find("Tea", "greeter"), "Coffee"))
own("a deletion", lambda env: env.session_manager.delete(env.session_manager.find("Default", "greeter")))
own("an undo", lambda env: env.session_manager.undo(env.session_manager.find("Tea", "greeter"), 1))


@situation(ordinary=True)
def controls_and_half_characters(env, sessions):
    file = files(sessions)[0]
    file.write_bytes(file.read_bytes().replace(b'"Default"', b'"a\\u001b[31m\\tb\\nc\\u0085\\u2029\\ud800\\u200d"'))
    in_step(sessions.parent)


@situation(ordinary=True)
def a_log_beside_a_large_index(env, sessions):
    """Not worth folding: it stays there, and is merged."""
    filler = "x" * 200
    for number in range(1500):
        name = f"{number} {filler}"
        (sessions / f"01JGMZ0000000000000000{number:04}.json").write_text(
            json.dumps({"id": f"01JGMZ0000000000000000{number:04}", "name": name, "po_name": "reader", "history": []})
        )
    in_step(sessions.parent)
    assert (sessions / "index.json").stat().st_size > 400_000
    say(env, any_session(env), "More")
    env.session_manager.delete(env.session_manager.find("Default", "greeter"))
    env.session_manager.storage.close()
    assert (sessions / "index.log").stat().st_size > 0


# By other hands


@situation()
def a_file_brought(env, sessions):
    data = files(sessions)[0].read_bytes()
    id = files(sessions)[0].stem.encode()
    (sessions / f"{OPEN}.json").write_bytes(data.replace(id, OPEN.encode()))


@situation()
def a_file_brought_and_then_a_change_by_po(env, sessions):
    STATES["a file brought"](env, sessions)
    STATES["a new session, folded"](env, sessions)


@situation()
def a_file_taken_away(env, sessions):
    files(sessions)[0].unlink()


@situation()
def all_files_taken_away(env, sessions):
    for file in files(sessions):
        file.unlink()


@situation()
def a_file_with_another_name(env, sessions):
    files(sessions)[0].rename(sessions / f"{OPEN}.json")


@situation()
def a_file_replaced(env, sessions):
    file, aside = files(sessions)[1], sessions.parent / "aside"
    aside.write_bytes(file.read_bytes().replace(b'"Default"', b'"Defiant"'))
    aside.replace(file)


def in_place(number: int, change: Callable[[bytes], bytes]) -> Make:
    """Return a situation in which a file was changed in place, which the directory does not show."""

    def make(env: Environment, sessions: Path) -> None:
        file = files(sessions)[number]
        file.write_bytes(change(file.read_bytes()))

    return make


for at in (0, 2, 4):
    STATES[f"file {at} renamed in place"] = in_place(at, lambda data: data.replace(b'"name":"', b'"name":"Another '))
    STATES[f"file {at} renamed in place by as many letters"] = in_place(
        at, lambda data: re.sub(rb'"name":".', b'"name":"Z', data, count=1)
    )
    STATES[f"file {at} cut"] = in_place(at, lambda data: data[:-30])
    STATES[f"file {at} emptied"] = in_place(at, lambda data: b"")
    STATES[f"file {at} laid out anew"] = in_place(at, lambda data: json.dumps(json.loads(data), indent=2).encode())


@situation()
def a_file_touched(env, sessions):
    os.utime(files(sessions)[0], (1_600_000_000, 1_600_000_000))


@situation()
def a_link_in_the_place_of_a_file(env, sessions):
    file = files(sessions)[2]
    file.rename(sessions.parent / "moved")
    file.symlink_to(sessions.parent / "moved")


@situation()
def a_copy_of_a_sync_client(env, sessions):
    shutil.copy(files(sessions)[0], sessions / "copy (1).json")
    in_step(sessions.parent)


@situation()
def a_file_that_cannot_be_read(env, sessions):
    files(sessions)[0].write_bytes(b"")
    in_step(sessions.parent)


@situation()
def a_store_that_was_copied(env, sessions):
    about = sessions.stat()
    shutil.copytree(sessions, sessions.parent / "copy", symlinks=True)
    shutil.rmtree(sessions)
    (sessions.parent / "copy").rename(sessions)
    os.utime(sessions, ns=(about.st_atime_ns, about.st_mtime_ns))


@situation()
def no_sessions(env, sessions):
    shutil.rmtree(sessions)


# The mark

for name, changed in {
    "another start of the machine": {"boot": "the one before"},
    "a look at another directory": {"inode": 1},
    "a look without its time": {"at": None},
    "a look that is no mark": {"marked": False},
    "a look of another kind": {"more": 1},
    "a time that is text": {"mtime": "1"},
}.items():
    STATES[name] = lambda env, sessions, changed=changed: seen(sessions, **changed)


@situation()
def no_look(env, sessions):
    (sessions / ".locks" / "seen").unlink()


@situation(ordinary=True)
def a_settled_look_that_is_no_mark(env, sessions):
    seen(sessions, marked=False)
    later = sessions.stat().st_mtime_ns + 2_000_000_001
    os.utime(sessions / ".locks" / "seen", ns=(later, later))


@situation()
def steps_after_a_look_that_took_no_time(env, sessions):
    seen(sessions, took=0)
    STATES["a new session, folded"](env, sessions)


def brought_at(step: int, **changed: object) -> Make:
    """Return a situation in which a file was brought and the directory's time is so far from the look's."""

    def make(env: Environment, sessions: Path) -> None:
        about = sessions.stat()
        STATES["a file brought"](env, sessions)
        seen(sessions, **changed)
        os.utime(sessions, ns=(about.st_atime_ns, about.st_mtime_ns + step))

    return make


STATES["a file brought in the tick of a look that is no mark"] = brought_at(0, marked=False)
STATES["a file brought while po made a step"] = brought_at(2, took=0)
STATES["a file brought with the time set back"] = brought_at(-2)
STATES["a file brought with the time put forward"] = brought_at(200_000)


@situation()
def a_link_in_the_place_of_a_file_with_the_time_set_back(env, sessions):
    about = sessions.stat()
    STATES["a link in the place of a file"](env, sessions)
    os.utime(sessions, ns=(about.st_atime_ns, about.st_mtime_ns))


# The index

for name, change in {
    "no head": lambda data: data[1:],
    "no foot": lambda data: data[:-1],
    "more behind the foot": lambda data: data + b"\n",
    "cut in half": lambda data: data[: len(data) // 2],
    "zeros": lambda data: bytes(len(data)),
    "nothing": lambda data: b"",
    "an empty line": lambda data: data.replace(b"\n,", b"\n\n,", 1),
    "a row of another kind": lambda data: data.replace(b'"message_count":2', b'"message_count":"2"', 1),
    "a key twice": lambda data: data.replace(b'"name":"Tea"', b'"name":"Tea","name":"Tee"', 1),
    "a row twice": lambda data: data.replace(b"\n]}", b"\n," + data.split(b"\n")[1] + b"\n]}"),
    "a row removed": lambda data: data.replace(b'"preview"', b'"removed":1,"preview"', 1),
    "another order": lambda data: b"\n".join(
        [(lines := data.split(b"\n"))[0], lines[2][1:], b"," + lines[1], *lines[3:]]
    ),
    "a time with a zone": lambda data: data.replace(b'Z","message_count":2', b'+02:00","message_count":2', 1),
    "a time that is none": lambda data: data.replace(b'"updated_at":"2025-01', b'"updated_at":"2025-13', 1),
    "a size that is another": lambda data: data.replace(b'"size":', b'"size":1', 1),
    "a row of an earlier file": lambda data: data.replace(b'"inode":', b'"inode":1').replace(b'"Tea"', b'"Tee"'),
    "no text": lambda data: data.replace(b"Tea", b"\xff\xfe", 1),
    "a row of nobody": lambda data: data.replace(b'"po_name":"greeter"', b'"po_name":"gr\\u0065eter"', 1),
}.items():
    STATES[f"an index with {name}"] = index(change)

STATES["an empty log"] = log(b"")
STATES["a torn log"] = log(b'\n{"id":"01J')
STATES["a log with a removal"] = log(b'\n{"id":"01JGMZ0000000000000000000A","removed":true}\n')


@situation(ordinary=True)
def a_torn_line_in_the_log(env, sessions):
    say(env, any_session(env), "More")
    with (sessions / "index.log").open("ab") as file:
        file.write(b'\n{"id":"01J')


@situation()
def no_index(env, sessions):
    (sessions / "index.json").unlink()


@situation()
def a_log_that_is_a_directory(env, sessions):
    (sessions / "index.log").mkdir()


@situation()
def a_log_that_is_a_link(env, sessions):
    (sessions / "index.log").symlink_to("/nowhere")


@situation()
def a_fold_that_was_cut(env, sessions):
    say(env, any_session(env), "More")
    (sessions / "index.log").rename(sessions / "index.log.1")


@situation()
def another_process_in_the_middle_of_an_append(env, sessions):
    """Its row is there, and its message is not."""
    store = env.session_manager.storage
    row = {**store._read_row(any_session(env)), "message_count": 9, "updated_at": "2030-01-01T00:00:00.000Z"}
    Index(str(sessions)).record({**row, "size": row["size"] + 10})


# Prompt objects and pointers


@situation()
def an_open_turn(env, sessions):
    say(env, any_session(env), "More", answered=False)
    in_step(sessions.parent)


@situation()
def an_open_turn_that_somebody_works_on(env, sessions):
    STATES["an open turn"](env, sessions)
    turn = env.session_manager.turn(any_session(env), "send")
    turn.__enter__()
    env.held = turn


for name, change in {
    "without its file": lambda path: path.unlink(),
    "named otherwise in its file": lambda path: path.write_text("---\nname: other\n---\nx"),
    "named with an escape": lambda path: path.write_text('---\nname: "gr\\u0065eter"\n---\nx'),
    "with a broken file": lambda path: path.write_text("---\nname: [\n---\nx"),
    "in another file": lambda path: path.rename(path.with_name("other.md")),
    "in a link": lambda path: (path.unlink(), path.symlink_to("/nowhere")),
    "in a directory": lambda path: (path.unlink(), path.mkdir()),
}.items():
    STATES[f"a prompt object {name}"] = lambda env, sessions, change=change: change(
        sessions.parent / "objects" / "greeter.md"
    )


@situation(ordinary=True)
def quotes_around_the_name_of_a_prompt_object(env, sessions):
    (sessions.parent / "objects" / "greeter.md").write_text('---\nname: "greeter"\n---\nx')


@situation()
def a_prompt_object_that_is_being_renamed(env, sessions):
    (sessions / ".rename").write_text('{"version":1,"old":"greeter","new":"host"}')


@situation()
def a_renaming_that_cannot_be_read(env, sessions):
    (sessions / ".rename").write_text("{")


for name, text in {
    "a broken state": "current = [\n",
    "an empty state": "",
    "a state by hand": "current='greeter' # mine\n",
    "a current prompt object that is nobody": 'current = "nobody"\n',
    "a current session that is nobody's": 'current = "greeter"\n\n[sessions.nobody]\ncurrent = "x"\n',
}.items():
    STATES[name] = lambda env, sessions, text=text: (sessions.parent / "state.toml").write_text(text)


def compare(po, root: Path) -> set[str]:
    """Compare both in all shapes, the early one first, since the command brings in step; return which it answered."""
    early = [(shape, session_list.answer(str(root), shape)) for shape in SHAPES]
    for shape, said in early:
        done = po("--root", str(root), "session", "list", *shape)
        if said is not None:
            assert (shape, done.exit_code, done.stdout_bytes, done.stderr) == (shape, 0, said, "")
    return {" ".join(shape) for shape, said in early if said is not None}


@pytest.mark.parametrize("name", sampled(STATES, every=5))
def test_both_ways_say_the_same(name, filled, po, root):
    STATES[name](filled, root / "sessions")
    answered = compare(po, root)
    if name in ORDINARY:
        assert answered == {" ".join(shape) for shape in SHAPES} - {"--po nobody"}
    compare(po, root)
    compare(po, root)


@pytest.mark.parametrize("name", sampled(OTHERS, every=5))
def test_both_ways_say_the_same_in_the_states_of_status(name, env, root, po, monkeypatch):
    for variable in ("PO_ROOT", "PO_SESSION"):
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    OTHERS[name](env, root.parent)
    for _ in range(3):
        for shape in SHAPES:
            said = session_list.answer(None, shape)
            done = po("session", "list", *shape)
            if said is not None:
                assert (done.exit_code, done.stdout_bytes, done.stderr) == (0, said, "")


@pytest.mark.parametrize(
    "line",
    [
        *("-n", "-n 0", "-n -1", "-n x", "-n ²", "-n 1.0", "-n 1 -n 2", "-n 1 --limit 2", "-n1", "--limit=1", "-n +1"),
        *("--po", "--po=reader", "--po reader --all", "--po -x", "--po a/b", "--all --all", "--al", "-ai", "x", "--"),
        *("--orphaned", "--format {id}", "--ids -0", "--json", "-q", "--help", "--root .", "--debug"),
    ],
)
def test_other_shapes_are_left_to_the_command(line, filled, root):
    assert session_list.answer(str(root), line.split()) is None


def test_an_empty_name_is_left_to_the_command(filled, root):
    assert session_list.answer(str(root), ["--po", ""]) is None


@pytest.mark.parametrize("name", [name for name in STATES if name.startswith("a prompt object ")])
def test_a_prompt_object_that_may_be_another_is_left_to_the_command(name, filled, root):
    STATES[name](filled, root / "sessions")
    assert session_list.answer(str(root), []) is None


def test_a_number_with_zeros_in_front_is_one(filled, root, po):
    said = session_list.answer(str(root), ["-n", "007"])
    assert said == po("--root", str(root), "session", "list", "-n", "007").stdout_bytes


def test_a_terminal_is_left_to_the_command(filled, root, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert session_list.answer(str(root), []) is None


def test_a_log_is_merged_up_to_a_size_and_left_to_the_command_beyond(filled, root):
    say(filled, any_session(filled), "More")
    log = root / "sessions" / "index.log"
    row = log.read_bytes().splitlines()[-1] + b"\n"
    log.write_bytes((row * (256 * 1024 // len(row) + 1))[: 256 * 1024 // len(row) * len(row)])
    listed = session_list.answer(str(root), [])
    assert listed
    log.write_bytes(log.read_bytes() + row)
    assert session_list.answer(str(root), []) is None
    filled.session_manager.storage.close()
    assert session_list.answer(str(root), []) == listed


def test_what_cannot_be_written_whole_is_not_written_twice(filled, root):
    STATES["a log beside a large index"](filled, root / "sessions")
    listed = session_list.answer(str(root), ["--all"])
    assert listed
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    done = subprocess.run(
        [PO, "session", "list", "--all"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    with open(reader, "rb") as pipe:
        assert listed.startswith(pipe.read())
    said = "po: Cannot write to standard output: Resource temporarily unavailable.\n"
    assert (done.returncode, done.stderr) == (9, said)


def test_the_environment_is_left_as_it_is(filled, root):
    def everything() -> list[tuple[str, int, int]]:
        return [(str(path), path.stat().st_mtime_ns, path.stat().st_ino) for path in sorted(root.rglob("*"))]

    before = everything()
    assert session_list.answer(str(root), ["--all"])
    assert everything() == before


def test_what_a_state_says_is_what_is_current(filled, root):
    pointers.write(str(root / "state.toml"), Pointers("reader"))
    said = session_list.answer(str(root), [])
    assert said
    assert {line.split(b"\t")[2] for line in said.splitlines()} == {b"reader"}
