"""The README's commands run, and its tables say what the code does."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from support.model_server import KEY
from support.running import PO, command
from support.terminal import plain, shown_on_terminal

from po_sessions.cli.reference.manual import EXIT_STATUS

TOP = Path(__file__).parent.parent
README = (TOP / "README.md").read_text()


DOCS = (TOP / "docs" / "behaviour.md").read_text()
HOSTILE = "a #[fg=red] 100% $(x) `y`"
"""A session's name that does something to a prompt or a status bar that takes it for more than text."""


def block(mark: str) -> str:
    found = re.search(rf"<!-- {mark} -->\n```[a-z]*\n(.*?)```", README, re.DOTALL)
    assert found, mark
    return found[1]


def bash(script: str) -> str:
    po = f'po() {{ {" ".join(command())} "$@"; }}\n'
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", po + script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.skipif(not shutil.which("jq"), reason="jq is not installed")
def test_the_tour():
    out = bash(block("tour"))
    assert re.search(r"^greeter: Default \(4 msgs\)$", out, re.MULTILINE)
    assert re.search(r"^tutor\tLesson 1\t2$", out, re.MULTILINE)
    row = next(line for line in out.splitlines() if line.startswith("*\t"))
    assert row.split("\t")[2:5] == ["greeter", "Default", "4"]


def needs(*names: str) -> None:
    for name in names:
        if not shutil.which(name):
            pytest.skip(f"{name} is not installed")


@pytest.fixture
def real(root, model, monkeypatch):
    """`po` and its kin on the path, the real model behind them, a session of the reader with a reply, a text."""
    monkeypatch.setenv("PATH", f"{Path(PO).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PAGER", "")
    Path("notes.txt").write_text("Water boils at 100 degrees at sea level.\n")
    script('po send reader -s "Debug task" --create --switch -o max_tokens=8 "What is water?"')
    return root


def script(text: str, *, shell: str = "bash", fails: bool = False) -> str:
    """Run a text by a shell, which prints nothing on standard error; return what it prints."""
    strict = {"bash": ["bash", "-euo", "pipefail", "-c"], "sh": ["sh", "-eu", "-c"]}.get(shell, [shell, "-c"])
    done = subprocess.run(
        [*strict, text], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=100
    )
    assert (done.returncode != 0, done.stderr) == (fails, ""), text
    return done.stdout


def turns(name: str, po_name: str) -> int:
    return json.loads(script(f"po session show '{name}' --po {po_name} --json"))["turn_count"]


@pytest.mark.slow
def test_the_recorded_session(model, monkeypatch):
    """What is printed is what was recorded but for ids, times and what the model says."""
    monkeypatch.setenv("PATH", f"{Path(PO).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PAGER", "")
    parts = re.split(r"^\$ (.*)\n", block("session"), flags=re.MULTILINE)[1:]
    assert len(parts) > 20
    for line, recorded in zip(parts[::2], parts[1::2], strict=True):
        _, shown = shown_on_terminal(["bash", "-c", line], columns=150)
        assert skeleton(line, shown) == skeleton(line, recorded)


def skeleton(line: str, shown: str) -> list[str]:
    text = re.sub(r"/\S*/\.prompt_objects", "DIR", plain(shown).strip())
    text = re.sub(r"\d{8}T[\d.]+Z", "TIME", re.sub(r"\b01[0-9A-Z]{24}\b", "ID", text))
    text = re.sub(r"\d\d:\d\d  [0-9A-Z]{6}", "WHEN AND ID", text)
    lines = [re.sub(r"\d\d:\d\d", "TIME", one).rstrip() for one in text.split("\n")]
    if "po send" in line:
        return lines[-1:]
    return [one for one in lines if not line.startswith("po session show --range") or re.match(r"\[|greeter|$", one)]


@pytest.mark.slow
def test_other_models(real, shared_server, monkeypatch, weights):
    monkeypatch.setenv("OPENAI_BASE_URL", f"{shared_server.url}/v1")
    text = block("models").replace("llm keys set openai", f"llm keys set openai --value {KEY}")
    script(text.replace("/path/to/model.gguf", weights))
    assert turns("Default", "greeter") == 2
    assert script("po config get model") == "gpt-4o-mini\n"


@pytest.mark.slow
def test_recipes_for_pipes(real):
    needs("git", "jq")
    script(
        "git init -q; git add notes.txt; git -c user.name=A -c user.email=a@b commit -qm One; echo More >> notes.txt"
    )
    out = script(block("recipe: pipes"))
    assert out.strip()
    assert Path("summary.txt").read_text().strip()
    assert Path("last.md").read_text().strip()
    assert turns("Debug task", "reader") == 2


@pytest.mark.slow
def test_recipes_for_scripts(real):
    for _ in range(2):
        script(block("recipe: scripts"))
        assert Path("notes.md").read_text().strip()
    assert turns("Release 1.2", "greeter") == 1


@pytest.mark.slow
def test_recipes_for_xargs(real):
    Path("more.txt").write_text("Ice floats.\n")
    out = script(block("recipe: xargs"))
    assert "total" in out
    assert (turns("more.txt", "reader"), turns("notes.txt", "reader")) == (1, 1)


def test_the_recipe_for_fzf(real, monkeypatch):
    needs("fzf")
    script("po session new Other --po greeter --switch")
    monkeypatch.setenv("FZF_DEFAULT_OPTS", "--filter=debug")
    script(block("recipe: fzf"))
    assert script("po status") == "reader: Debug task (2 msgs)\n"


@pytest.mark.slow
def test_the_recipe_for_git(real):
    needs("git")
    script("git init -q; git add notes.txt")
    hook = Path(".git/hooks/prepare-commit-msg")
    hook.write_text(block("recipe: hook"))
    hook.chmod(0o755)
    Path("editor").write_text('#!/bin/sh\ncp "$1" proposed\necho Message > "$1"\n')
    Path("editor").chmod(0o755)
    commit = "GIT_EDITOR=./editor git -c user.name=A -c user.email=a@b commit -q --allow-empty"
    script(commit)
    assert re.search(r"^# [A-Za-z]", Path("proposed").read_text(), re.MULTILINE)
    Path(".prompt_objects").rename("elsewhere")  # then po fails, and the commit does not
    script(f"{commit} 2> told")
    assert script("git log --oneline | wc -l").strip() == "2"


@pytest.mark.slow
def test_the_lines_for_cron(real, monkeypatch):
    """As cron runs them: by sh, with hardly any variables, twice."""
    lines = block("recipe: cron").splitlines()
    home = Path.home()
    (home / ".local" / "bin").mkdir(parents=True)
    (home / ".local" / "bin" / "po").symlink_to(PO)
    real.rename(home / ".prompt_objects")
    env = {"HOME": str(home), "PATH": "/usr/bin:/bin", "PO_GGUF": os.environ["PO_GGUF"]}
    for line in lines * 2:
        words = line.split(" ", 5)
        run = ["sh", "-c", f"cd; {words[5]}".replace(r"\%", "%")]
        done = subprocess.run(run, env=env, capture_output=True, check=False, stdin=subprocess.DEVNULL)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b""), line
    assert (home / "morning.txt").read_text() == script("po session show Morning --po greeter --last")
    assert turns("Morning", "greeter") == 1


def test_the_commands_of_systemd(real):
    lines = re.findall(r"^ExecStart=(.*)", README, re.MULTILINE)
    assert len(lines) == 2
    real.rename(Path.home() / ".prompt_objects")
    for line in lines:
        script(line.replace("%h/.local/bin/po", "po").replace("%h", str(Path.home())))


@pytest.fixture
def hostile(real):
    script(f"po session rename @current '{HOSTILE}'")


@pytest.mark.parametrize(
    ("shell", "prompt"),
    [("bash", 'printf %s "${PS1@P}"'), ("zsh", 'print -rnP -- "$PROMPT"'), ("fish", "fish_right_prompt")],
)
def test_the_session_in_the_prompt(shell, prompt, hostile):
    needs(shell)
    start = "PS1='$ '\n" if shell == "bash" else "PROMPT='$ '\n" if shell == "zsh" else ""
    shown = script(f"{start}{block(f'recipe: {shell}')}\n{prompt}", shell=shell)
    assert shown.strip() == (f"reader: {HOSTILE}" if shell == "fish" else f"({HOSTILE}) $")


def test_the_session_in_the_status_bar(hostile, tmp_path, monkeypatch):
    needs("tmux")
    settings = tmp_path / "tmux.conf"
    settings.write_text(f"set -g status-interval 1\nset -g status-right-length 99\n{block('recipe: tmux')}")
    tmux = ["tmux", "-S", str(tmp_path / "socket"), "-f", str(settings)]
    monkeypatch.setenv("TERM", "xterm")
    subprocess.run([*tmux, "new-session", "-d", "-x", "150", "-y", "10", "sleep 60"], check=True)
    try:
        pid, fd = pty.fork()
        if pid == 0:
            os.execvp("tmux", [*tmux, "attach"])
        shown, until = b"", time.monotonic() + 30
        while f"reader: {HOSTILE}" not in re.sub(r"\x1b[\[(][0-9;?]*[a-zA-Z]", "", shown.decode(errors="replace")):
            assert time.monotonic() < until, shown
            if select.select([fd], [], [], 1)[0]:
                shown += os.read(fd, 65536)
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
        os.close(fd)
        os.waitpid(pid, 0)


def test_the_library(root, backend, capsys):
    code = re.search(r"```python\n(.*?)```", DOCS, re.DOTALL)
    assert code
    exec(code[1], {})
    assert capsys.readouterr().out == "Hello\n"


def test_every_block_of_the_readme_is_run_by_a_test():
    source = Path(__file__).read_text()
    for mark, language in re.findall(r"(?:<!-- (.*) -->\n)?^```([a-z]+)$", README, re.MULTILINE):
        if language not in ("ini", "json"):
            kind, _, name = mark.partition(": ")
            assert f'"{mark}"' in source or (kind == "recipe" and f'"{name}"' in source), (mark, language)


def test_the_two_commands_are_one_line_each():
    assert block("command: start").count("\n") == block("command: test").count("\n") == 1
    assert "command: test" in (TOP / ".ci" / "run").read_text()


def test_the_exit_codes_are_those_of_the_manual():
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)] == list(EXIT_STATUS)


def test_what_it_links_to_is_there():
    for text, place in ((README, TOP), (DOCS, TOP / "docs")):
        for name in re.findall(r"\]\(([^)#]+)\)", text):
            assert name.startswith("https://") or (place / name).exists(), name


def test_the_lock_file_has_every_dependency():
    import tomllib

    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    locked = set(re.findall(r"^([a-z0-9-]+)==", (TOP / "constraints.txt").read_text(), re.MULTILINE))
    assert {re.match(r"[a-z0-9-]+", one)[0] for one in wanted} <= locked
