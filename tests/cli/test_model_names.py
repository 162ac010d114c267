"""The file that completion takes the names of models from: believed while it is true, and never missed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.running import PO

from po_sessions.cli.fast import model_names

NAMES = [("smollm2", "the embedded model"), ("gpt-ü", "OpenAI Chat"), ("plain", "")]


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    """The file, with names in it."""
    (tmp_path / "site").mkdir()
    llm = Path.home() / ".config" / "io.datasette.llm"
    llm.mkdir(parents=True)
    (llm / "keys.json").write_text("{}")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    model_names.store(NAMES, model_names.origin())
    assert model_names.read() == NAMES
    return Path.home() / ".cache" / "po" / "models"


def test_the_file_is_the_users_own(file):
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert os.listdir(file.parent) == ["models"]


def changed(path: Path) -> None:
    path.write_text("{ }")
    os.utime(path, ns=(0, 0))


@pytest.mark.parametrize(
    "change",
    [
        lambda tmp, put: (tmp / "site" / "llm_new-1.0.dist-info").mkdir(),
        lambda tmp, put: changed(Path.home() / ".config" / "io.datasette.llm" / "keys.json"),
        lambda tmp, put: changed(Path.home() / ".config" / "io.datasette.llm" / "aliases.json"),
        lambda tmp, put: changed(Path.home() / ".config" / "io.datasette.llm" / "extra-openai-models.yaml"),
        lambda tmp, put: changed(Path.home() / ".cache" / "po" / "weights.gguf"),
        lambda tmp, put: put("OPENAI_API_KEY", "x"),
        lambda tmp, put: put("LLM_LOAD_PLUGINS", ""),
        lambda tmp, put: put("LLM_USER_PATH", str(tmp / "elsewhere")),
        lambda tmp, put: put("PO_GGUF", "/x.gguf"),
        lambda tmp, put: put("XDG_CACHE_HOME", str(tmp / "elsewhere")),
    ],
    ids=["package", "keys", "aliases", "models", "weights", "a key", "plugins", "path", "GGUF", "cache"],
)
def test_what_the_names_come_from_has_changed(change: Callable, file, tmp_path, monkeypatch):
    change(tmp_path, monkeypatch.setenv)
    assert model_names.read() is None
    model_names.store(NAMES[:1], model_names.origin())
    assert model_names.read() == NAMES[:1]


def test_what_llm_and_po_log_there_is_no_change(file):
    (Path.home() / ".config" / "io.datasette.llm" / "logs.db").write_text("x")
    (file.parent / "pull.lock").write_text("")
    assert model_names.read() == NAMES


@pytest.mark.parametrize("seconds", [3700, -3700])
def test_the_names_are_believed_for_an_hour(seconds, file):
    now = file.stat().st_mtime
    os.utime(file, (now - seconds / 2, now - seconds / 2))
    assert model_names.read() == NAMES
    os.utime(file, (now - seconds, now - seconds))
    assert model_names.read() is None


@pytest.mark.parametrize("harm", ["missing", "empty", "cut", "garbage", "directory", "link", "fifo", "unreadable"])
def test_a_damaged_file_is_replaced(harm, file):
    data = file.read_bytes()
    file.unlink()
    if harm in ("empty", "cut", "garbage"):
        file.write_bytes({"empty": b"", "cut": data[:-1], "garbage": b"\xff\0\n" * 9}[harm])
    elif harm == "directory":
        file.mkdir()
    elif harm == "link":
        file.symlink_to("/etc/passwd")
    elif harm == "fifo":
        os.mkfifo(file)
    elif harm == "unreadable":
        file.symlink_to("/nowhere")
    assert model_names.read() is None
    model_names.store(NAMES, model_names.origin())
    assert model_names.read() == (None if harm == "directory" else NAMES)
    assert os.listdir(file.parent) == ["models"]


def test_where_nothing_can_be_kept_nothing_is_said(tmp_path, monkeypatch, file):
    (tmp_path / "a file").write_text("")
    for cache in (str(tmp_path / "a file"), "/proc", "/dev/null/x"):
        monkeypatch.setenv("XDG_CACHE_HOME", cache)
        model_names.store(NAMES, model_names.origin())
        assert model_names.read() is None
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert model_names.read() == NAMES
    monkeypatch.setenv("HOME", "nowhere")
    model_names.store(NAMES, model_names.origin())
    assert not any(Path.cwd().iterdir())


def test_a_name_ends_no_line(file):
    model_names.store([("a\tb\nc", "d\te"), ("f", "")], model_names.origin())
    assert model_names.read() == [("a b c", "d e"), ("f", "")]


@pytest.mark.slow
def test_many_presses_of_tab_at_once():
    line = [PO, "__complete", "zsh", "send", "greeter", "-m", "gpt-4o"]
    running = [subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(4)]
    said = {one.communicate()[0] for one in running}
    said.add(subprocess.run(line, capture_output=True, check=True).stdout)
    assert len(said) == 1
    assert b"\ngpt-4o-mini\t" in said.pop()
    assert os.listdir(Path.home() / ".cache" / "po") == ["models"]
