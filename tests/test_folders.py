"""The directories of an environment: links, other users', other file systems, new ones."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from support.builders import ULID, assistant, session, user

from po_sessions import folders
from po_sessions.environment import Environment
from po_sessions.errors import ForeignDirectory
from po_sessions.storage import open_storage
from po_sessions.storage.files.trash import is_ours

NOW = "2025-01-03T10:00:00.000Z"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount and give files away")


def talk(root: Path):
    store = open_storage("files", root=str(root))
    store.create(session(user("a"), assistant("b")))
    return store


@pytest.mark.parametrize("name", ["sessions", "sessions/.locks", "trash", "backups", f"backups/{ULID}"])
def test_a_linked_directory_is_refused(name, root, tmp_path, po):
    store = talk(root)
    store.back_up(ULID, NOW)
    store.cut(ULID, 1, 2, NOW)
    (root / name).rename(tmp_path / "elsewhere")
    (root / name).symlink_to(tmp_path / "elsewhere")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "elsewhere").rglob("*")}
    with pytest.raises(ForeignDirectory, match="is a symbolic link"):
        folders.names(str(root / name))
    verb = {"t": ["trash", "empty", "--yes"], "b": ["backup", "create", ULID], "s": ["session", "delete", ULID]}[
        name[0]
    ]
    result = po(*verb)
    assert (result.exit_code, f"{root / name} is a symbolic link" in result.stderr) == (7, True)
    for args in (["doctor"], ["doctor", "--repair"]):
        found = json.loads(po(*args, "--json").stdout)
        assert [str(root / name)] == [one["path"] for one in found if one["kind"] == "symlink" and one["fault"]]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "elsewhere").rglob("*")} == before


def test_a_link_that_the_user_allows_is_followed(root, tmp_path, po):
    talk(root)
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (root / "trash").symlink_to(tmp_path / "elsewhere")
    refused = po("session", "delete", ULID)
    assert refused.exit_code == 7
    line = refused.stderr.splitlines()[1].removeprefix("If the link is yours, run 'po ").removesuffix("'.")
    assert po(*line.split()).exit_code == 0
    assert po("session", "delete", ULID).exit_code == 0
    assert [is_ours(path.name) for path in (tmp_path / "elsewhere").iterdir()] == [True]
    assert po("trash", "restore", ULID).exit_code == 0
    assert not [one for one in json.loads(po("doctor", "--json").stdout) if one["fault"]]


def test_only_the_users_own_settings_allow_a_link(root, tmp_path, po):
    talk(root)
    (tmp_path / "elsewhere").mkdir()
    (root / "trash").symlink_to(tmp_path / "elsewhere")
    (root / "config.toml").write_text(f'[links]\nallow = "{root}/trash"\n')
    assert po("session", "delete", ULID).exit_code == 7
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert po("config", "set", "--environment", "links.allow", f"{root}/trash").exit_code == 2
    assert po("config", "set", "links.allow", "trash").exit_code == 2


@pytest.mark.parametrize("how", ["found", "named", "home"])
def test_prompt_objects_may_be_linked_where_the_user_chose_the_environment(
    how, root, tmp_path, po, backend, monkeypatch
):
    if how == "home":
        home = Path(os.environ["HOME"])
        root.rename(home / ".prompt_objects")
        root = home / ".prompt_objects"
    (root / "objects").rename(tmp_path / "mine")
    (root / "objects").symlink_to(tmp_path / "mine")
    if how == "named":
        monkeypatch.setenv("PO_ROOT", str(root))
    result = po("send", "greeter", "Hello")
    assert (result.exit_code, "is a symbolic link" in result.stderr) == ((7, True) if how == "found" else (0, False))


def test_the_root_itself_may_be_a_link(root, tmp_path, po):
    root.rename(tmp_path / "mine")
    root.symlink_to(tmp_path / "mine")
    assert po("session", "new", "a", "--po", "greeter").exit_code == 0
    assert po("session", "delete", "a", "--po", "greeter").exit_code == 0
    assert len(list((tmp_path / "mine" / "trash").iterdir())) == 1


def test_a_directory_that_is_put_in_the_place_of_another_is_used(tmp_path):
    root = tmp_path / "store"
    store = talk(root)
    for _ in range(2):
        store.delete(ULID, NOW)
        (root / "trash").rename(root / f"trash-{os.urandom(4).hex()}")
        store.create(session(user("a")))
    assert not (root / "trash").exists()
    (root / "sessions").rename(root / "before")
    store.create(session(user("b")))
    assert [one.content for one in store.load(ULID).history] == ["b"]


def test_no_more_directories_are_held_open_than_some(tmp_path):
    before = len(os.listdir("/dev/fd"))
    for number in range(100):
        talk(tmp_path / str(number))
    assert len(os.listdir("/dev/fd")) < before + 70


@needs_root
@pytest.mark.parametrize("mounted", ["trash", "sessions", "backups"])
def test_a_directory_on_another_file_system(mounted, root, po, backend):
    """Files cannot have a second name there, so they are copied."""
    (root / mounted).mkdir(mode=0o700)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700", "tmpfs", root / mounted], check=False).returncode:
        pytest.skip("this machine mounts no memory disk for us")
    try:
        assert po("send", "greeter", "One").exit_code == 0
        id = po("session", "list", "--ids").stdout.strip()
        file = root / "sessions" / f"{id}.json"
        whole = file.read_bytes()
        assert po("session", "delete", id).exit_code == 0
        assert not file.exists()
        (entry,) = (root / "trash").iterdir()
        assert (entry.read_bytes(), entry.stat().st_nlink, entry.stat().st_mode & 0o777) == (whole, 1, 0o600)
        assert po("trash", "restore", id).exit_code == 0
        assert (file.read_bytes(), list((root / "trash").iterdir())) == (whole, [])
        assert po("backup", "create", id).exit_code == 0
        assert po("session", "undo", id).exit_code == 0
        assert po("backup", "restore", id).exit_code == 0
        assert file.read_bytes() == whole
        assert po("object", "delete", "reader").exit_code == 0
        (root / "trash" / f"{ULID}.20250103T100000.000Z.json").write_text("junk")
        assert po("doctor", "--repair").exit_code == 0
        assert [path.read_text() for path in (root / "quarantine").rglob("*.json")] == ["junk"]
        assert [one["name"] for one in json.loads(po("session", "list", "--json").stdout)] == ["Default"]
    finally:
        folders.let_go(str(root))
        subprocess.run(["umount", str(root / mounted)], check=True)


@needs_root
def test_what_root_writes_belongs_to_the_owner_of_the_environment(root, po, monkeypatch, backend):
    for path in (root, *root.rglob("*")):
        os.chown(path, 4242, 4343)
    monkeypatch.setenv("PO_ROOT", str(root))
    for args in (
        ["send", "greeter", "One"],
        ["session", "rename", "Default", "Two", "--po", "greeter"],
        ["session", "new", "Three", "--po", "greeter", "--switch"],
        ["backup", "create", "Two"],
        ["session", "undo", "Two"],
        ["session", "delete", "Two"],
        ["object", "new", "extra", "--body", "x"],
        ["object", "delete", "reader"],
        ["config", "set", "--environment", "backup.keep", "3"],
    ):
        assert po(*args).exit_code == 0, args
    owners = {(path.lstat().st_uid, path.lstat().st_gid): path for path in (root, *root.rglob("*"))}
    assert owners.keys() == {(4242, 4343)}, owners


@needs_root
def test_an_environment_that_root_makes_belongs_to_the_owner_of_its_directory(tmp_path):
    home = tmp_path / "ada"
    home.mkdir()
    os.chown(home, 4242, 4343)
    Environment.create(home / ".prompt_objects")
    assert {(path.stat().st_uid, path.stat().st_gid) for path in home.rglob("*")} == {(4242, 4343)}


@needs_root
def test_a_directory_of_another_user_is_refused(root, po):
    talk(root)
    (root / "trash").mkdir()
    os.chown(root / "trash", 4242, 4242)
    result = po("session", "delete", ULID)
    assert (result.exit_code, "belongs to another user than the environment" in result.stderr) == (7, True)
    assert po("session", "list").exit_code == 0


def test_a_mode_is_not_changed_through_a_second_name(root, tmp_path, po):
    talk(root)
    outside = tmp_path / "outside.json"
    outside.write_text("{}")
    outside.chmod(0o644)
    (root / "trash").mkdir(mode=0o700)
    os.link(outside, root / "trash" / f"{ULID}.20250103T100000.000Z.json")
    os.link(outside, root / "state.toml")
    (root / "sessions" / "index.log").unlink(missing_ok=True)
    os.link(outside, root / "sessions" / "index.log")
    po("session", "new", "a", "--po", "greeter")
    po("doctor", "--repair")
    assert (outside.stat().st_mode & 0o777, outside.read_text()) == (0o644, "{}")
