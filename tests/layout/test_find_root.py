"""The search for the environment: what it finds, as values."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from po_sessions.environment import Environment
from po_sessions.layout.environment import find_root, usable_root

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
STRANGER = 12345


def found(named: str | None = None, home: object = "/nowhere", **environ: str) -> tuple[str, str | None]:
    root = find_root(named, environ, str(home))
    return root.path, root.fault


def test_the_nearest_directory_is_found(tmp_path, monkeypatch):
    home, deep = tmp_path / "home", tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert found(home=home) == (str(home / ".prompt_objects"), None)
    Environment.create(tmp_path / "a" / ".prompt_objects")
    assert found(home=home) == (str(tmp_path / "a" / ".prompt_objects"), None)


def test_an_option_comes_before_the_variable_and_the_variable_before_the_search(root, tmp_path):
    for name in ("option", "variable"):
        Environment.create(tmp_path / name / ".prompt_objects")
    option, variable = str(tmp_path / "option"), str(tmp_path / "variable")
    assert found(option, PO_ROOT=variable) == (f"{option}/.prompt_objects", None)
    assert found(PO_ROOT=variable) == (f"{variable}/.prompt_objects", None)
    assert found(PO_ROOT="") == found() == (str(root), None)


def test_what_is_named_and_is_not_an_environment_is_at_fault(tmp_path):
    plain, file = tmp_path / "plain", tmp_path / "file"
    plain.mkdir()
    file.write_text("")
    assert found("") == ("", "empty")
    assert found(str(plain)) == (str(plain), "missing")
    assert found(str(file)) == (str(file), "not_a_directory")
    (plain / "objects").mkdir()
    assert found(str(plain)) == (str(plain), None)


def test_no_working_directory_and_no_home_are_faults(tmp_path, monkeypatch):
    assert found(home="") == ("", "no_home")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert found() == ("", "no_working_directory")


def test_a_directory_that_others_can_write_is_at_fault_unless_it_is_named(root):
    root.chmod(0o770)
    assert found() == (str(root), "writable")
    assert found(str(root)) == (str(root), None)


@root_only
def test_a_directory_of_another_user_is_at_fault_unless_it_is_named(root):
    os.chown(root, STRANGER, STRANGER)
    assert found() == (str(root), "foreign")
    assert found(str(root)) == (str(root), None)


@root_only
def test_another_users_directory_is_skipped_where_everybody_may_make_one(root, tmp_path):
    os.chown(root, STRANGER, STRANGER)
    root.parent.chmod(0o1777)
    skipping = find_root(None, {}, str(tmp_path / "home"))
    assert (skipping.path, skipping.fault, skipping.skipped) == (
        str(tmp_path / "home" / ".prompt_objects"),
        None,
        (str(root),),
    )
    environ = {"HOME": str(tmp_path / "home")}
    assert usable_root(None, environ) is None
    assert usable_root(None, environ, warns=False) == skipping.path


def test_the_fast_commands_leave_links_in_an_environment_to_the_others(root, tmp_path):
    assert usable_root(str(root), {}) == str(root)
    (tmp_path / "elsewhere").mkdir()
    Path(root, "trash").symlink_to(tmp_path / "elsewhere")
    assert usable_root(str(root), {}) is None
