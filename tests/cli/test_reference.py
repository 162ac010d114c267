"""The manual pages and the table of completion are what the commands' definitions say, and work."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache
from pathlib import Path

import pytest
from support.running import TESTS
from support.selection import slow_but
from support.worked_examples import begin, examples

from po_sessions.cli.app.root import load
from po_sessions.cli.app.verb import Verb
from po_sessions.cli.fast.commands_table import COMMANDS, EVERYWHERE, WORDS
from po_sessions.cli.reference import tree
from po_sessions.cli.reference.__main__ import files
from po_sessions.cli.reference.completion_table import SHELLS, brief
from po_sessions.cli.reference.manual import pages, title
from po_sessions.cli.reference.roff import filled, items

TOP = TESTS.parent
MAN = TOP / "man"
PAGES = sorted(MAN.glob("man?/*"))


made_once = cache(pages)


def page_of(path: str) -> str:
    """Return the page of a command: its own, or its group's."""
    made = made_once()
    return made.get(f"{title(path)}.1") or made[f"{title(path.split()[0])}.1"]


def test_what_is_checked_in_is_what_is_generated():
    there = {path.relative_to(TOP).as_posix() for path in MAN.glob("man1/*")}
    assert {*there, "po_sessions/cli/fast/commands_table.py"} == set(files())
    for name, text in files().items():
        assert (TOP / name).read_text() == text, f"{name} is stale: run 'python -m po_sessions.cli.reference'"


SHOUT = '''
"""The verb `po session shout`."""

import typer

from po_sessions.cli.app.options import Ref
from po_sessions.cli.app.verb import Verb


def shout(ctx: typer.Context, ref: Ref = None) -> None:
    """Print a session's name in capitals."""
    ctx.obj.out.line(ctx.obj.environment().session_manager.find(ref, None).name.upper())


ABOUT = Verb(
    shout,
    after="show",
    examples={"po session shout": "See it."},
    see_also=["session show"],
    exit_codes=[4, 7],
)
'''


def test_a_new_verb_is_its_file_and_what_is_generated(tmp_path, env):
    id = begin(env, "greeter", "Quiet", "Hello")
    for name in ("po_sessions", "man"):
        shutil.copytree(TOP / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "po_sessions/cli/commands/session/shout.py").write_text(SHOUT)

    def run(*words: str) -> str:
        code = "import sys; sys.argv[0] = 'po'; from po_sessions.cli import main; main()"
        line = [sys.executable, *(words if words[0] == "-m" else ("-c", code, *words))]
        return subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    def different() -> list[str]:
        there = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.suffix in {".py", ".1"}}
        kept = {
            name
            for name in there
            if (TOP / name).exists() and (TOP / name).read_text() == (tmp_path / name).read_text()
        }
        return sorted(map(str, there - kept))

    run("-m", "po_sessions.cli.reference")
    assert different() == [
        "man/man1/po-session-shout.1",
        "man/man1/po-session.1",
        "po_sessions/cli/commands/session/shout.py",
        "po_sessions/cli/fast/commands_table.py",
    ]
    page = (tmp_path / "man/man1/po-session-shout.1").read_text()
    assert codes(page) == {0, 2, 3, 4, 7, 9, 70, 130}
    assert page.endswith("\\fBpo\\-session\\-show\\fR(1),\n\\fBpo\\-formats\\fR(5)\n")
    assert re.search(r"(?m)^  show  .*\n  shout  .* in capitals\.\n  current  ", run("session", "--help"))
    assert run("--root", env.root, "session", "shout", id) == "QUIET\n"
    assert "shout" in run("__complete", "zsh", "session", "sh")
    (tmp_path / "po_sessions/cli/commands/session/shout.py").unlink()
    run("-m", "po_sessions.cli.reference")
    assert different() == []


def test_verbs_stand_in_the_order_that_they_declare(monkeypatch):
    after = {"a verb": "", "a b": "verb", "a c": "verb", "a d": "b"}
    monkeypatch.setattr(tree, "load", lambda words: Verb(print, after=after[words]))
    assert tree.in_order(after) == ["a verb", "a c", "a b", "a d"]
    for wrong in ("nothing", "c"):
        after["a c"] = wrong
        with pytest.raises(ValueError, match="'a c'"):
            tree.in_order(after)


@pytest.mark.parametrize("path", [path for path, (below, _, _) in COMMANDS.items() if not below])
def test_a_verb_declares_the_exit_codes_that_its_options_bring(path):
    verb = load(path)
    assert isinstance(verb, Verb)
    names = {name for names, *_ in COMMANDS[path][2] for name in names}
    assert (6 in verb.exit_codes) == ("--lock-timeout" in names) == verb.waits
    assert 8 in verb.exit_codes or "--option" not in names
    assert sorted(verb.exit_codes) == list(verb.exit_codes)


def test_a_line_is_broken_where_roff_makes_nothing_of_it():
    words = "word " * 15  # 75 bytes
    text = f"{words}ends. Then {words}“x” {words}a .b 'c"
    lines = [f".SH {words}{words}", text, *items({f"{words}and more": "It."})]
    assert filled(lines).split("\n") == [
        lines[0],
        words[:-1],
        f"ends. Then {words[5:-1]}",
        f"word “x” {words[10:-1]}",
        "word word a .b 'c",
        ".TP",
        f"{words}and \\",
        "more",
        "It.",
        "",
    ]


def test_every_option_of_a_command_is_in_its_page(po):
    for name, text in pages().items():
        words = name.removesuffix(".1").split("-")[1:]
        for option in re.findall(r"--[a-z-]+", po(*words, "--help").stdout):
            assert option == "--help" or option.replace("-", "\\-") in text, f"{name} lacks {option}"


def test_help_manual_and_completion_agree(po):
    """Whatever the help of a command names, its page and the table of completion name, and the other way round."""
    for path, (commands, _, options) in COMMANDS.items():
        shown = po(*path.split(), "--help").stdout
        said = {name for names, _, _ in (*options, *EVERYWHERE) for name in names}
        assert set(re.findall(r"(?<![\w'-])--?[a-z0][a-z-]*", shown.partition("Options")[2])) == said, path
        section = shown.partition("Commands:")[2]
        assert [name for name, _ in commands] == re.findall(r"(?m)^  ([a-z]+) ", section), path
        page = page_of(path)
        for name in (*said, *(name for name, _ in commands)):
            assert name.replace("-", "\\-") in page, f"{path}: {name}"


def test_what_completion_says_of_a_word_fits_on_a_line_behind_it():
    menus = {"": EVERYWHERE, **{kind: [([word], about, None) for word, about in some] for kind, some in WORDS.items()}}
    for path, (commands, _, options) in COMMANDS.items():
        menus[path] = [*options, *EVERYWHERE]
        menus[f"{path} COMMAND"] = [([name], about, None) for name, about in commands]
    for menu in menus.values():
        width = max((len(name) for names, *_ in menu for name in names), default=0)
        assert [about for _, about, _ in menu if width + len(" -- ") + len(about) >= 80] == []


@pytest.mark.parametrize(
    ("help", "said"),
    [
        ("One thing; another.", "One thing; another."),
        ("One thing. Another.", "One thing."),
        (f"One: two; {'three ' * 10}", "One: two."),
        (f"One: {'two ' * 20}; three. Four.", "One."),
        ("a.b and po-formats(5).", "a.b and po-formats(5)."),
        ("", ""),
    ],
)
def test_what_completion_says_is_the_beginning_of_a_help(help, said):
    assert brief(help) == said


def test_every_page_that_is_mentioned_is_there():
    there = {(path.stem, path.suffix[1]) for path in PAGES}
    for path in PAGES:
        text = path.read_text().replace("\\", "").replace("fR", "").replace(" (", "(")
        mentioned = set(re.findall(r"(?<![\w-])(?:fB)?(po[a-z-]*)\((\d)\)", text))
        assert len(mentioned) > 1, path
        assert mentioned <= there, path


def codes(page: str) -> set[int]:
    """Return what a page's EXIT STATUS lists."""
    return {int(code) for code in re.findall(r"(?m)^\\fB(\d+)\\fR$", page.partition(".SH EXIT STATUS")[2])}


GIVEN = {"objects": "greeter", "shells": "bash", "settings": "model", "values": "no-such-model", "directories": "."}


@contextmanager
def all_held(root: Path, torn: str) -> Iterator[None]:
    """Hold every lock of an environment, as a process would that was stopped in the middle of writing `torn`."""
    for lock in (torn, "state", "rename", "names", "entries", "index"):
        (root / "sessions" / ".locks" / lock).touch(mode=0o600)
    with ExitStack() as opened:
        for path in filter(Path.is_file, root.rglob("*")):
            file = opened.enter_context(path.open("r+b"))
            fcntl.flock(file, fcntl.LOCK_EX)
            if path == root / "sessions" / f"{torn}.json":
                file.truncate(path.stat().st_size - 5)
        yield


READING = {"session list", "session show", "session current", "session path", "status", "doctor", "model", "config"}


@pytest.mark.parametrize("code", slow_but([4, 5, 6, 8], 4))
def test_an_exit_code_is_in_the_pages_of_the_commands_that_can_have_it(code, env, po, backend, monkeypatch):
    """Each command is run on what makes it end so if it can: a selector of two sessions, a model that is not there, two
    prompt objects of one name, an environment in which all is held by another process.
    """
    manager = env.session_manager
    for name in ("One", "Two"):
        manager.backups.create(begin(env, "greeter", name, "Hello"))
        manager.delete(manager.duplicate(manager.find(name, "greeter")))
    manager.switch_po("greeter")
    begin(env, "gone", "Orphaned", "Hello")
    id = manager.find("One", "greeter").id
    ref = id[:6] if code == 4 else id
    monkeypatch.setenv("PO_SESSION", ref)
    if code == 8:
        monkeypatch.setenv("PO_MODEL", "no-such-model")
    if code == 5:
        Path(env.root, "objects", "other.md").write_text("---\nname: greeter\n---\n")
    monkeypatch.setattr("po_sessions.cli.app.invocation.LOCK_TIMEOUT", 0)
    shutil.copytree(env.root, "kept")
    had, listed = set(), set()
    for path, (commands, arguments, _) in COMMANDS.items():
        if commands:
            continue
        shutil.rmtree(env.root)
        shutil.copytree("kept", env.root)
        words = {**GIVEN, **dict.fromkeys(("sessions", "orphans", "trash", "backups"), ref), "models": "no-such-model"}
        given = [words.get(kind.removesuffix("…"), "a-name") for kind in arguments]
        with all_held(Path(env.root), id) if code == 6 else nullcontext():
            ended = po(*path.split(), *given, *(["--po", "reader"] if path == "session adopt" else [])).exit_code
        page = codes(page_of(path))
        assert ended in page, path
        noun = path if path.startswith("session ") else path.split()[0]
        had |= {noun} if ended == code else set()
        listed |= {noun} if code in page else set()
    if code in (4, 8):
        assert had == listed
    else:  # not all can be brought to it at once
        assert had > {"send", "session new", "object"}
        assert listed.isdisjoint(READING - had)


def test_a_wheel_has_every_page_and_every_script():
    targets = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    pages = {f"man/{path.name}": f"share/man/{path.name}" for path in MAN.iterdir()}
    scripts = {f"completions/{name}" for name in SHELLS.values()}
    assert scripts == {f"completions/{path.name}" for path in (TOP / "completions").iterdir()}
    assert {**pages, **{name: targets["shared-data"].get(name) for name in scripts}} == targets["shared-data"]
    assert all(targets["shared-data"][name] for name in scripts)
    assert all(path.parent.name == f"man{path.suffix[1:]}" for path in PAGES)


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_man_has_nothing_to_say_about_a_page(page, monkeypatch):
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(page)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    monkeypatch.setenv("MANWIDTH", "80")
    shown = subprocess.run(
        ["man", "-E", "UTF-8", "-M", str(MAN), page.suffix[1:], page.stem], capture_output=True, text=True, check=True
    ).stdout
    assert max(map(len, shown.splitlines())) <= 80
    headings = re.findall(r"(?m)^[A-Z][A-Z ]+$", shown)
    assert headings[0] == "NAME"
    assert headings[-2:] == ["EXAMPLES", "SEE ALSO"]
    assert [line for line in examples(page) if f"\n       {line}\n" not in shown] == []  # what is seen can be pasted


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_mandoc_has_nothing_to_say_about_a_page(page):
    done = subprocess.run(["mandoc", "-Tlint", str(page)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
