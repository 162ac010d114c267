"""A walk through every command, on a terminal and in a pipe, as a user would take it.

Each line is run by bash, with the embedded model; behind `#` stands the exit code, if it is not 0. `python
tests/test_walk.py` shows what is printed in a pipe, and with an argument what is on a terminal.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len
from support.running import PO
from support.terminal import plain, shown_on_terminal

from po_sessions.cli.fast.commands_table import COMMANDS

WIDTH = 90
WALK = """
po --version
po --help
po status
po session list
po init
po init
po object list
po object new tutor --description "Teaches 日本語 by asking." --body "You teach by asking questions."
po object show tutor
po object path tutor
po object switch tutor
po object rename tutor teacher
po object show tutor # 3
po status
po object switch greeter
po send greeter "Hello" --option seed=1 --option max_tokens=12
po send greeter "And again" --json --option seed=1 --option max_tokens=12
po send greeter --dry-run "What would you get?"
po session current
po session list
po session list --all --format '{po_name}: {name}'
po session list --json
po session show
po session show --json --range 1
po session show --last
po session show --range 9:x # 2
po session path
po session new "Debug task" --po greeter
po session new "Debug task" --po greeter # 5
po session ensure "Debug task" --po greeter
po session switch "Debug task" --po greeter
po session switch -
po session switch Debug # 3
po session rename "Debug task" "Müsli 🎉 wide 日本語 name"
po session duplicate Default "A copy" --to reader
po session list --all
po session undo
po session undo -n 5 # 2
po session retry # 5
po trash list
po trash restore Default
po session show
po session delete "A copy" --po reader
po session delete "A copy" --po reader # 3
po trash list
po trash list --json
po backup create
po backup list
po backup restore @last # 3
po backup restore $(po backup list --ids | head -n 1)
po session export -o default.md
po session export --format jsonl
po session import default.md
po session import no-such-file # 3
po session prune # 2
po session prune --older-than 1d
po session prune --empty --keep-last 1 --all
po session prune --keep-last 1 --all
po session prune --keep-last 1 --all --yes
po session prune --keep-last 1 --all --yes --json
po object delete greeter
po session list --all
po session list --orphaned
po session adopt Default --po teacher
po session compact Default --po teacher --option max_tokens=12
po session compact Default --po teacher --undo
po model list
po model default
po model default smollm2
po model default no-such-model # 8
po model pull
po config list
po config get backup.keep
po config set backup.keep 3
po config set backup.keep many # 2
po config unset backup.keep
po config path
po session delete $(po session list --orphaned --ids)
po doctor
chmod 755 .prompt_objects; po doctor # 1
po doctor --repair
po trash empty < /dev/null # 2
po trash empty --yes
po trash list
po backup list --all
po completion fish | head -n 3
po completion bash --install
po sesion # 2
po session list --nope # 2
po send # 2
po send nobody Hello # 3
po --root /no/such session list # 3
""".strip().split("\n")


def step(line: str) -> tuple[str, int]:
    """Return what is run, and its exit code."""
    script, _, code = line.partition(" # ")
    return script, int(code or 0)


@pytest.fixture
def surroundings(monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(PO).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PAGER", "")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    link_weights()


def link_weights() -> None:
    """Let the home directory have the real weights."""
    from support.running import REAL_CACHE

    from po_sessions.models.weights import FILE

    cache = Path(os.environ["HOME"], ".cache", "po")
    cache.mkdir(parents=True)
    (cache / FILE).symlink_to(REAL_CACHE / FILE)


def test_the_walk_takes_every_command():
    taken = {" ".join(words) for line in WALK for words in parts(line)}
    assert {name for name, (commands, _, _) in COMMANDS.items() if not commands and name} <= taken


def parts(line: str) -> Iterator[list[str]]:
    """Yield the one and the two words behind `po` in a line."""
    for found in re.finditer(r"\bpo ((?:--?\S+ )*)([a-z]+)(?: ([a-z]+))?", line):
        yield [found[2]]
        yield [word for word in found.groups()[1:] if word]


def in_a_pipe(script: str) -> tuple[int, str, str]:
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_in_a_pipe(surroundings):
    for line in WALK:
        script, expected = step(line)
        code, out, err = in_a_pipe(script)
        assert code == expected, (script, out, err)
        assert "\x1b" not in out + err, script
        if code == 0:
            assert err == "", script
        elif "doctor" not in script:
            assert err.startswith("po: "), script
            assert out == "", script
        assert not out or out.endswith("\n"), script


@pytest.mark.slow
def test_on_a_terminal(surroundings):
    for line in WALK:
        script, expected = step(line)
        code, shown = shown_on_terminal(["bash", "-c", script], columns=WIDTH)
        assert code == expected, (script, shown)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", plain(shown)), script
        assert "Traceback" not in shown
        assert shown, script  # something is always said
        if re.match("po [a-z]+ list", script) and "--json" not in script:
            assert all(cell_len(line) <= WIDTH for line in plain(shown).split("\n")), script


def show() -> None:
    """Print the walk, in a new home directory; with an argument, on a terminal."""
    import tempfile

    with tempfile.TemporaryDirectory() as home:
        os.environ.update(HOME=home, TZ="UTC", PAGER="", PATH=f"{Path(PO).parent}:{os.environ['PATH']}")
        link_weights()
        os.mkdir(f"{home}/work")
        os.chdir(f"{home}/work")
        for line in WALK:
            script, _ = step(line)
            if sys.argv[1:]:
                code, out = shown_on_terminal(["bash", "-c", script], columns=WIDTH)
                err = ""
            else:
                code, out, err = in_a_pipe(script)
            sys.stdout.write(f"$ {script}\n{out}{err}{f'({code})' if code else ''}\n")


if __name__ == "__main__":
    show()
