"""Conversations stay out of a git repository around the environment; `po doctor` tells of those that git tracks."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from po_sessions import tree
from po_sessions.doctor import git as doctor_git
from po_sessions.environment import Environment
from po_sessions.message import Message
from po_sessions.storage import open_storage

PRIVATE = ("sessions/", "trash/", "backups/", "quarantine/", "state.toml", "deletions.log")


def git(where: Path | str, *args: str, **settings: Any) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main")
    command = ["git", "-C", str(where), *identity, *args]
    return subprocess.run(command, capture_output=True, text=True, check=True, **settings).stdout


def fill(root: Path | str) -> None:
    """Have something of everything in an environment: sessions, trash, backups, pointers, what a repair moved."""
    env = Environment.open(root, lock_timeout=5)
    manager = env.session_manager
    one = manager.begin("greeter")
    manager.append(one.id, Message("user", "my password is hunter2"))
    manager.append(one.id, Message("assistant", "Noted"))
    manager.storage.back_up(one.id, "2025-01-03T10:00:00.000Z")
    manager.undo(manager.find(one.id, None))
    manager.delete(manager.create("greeter", "Gone"))
    manager.storage.close()
    for name in ("quarantine/x/y.json", "templates/t.md", "config.toml"):
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert all(Path(root, name).exists() for name in PRIVATE)


def staged(top: Path) -> list[str]:
    git(top, "add", "-A")
    return git(top, "ls-files").split("\n")[:-1]


def test_git_takes_what_is_shared_and_no_conversation(root):
    git(root.parent, "init")
    fill(root)
    (root / "state (conflicted copy).toml").write_text("")
    shared = ["objects/coordinator.md", "objects/greeter.md", "objects/reader.md", "templates/t.md", "config.toml"]
    assert sorted(staged(root.parent)) == sorted(f".prompt_objects/{name}" for name in [*shared, ".gitignore"])


def test_po_init_makes_the_file(po, tmp_path):
    assert po("init", str(tmp_path)).exit_code == 0
    assert (tmp_path / ".prompt_objects" / ".gitignore").read_bytes() == tree.text("x/.prompt_objects")
    # A clone has only what was committed.
    (tmp_path / "other" / ".prompt_objects").mkdir(parents=True)
    assert po("init", str(tmp_path / "other")).exit_code == 0
    assert (tmp_path / "other" / ".prompt_objects" / ".gitignore").exists()


@pytest.mark.parametrize(
    "args",
    [
        *("send greeter Hi", "session new x --po greeter", "session rename Default x", "session delete Default"),
        *("send . Hi", "session undo", "object switch reader", "session import kept.json"),
    ],
)
def test_the_first_write_into_one_that_has_none_makes_the_file(args, root, po, backend):
    assert po("send", "greeter", "Hello").exit_code == 0
    assert po("session", "export", "-o", "kept.json", "--po", "greeter").exit_code == 0
    kept = Path("kept.json")
    kept.write_text(kept.read_text().replace("Hello", "Another"))
    (root / ".gitignore").unlink()
    for reading in ("session list", "session show", "status", "doctor", "session export"):
        po(*reading.split())
    assert not (root / ".gitignore").exists()
    assert po(*args.split()).exit_code == 0
    assert (root / ".gitignore").read_bytes() == tree.text(str(root))


@pytest.mark.parametrize("kind", ["another", "empty", "link", "directory"])
def test_a_file_that_is_there_is_left_as_it_is(kind, root, po, backend):
    path = root / ".gitignore"
    path.unlink()
    if kind == "link":
        path.symlink_to("nowhere")
    elif kind == "directory":
        path.mkdir()
    else:
        path.write_text({"another": "*.md\n", "empty": ""}[kind])
    before = os.lstat(path)
    assert po("send", "greeter", "Hello").exit_code == 0
    assert po("doctor", "--repair").exit_code == 0
    assert po("init").exit_code == 0
    assert os.lstat(path) == before


def test_one_of_another_name_ignores_only_what_po_keeps_there(tmp_path, po):
    git(tmp_path, "init")
    Environment.create(tmp_path / "store" / ".prompt_objects")
    os.rename(tmp_path / "store" / ".prompt_objects", tmp_path / "own")
    (tmp_path / "own" / ".gitignore").unlink()
    (tmp_path / "own" / "readme.txt").write_text("mine")
    fill(tmp_path / "own")
    names = staged(tmp_path)
    assert "own/readme.txt" in names
    assert "own/config.toml" in names
    assert not [name for name in names if name.removeprefix("own/").startswith(PRIVATE)]


def test_a_directory_that_cannot_be_written_keeps_nothing_from_working(tmp_path, monkeypatch):
    with open_storage("files", root=str(tmp_path / "store")).claim_name("greeter", "x"):
        pass
    store = open_storage("files", root=str(tmp_path / "store"))
    (tmp_path / "store" / ".gitignore").unlink()
    monkeypatch.setattr(os, "link", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "no")))
    with store.claim_name("greeter", "x"):
        assert not (tmp_path / "store" / ".gitignore").exists()


# What git tracks


@pytest.fixture
def tracked(root: Path) -> Path:
    """An environment of an earlier version that was committed with all it had."""
    git(root.parent, "init")
    fill(root)
    (root / ".gitignore").unlink()
    git(root.parent, "add", "-A")
    git(root.parent, "commit", "-m", "all")
    return root


def told(po: Any, *args: str) -> list[dict[str, Any]]:
    return [one for one in json.loads(po(*args, "doctor", "--json").stdout) if one["kind"] == "tracked"]


def follow(hint: str) -> None:
    """Run the command of a hint."""
    subprocess.run(["sh", "-c", hint[1:].partition("' takes")[0]], check=True, cwd="/")


def test_doctor_tells_of_conversations_that_git_tracks_and_how_to_take_them_out(tracked, po):
    [one] = told(po)
    assert one["fault"]
    assert f"The git repository {tracked.parent} tracks " in one["message"]
    assert "stays in the history" in one["hint"]
    assert po("doctor").exit_code == 1
    assert "tracked: " in po("doctor").stdout
    kept = sorted(path for path in tracked.rglob("*"))
    follow(one["hint"])
    assert sorted(path for path in tracked.rglob("*")) == kept
    assert not [name for name in git(tracked, "ls-files").split("\n") if name.startswith(PRIVATE)]
    assert "objects/greeter.md" in git(tracked, "ls-files")
    assert told(po) == []


@pytest.mark.parametrize("name", PRIVATE)
def test_each_thing_that_holds_conversations_is_told(name, root, po):
    git(root.parent, "init")
    fill(root)
    assert told(po) == []
    git(root.parent, "add", "-f", f".prompt_objects/{name}")
    [one] = told(po)
    assert f".prompt_objects/{name.rstrip('/')}'" in one["hint"]


@pytest.mark.parametrize("version", ["2", "3", "4"])
@pytest.mark.parametrize("format_", ["sha1", "sha256"])
def test_every_kind_of_index_is_read(version, format_, root, po):
    git(root.parent, "init", f"--object-format={format_}")
    fill(root)
    for at in range(300):  # names that share much, little and nothing
        (root.parent / f"{'x' * (at % 130)}{at}").write_text("")
    git(root.parent, "add", "-f", ".")
    if version == "3":
        (root.parent / "later").write_text("")
        git(root.parent, "add", "--intent-to-add", "later")
    else:
        git(root.parent, "update-index", "--index-version", version)
    data = (root.parent / ".git" / "index").read_bytes()
    assert data[:8] == b"DIRC\0\0\0" + bytes([int(version)])
    [one] = told(po)
    count = len([name for name in git(root, "ls-files").split("\n") if name.startswith(PRIVATE)])
    assert f"tracks {count} files" in one["message"]


def test_a_linked_working_tree_a_strange_name_and_an_environment_that_is_the_top(tracked, po, tmp_path):
    strange = tmp_path / "it's [a] * tree"
    git(tracked.parent, "worktree", "add", "--detach", str(strange))
    [one] = told(po, "--root", str(strange))
    follow(one["hint"])
    assert told(po, "--root", str(strange)) == []
    git(tracked.parent, "worktree", "add", "--detach", str(tmp_path / "plain"))
    os.chdir(tmp_path / "plain")
    [one] = told(po)
    assert str(tmp_path / "plain") in one["hint"]
    Environment.create(tmp_path / "own" / ".prompt_objects")
    own = tmp_path / "own" / ".prompt_objects"
    git(own, "init")
    fill(own)
    git(own, "add", "-f", ".")
    os.chdir(own.parent)
    assert str(own) in told(po)[0]["hint"]


@pytest.mark.parametrize("variable", ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_CONFIG_GLOBAL"])
def test_variables_of_git_change_nothing(variable, tracked, po, monkeypatch, tmp_path):
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    assert len(told(po)) == 1


def test_no_program_that_a_repository_names_is_run(tracked, po, tmp_path):
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/run\n")
    program.chmod(0o755)
    for key in ("core.fsmonitor", "core.pager", "pager.ls-files", "alias.ls-files", "core.sshCommand", "diff.external"):
        git(tracked.parent, "config", key, str(program))
    git(tracked.parent, "config", "core.hooksPath", str(tmp_path))
    assert len(told(po)) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"DIRC", b"DIRC\0\0\0\2\xff\xff\xff\xff", b"DIRC\0\0\0\5\0\0\0\0", os.urandom(5000)),
        *(b"DIRC\0\0\0\4\0\0\0\1" + b"\x80" * 200, b"DIRC\0\0\0\2\0\0\0\2" + b"\xff" * 500),
    ],
)
def test_an_index_that_is_none_is_passed_over(data, root, po):
    git(root.parent, "init")
    (root.parent / ".git" / "index").write_bytes(data)
    done = po("doctor")
    assert (done.exit_code, done.stdout) == (0, "")


@pytest.mark.parametrize("kind", ["fifo", "directory", "link", "cut", "words", "gitdir of nothing", "gitdir fifo"])
def test_what_is_no_repository_is_passed_over(kind, tracked, po):
    path, index = tracked.parent / ".git", tracked.parent / ".git" / "index"
    data = index.read_bytes()
    index.unlink()
    if kind == "fifo":
        os.mkfifo(index)
    elif kind == "directory":
        index.mkdir()
    elif kind == "link":
        (path / "real").write_bytes(data)
        index.symlink_to("real")
    elif kind == "cut":
        index.write_bytes(data[: len(data) // 2])
    else:
        os.rename(path, tracked.parent / "moved")
        if kind == "gitdir fifo":
            os.mkfifo(path)
        else:
            path.write_text({"words": "hello\n", "gitdir of nothing": "gitdir: /nowhere\0x\n"}[kind])
    assert told(po) == []


def test_a_name_in_an_index_that_is_longer_than_any_is_not_read(tmp_path):
    entry = bytes(60) + b"\x0f\xff" + b"\0" + b"x" * (1 << 17) + b"\0"
    (tmp_path / "index").write_bytes(b"DIRC\0\0\0\4\0\0\0\1" + entry)
    with pytest.raises(ValueError, match=r"^$"):
        doctor_git.tracked_files(str(tmp_path / "index"), {b"x"})
