"""Every command line that `po` prints works when pasted: each is provoked, given to a shell, and run."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from support.builders import ULID
from support.hints import hint_of
from support.printed import printed
from support.running import TESTS, command
from support.scripted import Script
from support.selection import sampled

from po_sessions.cli.app import hints
from po_sessions.cli.fast.commands_table import COMMANDS
from po_sessions.doctor.mounts import judge
from po_sessions.environment import Environment
from po_sessions.errors import Advice, ContextTooLong, PoError, Unreachable, WeightsMissing
from po_sessions.session import Session

PACKAGE = TESTS.parent / "po_sessions"
NAME = """Bob's "tea" $HOME"""
PLACES = {"NAME": "Another", "PO": "reader", "VALUE": "smollm2", "MESSAGE": "Hi", "FILE": "kept.json", "SIZE": "64MiB"}
"""What a user writes for what stands in capitals."""
WITHOUT_ROOT = ("config", "model", "init", "status", "--help")


@dataclass
class World:
    """An environment, and `po` in it: as a user who is in its directory, or who names it."""

    po: Callable[..., Any]
    root: Path
    named: bool
    backend: Any

    @property
    def env(self) -> Environment:
        return Environment.open(str(self.root), lock_timeout=5)

    def __call__(self, *args: str, input: str | None = None) -> str:
        done = self.run(*args, input=input)
        return done.stdout + done.stderr

    def run(self, *args: str, input: str | None = None) -> Any:
        return self.po(*(["--root", str(self.root)] if self.named else []), *args, input=input)

    def session(self, name: str = NAME, po: str = "greeter", turns: int = 1) -> str:
        """Make a session and return its id."""
        id = self.run("session", "new", name, "--po", po).stdout.strip()
        for _ in range(turns):
            assert self.run("send", po, "-s", id, "Hello").exit_code == 0
        return id

    def failed(self) -> str:
        """Make a session whose last turn failed."""
        id = self.session(turns=0)
        self.backend.script = Script(error=Unreachable("Down."))
        self("send", "greeter", "-s", id, "Hello")
        self.backend.script = None
        return id

    def file(self, id: str) -> Path:
        return self.root / "sessions" / f"{id}.json"


@pytest.fixture(params=["found", "named"])
def world(request, tmp_path, po, backend, monkeypatch) -> World:
    named = request.param == "named"
    root = tmp_path / ('it\'s a "dir"' if named else "work") / ".prompt_objects"
    root.parent.mkdir(exist_ok=True)
    Environment.create(root)
    monkeypatch.setattr("po_sessions.cli.terminal.output._is_terminal", lambda stream: stream is sys.stderr)
    return World(po, root, named, backend)


def raised(do: Callable[[], Any]) -> str:
    """Return what is told of an error that only another process at the same moment would bring about."""
    with pytest.raises(PoError) as error:
        do()
    return hint_of(error.value)


# Each returns what po printed.


def no_environment(w: World) -> str:
    (w.root / "objects").rename(w.root.with_name("gone"))
    (w.root / ".gitignore").unlink()
    w.root.rmdir()
    return w.po("send", "nobody", "Hello", "--no-save").stderr


def nowhere(w: World) -> str:
    place = w.root.parent / "not 'there'"
    shown = w.po("--root", str(place), "session", "list").stderr
    assert f"'mkdir -p -- {shlex.quote(str(place))}' and " in shown
    place.mkdir()
    return shown


def root_for_init(w: World) -> str:
    (Path.cwd() / "-x").mkdir()
    return w.po("--root=-x", "init").stderr


def no_objects(w: World) -> str:
    for path in (w.root / "objects").iterdir():
        path.unlink()
    return w("object", "list")


def taken_backup(w: World) -> str:
    id = w.session()
    w("backup", "create", id)
    w("session", "rename", id, "Other")
    w("session", "new", NAME, "--po", "greeter")
    return w("backup", "restore", id, "--as", NAME)


def bad_setting(w: World) -> str:
    file = Path.home() / ".config" / "po" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("model = 3\n")
    return w("config", "get", "model")


def bad_setting_here(w: World, line: str = "model = 3") -> str:
    (w.root / "config.toml").write_text(f"{line}\n")
    return w("config", "get", "model")


def foreign_setting_here(w: World) -> str:
    return bad_setting_here(w, 'model = "gguf:/x"')


def damaged(w: World) -> str:
    id = w.session()
    w.file(id).write_text("{")
    return w("session", "show", id)


def ownerless(w: World) -> str:
    id = w.session()
    w.file(id).write_text(w.file(id).read_text().replace('"po_name":"greeter"', '"po_name":"x; touch pwned #"'))
    return w("session", "show", id)


def too_large(w: World) -> str:
    w("config", "set", "send.max_bytes", "10B")
    return w("send", "greeter", "More than that.")


def bad_state(w: World) -> str:
    (w.root / "state.toml").write_text("[")
    return w("status")


def mended_state(w: World) -> str:
    bad_state(w)
    return w("doctor", "--repair")


def bad_options(w: World) -> str:
    w("object", "new", "odd", "--body", "Odd.")
    path = w.root / "objects" / "odd.md"
    path.write_text(path.read_text().replace("name: odd\n", "name: odd\noptions: {nope: 1}\n"))
    return w("send", "odd", "Hello")


def orphan(w: World) -> str:
    id = w.session()
    w("object", "delete", "greeter")
    return w("session", "retry", id)


def former(w: World) -> str:
    w("object", "new", "former", "--body", "Gone.")
    w.session(po="former")
    w("object", "delete", "former")
    return w("object", "rename", "reader", "former")


def restored_backup(w: World) -> str:
    id = w.session()
    w("backup", "create", id)
    w("session", "delete", id)
    return w("backup", "restore", id)


def adopted_meanwhile(w: World) -> str:
    w.session()
    manager = w.env.session_manager
    (there,) = manager.list("greeter")
    return raised(lambda: manager.adopt(replace(there, po_name="former"), "reader"))


def copied_file(w: World) -> str:
    id = w.session()
    other = Session(id, "Copied", "greeter", "2025-01-03T10:00:00.000Z", "2025-01-03T10:00:00.000Z")
    w.env.session_manager.storage.create(replace(other, id=ULID))
    w.file(ULID).rename(w.file(f"{id} (conflicted copy)"))
    return w("doctor", "--repair")


def gone_pointer(w: World) -> str:
    id = w.session()
    w("session", "switch", id)
    w.file(id).unlink()
    return w("session", "show")


def same_name(w: World) -> str:
    first = Session(ULID, NAME, "greeter", "2025-01-03T10:00:00.000Z", "2025-01-03T10:00:00.000Z")
    for id in (ULID, ULID[:-1] + ("A" if ULID[-1] != "A" else "B")):
        w.env.session_manager.storage.create(replace(first, id=id))
    return w("doctor")


def same_strange_name(w: World) -> str:
    first = Session(ULID, "-x", "greeter", "2025-01-03T10:00:00.000Z", "2025-01-03T10:00:00.000Z")
    for id in (ULID, ULID[:-1] + ("A" if ULID[-1] != "A" else "B")):
        w.env.session_manager.storage.create(replace(first, id=id))
    return w("doctor")


def reply_stored(w: World) -> str:
    id = w.session(turns=0)
    root = ["--root", str(w.root)] if w.named else []
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*command(), *root, "send", "greeter", "-s", id, "Hi"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    return done.stderr.decode()


def stray_file(w: World) -> str:
    (w.root / "trash").mkdir()
    (w.root / "trash" / "reader.00000000.md").write_text("x")
    return w("trash", "list")


def linked_trash(w: World) -> str:
    id = w.session()
    (w.root / "trash").symlink_to(w.root / "sessions")
    return w("session", "delete", id)


def links_here(w: World) -> str:
    return w("config", "set", "--environment", "links.allow", "/x")


def name_taken_in_trash(w: World) -> str:
    id = w.session()
    w("session", "delete", id)
    w("session", "new", NAME, "--po", "greeter")
    return w("trash", "restore", id)


def too_long(w: World) -> str:
    id = w.session()
    w.backend.script = Script(error=ContextTooLong("Too long."))
    shown = w("send", "greeter", "-s", id, "Hello")
    w.backend.script = None
    return shown


def ask_again(w: World) -> str:
    id = w.session(turns=0)
    w.backend.script = Script(error=Unreachable("Down."))
    shown = w("send", "greeter", "-s", id, "Hello", "--option", "seed=1", "--context", "last:2", "--model", "smollm2")
    w.backend.script = None
    return shown


def no_weights(w: World) -> str:
    w.backend.script = Script(unavailable=WeightsMissing("Not here.", advice=Advice("fetch")))
    return w("send", "greeter", "Hello")


def nothing_current(w: World) -> str:
    return w("session", "show", "--po", "reader")


def on_nfs(w: World) -> str:
    id = w.session()
    w("session", "switch", id)
    w("session", "export", id, "-o", "kept.json")
    found = judge("nfs", str(w.root))
    return hints.for_advice(found and found.advice).text()


def with_(*args: str, turns: int = 1) -> Callable[[World], str]:
    """Return a case that is one command line, where ID is a session."""

    def provoke(w: World) -> str:
        id = w.session(turns=turns)
        return w(*(id if arg == "ID" else arg for arg in args))

    return provoke


def silent(w: World) -> str:
    w("config", "set", "model.idle_timeout", "1s")
    w.backend.script = Script(says="Late.", delay=5)
    shown = w("send", "greeter", "Hello")
    w.backend.script = None
    return shown


CASES: dict[str, list[Callable[[World], str]]] = {
    "po backup create": [lambda w: w("session", "switch", w.session()) + w("backup", "list")],
    "po backup list --all": [with_("backup", "restore", "nope")],
    "po backup restore {}": [with_("backup", "create", "ID")],
    "po backup restore {} --as NAME": [taken_backup],
    "po config set backup.keep 0": [with_("config", "set", "backup.interval", "0d")],
    "po config path": [links_here],
    "po config set links.allow {}": [linked_trash],
    "po config set --environment {} VALUE": [bad_setting_here],
    "po config set model.idle_timeout 1h": [with_("config", "set", "--environment", "model.idle_timeout", "0"), silent],
    "po config set {} VALUE": [bad_setting],
    "po config set {} SIZE": [too_large],
    "po config unset --environment {}": [foreign_setting_here],
    "po config unset {}": [with_("config", "set", "model", "")],
    "po doctor": [damaged],
    "po doctor --repair": [bad_state, lambda w: bad_state(w) and w("doctor")],
    "po init": [no_environment],
    "po init {}": [nowhere, root_for_init],
    "po model list": [with_("send", "greeter", "Hello", "--model", "")],
    "po model pull": [no_weights],
    "po object list": [with_("object", "show", "nobody")],
    "po object new NAME": [no_objects],
    "po object path {}": [bad_options],
    "po object switch NAME": [lambda w: w("session", "show")],
    "po send --help": [with_("send", "greeter", "--no-save", "/session")],
    "po send {} MESSAGE --session {}": [with_("session", "retry", "ID", turns=0)],
    "po send {} MESSAGE": [with_("session", "list", "--po", "reader"), nothing_current],
    "po session adopt {} --po PO": [orphan],
    "po session adopt {} --po {}": [former],
    "po session compact {}": [with_("session", "compact", "ID", "--undo"), too_long],
    "po session delete {}": [restored_backup, with_("send", "greeter", "-s", "ID", "/session delete")],
    "po session delete --purge --yes …": [with_("session", "delete", "ID", "--purge")],
    "po session duplicate {} --to PO": [with_("session", "adopt", "ID", "--po", "reader")],
    "po session duplicate {} --to {}": [adopted_meanwhile],
    "po session ensure {} --po {}": [with_("session", "new", NAME, "--po", "greeter")],
    "po session export": [on_nfs],
    "po session import FILE": [on_nfs],
    "po session import {}": [copied_file],
    "po session import {} --po PO": [ownerless],
    "po session list --all": [lambda w: raised(lambda: w.env.session_manager.get(ULID))],
    "po session list --orphaned": [with_("session", "adopt", "Nope", "--po", "reader")],
    "po session list --po {}": [
        with_("session", "show", "Nope", "--po", "greeter"), with_("send", "greeter", "-s", "Nope", "Hi"),
    ],
    "po session new --switch --po {}": [gone_pointer],
    "po session prune …": [with_("session", "prune", "--max-size", "1B", "--all", "--purge")],
    "po session rename {} {}": [same_name, same_strange_name],
    "po session retry {}": [lambda w: w("session", "compact", w.failed())],
    "po session retry …": [ask_again],
    "po session show {}": [
        with_("session", "show", "ID", "--last", turns=0), with_("session", "undo", "ID", "-n", "9"),
    ],
    "po session show --last {}": [reply_stored],
    "po session switch NAME --po PO": [mended_state],
    "po session switch NAME --po {}": [
        nothing_current, gone_pointer, with_("session", "switch", "-", "--po", "reader"),
    ],
    "po session undo {}": [with_("session", "retry", "ID"), too_long],
    "po trash empty": [stray_file],
    "po trash empty …": [lambda w: stray_file(w) and w("trash", "empty")],
    "po trash list": [with_("trash", "restore", "nope")],
    "po trash restore {}": [with_("session", "delete", "ID"), with_("session", "undo", "ID")],
    "po trash restore {} --as NAME": [name_taken_in_trash],
}  # fmt: skip
"""What is printed, as the source has it: `{}` for what is filled in, `…` for any words; and what prints it."""

CODES = {"po doctor": {0, 1}, "po doctor --repair": {0, 1}, "po trash empty": {2}}
"""The exit codes that are right where 0 is not: what the last removes it asks for."""

LIBRARY = {
    "po session duplicate {} --to {}",
    "po session export",
    "po session import FILE",
    "po session list --all",
}
"""Told by the library, or provoked in it: the command line adds --root where it prints them."""


def test_each_printed_command_line_has_a_case():
    assert set(CASES) == set(templates())


def test_no_text_has_a_command_line():
    """A command line is a `Command` or `Words`; texts that no run prints as a hint may show one."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        if "reference" in path.parts or path.name == "commands_table.py":
            continue
        tree = ast.parse(path.read_text())
        others = [
            node for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        ]
        others += [
            node for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg in ("help", "examples")
        ]
        passed_over = {id(part) for node in others for part in ast.walk(node)}
        found += [
            f"{path.relative_to(PACKAGE)}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed_over
            if re.search(r"'(po|sudo|mkdir|mv|git) ", node.value)
        ]
    assert found == []


EACH = [(one, case) for one, cases in CASES.items() for case in cases]


@pytest.mark.parametrize(("template", "provoke"), sampled(EACH, every=4))
def test_what_is_printed_works_when_pasted(template, provoke, world):
    shown = provoke(world)
    lines = [in_shell(line) for line in printed(shown)]
    found = [line for line in lines if any(matches(template, without_root(words, template, world)) for words in line)]
    assert found, shown
    for words in found[0]:
        if "NAME" in words and "switch" in words:
            for po in ("greeter", "reader"):
                world("session", "new", PLACES["NAME"], "--po", po)
            world("object", "new", PLACES["NAME"], "--body", "x")
        args = [PLACES.get(word, word) for word in words[1:]]
        if template in LIBRARY and world.named:
            args = ["--root", str(world.root), *args]
        if args == ["model", "pull"]:
            args.append("--help")  # the weights come from the network
        done = world.po(*args)
        assert done.exit_code in CODES.get(template, {0}), done.stderr


def test_the_form_for_what_begins_with_a_dash(world):
    for args in (
        *(["session", "show", "-x y'"], ["send", "greeter", "-x"], ["send", "greeter", "-hello", "--no-save"]),
        *(["session", "delete", "-x", "Tea"], ["session", "rename", "-x", "Tea", "--po=greeter"]),
        *(
            ["send", "greeter", "-x", "-s", "Tea", "-omax_tokens=5"],
            ["trash", "restore", "-=y"],
            ["config", "get", "-x"],
        ),
    ):
        shown = world(*args)
        ((words,),) = [in_shell(line[line.index("po ") :]) for line in shown.splitlines() if "put '--'" in line]
        assert words[words.index("--") + 1] == next(arg for arg in args if arg[:2] in ("-x", "-h", "-="))
        named = ["--root", str(world.root)] if world.named else []
        assert sorted(words[1:]) == sorted([*named, *args, "--"])
        done = world.po(*words[1:])
        assert "No such option" not in done.stderr
        assert done.exit_code in (0, 2, 3)


@pytest.mark.parametrize(
    "line",
    ["session new -x", "session ensure -x --po greeter", "session rename Tea -x", "session list -x", "status -x"],
)
def test_no_such_form_where_it_would_be_refused(line, world):
    assert "put '--'" not in world(*line.split())


def test_letters_behind_one_dash_are_told_as_typed(world):
    assert "No such option: -e, in '-hello'." in world("send", "greeter", "-hello")
    assert "No such option: -x." in world("send", "greeter", "-x", "-xy")  # whichever of the two


def test_more_arguments_than_there_are(world):
    shown = world("send", "greeter", "hello", "big", "world")
    assert "There are more arguments than it takes: big world.\nOne that has spaces needs quotes. " in shown


def test_the_way_to_the_help(po):
    for args in (["session", "list", "--nope"], ["session"], ["nope"], ["send"]):
        (line,) = printed(po(*args).stderr)
        ((_, *words),) = in_shell(line)
        assert po(*words).stdout.startswith("Usage: po ")


@pytest.mark.parametrize("line", ["", "status --format", "session --root", "session list -n", "send --option"])
def test_a_missing_value_points_to_the_help_of_its_command(line, po):
    *path, option = ["--root", *line.split()] if not line else line.split()
    said = (
        f"po: Option '{option}' requires an argument.\nRun '{' '.join(['po', *path])} --help' to see how it is used.\n"
    )
    assert po(*path, option).stderr == said


def test_what_the_help_names_is_there(po):
    named = set()
    for path in COMMANDS:
        text = " ".join(po(*path.split(), "--help").stdout.split())
        named.update(re.findall(r"'po ((?:[a-z]+ ?){1,2})", text))
    assert len(named) > 5
    for words in named:
        assert po(*words.split(), "--help").exit_code == 0, words


# How command lines are found.


def templates() -> Iterator[str]:
    """Yield the command lines that the source prints."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Command":
                yield from of_call(node)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Words":
                yield from of_words(node.args)


def of_words(words: list[Any]) -> Iterator[str]:
    """Yield the command line that is put together of these words."""
    said = [word.value if isinstance(word, ast.Constant) else None for word in words]
    if len(said) > 2 and said[0] == "po" and said[1]:
        known = said[: said.index(None)] if None in said else said
        yield " ".join(known) + " …" * (None in said)


def of_call(node: ast.Call) -> Iterator[str]:
    """Yield the command lines that a `Command` makes: of each verb that it can be given."""
    verb, *values = node.args
    if "--help" in ast.unparse(verb) and not isinstance(verb, ast.Constant):
        return  # of any command: `test_the_way_to_the_help`
    options = {f"--{one.arg.rstrip('_')}": one.value for one in node.keywords if one.arg}
    parts = [*values, *(part for name, value in options.items() for part in (ast.Constant(name), value))]
    rest = "".join(f" {part.value}" if isinstance(part, ast.Constant) else " {}" for part in parts)
    for one in (verb.body, verb.orelse) if isinstance(verb, ast.IfExp) else (verb,):
        assert isinstance(one, ast.Constant), ast.unparse(node)
        yield f"po {one.value}{rest}"


def in_shell(line: str) -> list[list[str]]:
    """Return the commands that a shell makes of a command line."""
    script = f"po() {{ printf '%s\\0' po \"$@\"; printf '\\1'; }}\n{line}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    return [one.split("\0")[:-1] for one in done.stdout.split("\1")[:-1]]


def without_root(words: list[str], template: str, w: World) -> list[str]:
    """Return the words without the environment, which has to stand there if it was named."""
    if not w.named or template in LIBRARY or words[1] in WITHOUT_ROOT:
        return words
    return [words[0], *words[3:]] if words[1:3] == ["--root", str(w.root)] else []


def matches(template: str, words: list[str]) -> bool:
    wanted = template.split()
    if wanted[-1] == "…":
        return words[: len(wanted) - 1] == wanted[:-1]
    return len(wanted) == len(words) and all(one in ("{}", word) for one, word in zip(wanted, words, strict=True))
