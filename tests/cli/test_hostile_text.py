"""Hostile text in every field of every file: nothing of it acts on a terminal, in a prompt or in a shell.

A sample by default, in which each field gets some of the texts; `PO_TEST_ALL_FAULTS=1` puts each text into each field.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from support.printed import printed
from support.selection import sampled, slow_but
from support.terminal import on_terminal, plain

from po_sessions.cli.app.root import COMMANDS
from po_sessions.cli.fast import complete, dispatch, session_list

ALL = bool(os.environ.get("PO_TEST_ALL_FAULTS"))

TEXTS = {
    "controls": "\x1b]0;owned\x07\x1b[31m\x00\x9b2J\x7f\x08\r",
    "lines": "a\nb\n; touch pwned #\n",
    "shell": "x; touch pwned #",
    "quotes": "'; touch pwned; ' \"; touch pwned; \"",
    "expansion": "$(touch pwned)`touch pwned`",
    "bidi": "\u202egnp.exe\u2066\u2028",
    "markers": "%s%n%(x)d{id}{{}}{0.__class__}",
    "dash": "--root=/; touch pwned",
    "long": "long" * 30_000,
    "escaped quote": "\x1b\\'; touch pwned #",
}

READ = [
    *("status", "status --json", "status --format {po_name}/{session_name}/{session_id}", "session list"),
    *("session list --all", "session list --all --json", "session list --all --format {id}|{po_name}|{name}|{preview}"),
    *("session current", "session current --format {name}|{po_name}", "session current --all --json"),
    *("session show", "session show --json", "session show --last", "session show zzz", "session show Tea"),
    *("session show ID", "session path ID", "session export ID", "session switch - --po greeter"),
    *("session list --orphaned", "session prune --empty --all", "trash list", "trash list --json", "backup list --all"),
    *("backup list --all --json", "object list", "object list --json", "object show greeter", "object path greeter"),
    *("config list", "config get model", "doctor", "doctor --json"),
]
WRITE = [
    *(
        "send greeter -s ID Hello",
        "send . Hello",
        "session retry ID",
        "session undo ID",
        "session new Tea --po greeter",
    ),
    *("session rename ID Other", "session duplicate ID", "session adopt ID --po reader", "session compact ID --undo"),
    *(
        "backup create ID",
        "backup restore ID",
        "trash restore GONE",
        "object rename greeter host",
        "object switch reader",
    ),
    *("doctor --repair", "session list --all", "session delete ID", "object delete reader", "trash empty"),
]
COMPLETED = [
    "session switch ",
    "session show 0",
    "send ",
    "session adopt ",
    "trash restore ",
    "backup restore ",
    "session ",
]
RESULTS = ("session show", "session export", "object show", "object path", "session path", "config get")
"""What prints in a pipe what it was asked for as it is."""


class World:
    """An environment with a session, one in the trash and a backup; its files are there to be spoilt."""

    def __init__(self, po: Callable[..., Any], root: Path, once: Callable[..., Any]) -> None:
        self.po = po
        self.root = root
        self.gone, self.id = once("hostile", self._fill)
        assert po("session", "list").exit_code == 0
        self.session = root / "sessions" / f"{self.id}.json"
        (self.trashed,) = (root / "trash").iterdir()
        (self.backup,) = (root / "backups" / self.id).iterdir()
        self.sent = (root / "sessions" / "index.json").read_bytes()

    def _fill(self) -> tuple[str, str]:
        gone, id = (self.po("session", "new", name, "--po", "greeter").stdout.strip() for name in ("Gone", "Tea"))
        for args in (
            *(["send", "greeter", "-s", gone, "Hello"], ["send", "greeter", "-s", id, "Hello"]),
            *(["backup", "create", id], ["session", "delete", gone], ["session", "switch", id], ["session", "list"]),
        ):
            assert self.po(*args).exit_code == 0
        return gone, id

    def words(self, line: str) -> list[str]:
        return [{"ID": self.id, "GONE": self.gone}.get(word, word) for word in line.split()]


def in_session(*keys: str | int, which: str = "session") -> Callable[[World, str], None]:
    """Return what puts a text into a session's file, in our layout."""

    def spoil(w: World, text: str) -> None:
        path = getattr(w, which)
        made = json.loads(path.read_bytes())
        place: Any = made
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = text
        closing = {key: made.pop(key) for key in ("updated_at", "preview", "message_count", "turn_count")}
        history = made.pop("history")
        lines = "\n,".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in history)
        ends = [json.dumps(one, ensure_ascii=False, separators=(",", ":"))[1:-1] for one in (made, closing)]
        path.write_text(f'{{{ends[0]},"history":[\n{lines}\n],{ends[1]}\n}}\n')

    return spoil


def in_index(key: str, *, log: bool) -> Callable[[World, str], None]:
    def spoil(w: World, text: str) -> None:
        path = w.root / "sessions" / "index.json"
        (row,) = json.loads(path.read_bytes())["sessions"]
        line = json.dumps({**row, key: text}, ensure_ascii=False, separators=(",", ":"))
        if log:
            path.with_name("index.log").write_text(f"\n{line}\n")
        else:
            path.write_text(f'{{"version":1,"sessions":[\n{line}\n]}}\n')

    return spoil


def in_file(name: str, content: str) -> Callable[[World, str], None]:
    """Return what writes a file; TEXT in it is the text, JSON the text in quotes, ID the session."""

    def spoil(w: World, text: str) -> None:
        path = w.root / name.replace("ID", w.id)
        said = content.replace("ID", w.id).replace("JSON", json.dumps(text)).replace("TEXT", text)
        path.parent.mkdir(exist_ok=True)
        path.write_text(said)

    return spoil


def named(directory: str, ending: str, content: str) -> Callable[[World, str], None]:
    """Return what makes a file that has the text in its name."""

    def spoil(w: World, text: str) -> None:
        stem = text.replace("/", "_").replace("\0", "_")[:200]
        (w.root / directory / (stem + ending)).write_text(content)

    return spoil


def held(w: World, text: str) -> None:
    path = w.root / "sessions" / ".locks" / w.id
    path.write_text(text)
    fcntl.flock(held_fd := os.open(path, os.O_RDWR), fcntl.LOCK_EX)
    HELD.append(held_fd)


HELD: list[int] = []


def seen(w: World, text: str) -> None:
    path = w.root / "sessions" / ".locks" / "seen"
    look = json.loads(path.read_bytes())
    path.write_text(json.dumps({**look, "strange": [text], "unread": [text]}))


OBJECT = (
    "---\nname: {name}\ndescription: {description}\nmodel: {model}\noptions: {{{option}: 1}}\n"
    "context: {context}\n---\nHi.\n"
)
SOUND = {"name": "greeter", "description": "x", "model": "smollm2", "option": "seed", "context": "all"}
PLACES: dict[str, Callable[[World, str], None]] = {
    "state: current": in_file("state.toml", 'current = JSON\n[sessions.greeter]\ncurrent = "ID"\n'),
    "state: name": in_file("state.toml", 'current = "greeter"\n[sessions.JSON]\ncurrent = "ID"\n'),
    "state: session": in_file("state.toml", "[sessions.greeter]\ncurrent = JSON\nprevious = JSON\n"),
    "state: text": in_file("state.toml", "TEXT"),
    **{f"session: {key}": in_session(key) for key in ("id", "name", "po_name", "created_at", "version", "other")},
    **{f"session: {key}": in_session(key) for key in ("updated_at", "preview", "message_count")},
    "session: metadata": in_session("metadata", "imported_from"),
    **{
        f"message: {key}": in_session("history", 1, key)
        for key in ("role", "content", "created_at", "model", "error", "tool_calls", "stands_for", "other")
    },
    "message: question": in_session("history", 0, "content"),
    **{f"trash: {key}": in_session(key, which="trashed") for key in ("id", "name", "po_name", "preview", "undone_at")},
    **{f"backup: {key}": in_session(key, which="backup") for key in ("id", "name", "po_name", "preview")},
    **{f"index: {key}": in_index(key, log=False) for key in ("id", "name", "po_name", "preview", "last_turn")},
    **{f"log: {key}": in_index(key, log=True) for key in ("id", "name", "po_name", "preview", "updated_at")},
    "log: text": in_file("sessions/index.log", "TEXT"),
    "seen": seen,
    "seen: text": in_file("sessions/.locks/seen", "TEXT"),
    "rename: old": in_file("sessions/.rename", '{"version":1,"old":JSON,"new":"host"}'),
    "rename: new": in_file("sessions/.rename", '{"version":1,"old":"greeter","new":JSON}'),
    **{f"object: {key}": in_file("objects/greeter.md", OBJECT.format(**{**SOUND, key: "JSON"})) for key in SOUND},
    "object: key": in_file("objects/greeter.md", "---\nname: greeter\nJSON: JSON\n---\nTEXT\n"),
    "object: text": in_file("objects/greeter.md", "---\nTEXT\n---\n"),
    "config: model": in_file("config.toml", "model = JSON\n"),
    "config: keep": in_file("config.toml", "backup.keep = JSON\nsend.max_bytes = JSON\n"),
    "config: text": in_file("config.toml", "TEXT"),
    "deletions": in_file("deletions.log", "TEXT"),
    "lock": in_file("sessions/.locks/ID", "1 TEXT"),
    "held lock": held,
    "named: object": named("objects", ".md", "---\nname: other\n---\nHi.\n"),
    "named: damaged object": named("objects", ".md", "---\n"),
    "named: session": named("sessions", ".json", "{}"),
    "named: trash": named("trash", ".json", "{}"),
    "named: stray": named("trash", "", "x"),
    "named: backup": named("backups", "", "x"),
}  # fmt: skip


def cases(first: int) -> list[tuple[str, str]]:
    """Return which place gets which text: one of them, always the same, but another one for another `first`."""
    names = list(TEXTS)
    if ALL:
        return [(place, name) for place in PLACES for name in names]
    return [(place, names[(crc32(place.encode()) + first) % len(names)]) for place in PLACES]


@pytest.fixture
def world(po, root, backend, once):
    made = World(po, root, once)
    yield made
    while HELD:
        os.close(HELD.pop())


@pytest.fixture(autouse=True)
def no_wait(monkeypatch):
    monkeypatch.setattr("po_sessions.cli.app.invocation.LOCK_TIMEOUT", 0.05)


@pytest.mark.parametrize(("place", "name"), sampled(cases(0), every=12))
def test_hostile_text_acts_on_nothing_in_a_pipe(place, name, world):
    PLACES[place](world, TEXTS[name])
    told = []
    for line in [*READ, *WRITE]:
        done = world.po(*world.words(line), input="")
        check_code(line, done)
        check_text(done.stderr, line)
        if not line.startswith(RESULTS):
            check_text(done.stdout, line)
        if line.startswith("status") and "--json" not in line:
            assert done.stdout.count("\n") <= 1, line
        told.append(done.stderr + done.stdout * (not line.startswith(RESULTS)))
    check_hints(*told)


@pytest.mark.parametrize(("place", "name"), sampled(cases(3), every=12))
def test_hostile_text_acts_on_no_terminal(place, name, world, monkeypatch):
    PLACES[place](world, TEXTS[name])
    monkeypatch.setattr("po_sessions.cli.terminal.output._is_terminal", lambda _: True)
    told = []
    for line in [*READ, *WRITE]:
        done = world.po(*world.words(line), input="")
        check_code(line, done)
        check_text(plain(done.stdout + done.stderr), line)
        told.append(plain(done.stderr))
    check_hints(*told)


@pytest.mark.parametrize(("place", "name"), sampled(cases(7), every=12))
def test_hostile_text_gets_through_no_fast_answer(place, name, world, monkeypatch):
    PLACES[place](world, TEXTS[name])
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    for args in ([], ["--format", "{po_name}/{session_name}/{session_id}"]):
        check_text((dispatch._status(None, args) or b"").decode(), "status")
    for args in (["--all"], [], ["--ids"]):
        check_text((session_list.answer(None, args) or b"").decode(), "list")
    for line in COMPLETED:
        for args in (["zsh", *line.split(" ")], ["fish", *line.split(" ")], ["bash", "63", f"po {line}", ""]):
            check_text(complete.answer(args).decode(), line)


@pytest.mark.parametrize("place", slow_but(list(PLACES) if ALL else list(PLACES)[::9], "state: current"))
def test_hostile_text_acts_on_no_real_terminal(place, world):
    """On a pseudo-terminal, with its own standard error, and with what the shell reads."""
    PLACES[place](world, TEXTS["controls"] if place != "state: text" else "\x1b[31m")
    for line in ("status", "session list --all", "session show ID", "trash list", "object list", "doctor"):
        code, shown = on_terminal(*world.words(line))
        assert code not in (70, *((1,) * (line != "doctor"))), shown
        check_text(plain(shown), line)


def check_code(line: str, done: Any) -> None:
    may_fail = line.startswith("doctor")
    assert done.exit_code not in ((70,) if may_fail else (1, 70)), (line, done.stderr[-2000:])


def check_text(text: str, line: str) -> None:
    """See that nothing in a text acts on a terminal, or turns the direction of what it shows."""
    found = re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", text)
    assert not found, (line, text[max(0, found.start() - 80) : found.end() + 80])


def check_hints(*texts: str) -> None:
    """See that each command line is one, and does nothing but what it says."""
    lines = sorted({one for text in texts for one in printed(text) if len(one) < 10_000})
    for line in lines:
        words = shlex.split(line)
        words = words[3:] if words[1:2] == ["--root"] else words[1:]
        assert words[0] in COMMANDS[""], line
    each = 'po() { :; }; for line; do eval "$line" || { printf %s "$line" >&2; exit 1; }; done'
    for shell in ("sh", "bash"):
        done = subprocess.run([shell, "-c", each, shell, *lines], check=False, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), shell
        assert not Path("pwned").exists(), (shell, lines)


def test_a_hostile_pointer_is_refused_and_can_be_repaired(world):
    PLACES["state: current"](world, TEXTS["shell"])
    refused = world.po("status")
    assert (refused.exit_code, refused.stdout) == (7, "")
    assert "'x; touch pwned #' cannot be a prompt object's name." in refused.stderr
    assert world.po("doctor", "--repair").exit_code == 0
    assert world.po("status").exit_code == 0


def test_a_pointer_that_is_no_id_points_at_nothing(world):
    PLACES["state: session"](world, TEXTS["controls"])
    refused = world.po("session", "show", "--po", "greeter")
    assert refused.exit_code == 3
    assert r"The current session of greeter, '\x1b]0;" in refused.stderr
    assert world.po("session", "switch", world.id).exit_code == 0
    assert world.po("session", "show", "--po", "greeter").exit_code == 0


@pytest.mark.parametrize("layout", ["ours", "another"])
def test_a_session_of_no_prompt_object_is_kept_and_can_be_imported(layout, world):
    PLACES["session: po_name"](world, TEXTS["shell"])
    if layout == "another":
        world.session.write_text(json.dumps(json.loads(world.session.read_text()), indent=1))
    refused = world.po("session", "show", world.id)
    assert refused.exit_code == 7
    (line,) = printed(refused.stderr)
    assert f"{world.session} cannot be read: 'x; touch pwned #' cannot be a prompt object's name." in refused.stderr
    args = [{"PO": "reader"}.get(word, word) for word in shlex.split(line)[1:]]
    made = world.po(*args)
    assert made.exit_code == 0
    assert json.loads(world.po("session", "show", made.stdout.strip(), "--json").stdout)["message_count"] == 2
    assert world.po("session", "import", str(world.session)).exit_code == 7  # without --po
    (line,) = (one for one in printed(world.po("doctor", "--repair").stdout) if "import" in one)
    assert world.po(*[{"PO": "greeter"}.get(word, word) for word in shlex.split(line)[1:]]).exit_code == 0


def test_a_row_of_no_prompt_object_is_no_row(world):
    PLACES["index: po_name"](world, TEXTS["shell"])
    assert session_list.answer(None, ["--all"]) is None
    assert world.po("session", "list", "--all").stdout.split("\t")[2] == "greeter"


@pytest.mark.parametrize(
    "text", [*TEXTS.values(), "plain", "it's", "po session x", "'po session x", "-x y", "", "\udcff"]
)
def test_a_quoted_word_is_one_word_in_a_shell(text):
    from po_sessions.cli.app.hints import Command
    from po_sessions.cli.app.shell import quoted

    line = Command("session show", "ID", po=text).line("/a b")
    check_text(line, "quoted")
    for said, words in (
        (quoted(text), [text]),
        (line, ["po", "--root", "/a b", "session", "show", "ID", "--po", text]),
    ):
        script = f"printf '%s\\0' {said.replace(' --po=', ' --po ')}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
        expected = [word.replace("\0", "")[: word.find("\0") if "\0" in word else None] for word in words]
        assert [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]] == expected
    assert not Path("pwned").exists()
