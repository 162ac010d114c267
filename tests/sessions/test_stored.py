"""The history of a session in a store, over both stores."""

from __future__ import annotations

import pytest
from support.builders import assistant, user

from po_sessions.errors import Conflict, SessionNotFound
from po_sessions.sessions.manager import SessionManager
from po_sessions.storage import load


@pytest.fixture
def manager(store, clock):
    return SessionManager(store, clock=clock)


@pytest.fixture
def tea(manager):
    made = manager.create("greeter", "Tea")
    manager.append(made, user("One"))
    manager.append(made, assistant("Two"))
    return manager.get(made)


def test_it_is_the_messages_that_are_stored(manager, tea):
    whole = load(manager.storage, tea.id)
    assert tea == whole
    assert tea.history == whole.history
    assert list(reversed(tea.history)) == list(reversed(whole.history))
    assert (tea.history[-1], tea.history[0:1]) == (whole.history[1], whole.history[:1])
    assert tea.history != whole.history[:1]
    assert (tea.message_count, tea.summary()) == (2, whole.summary())
    with pytest.raises(IndexError):
        tea.history[2]


def test_nothing_of_it_is_read_before_it_is_looked_at(manager, tea, monkeypatch):
    opened = []
    real = manager.storage.reading
    monkeypatch.setattr(manager.storage, "reading", lambda id: opened.append(id) or real(id))
    stored = manager.get(tea.id)
    assert opened == [tea.id]
    assert (stored.name, len(stored.history), stored.message_count) == ("Tea", 2, 2)
    assert opened == [tea.id]
    assert stored.history[0].content == "One"
    assert opened == [tea.id] * 2


def test_what_is_looked_for_is_found_in_one_look(manager, tea, monkeypatch):
    for _ in range(5):
        manager.append(tea, assistant("More"))
    stored, opened = manager.get(tea), []
    real = manager.storage.reading
    monkeypatch.setattr(manager.storage, "reading", lambda id: opened.append(id) or real(id))
    assert stored.newest_with("model") is None
    assert len(opened) == 1
    assert stored.turns_begin_at(1) == 0
    assert len(opened) == 2


def test_what_is_added_later_is_not_in_it(manager, tea):
    manager.append(tea, user("Three"))
    assert [one.content for one in tea.history] == ["One", "Two"]
    assert tea.history[-1].content == "Two"
    assert len(manager.get(tea).history) == 3


def test_what_has_gone_is_an_error(manager, tea):
    manager.undo(tea)
    with pytest.raises(Conflict, match="'Tea' has 0 messages by now; 2 were there before"):
        list(tea.history)
    manager.delete(tea)
    with pytest.raises(SessionNotFound):
        tea.history[0]
