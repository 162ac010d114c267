from __future__ import annotations

import pytest

from po_sessions.environment import Environment
from po_sessions.errors import Conflict, InvalidInput, NotFound, PromptObjectNotFound, Unreadable
from po_sessions.message import Message
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


@pytest.mark.parametrize(
    ("name", "error"), [("nobody", PromptObjectNotFound), ("../greeter", InvalidInput), ("broken", Unreadable)]
)
def test_a_session_can_be_given_only_to_a_prompt_object_that_is_there(name, error, root, env):
    manager = env.session_manager
    made = manager.create(po_name="greeter", name="Tea")
    document = manager.export(made)
    (root / "objects" / "broken.md").write_bytes(b"---\nname: \xff\n---\n")
    for verb in (
        lambda: manager.create(po_name=name, name="Coffee"),
        lambda: manager.create(name),
        lambda: manager.ensure(name),
        lambda: manager.begin(name),
        lambda: manager.duplicate(made, to=name),
        lambda: manager.adopt(made, name),
        lambda: manager.import_(document, po_name=name),
    ):
        with pytest.raises(error):
            verb()
    assert [one.po_name for one in manager.list()] == ["greeter"]


def test_a_session_whose_prompt_object_is_gone_is_still_there(root, env):
    manager = env.session_manager
    made = manager.begin("greeter")
    document = manager.export(manager.create(po_name="greeter", name="Tea"))
    (root / "objects" / "greeter.md").unlink()
    assert manager.begin("greeter") == made
    assert manager.rename(made, "Old").po_name == "greeter"
    assert manager.duplicate(made).po_name == "greeter"
    assert manager.import_(document)[0].po_name == "greeter"
    assert manager.adopt(made, "reader").po_name == "reader"


def test_without_saving_a_session_is_made_for_any_prompt_object(tmp_path):
    env = Environment.open(tmp_path / "nowhere", save=False)
    assert env.session_manager.create("greeter").po_name == "greeter"
    assert not (tmp_path / "nowhere").exists()


def test_the_current_session_has_its_history(env):
    manager = env.session_manager
    assert env.current_session is None
    made = manager.begin("greeter")
    manager.append(made, Message("user", "Hello", manager.now()))
    current = env.current_session
    assert current is not None
    assert (current.id, current.name, [one.content for one in current.history]) == (made.id, "Default", ["Hello"])
    assert env.context().session == env.context(current).session == env.context(made.id).session
    assert env.context().session.turn_count == 1
    manager.delete(made)
    assert env.current_session is None
