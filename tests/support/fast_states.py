"""Environments in as many states as the fast commands may meet, each made by a function."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from po_sessions.environment import Environment
from po_sessions.message import Message

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
    made = env.session_manager.begin("greeter")
    env.session_manager.rename(made, "👩\u200d👧")


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
