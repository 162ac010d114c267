"""SessionManager and the selectors, over both stores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.builders import ULID, assistant, user
from support.hints import hint_of
from support.settled import settled

from po_sessions.errors import AmbiguousSelector, Conflict, InvalidInput, NoCurrent, SessionNotFound, Unreadable
from po_sessions.session import Session
from po_sessions.sessions.manager import SessionManager
from po_sessions.sessions.selector import short_ids
from po_sessions.storage import load, open_storage


@pytest.fixture(params=["files", "memory"])
def manager(request, tmp_path, clock):
    arguments = {"root": str(tmp_path / "store")} if request.param == "files" else {}
    return SessionManager(open_storage(request.param, **arguments), clock=clock)


def test_a_new_session_has_an_id_a_name_and_a_time(manager):
    made = manager.create("greeter", "Tea")
    assert load(manager.storage, made.id) == Session(
        made.id, "Tea", "greeter", "2025-01-03T10:00:01.000Z", "2025-01-03T10:00:01.000Z"
    )


def test_a_name_is_taken_once_for_each_prompt_object(manager):
    made = manager.create("greeter", "Tea")
    manager.create("reader", "Tea")
    with pytest.raises(Conflict, match=made.id):
        manager.create("greeter", "Tea")
    with pytest.raises(InvalidInput):
        manager.create("greeter", "-x")
    assert len(list(manager.list())) == 2


def test_without_a_name_there_is_always_a_free_one(manager):
    assert [manager.create("greeter").name for _ in range(3)] == ["Session", "Session 2", "Session 3"]
    assert manager.create("reader").name == "Session"


def test_ensure_can_be_repeated(manager):
    first, made = manager.ensure("greeter", "Cafe\u0301")
    again, made_again = manager.ensure("greeter", "Caf\u00e9")
    assert (first, made, made_again) == (again, True, False)


def test_the_first_plain_use_makes_default_and_points_at_it(manager):
    made = manager.begin("greeter")
    assert (made.name, made.po_name) == ("Default", "greeter")
    assert manager.begin("greeter") == made
    assert manager.current("greeter") == made
    assert manager.current_po() == "greeter"
    manager.begin("reader")
    assert manager.current_po() == "greeter"  # set where there was none, never moved


def test_a_default_that_is_there_is_used_and_not_pointed_at(manager):
    made, _ = manager.ensure("greeter", "Default")
    assert manager.begin("greeter") == made
    assert manager.current("greeter") is None


def test_making_a_session_moves_no_pointer(manager):
    manager.begin("greeter")
    manager.create("greeter", "Tea")
    assert manager.current("greeter").name == "Default"


def test_renaming(manager):
    tea, coffee = manager.create("greeter", "Tea"), manager.create("greeter", "Coffee")
    manager.append(tea.id, user())
    renamed = manager.rename(tea, "Green tea")
    assert (renamed.id, renamed.name, renamed.message_count) == (tea.id, "Green tea", 1)
    assert renamed.updated_at == tea.updated_at  # viewing and naming are no turns
    assert manager.find("Green tea", "greeter") == renamed == manager.rename(renamed, "Green tea")
    with pytest.raises(SessionNotFound):
        manager.find("Tea", "greeter")
    with pytest.raises(Conflict):
        manager.rename(coffee, "Green tea")
    with pytest.raises(InvalidInput):
        manager.rename(coffee, "@x")
    assert manager.create("greeter", "Tea").name == "Tea"


def test_switching_there_and_back(manager):
    default, tea = manager.begin("greeter"), manager.create("reader", "Tea")
    other = manager.create("reader", "Coffee")
    manager.switch(tea)
    assert (manager.current_po(), manager.current("reader").id) == ("reader", tea.id)
    assert manager.current("greeter").id == default.id
    manager.switch(other)
    assert manager.find("@previous", "reader").id == tea.id


def test_selectors(manager):
    tea = manager.create("greeter", "Tea")
    coffee = manager.create("greeter", "Coffee")
    for ref in ("Tea", tea.id, tea.id.lower(), tea.id[-6:], tea.id[-4:].lower()):
        assert manager.find(ref, "greeter") == tea, ref
    assert manager.find(tea.id, None) == tea
    assert manager.find(tea.id, "reader") == tea
    with pytest.raises(SessionNotFound):
        manager.find("@last", "greeter")  # none has a turn yet
    manager.append(tea.id, user())
    manager.append(tea.id, assistant())
    assert manager.find("@last", "greeter").id == tea.id
    assert manager.find("Coffee", "greeter") == coffee
    assert load(manager.storage, manager.find("Tea", "greeter").id).message_count == 2


def test_an_exact_name_wins_over_an_id(manager):
    tea = manager.create("greeter", "Tea")
    named = manager.create("greeter", tea.id[-6:])
    assert manager.find(tea.id[-6:], "greeter") == named


@pytest.mark.parametrize("ref", ["Nope", "T", "01A", "../x", "", ULID, "@nobody", "tea"])
def test_what_matches_nothing_is_not_found_and_makes_nothing(manager, ref):
    manager.create("greeter", "Tea")
    with pytest.raises(SessionNotFound, match="No session matches") as error:
        manager.find(ref, "greeter")
    assert "po session list" in hint_of(error.value)
    assert len(list(manager.list())) == 1


def test_a_name_that_another_program_wrote_is_found(tmp_path, clock):
    manager = SessionManager(open_storage("files", root=str(tmp_path / "store")), clock=clock)
    made = manager.create("greeter", "Tea")
    manager.storage.close()
    list(manager.list())
    settled(tmp_path / "store")
    path = Path(manager.storage.path(made.id))
    path.write_text(path.read_text().replace('"Tea"', '"Green tea"'))  # in place: the directory does not show it
    assert manager.find("Green tea", "greeter").id == made.id


def test_names_are_looked_up_within_a_prompt_object(manager):
    manager.create("greeter", "Tea")
    with pytest.raises(SessionNotFound):
        manager.find("Tea", "reader")
    with pytest.raises(SessionNotFound) as error:
        manager.find("Tea", None)
    assert "--po" in hint_of(error.value)


def test_an_ambiguous_fragment_lists_the_candidates(manager):
    for end in ("AA", "AB"):
        manager.storage.create(
            Session(ULID[:-2] + end, end, "greeter", "2025-01-03T10:00:00.000Z", "2025-01-03T10:00:00.000Z")
        )
    with pytest.raises(AmbiguousSelector) as error:
        manager.find(ULID[:8], "greeter")
    assert error.value.candidates == (f"{ULID[:-2]}AA  greeter: AA", f"{ULID[:-2]}AB  greeter: AB")
    assert manager.find("69G5FAB"[-4:], "greeter").name == "AB"


def test_without_a_selector(manager):
    with pytest.raises(NoCurrent, match="no current prompt object"):
        manager.find(None, None)
    with pytest.raises(NoCurrent, match="greeter has no current session"):
        manager.find(None, "greeter")
    default, _ = manager.ensure("greeter")
    assert manager.find(None, "greeter") == default
    tea = manager.create("greeter", "Tea")
    manager.switch(tea)
    assert manager.find(None, "greeter") == tea
    with pytest.raises(NoCurrent, match="no previous session"):
        manager.find("@previous", "greeter")


def test_a_pointer_to_a_session_that_vanished_is_told(manager):
    manager.pointers.change(lambda state: state.with_session("greeter", ULID))
    for ask in (
        lambda: manager.find(None, "greeter"),
        lambda: manager.begin("greeter"),
        lambda: manager.find("@current", "greeter"),
    ):
        with pytest.raises(NoCurrent, match="not there any more") as error:
            ask()
        assert "po session switch" in hint_of(error.value)
    assert list(manager.list()) == []


def test_a_turn_without_a_reply_and_without_an_owner_is_interrupted(manager):
    made = manager.create("greeter", "Tea")
    assert not manager.is_interrupted(made)
    after = manager.append(made.id, user())
    assert manager.is_interrupted(after)
    assert manager.is_interrupted(made.id)
    assert manager.is_interrupted(manager.get(made))
    with manager.turn(made.id, "send"):
        assert not manager.is_interrupted(after)
    assert not manager.is_interrupted(manager.append(made.id, assistant()))


def test_short_ids_are_unique_suffixes():
    ids = ["01AAAAAAAA111111", "01BBBBBBBB111111", "01BBBBBBBB222222"]
    assert short_ids(ids) == {ids[0]: "A111111", ids[1]: "B111111", ids[2]: "222222"}
    assert short_ids([]) == {}


def test_a_change_of_the_header_has_its_time(manager, clock):
    made = manager.create("greeter", "Tea")
    assert load(manager.storage, made.id).amended_at is None
    manager.rename(made, "Coffee")
    renamed = load(manager.storage, made.id)
    assert renamed.amended_at is not None
    assert renamed.amended_at > renamed.updated_at == made.updated_at
    adopted = manager.adopt(manager.storage.summary(made.id), "reader")
    assert load(manager.storage, adopted.id).amended_at > renamed.amended_at


def test_many_imports_look_at_the_names_once_for_many(manager, monkeypatch):
    looked = []
    real = manager.storage.taken_names
    monkeypatch.setattr(manager.storage, "taken_names", lambda *args: looked.append(args) or real(*args))
    when = "2025-01-03T10:00:00.000Z"
    some = [Session(f"{ULID[:-3]}{number:03}", "Tea", "greeter", when, when) for number in range(250)]
    done = list(manager.import_sessions(some, format_name="json"))
    assert [one.session.name for one in done] == ["Tea", *(f"Tea {number}" for number in range(2, 251))]
    assert len(looked) == 3


def test_a_session_that_began_at_another_time_is_not_the_one_that_is_here(manager):
    """Not even if it has the same id and the same messages, or none: all sessions begin with those."""
    for id, history in ((ULID, (user(),)), (f"{ULID[:-1]}W", ())):
        here = Session(id, "Tea", "greeter", "2025-01-03T10:00:00.000Z", "2025-01-03T10:00:00.000Z", history)
        manager.storage.create(here)
        other = replace(here, created_at="2025-01-02T10:00:00.000Z")
        (made,) = manager.import_sessions([other], format_name="json")
        assert made.made
        assert made.session.id != id
        assert made.session.created_at == other.created_at
        assert load(manager.storage, id) == here
        (again,) = manager.import_sessions([other], format_name="json")
        assert (again.made, again.session) == (False, made.session)


def test_each_verb_takes_an_id_or_a_session_with_or_without_its_history(manager):
    made = manager.create(po_name="greeter", name="Tea")
    for number, given in enumerate(
        (lambda: made.id, lambda: manager.storage.summary(made.id), lambda: manager.get(made))
    ):
        assert manager.append(given(), user(str(number))).message_count == number + 1
        assert manager.get(given()).history[-1].content == str(number)
        assert manager.rename(given(), f"Tea {number}").name == f"Tea {number}"
        assert manager.duplicate(given(), new_name=f"Copy {number}").message_count == number + 1
        assert manager.adopt(given(), ("reader", "greeter")[number % 2]).id == made.id
        assert manager.export(given()) == manager.export(made.id, format="markdown")
        manager.switch(given())
        assert manager.find(None, manager.current_po()).id == made.id
        assert manager.undo(given())[0].message_count == number
        manager.append(made, user(str(number)))
    copies = list(manager.list(po_name="reader"))[:2] + list(manager.list(po_name="greeter"))[:1]
    before = len(list(manager.list()))
    for copy, given in zip(copies, (lambda one: one.id, lambda one: one, manager.get), strict=True):
        manager.delete(given(copy))
    assert len(list(manager.list())) == before - 3


@pytest.mark.parametrize("id", ["", "../x", "Tea", ULID])
def test_what_is_no_id_of_a_session_is_not_found(manager, id):
    manager.create("greeter", "Tea")
    for verb in (
        manager.get,
        manager.delete,
        manager.duplicate,
        manager.export,
        manager.undo,
        manager.switch,
        lambda id: manager.rename(id, "x"),
        lambda id: manager.adopt(id, "reader"),
        lambda id: manager.append(id, user()),
    ):
        with pytest.raises(SessionNotFound):
            verb(id)
    assert [one.name for one in manager.list()] == ["Tea"]
    assert manager.current_po() is None


@pytest.mark.parametrize("format", ["markdown", "json", "jsonl"])
@pytest.mark.parametrize("encoded", [False, True])
def test_an_exported_session_comes_back(manager, format, encoded):
    made = manager.create("greeter", "Tee mit Zitrone und Grüßen")
    manager.append(made, user("Grün?"))
    before = load(manager.storage, made.id)
    text = manager.export(made, format=format)
    data = text.encode() if encoded else text
    assert [one.id for one in manager.import_(data)] == [made.id]
    assert len(list(manager.list())) == 1
    manager.delete(made, purge=True)
    [back] = manager.import_(data, po_name="reader")
    assert (back.id, back.name, back.po_name) == (made.id, made.name, "reader")
    after = manager.get(back)
    assert after.history == before.history
    assert after.metadata["imported_from"]["format"] == ("json" if format == "jsonl" else format)


def test_several_sessions_come_in_one_document(manager):
    made = [manager.create("greeter", name) for name in ("Tea", "Coffee")]
    text = "".join(manager.export(one, format="jsonl") for one in made)
    for one in made:
        manager.delete(one, purge=True)
    assert [one.name for one in manager.import_(text)] == ["Tea", "Coffee"]


@pytest.mark.parametrize(
    "data",
    ["", "x", "{}", b"\xff", '{"a":"\ud800"}', '{"version":99,"id":"x","name":"x","po_name":"x","history":[]}'],
    ids=["empty", "text", "no session", "no UTF-8", "half a character", "newer"],
)
def test_what_cannot_be_imported_is_unreadable_and_imports_nothing(manager, data):
    with pytest.raises(Unreadable):
        manager.import_(data)
    assert list(manager.list()) == []


def test_there_is_no_such_format(manager):
    made = manager.create("greeter", "Tea")
    with pytest.raises(InvalidInput, match="no format 'markdwon'"):
        manager.export(made, format="markdwon")
