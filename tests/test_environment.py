from __future__ import annotations

import pytest

from po_sessions.environment import Environment
from po_sessions.errors import Conflict, InvalidInput, NotFound, PromptObjectNotFound, Unreadable
from po_sessions.prompt_objects import starters
from po_sessions.prompt_objects.definition import Definition


def test_a_new_environment_has_the_starters(root, env):
    assert starters.names() == ["coordinator", "greeter", "reader"]
    found = list(env.definitions)
    assert [one.name for one in found] == starters.names()
    assert all(one.description and one.body for one in found)
    assert {path.stat().st_mode & 0o777 for path in (root / "objects").iterdir()} == {0o600}


def test_an_environment_that_is_there_is_left_as_it_is(root):
    (root / "objects" / "greeter.md").write_text("Mine.")
    assert not Environment.create(root)
    assert (root / "objects" / "greeter.md").read_text() == "Mine."


def test_reading_what_is_not_there_makes_nothing(tmp_path):
    env = Environment.open(tmp_path / "nowhere")
    assert list(env.definitions) == []
    assert list(env.session_manager.list()) == []
    assert env.current_session is None
    with pytest.raises(NotFound):
        env.context()
    env.session_manager.storage.close()
    assert not (tmp_path / "nowhere").exists()


def test_a_prompt_object_goes_by_the_name_it_gives_itself(root, env):
    (root / "objects" / "file.md").write_text("---\nname: self\n---\nHi")
    assert env.prompt_object("self").name == "self"
    assert env.definitions.path("self") == str(root / "objects" / "file.md")
    with pytest.raises(PromptObjectNotFound):
        env.prompt_object("file")


def test_two_files_may_not_claim_a_name(root, env):
    (root / "objects" / "other.md").write_text("---\nname: greeter\n---\nHi")
    with pytest.raises(Conflict, match=r"greeter\.md and other\.md"):
        env.prompt_object("greeter")


@pytest.mark.parametrize("name", ["../greeter", "", "a b", "greeter.md"])
def test_a_name_never_leads_out_of_the_directory(env, name):
    with pytest.raises(InvalidInput):
        env.prompt_object(name)


def test_an_unreadable_file_is_named_and_the_others_are_there(root, env):
    (root / "objects" / "bad.md").write_bytes(b"---\nname: \xff\n---\n")
    (root / "objects" / "link.md").symlink_to("/etc/passwd")
    (root / "objects" / ".hidden.md").write_text("x")
    found = list(env.definitions)
    assert [one.name for one in found if isinstance(one, Definition)] == starters.names()
    wrong = [str(one) for one in found if isinstance(one, Unreadable)]
    assert [name in text for name, text in zip(("bad.md", "link.md"), wrong, strict=True)] == [True, True]
    with pytest.raises(Unreadable, match=r"bad\.md is not UTF-8"):
        env.prompt_object("bad")
    with pytest.raises(Unreadable, match="symbolic link"):
        env.prompt_object("link")
    assert env.prompt_object("greeter").name == "greeter"


def test_making_a_prompt_object(root, env):
    path = env.definitions.create(Definition(name="tutor", body="Teach: yes"))
    assert path == str(root / "objects" / "tutor.md")
    assert env.prompt_object("tutor").definition.body == "Teach: yes"
    with pytest.raises(Conflict):
        env.definitions.create(Definition(name="tutor"))
    with pytest.raises(InvalidInput):
        env.definitions.create(Definition(name="../tutor"))
