"""The trash: what every store that has one can do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.builders import ULID, assistant, user
from support.named import NOW, OTHER, session

from po_sessions.errors import NewerVersion, NotFound, SessionNotFound
from po_sessions.storage import load


def test_emptying_the_trash_of_what_came_before(store):
    for id, day in ((ULID, "01"), (OTHER, "02")):
        store.create(session(id, id))
        store.delete(id, f"2025-02-{day}T10:00:00.000Z")
    assert store.trash_names("2025-02-01T10:00:00.000Z") == []
    (name,) = store.trash_names("2025-02-01T10:00:00.001Z")
    assert name.startswith(ULID)
    assert store.empty_trash(NOW, "2025-02-02T10:00:00.000Z") == [name]
    assert [one.session.id for one in store.trash()] == [OTHER]
    assert len(store.empty_trash(NOW)) == 1
    assert store.trash() == []


def test_deleting_moves_to_the_trash(store):
    made = session(history=(user("a"), assistant("b")), metadata={"x": 1}, extra={"y": 2})
    store.create(made)
    entry_id = store.delete(ULID, NOW)
    assert list(store.list()) == []
    assert store.find("") == []
    with pytest.raises(SessionNotFound):
        load(store, ULID)
    (entry,) = store.trash()
    assert (entry.id, entry.kind, entry.trashed_at, entry.session) == (entry_id, "deleted", NOW, made.summary())
    assert store.trashed(entry_id) == made
    store.discard(entry_id)
    assert store.trash() == []
    for ask in (store.trashed, store.discard):
        with pytest.raises(NotFound):
            ask(entry_id)


def test_nothing_in_the_trash_is_overwritten(store):
    for name in "ab":
        store.create(session(name=name))
        store.delete(ULID, NOW)
    assert [entry.session.name for entry in store.trash()] == ["b", "a"]


def test_purging_leaves_nothing(store):
    store.create(session())
    store.purge(ULID, NOW)
    assert (list(store.list()), store.trash()) == ([], [])
    store.create(session())
    for ask in (
        lambda id: store.purge(id, NOW),
        lambda id: store.delete(id, NOW),
        lambda id: store.cut(id, 0, 9, NOW),
    ):
        with pytest.raises(SessionNotFound):
            ask(OTHER)


def test_truncating_moves_the_rest_to_the_trash(store):
    made = session(history=(user("a"), assistant("b"), user("c"), assistant("d")), extra={"y": 2})
    store.create(made)
    summary, entry_id = store.cut(ULID, 2, 9, NOW)
    kept = replace(made, history=made.history[:2])
    assert summary == kept.summary() == store.summary(ULID)
    assert load(store, ULID) == kept
    (entry,) = store.trash()
    assert (entry.id, entry.kind, entry.undone_at) == (entry_id, "undone", 2)
    assert store.trashed(entry_id).history == made.history[2:]
    assert store.append(ULID, user("e")).message_count == 3


def test_a_newer_version_is_not_truncated_and_can_be_deleted(store):
    store.create(session(version=99, history=(user(),)))
    with pytest.raises(NewerVersion):
        store.cut(ULID, 0, 9, NOW)
    assert store.trash() == []
    assert store.trashed(store.delete(ULID, NOW)).version == 99


@pytest.mark.parametrize("id", ["nope", "", "../state", f"{ULID}.../../x", f"{ULID}.20250201T100000.000Z"])
def test_what_is_not_in_the_trash_is_not_found(store, id):
    store.create(session())
    for ask in (store.trashed, store.discard):
        with pytest.raises(NotFound):
            ask(id)
