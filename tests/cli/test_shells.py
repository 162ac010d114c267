"""Completion in real shells: keys are pressed on a pseudo-terminal, and what was chosen is seen in the store."""

from __future__ import annotations

import os
import pty
import select
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.running import PO

from po_sessions.cli.reference.completion_table import script
from po_sessions.environment import Environment
from po_sessions.message import Message
from po_sessions.session import Session

BASH_COMPLETION = "/usr/share/bash-completion/bash_completion"
SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "bash with bash-completion": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}

NAMES = {
    "Debug task": ["Deb", '"Deb', "'Deb", "Debug\\ ", "Debug\\", '"Debug t', "debu", "--po greeter Deb"],
    "it's so": ["it", '"it', "it\\'s"],
    'say "hi" now': ["say", "'say", '"say'],
    "cost $5 `x`": ["cos", '"cos', "'cos", "cost\\ \\$"],
    "back\\slash\\": ["back", '"back'],
    "glob *?[x]{a,b}": ["glo", "'glo"],
    "bang! #1": ["ban", '"ban'],
    "semi; & | <>()": ["semi", '"semi'],
    "colon:name=x@y": ["col", "colon:n", "colon:name=", "'colon:"],
    "naïve 日本語 🎉": ["naï", '"naï', "naïve\\ 日"],
    "emoji 👩\u200d👩\u200d👧\u200d👦🎉🇩🇪 family": ["emo", '"emo', "emoji\\ 👩", "emoji\\ 👩\u200d"],
    "کتاب\u200cخانه ما": ["کتا", "'کتا"],
    "~tilde": ["\\~", "'~"],
    "#hash": ["\\#"],
    "(paren)": ["\\(p"],
}
"""Names, and what is typed before Tab is pressed; in each case it is the only one that begins so."""


class Shell:
    """A shell on a pseudo-terminal, with a `po` that tells when it is done."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.kind = kind
        self.shown = ""
        self._log, self._args = directory / "log", directory / "args"
        self._log.touch()
        bin_ = directory / "bin"
        bin_.mkdir()
        (bin_ / "po").write_text(
            f'#!/bin/sh\n{PO} "$@"\ncode=$?\necho "$1" >>{self._log}\necho "$*" >{directory}/args\nexit $code\n'
        )
        (bin_ / "po").chmod(0o755)
        kept = {key: value for key, value in os.environ.items() if key in ("HOME", "PATH", "TZ")}
        environment = {**kept, "PATH": f"{bin_}:{kept['PATH']}", "TERM": "dumb", "LC_ALL": "C.UTF-8", "COLUMNS": "200"}
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.execvpe(SHELLS[kind][0], SHELLS[kind], environment)

    def set_up(self, directory: Path) -> None:
        """Let it know how `po` is completed."""
        name = {"zsh": "_po", "fish": "po.fish"}.get(self.kind, "po.bash")
        file = directory / name
        file.write_text(script(self.kind.split()[0]))
        lines = [f"source {file}"]
        if self.kind == "bash with bash-completion":
            lines = [f"source {BASH_COMPLETION}", *lines]
        elif self.kind == "zsh":
            lines = [
                f"fpath=({directory} $fpath); autoload -U compinit; compinit -u -d {directory}/dump",
                "zstyle ':completion:*' matcher-list '' 'm:{a-z}={A-Z}'",  # as many people have it
            ]
        for line in lines:
            self.type(line + "\n")
        self.type("po --version\n")
        self._wait("--version", 1)

    def _read(self, seconds: float) -> bool:
        if select.select([self._fd], [], [], seconds)[0]:
            self.shown += os.read(self._fd, 65536).decode("utf-8", "replace")
            return True
        return False

    def _wait(self, first: str, count: int) -> None:
        """Wait until `po` has run so often with this first argument, and the shell has shown what came of it."""
        end = time.monotonic() + 20
        while self._log.read_text().split("\n").count(first) < count:
            assert time.monotonic() < end, self.shown
            self._read(0.02)
        while self._read(0.06):
            pass

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())
        while self._read(0.04):  # typed ahead, a tab would be text
            pass

    def tab(self) -> str:
        """Press Tab; return what the shell shows then."""
        before, asked = len(self.shown), self._log.read_text().split("\n").count("__complete")
        self.type("\t")
        self._wait("__complete", asked + 1)
        return self.shown[before:]

    def enter(self, first: str = "session") -> None:
        """Press Enter and wait for `po FIRST …`."""
        ran = self._log.read_text().split("\n").count(first)
        self.type("\n")
        self._wait(first, ran + 1)

    def ran(self) -> str:
        """Return the arguments of the last `po`, joined by spaces."""
        return self._args.read_text().removesuffix("\n")

    def close(self) -> None:
        os.close(self._fd)
        os.waitpid(self._pid, 0)


def missing(kind: str) -> bool:
    return not shutil.which(SHELLS[kind][0]) or ("with" in kind and not os.path.exists(BASH_COMPLETION))


@pytest.fixture(
    params=[
        pytest.param(kind, marks=pytest.mark.skipif(missing(kind), reason=f"{kind} is not installed"))
        for kind in SHELLS
    ]
)
def shell(request, root, tmp_path) -> Iterator[Shell]:
    made = Shell(request.param, tmp_path)
    try:
        made.set_up(tmp_path)
        yield made
    finally:
        made.close()


@pytest.fixture
def sessions(env: Environment) -> dict[str, str]:
    """The ids of the sessions by their names."""
    env.session_manager.switch_po("greeter")
    return {name: env.session_manager.create("greeter", name).id for name in NAMES}


def current(env: Environment) -> str | None:
    return env.session_manager.pointers.read().pointer("greeter").current


@pytest.mark.slow
def test_a_session_is_chosen_by_the_beginning_of_its_name(shell, env, sessions):
    wrong = []
    for name, all_typed in NAMES.items():
        for typed in all_typed[: {"bash": None, "bash with bash-completion": 1}.get(shell.kind, 3)]:
            env.session_manager.pointers.change(lambda state: state.without_session(current(env) or ""))
            shell.type(f"po session switch {typed}")
            shell.tab()
            shell.enter()
            if current(env) != sessions[name]:
                wrong.append((name, typed, shell.shown[-300:]))
    assert wrong == []


@pytest.mark.slow
def test_what_several_names_have_in_common_is_written_and_can_be_gone_on_with(shell, env):
    manager = env.session_manager
    manager.switch_po("greeter")
    ids = {name: manager.create("greeter", name).id for name in ("x one$ 1", "x one 2", "x one'3")}
    for typed, rest, name in [("x", "\\$", "x one$ 1"), ("x", "\\ ", "x one 2"), ('"x', "'", "x one'3")]:
        shell.type(f"po session switch {typed}")
        shell.tab()
        shell.type(rest[-1] if shell.kind == "zsh" and typed == "x" else rest)  # zsh has written the backslash
        shell.tab()
        shell.enter()
        assert current(env) == ids[name], shell.shown


@pytest.mark.slow
def test_names_and_ids_are_listed_with_what_tells_them_apart(shell, env):
    manager = env.session_manager
    for name in ("Debug one", "Debug two"):
        manager.append(manager.create("greeter", name).id, Message("user", "Hello"))
    line = "po session switch --po greeter De"
    if shell.kind == "fish":  # shows them one above the other only where the terminal can move its cursor
        shell.type(f"complete -C {line!r}")
        shell.enter("__complete")
        shown = shell.shown
    else:
        shell.type(line)
        shown = "".join(shell.tab() for _ in range(2 if shell.kind == "zsh" else 3))  # they write "bug " first
    assert "Debug one" in shown
    assert "1 message, 3 Jan" in shown


def test_an_id_and_a_name_with_a_dash(shell, env, root):
    env.session_manager.switch_po("greeter")
    made = env.session_manager.create("greeter", "Plain")
    odd = Session("01JGMZ0000000000000000DASH", "-dash", "greeter", made.created_at, made.updated_at)
    env.session_manager.storage.create(odd)
    for typed, id in [(made.id[:-2].lower(), made.id), ("-- -d", odd.id), ("01JGMZ", odd.id)]:
        shell.type(f"po session switch {typed}")
        shell.tab()
        shell.enter()
        assert current(env) == id, shell.shown


@pytest.mark.slow
def test_values_of_options_files_and_directories(shell):
    Path("notes to read.txt").touch()
    Path("a dir").mkdir()
    Path("a file").touch()
    for typed, ran in [
        ("po session export --format ma", "session export --format markdown"),
        ("po session export --format=ma", "session export --format=markdown"),
        ("po session new --po re", "session new --po reader"),
        ("po session import not", "session import notes to read.txt"),
        ("po session export -o not", "session export -o notes to read.txt"),
        ("po session current --root a", "session current --root a dir/"),
        ("po session cur", "session current"),
        ("po session list --l", "session list --limit"),
        ("PO_QUIET=1 po session curr", "session current"),
    ]:
        shell.type(typed)
        shell.tab()
        shell.enter()
        assert shell.ran().removesuffix("/") == ran.removesuffix("/"), shell.shown


@pytest.mark.slow
def test_a_store_that_cannot_be_read_completes_to_nothing_and_says_nothing(shell, root):
    (root / "sessions").mkdir(exist_ok=True)
    (root / "sessions" / "index.json").write_bytes(b"\xff{]")
    (root / "state.toml").write_text("[[[")
    shell.type("po session switch --po greeter De")
    shown = shell.tab()
    assert not any(word in shown for word in ("po:", "rror", "raceback", "syntax"))
    shell.enter()
    assert shell.ran() == "session switch --po greeter De"
