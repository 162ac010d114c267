"""Prompt objects made, renamed and deleted at once: documented errors only, and no file lost or replaced."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support.running import command
from support.selection import sampled

from po_sessions import folders
from po_sessions.environment import Environment
from po_sessions.errors import Conflict, PromptObjectNotFound
from po_sessions.prompt_objects.definition import Definition

ROUNDS = 100 if os.environ.get("PO_TEST_ALL_FAULTS") else 4

TOGETHER = {
    "two renames of one": ["rename a b", "rename a c"],
    "two renames to one name": ["rename a z", "rename b z"],
    "a rename and a new one of its name": ["rename a z", "new z --body NEW"],
    "a rename and a delete": ["rename a z", "delete a"],
    "two deletes": ["delete a", "delete a"],
    "two new ones of one name": ["new z --body NEW", "new z --body NEW"],
    "a delete and a new one of its name": ["delete a", "new a --body NEW"],
    "a chain of renames": ["rename b z", "rename a b", "delete z", "new a --body NEW"],
}


@pytest.mark.parametrize("name", sampled(TOGETHER, every=4))
def test_at_once_they_end_as_documented_and_lose_nothing(name, root):
    for _ in range(ROUNDS):
        for path in [*(root / "objects").glob("*.md"), *root.glob("trash/*.md")]:
            path.unlink()
        for one in "ab":
            (root / "objects" / f"{one}.md").write_text(f"---\nname: {one}\n---\ntext of {one}\n")
        processes = [
            subprocess.Popen([*command(), "object", *line.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for line in TOGETHER[name]
        ]
        ended = [(process.communicate()[1].decode(), process.returncode) for process in processes]
        for said, code in ended:
            assert code in (0, 3, 5), said
            assert (code == 0) == (said == "")
            assert "No such file" not in said
        texts = [path.read_text() for path in [*(root / "objects").glob("*.md"), *root.glob("trash/*.md")]]
        made = sum(code == 0 and "new" in line for line, (_, code) in zip(TOGETHER[name], ended, strict=True))
        for text, times in (("text of a", 1), ("text of b", 1), ("NEW", made)):
            assert sum(text in one for one in texts) == times, (text, texts, ended)
        names = [path.stem for path in (root / "objects").glob("*.md")]
        assert sorted(one.name for one in Environment.open(root).definitions) == sorted(names)


def test_a_rename_never_replaces_a_file_that_an_editor_makes_meanwhile(root, env, monkeypatch):
    link, text = folders.link, (root / "objects" / "greeter.md").read_bytes()

    def late(source, target, **settings):
        if target.endswith("/host.md"):
            Path(target).write_text("theirs")
        link(source, target, **settings)

    monkeypatch.setattr(folders, "link", late)
    with pytest.raises(Conflict):
        env.rename_prompt_object("greeter", "host")
    assert (root / "objects" / "host.md").read_text() == "theirs"
    assert (root / "objects" / "greeter.md").read_bytes() == text
    assert not (root / "sessions" / ".rename").exists()


@pytest.mark.parametrize("text", ["---\nname: greeter\n---\nHi\n", "Hi\n"])
def test_a_rename_that_was_cut_with_both_names_is_finished(text, root, env, monkeypatch):
    (root / "objects" / "greeter.md").write_text(text)
    unlink = folders.unlink

    class Killed(BaseException): ...

    def cut(path, **settings):
        if str(path).endswith("/greeter.md"):
            raise Killed
        unlink(path, **settings)

    with monkeypatch.context() as change:
        change.setattr(folders, "unlink", cut)
        with pytest.raises(Killed):
            env.rename_prompt_object("greeter", "host")
    assert (root / "objects" / "greeter.md").exists()
    assert (root / "objects" / "host.md").exists()
    again = Environment.open(root)
    assert not (root / "objects" / "greeter.md").exists()
    assert again.prompt_object("host").definition.body.strip() == "Hi"
    assert not (root / "sessions" / ".rename").exists()


def test_a_file_that_goes_by_hand_meanwhile_is_not_found(root, env, monkeypatch):
    link = folders.link

    def late(source, target, **settings):
        if source.endswith("/reader.md"):
            os.unlink(source)
        link(source, target, **settings)

    monkeypatch.setattr(folders, "link", late)
    with pytest.raises(PromptObjectNotFound):
        env.delete_prompt_object("reader")


def test_making_one_waits_for_the_others(root, env):
    from po_sessions.errors import Busy

    other = Environment.open(root, lock_timeout=0)
    with env.definitions.held():
        for do in (
            lambda: other.create_prompt_object(Definition("x")),
            lambda: other.delete_prompt_object("reader"),
            lambda: other.rename_prompt_object("reader", "x"),
        ):
            with pytest.raises(Busy):
                do()
