"""Backups: what every store that keeps them can do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.builders import ULID, assistant, user
from support.named import NOW, OTHER, session

from po_sessions.errors import NewerVersion, NotFound, SessionNotFound
from po_sessions.storage import load


def test_the_backups_of_a_session_go_with_its_last_trace(store):
    for id in (ULID, OTHER):
        store.create(session(id, id, history=(user("x"), user("y"))))
        store.back_up(id, NOW)
    store.cut(ULID, 1, 2, NOW)
    store.empty_trash(NOW)
    assert len(store.backups()) == 2  # both are there
    entry = store.delete(ULID, "2025-02-01T10:00:00.000Z")
    store.cut(OTHER, 1, 2, NOW)
    store.restore(entry)
    store.empty_trash(NOW)
    assert len(store.backups()) == 2  # restored
    store.delete(ULID, "2025-02-01T10:00:00.000Z")
    store.restore(store.delete(OTHER, "2025-02-02T10:00:00.000Z"))
    store.delete(OTHER, "2025-02-04T10:00:00.000Z")
    store.empty_trash(NOW, "2025-02-03T10:00:00.000Z")
    assert [one.session.id for one in store.backups()] == [OTHER]  # still in the trash
    store.empty_trash(NOW)
    assert store.backups() == []


def test_a_backup_holds_the_session_as_it_was(store):
    made = session(history=(user("a"), assistant("b")), metadata={"x": 1}, extra={"y": 2})
    store.create(made)
    backup = store.back_up(ULID, NOW)
    assert (backup.id, backup.made_at, backup.session) == (f"{ULID}.20250201T100000.000Z", NOW, made.summary())
    assert backup.size > 100
    store.append(ULID, user("c"))
    store.update(ULID, lambda one: replace(one, name="Coffee"))
    assert store.backed_up(backup.id) == made
    assert store.backups() == store.backups(ULID) == [backup]
    assert store.backups(OTHER) == []
    with pytest.raises(SessionNotFound):
        store.back_up(OTHER, NOW)


def test_backups_are_listed_newest_first_and_none_is_overwritten(store):
    store.create(session(ULID))
    store.create(session(OTHER, name="Other"))
    first, second = store.back_up(ULID, NOW), store.back_up(ULID, NOW)
    other = store.back_up(OTHER, "2025-01-01T10:00:00.000Z")
    assert [one.id for one in store.backups()] == [second.id, first.id, other.id]
    assert store.backup_ids(ULID) == [second.id, first.id]
    assert second.made_at == "2025-02-01T10:00:00.001Z"
    store.discard_backup(second.id)
    assert store.backup_ids(ULID) == [first.id]
    assert store.backup_ids("../sessions") == store.backups("../sessions") == []


@pytest.mark.parametrize(
    "id",
    [
        "nope",
        "",
        f"{ULID}.../../x",
        f"{ULID}.20250201T100000.001Z",
        f"{ULID}.20250201T100000Z",
        f"{ULID}.2025-02-01/10:00",
    ],
)
def test_what_is_no_backup_is_not_found(store, id):
    store.create(session())
    store.back_up(ULID, NOW)
    for ask in (store.backed_up, store.discard_backup, lambda id: store.put_back(id, "greeter", NOW)):
        with pytest.raises(NotFound):
            ask(id)
    assert len(store.backups()) == 1


def test_putting_back_moves_what_is_there_to_the_trash(store):
    made = session(history=(user("a"), assistant("b")), metadata={"x": 1}, extra={"y": 2})
    store.create(made)
    backup = store.back_up(ULID, NOW)
    store.append(ULID, user("c"))
    store.update(ULID, lambda one: replace(one, name="Coffee"))
    there = load(store, ULID)
    summary, entry_id = store.put_back(backup.id, "greeter", NOW)
    assert summary == made.summary() == store.summary(ULID)
    assert list(store.list()) == [made.summary()]
    assert load(store, ULID) == made == store.backed_up(backup.id)
    assert store.trashed(entry_id) == there
    assert store.append(ULID, user("d")).message_count == 3
    assert store.trashed(entry_id) == there
    assert store.backed_up(backup.id) == made


def test_putting_back_a_session_that_went(store):
    made = session(history=(user("a"),))
    store.create(made)
    backup = store.back_up(ULID, NOW)
    store.discard(store.delete(ULID, NOW))
    assert store.put_back(backup.id, "greeter", NOW) == (made.summary(), None)
    assert (load(store, ULID), store.trash()) == (made, [])


def test_putting_back_for_another_prompt_object(store):
    store.create(session(history=(user("a"),)))
    backup = store.back_up(ULID, NOW)
    assert store.put_back(backup.id, "host", NOW)[0].po_name == load(store, ULID).po_name == "host"
    assert [one.id for one in store.list(po_name="host")] == [ULID]
    assert store.backed_up(backup.id).po_name == "greeter"


def test_a_newer_version_is_backed_up_and_put_back_as_it_is(store):
    made = session(version=99, history=(user("a"),), extra={"future": True})
    store.create(made)
    backup = store.back_up(ULID, NOW)
    assert store.put_back(backup.id, "greeter", NOW)[0] == made.summary()
    assert load(store, ULID) == made
    count = len(store.trash())
    with pytest.raises(NewerVersion):
        store.put_back(backup.id, "host", NOW)
    assert (load(store, ULID), len(store.trash())) == (made, count)


def test_purging_takes_the_backups_too(store):
    store.create(session(ULID))
    store.create(session(OTHER, name="Other"))
    for id in (ULID, OTHER):
        store.back_up(id, NOW)
    store.purge(ULID, NOW)
    assert [one.session.id for one in store.backups()] == [OTHER]
