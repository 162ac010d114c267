"""The manual pages and completions are what the commands' definitions say, and work."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from conftest import PO

from po_sessions.cli.manual import pages
from po_sessions.cli.reference import files

TOP = Path(__file__).parent.parent
MAN = TOP / "man"


def test_what_is_checked_in_is_what_is_generated():
    there = {path.relative_to(TOP).as_posix() for path in [*MAN.glob("*.1"), *(TOP / "completions").iterdir()]}
    assert there == set(files())
    for name, text in files().items():
        assert (TOP / name).read_text() == text, f"{name} is stale: run 'python -m po_sessions.cli.reference'"


def test_every_option_of_a_command_is_in_its_page(po):
    for name, text in pages().items():
        words = name.removesuffix(".1").split("-")[1:]
        for option in re.findall(r"--[a-z-]+", po(*words, "--help").stdout):
            assert option == "--help" or option.replace("-", "\\-") in text, f"{name} lacks {option}"


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed")
@pytest.mark.parametrize("page", sorted(MAN.iterdir()), ids=lambda page: page.name)
def test_man_has_nothing_to_say_about_a_page(page):
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", str(page)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "NAME" in done.stdout


def needs(shell: str):
    return pytest.mark.skipif(not shutil.which(shell), reason=f"{shell} is not installed")


@pytest.fixture
def path_with_po(monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(PO).parent}:{os.environ['PATH']}")


COMPLETIONS = [
    ("po se", {"send", "session"}),
    ("po session sw", {"switch"}),
    ("po session list --l", {"--limit"}),
    ("po send gr", {"greeter"}),
    ("po send -m smollm2 ", {"coordinator", "greeter", "reader"}),
    ("po object show ", {"coordinator", "greeter", "reader"}),
    ("po session new --po re", {"reader"}),
    ("po --root x session cur", {"current"}),
    ("po send greeter --file no", {"notes.txt"}),
]


@needs("bash")
@pytest.mark.parametrize(("line", "expected"), COMPLETIONS)
def test_bash(line, expected, root, path_with_po):
    Path("notes.txt").touch()
    words = line.split(" ")
    script = (
        f"source {TOP}/completions/po.bash; COMP_WORDS=({' '.join(repr(word) for word in words)}); "
        f"COMP_CWORD={len(words) - 1}; _po; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert (set(done.stdout.split()), done.stderr) == (expected, "")


@needs("fish")
@pytest.mark.parametrize(("line", "expected"), COMPLETIONS)
def test_fish(line, expected, root, path_with_po):
    Path("notes.txt").touch()
    script = f"source {TOP}/completions/po.fish; complete -C {line!r}"
    done = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True, check=True)
    rows = [row.partition("\t") for row in done.stdout.splitlines()]
    assert {row[0] for row in rows} == expected
    assert all(row[2] for row in rows if row[0] in ("send", "--limit"))


@needs("zsh")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("po sess\tli\t--li\t2", "po session list --limit 2"),
        ("po send gr\tx", "po send greeter x"),
        ("po session new --po re\tx", "po session new --po reader x"),
        ("po object show coo\tx", "po object show coordinator x"),
        ("po send greeter --file no\tx", "po send greeter --file notes.txt x"),
    ],
)
def test_zsh(line, expected, root, path_with_po, tmp_path):
    """Press the keys in a real zsh, and look at the line that it runs."""
    Path("notes.txt").touch()
    setup = f"PS1='> '; fpath=({TOP}/completions $fpath); autoload -U compinit; compinit -u -d {tmp_path}/dump"
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="dumb", COLUMNS="200")
        os.execvp("zsh", ["zsh", "-f", "-i"])
    shown = ""

    def until(sign: str) -> None:
        nonlocal shown
        end = time.monotonic() + 20
        while sign not in shown:
            assert time.monotonic() < end, shown
            if select.select([fd], [], [], 0.1)[0]:
                shown += os.read(fd, 65536).decode("utf-8", "replace")

    os.write(fd, f'{setup}; po() {{ print -r -- RAN po "$@" DONE }}; print READY$((1))\n'.encode())
    until("READY1")
    for key in re.split(r"(\t)", line):
        os.write(fd, key.encode())
        time.sleep(0.5 if key == "\t" else 0.1)  # typed ahead, a tab would be text
    os.write(fd, b"\n")
    until("DONE\r")
    os.write(fd, b"exit\n")
    os.waitpid(pid, 0)
    os.close(fd)
    assert f"RAN {expected} DONE" in shown
