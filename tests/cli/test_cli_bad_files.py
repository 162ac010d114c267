"""Every kind of bad file in every place, through every verb that reads: a named error each, all others still shown."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.builders import assistant, user
from support.selection import sampled, slow_but

from po_sessions.session import Session
from po_sessions.storage import open_storage

BAD, FINE, OTHER = (f"01ARZ3NDEKTSV4RRFFQ6900{number:03}" for number in range(3))
NOW = "2025-01-03T10:00:00.000Z"
STAMP = "20250103T100000.000Z"


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def instead(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def harm(path: Path) -> None:
        path.unlink()
        make(path)

    return harm


def edited(old: bytes, new: bytes) -> Callable[[Path], None]:
    def harm(path: Path) -> None:
        data = path.read_bytes()
        assert old in data
        path.write_bytes(data.replace(old, new, 1))

    return harm


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        cwd = os.getcwd()
        os.chdir(path.parent)  # the names of sockets are short
        one.bind(path.name)
        os.chdir(cwd)


ANYWHERE = {
    "empty": lambda path: path.write_bytes(b""),
    "NULs": lambda path: path.write_bytes(b"\0" * path.stat().st_size),
    "not UTF-8": lambda path: path.write_bytes(b"\xff\xfe" + path.read_bytes()),
    "another format": lambda path: path.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 20),
    "nested deep": lambda path: path.write_text("[" * 100_000),
    "nested deep with keys": lambda path: path.write_text('{"a":' * 100_000),
    "a symbolic link": linked,
    "a dangling link": instead(lambda path: path.symlink_to("nowhere")),
    "a link to itself": instead(lambda path: path.symlink_to(path)),
    "a directory": instead(lambda path: path.mkdir()),
    "a fifo": instead(os.mkfifo),
    "a socket": instead(bind),
}
SESSION = {
    **ANYWHERE,
    "cut in its first line": lambda path: path.write_bytes(path.read_bytes()[:60]),
    "a list": lambda path: path.write_text("[1, 2]"),
    "a number": lambda path: path.write_text("5"),
    "a number without end": lambda path: path.write_text("9" * 5000),
    "no keys": lambda path: path.write_text("{}"),
    "NaN": edited(b'"metadata":{}', b'"metadata":{"x":NaN}'),
    "a key twice": edited(b'"metadata":{}', b'"metadata":{},"metadata":{}'),
    "a number for a name": edited(b'"name":"bad"', b'"name":5'),
    "no name": edited(b'"name":"bad",', b""),
    "an object for a po_name": edited(b'"po_name":"greeter"', b'"po_name":{}'),
    "text for a version": edited(b'"version":1', b'"version":"1"'),
    "a version before the first": edited(b'"version":1', b'"version":0'),
    "no time": edited(b'"created_at":"2025', b'"created_at":"soon'),
    "a time outside of time": edited(b'"created_at":"2025-01-03T10:00:00.000Z"', b'"created_at":"0001-01-01T00:00+14"'),
    "metadata that are a list": edited(b'"metadata":{}', b'"metadata":[]'),
    "another session's": edited(BAD.encode(), OTHER.encode()),
    "an id that leads elsewhere": edited(BAD.encode(), b"../../etc/passwd"),
}
ANOTHER_SESSION = {"another session's", "an id that leads elsewhere"}
INSIDE = {
    "cut in its middle, with more behind": edited(b'"content":"one"', b'"conte'),
    "a key of a message twice": edited(b'"role":"user"', b'"role":"user","role":"user"'),
    "a message that is text": edited(b'\n{"role":"user"', b'\n"text"\n,{"role":"user"'),
    "a role that there is not": edited(b'"role":"user"', b'"role":"root"'),
    "content that is a list": edited(b'"content":"one"', b'"content":["one"]'),
    "NULs in the middle": edited(b'"content":"one"', b'"content":"\0\0e"'),
    "a comma too many": edited(b'\n{"role":"user"', b'\n,{"role":"user"'),
}
STILL_GOOD = {
    "a second name": lambda path: os.link(path, path.parent.parent / "snapshot"),
    "a newer version": edited(b'"version":1', b'"version":99'),
    "keys of others": edited(b'"metadata":{}', b'"metadata":{},"mood":[{}]'),
    "cut in its last line": lambda path: path.write_bytes(path.read_bytes()[:-30]),
}
INDEX = {
    **ANYWHERE,
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "a list": lambda path: path.write_text("[]"),
    "rows of the wrong kind": edited(b'"message_count":', b'"message_count":"x","y":'),
    "a key twice": edited(b'"name":', b'"name":"x","name":'),
    "an id that leads elsewhere": edited(BAD.encode(), b"../../../../../../etc/pass"),
    "sessions that are not there": edited(BAD.encode(), BAD[:-3].encode() + b"999"),
}


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    """Fail where a command would wait for ever."""

    def hung(*_: object) -> None:
        raise AssertionError("a command hangs")

    before = signal.signal(signal.SIGALRM, hung)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def full(root: Path, po, once) -> Path:
    """Three sessions, each also in the trash and in a backup; the second is current, its index folded."""
    once("bad-files", lambda: fill(root, po))
    assert [one["id"] for one in listed(po)] == [OTHER, FINE, BAD]
    return root


def fill(root: Path, po) -> None:
    store = open_storage("files", root=str(root))
    for id, name in ((BAD, "bad"), (FINE, "fine"), (OTHER, "other")):
        session = Session(id, name, "greeter", NOW, NOW, (user("one"), assistant("two"), user("three")))
        store.create(session)
        store.back_up(id, NOW)
        store.delete(id, NOW)
        store.create(session)
        store.append(id, assistant("four"))
    (root / "objects" / "bad.md").write_text("---\ndescription: soon bad\n---\nHello\n")
    assert po("session", "switch", FINE).exit_code == 0
    listed(po)


def listed(po, warned: Path | None = None) -> list[dict]:
    """Return what `list` shows; it warns of this file alone."""
    result = po("session", "list", "--all", "--json")
    assert result.exit_code == 0
    only(result.stderr, warned)
    return json.loads(result.stdout)


def only(stderr: str, about: Path | None) -> None:
    """See that there is one warning, of this file, or none at all."""
    lines = stderr.splitlines()
    assert len(lines) == (about is not None), stderr
    assert about is None or (str(about) in stderr and lines[0].startswith("po: warning: ")), stderr


def refused(result, code: int, path: Path, *, begun: bool = False) -> None:
    """See that a command ended with a sentence about a file, and what to do; it may have `begun` to print."""
    assert (result.exit_code, begun or result.stdout) == (code, begun or ""), (result.stdout, result.stderr)
    sentence, hint, *_ = result.stderr.splitlines()[-2:]
    assert sentence.startswith("po: ")
    assert str(path) in sentence, result.stderr
    assert len(sentence) < 500
    assert hint


def put(harm: Callable[[Path], object], path: Path) -> None:
    """Harm a file, and put it in its place as editors and sync clients do."""
    harm(path)
    if path.is_file() and not path.is_symlink():
        path.with_name("new").write_bytes(path.read_bytes())
        path.with_name("new").rename(path)


@pytest.mark.parametrize("harm", sampled(SESSION, every=6))
def test_a_session(harm, full, po):
    path = full / "sessions" / f"{BAD}.json"
    put(SESSION[harm], path)
    before = (os.lstat(path), path.read_bytes() if path.is_file() else b"")
    for _ in range(2):
        assert [one["id"] for one in listed(po, path)] == [OTHER, FINE]
    verbs = ["show", "export", "path", "undo", "switch", "rename", "duplicate", "delete"]
    for verb in verbs:
        refused(po("session", verb, BAD, *["x"][: verb == "rename"]), 7, path)
    refused(po("session", "show", BAD[-6:]), 7, path)
    refused(po("backup", "create", BAD), 7, path)
    refused(po("send", "greeter", "Hello", "--session", BAD, "--dry-run"), 7, path)
    everything = po("session", "export", "--all", "--format", "jsonl")
    assert everything.exit_code == 7
    assert str(path) in everything.stderr
    assert po("session", "show", "--last").stdout == "four\n"
    assert po("session", "current", "--ids").stdout == f"{FINE}\n"
    assert po("status").stdout == "greeter: fine (4 msgs)\n"
    assert len(po("trash", "list", "--ids").stdout.split()) == 3
    assert len(po("backup", "list", "--all", "--ids").stdout.split()) == 3
    pruned = po("session", "prune", "--before", "2999-01-01", "--all", "--yes", "--json")
    assert pruned.exit_code == 0
    after = (os.lstat(path), path.read_bytes() if path.is_file() else b"")
    assert (after[0].st_ino, after[0].st_mtime_ns, after[1]) == (before[0].st_ino, before[0].st_mtime_ns, before[1])
    assert [one["id"] for one in listed(po, path)] == [FINE]


@pytest.mark.parametrize("harm", sampled(ANYWHERE, every=6))
def test_the_current_session(harm, full, po):
    path = full / "sessions" / f"{FINE}.json"
    put(ANYWHERE[harm], path)
    for args in (["status"], ["session", "current"], ["session", "show"], ["send", "greeter", "Hi", "--dry-run"]):
        refused(po(*args), 7, path)
    refused(po("session", "current", "--all"), 7, path)
    assert [one["id"] for one in listed(po, path)] == [OTHER, BAD]
    assert po("session", "switch", OTHER).exit_code == 0
    assert po("status").stdout == "greeter: other (4 msgs)\n"


@pytest.mark.parametrize("harm", sampled(INSIDE, every=3))
def test_a_session_whose_ends_are_sound(harm, full, po, backend):
    """Its summary stands in them, and listing reads no more; whatever reads the messages tells, and writes nothing.

    What prints a conversation does so as it reads it, and so up to the place.
    """
    path = full / "sessions" / f"{BAD}.json"
    put(INSIDE[harm], path)
    before = path.read_bytes()
    assert [one["id"] for one in listed(po)] == [OTHER, FINE, BAD]
    for verb in ("show", "export", "duplicate"):
        refused(po("session", verb, BAD), 7, path, begun=verb in ("show", "export"))
    refused(po("backup", "create", BAD), 7, path)
    refused(po("send", "greeter", "Hello", "--session", BAD), 7, path)
    assert path.read_bytes() == before
    if len(before) == len((full / "sessions" / f"{FINE}.json").read_bytes()) - 1:  # "bad" and "fine"
        assert po("session", "rename", BAD, "bat").exit_code == 0  # which copies the messages unread
        assert po("session", "rename", BAD, "bad").exit_code == 0
        assert (
            path.read_bytes().partition(b"\n")[2].partition(b"\n]")[0]
            == before.partition(b"\n")[2].partition(b"\n]")[0]
        )
        assert po("session", "undo", BAD).exit_code == 0  # which copies what stays unread
        line = next(line for line in before.split(b"\n") if line.startswith(b",{"))
        assert line in path.read_bytes()
        before = path.read_bytes()
    else:
        for args in (["rename", BAD, "x"], ["undo", BAD]):
            refused(po("session", *args), 7, path)
    assert po("session", "delete", BAD).exit_code == 0
    (kept,) = (one for one in (full / "trash").iterdir() if one.read_bytes() == before)
    assert [one["id"] for one in listed(po)] == [OTHER, FINE]
    assert po("trash", "restore", kept.stem).exit_code == 0
    assert (path.read_bytes(), kept.exists()) == (before, False)


def test_a_session_damaged_in_place_with_its_size_kept(full, po):
    path = full / "sessions" / f"{BAD}.json"
    ANYWHERE["NULs"](path)
    for _ in range(2):
        assert [one["id"] for one in listed(po, path)] == [OTHER, FINE]
    refused(po("session", "show", BAD), 7, path)
    refused(po("session", "delete", BAD), 7, path)


@pytest.mark.parametrize("harm", STILL_GOOD)
def test_a_session_that_is_readable_all_the_same(harm, full, po):
    path = full / "sessions" / f"{BAD}.json"
    STILL_GOOD[harm](path)
    assert [one["id"] for one in listed(po)][-1] == BAD
    assert po("session", "show", BAD).stdout.count("\n[") >= 3
    assert po("session", "export", BAD).exit_code == 0
    renamed = po("session", "rename", BAD, "good")
    if harm == "a newer version":
        assert renamed.exit_code == 7
        assert "Upgrade po-sessions." in renamed.stderr
    else:
        assert renamed.exit_code == 0
        only(renamed.stderr.replace("po: warning: Repaired", "po: warning: "), path if "cut" in harm else None)


@pytest.mark.parametrize("place", ["index.json", "index.log"])
@pytest.mark.parametrize("harm", sampled(INDEX, every=6))
def test_the_index(harm, place, full, po):
    """It is a cache: nobody sees that anything was wrong with it."""
    before = listed(po)
    path = full / "sessions" / place
    if place == "index.log":
        assert po("session", "rename", BAD, "bad").exit_code == 0
        data = (full / "sessions" / "index.json").read_bytes().partition(b"[\n")[2].rpartition(b"]}")[0]
        path.write_bytes(b"\n" + data.replace(b"\n,", b"\n\n"))
    INDEX[harm](path)
    if harm == "sessions that are not there":  # a row without a file has all files looked at by the next command
        listed(po)
    for _ in range(2):
        assert listed(po) == before
    for args in (["status"], ["session", "show"], ["session", "current"], ["trash", "list"], ["session", "export"]):
        result = po(*args)
        assert (result.exit_code, result.stderr) == (0, "")
    result = po("session", "new", "More", "--po", "greeter")
    assert (result.exit_code, result.stderr) == (0, "")
    assert po("session", "rename", BAD, "better").exit_code == 0
    assert {one["name"] for one in listed(po)} == {"More", "better", "fine", "other"}


STATE = {
    **ANYWHERE,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-4]),
    "text for a table": lambda path: path.write_text('sessions = "x"\n'),
    "a number for an id": lambda path: path.write_text("[sessions.greeter]\ncurrent = 5\n"),
    "a list for a name": lambda path: path.write_text('current = ["greeter"]\n'),
    "a key twice": lambda path: path.write_text('current = "greeter"\ncurrent = "reader"\n'),
    "a value nested deep": lambda path: path.write_text("current = " + "[" * 100_000),
}


@pytest.mark.parametrize("harm", sampled(STATE, every=6))
def test_the_pointers(harm, full, po):
    path = full / "state.toml"
    STATE[harm](path)
    if harm == "empty":  # as if nothing had been chosen yet
        assert po("session", "show").exit_code == 3
        return
    for args in (["status"], ["session", "current"], ["session", "show"], ["session", "list"], ["backup", "list"]):
        refused(po(*args), 7, path)
    refused(po("session", "show", FINE), 7, path)
    for args in (["session", "switch", FINE], ["object", "switch", "reader"], ["object", "rename", "reader", "x"]):
        refused(po(*args), 7, path)
    assert [one["id"] for one in listed(po, path)] == [OTHER, FINE, BAD]
    assert po("session", "show", FINE, "--po", "greeter").exit_code == 0
    assert po("session", "export", "--all").exit_code == 0
    assert len(po("trash", "list", "--ids").stdout.split()) == 3
    assert len(po("backup", "list", "--all", "--ids").stdout.split()) == 3
    made = po("session", "new", "More", "--po", "greeter", "--json")
    assert made.exit_code == 0
    only(made.stderr, path)


TEXT = {"empty", "NULs", "nested deep", "nested deep with keys"}
"""Odd, but a prompt object's body may be any text."""
DEFINITION = {
    **{name: ANYWHERE[name] for name in sorted(ANYWHERE.keys() - TEXT)},
    "not closed": lambda path: path.write_text("---\nname: bad\n"),
    "a list": lambda path: path.write_text("---\n- a\n---\n"),
    "no YAML": lambda path: path.write_text("---\na: [\n---\n"),
    "an alias": lambda path: path.write_text("---\na: &x [1]\nb: *x\n---\n"),
    "a python object": lambda path: path.write_text("---\na: !!python/object/apply:os.system [ls]\n---\n"),
    "a key twice": lambda path: path.write_text("---\nname: bad\nname: bad\n---\n"),
    "nested deep in YAML": lambda path: path.write_text("---\na: " + "[" * 50_000 + "\n---\n"),
    "a number for a model": lambda path: path.write_text("---\nmodel: 5\n---\n"),
    "options that are a list": lambda path: path.write_text("---\noptions: [1]\n---\n"),
    "a name that leads elsewhere": lambda path: path.write_text("---\nname: ../greeter\n---\n"),
}


@pytest.mark.parametrize("harm", sampled(DEFINITION, every=6))
def test_a_prompt_object(harm, full, po, backend):
    path = full / "objects" / "bad.md"
    DEFINITION[harm](path)
    result = po("object", "list", "--json")
    assert result.exit_code == 0
    only(result.stderr, path)
    assert [one["name"] for one in json.loads(result.stdout)] == ["coordinator", "greeter", "reader"]
    for args in (["object", "show", "bad"], ["object", "switch", "bad"], ["send", "bad", "x"]):
        refused(po(*args), 7, path)
    if path.is_file() and not path.is_symlink():
        assert po("object", "path", "bad").stdout == f"{path}\n"  # whose text can be mended
    else:
        refused(po("object", "path", "bad"), 7, path)
    assert [one["id"] for one in listed(po)] == [OTHER, FINE, BAD]
    assert po("send", "greeter", "Hello").stdout == "Hello\n"
    assert po("status").exit_code == po("session", "list").exit_code == 0


@pytest.mark.parametrize("place", ["trash", "backups"])
@pytest.mark.parametrize("harm", sampled(SESSION | INSIDE, every=8))
def test_what_is_set_aside(harm, place, full, po):
    name = f"{BAD}.{STAMP}"
    path = full / "trash" / f"{name}.json" if place == "trash" else full / "backups" / BAD / f"{STAMP}.json"
    (SESSION | INSIDE)[harm](path)
    before = path.read_bytes() if path.is_file() else b""
    noun, everything = ("trash", []) if place == "trash" else ("backup", ["--all"])
    result = po(noun, "list", *everything, "--json")
    assert result.exit_code == 0
    shown = [one["id"] for one in json.loads(result.stdout)]
    if place == "backups" and harm in INSIDE:  # its summary stands in its ends
        assert (len(shown), result.stderr) == (3, "")
    else:
        is_shown = place == "trash" and harm not in ANOTHER_SESSION
        assert (len(shown), name in shown) == (2 + is_shown, is_shown)
        only(result.stderr, path)
    if place == "backups" or not path.is_file() or path.is_symlink() or harm in ANOTHER_SESSION:
        refused(po(noun, "restore", name), 7, path)
    else:
        assert po(noun, "restore", name).exit_code == 5  # it would come back as it is, and the session is there
    refused(po(noun, "restore", name, "--as", "Again"), 7, path)
    assert (path.read_bytes() if path.is_file() else b"") == before
    assert [one["id"] for one in listed(po)] == [OTHER, FINE, BAD]
    assert po(noun, "restore", f"{FINE}.{STAMP}", "--as", "Again").exit_code == 0
    if place == "trash" and harm != "a directory":
        assert po("trash", "empty", "--yes").exit_code == 0
        assert not os.path.lexists(path)


@pytest.mark.parametrize("harm", ANYWHERE)
def test_the_settings(harm, full, po, monkeypatch):
    """They are the user's own; only what needs one is refused."""
    path = Path(os.environ["HOME"]) / ".config" / "po" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('model = "smollm2"\n')
    ANYWHERE[harm](path)
    if harm not in ("empty", "a dangling link", "a symbolic link"):
        for args in (["config", "list"], ["config", "get", "model"], ["config", "set", "model", "smollm2"]):
            refused(po(*args), 7, path)
        refused(po("backup", "create", FINE), 7, path)
    assert [one["id"] for one in listed(po)] == [OTHER, FINE, BAD]
    for args in (["session", "show"], ["session", "export"], ["status"], ["session", "current"], ["trash", "list"]):
        result = po(*args)
        assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize("harm", ANYWHERE)
def test_a_renaming(harm, full, po):
    """`.rename` tells which name counts, so nothing is guessed without it."""
    path = full / "sessions" / ".rename"
    path.write_text('{"version":1,"old":"greeter","new":"host"}\n')
    ANYWHERE[harm](path)
    for args in (["session", "list", "--all"], ["session", "show"], ["status"], ["session", "new", "--po", "greeter"]):
        refused(po(*args), 7, path)


@pytest.mark.parametrize("harm", sampled(ANYWHERE, every=4))
@pytest.mark.parametrize("name", slow_but(["seen", "names", "state", "index", BAD], BAD))
def test_a_lock(name, harm, full, po, backend):
    """What is no lock file of ours is refused or made anew; reading goes on in any case."""
    path = full / "sessions" / ".locks" / name
    path.touch()
    ANYWHERE[harm](path)
    assert [one["id"] for one in listed(po)] == [OTHER, FINE, BAD]
    for args in (["session", "show", BAD], ["session", "export", BAD], ["status"], ["trash", "list"]):
        result = po(*args)
        assert (result.exit_code, result.stderr) == (0, "")
    for args in (["session", "new", "--po", "reader"], ["session", "switch", BAD], ["send", "greeter", "x", "-s", BAD]):
        result = po(*args)
        if result.exit_code:
            assert result.exit_code in (7, 9), result.stderr
            assert str(path) in result.stderr


@pytest.mark.parametrize("kind", slow_but(["file", "link", "fifo"], "link"))
@pytest.mark.parametrize("name", ["sessions", "sessions/.locks", "trash", "backups", "objects", f"backups/{BAD}"])
def test_a_directory_that_is_none(name, kind, full, po):
    """Every verb ends, with a result or a sentence."""
    path = full / name
    path.rename(full.parent / "aside")
    {"file": path.touch, "link": lambda: path.symlink_to("nowhere"), "fifo": lambda: os.mkfifo(path)}[kind]()
    reading = [["session", "list", "--all"], ["session", "show", FINE], ["session", "export", FINE], ["status"]]
    reading += [["session", "current"], ["trash", "list"], ["backup", "list", "--all"], ["object", "list"]]
    writing = [["session", "rename", FINE, "x"], ["session", "delete", FINE], ["backup", "create", BAD]]
    writing += [["session", "new", "--po", "reader"], ["trash", "restore", FINE], ["backup", "restore", BAD]]
    for args in [*reading, *writing]:
        result = po(*args)
        assert result.exit_code in (0, 3, 4, 7, 9), (args, result.stderr)
        if result.exit_code:
            assert result.stderr.startswith("po: ")
