"""Where environments and the user's directories are, on machines that share them, lack them or keep them closed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from po_sessions.environment import Environment

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away, or become another user")
STRANGER = 12345
WAYS = {"as it is": "", "by the commands": "from po_sessions.cli import fast; fast.answer = lambda args: None\n"}


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory like `/tmp` with another user's environment; the working directory is below it."""
    place = tmp_path / "shared"
    (place / "mine").mkdir(parents=True)
    place.chmod(0o1777)
    Environment.create(place / ".prompt_objects")
    os.chown(place / ".prompt_objects", STRANGER, STRANGER)
    monkeypatch.chdir(place / "mine")
    return place


def ways(*args: str) -> list[tuple[int, str, str]]:
    """Return the exit code, output and errors of `po`, with and without what is answered early."""
    found = []
    for way in WAYS.values():
        code = f"{way}from po_sessions.cli import main; main()"
        done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=False)
        found.append((done.returncode, done.stdout, done.stderr))
    return found


@root_only
@pytest.mark.parametrize("args", ["status", "session list", "object list", "session list --all --ids", "config list"])
def test_another_users_environment_in_a_directory_for_all_is_skipped_with_one_warning(args, shared):
    assert Environment.create(Path.home() / ".prompt_objects")
    first, second = ways(*args.split())
    assert first == second
    code, _, said = first
    assert code == 0
    [line] = said.splitlines()
    assert line.startswith(f"po: warning: {shared}/.prompt_objects belongs to another user, so it is skipped.")
    assert line.endswith(f"--root {shared}/.prompt_objects.")


@root_only
def test_what_lies_above_another_users_environment_is_used(shared, po_process, tmp_path):
    Environment.create(tmp_path / ".prompt_objects")
    done = po_process("object", "new", "tutor")
    assert done.returncode == 0
    assert (tmp_path / ".prompt_objects" / "objects" / "tutor.md").exists()
    assert done.stderr.count("warning") == 1
    assert "warning" not in po_process("-q", "object", "list").stderr


@root_only
def test_completion_goes_on_above_another_users_environment(shared, tmp_path):
    Environment.create(tmp_path / ".prompt_objects")
    (code, found, said), _ = ways("__complete", "zsh", "send", "gree")
    assert (code, said) == (0, "")
    assert found.startswith("words\ngreeter\t")


@root_only
@pytest.mark.parametrize("mode", [0o777, 0o1770, 0o755])
def test_another_users_environment_elsewhere_is_refused(mode, shared):
    shared.chmod(mode)
    for code, found, said in ways("status"):
        assert (code, found) == (2, "")
        assert "belongs to another user, so it is not used unasked" in said


@root_only
def test_a_home_directory_for_all_does_not_bring_in_another_users_environment(shared, monkeypatch):
    monkeypatch.setenv("HOME", str(shared))
    monkeypatch.chdir("/")
    for code, found, said in ways("session", "list"):
        assert (code, found) == (2, "")
        assert "belongs to another user, so it is not used unasked" in said


@root_only
def test_another_users_link_to_an_environment_of_mine_is_skipped(shared, tmp_path):
    shutil.rmtree(shared / ".prompt_objects")
    Environment.create(tmp_path / "own" / ".prompt_objects")
    (shared / ".prompt_objects").symlink_to(tmp_path / "own" / ".prompt_objects")
    os.lchown(shared / ".prompt_objects", STRANGER, STRANGER)
    for code, _, said in ways("object", "list"):
        assert code == 0
        # Some systems do not follow such a link at all.
        assert "skipped" in said or Path("/proc/sys/fs/protected_symlinks").read_text() == "1\n"


def test_an_environment_of_mine_that_all_can_write_is_refused_in_a_directory_for_all(tmp_path, monkeypatch):
    place = tmp_path / "shared"
    place.mkdir()
    place.chmod(0o1777)
    Environment.create(place / ".prompt_objects")
    (place / ".prompt_objects").chmod(0o777)
    monkeypatch.chdir(place)
    for code, _, said in ways("session", "list"):
        assert code == 2
        assert "can be written by other users" in said
