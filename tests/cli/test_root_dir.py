"""What the search for the environment found, as warnings and errors."""

from __future__ import annotations

import os

import pytest
from support.hints import hint_of

from po_sessions.cli.app.root_dir import root_dir
from po_sessions.errors import InvalidInput, NotFound

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")


def refuse(sentence: str) -> None:
    raise AssertionError(sentence)


def test_a_directory_that_others_can_write_is_not_used_unasked(root):
    root.chmod(0o770)
    with pytest.raises(InvalidInput, match="can be written by other users") as error:
        root_dir(None, refuse)
    assert f"--root {root}" in hint_of(error.value)
    assert root_dir(str(root), refuse) == str(root)


@root_only
def test_a_directory_of_another_user_is_not_used_unasked(root):
    os.chown(root, 12345, 12345)
    with pytest.raises(InvalidInput, match="belongs to another user") as error:
        root_dir(None, refuse)
    assert f"--root {root}" in hint_of(error.value)


@root_only
def test_one_that_is_skipped_is_reported_before_a_missing_home_is(root, monkeypatch):
    monkeypatch.setenv("HOME", "relative")
    os.chown(root, 12345, 12345)
    root.parent.chmod(0o1777)
    heard: list[str] = []
    with pytest.raises(NotFound, match="home directory"):
        root_dir(None, heard.append)
    assert [str(root) in sentence for sentence in heard] == [True]


def test_one_run_searches_once(po, root, monkeypatch):
    from po_sessions.cli.app import invocation

    searched = []
    monkeypatch.setattr(invocation, "root_dir", lambda *given: searched.append(given) or root_dir(*given))
    assert po("config", "list").exit_code == 0
    assert po("session", "list").exit_code == 0
    assert len(searched) == 2
