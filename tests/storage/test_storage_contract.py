"""What every store does, over each of them."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
import ulid
from hypothesis import HealthCheck, given, settings
from support.builders import ULID, assistant, sessions, user
from support.named import NOW, OTHER, UUID, session

from po_sessions.errors import Busy, Conflict, NewerVersion, NotFound, SessionNotFound
from po_sessions.session import End, Message
from po_sessions.storage import load


def test_a_new_store_is_empty(store):
    assert list(store.list()) == []
    assert store.find("") == []
    store.close()


def test_what_was_created_is_there(store):
    made = session(history=(user(), assistant()), metadata={"a": 1}, extra={"b": [None]})
    assert store.create(made) == made.summary()
    assert load(store, ULID) == made
    assert store.summary(ULID) == made.summary()
    assert list(store.list()) == [made.summary()]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(made=sessions)
def test_any_session_comes_back_whole(open_store, made):
    store = open_store()
    made = replace(made, id=str(ulid.ULID()))
    store.create(made)
    assert load(store, made.id) == made
    assert store.summary(made.id) == made.summary()


def test_an_id_is_taken_once(store):
    store.create(session())
    with pytest.raises(Conflict):
        store.create(session(name="Coffee"))
    assert load(store, ULID).name == "Tea"


@pytest.mark.parametrize("id", [OTHER, "nope", "", "../../etc/passwd", "index"])
def test_what_is_not_there_is_not_found(store, id):
    store.create(session())
    for ask in (lambda id: load(store, id), store.summary, store.head, lambda id: store.append(id, user())):
        with pytest.raises(SessionNotFound):
            ask(id)


def test_appending(store):
    store.create(session())
    for number in range(5):
        summary = store.append(ULID, replace(user(f"m{number}"), created_at=f"2025-01-03T11:00:0{number}.000Z"))
        assert summary == load(store, ULID).summary() == store.summary(ULID)
    loaded = load(store, ULID)
    assert [message.content for message in loaded.history] == [f"m{number}" for number in range(5)]
    assert loaded.updated_at == "2025-01-03T11:00:04.000Z"
    assert list(store.list()) == [loaded.summary()]


@pytest.mark.parametrize(
    "end",
    [
        End(0, None),
        End(1, user("a")),
        End(3, assistant("b")),
        End(2, assistant("c")),
        End(2, assistant("b", model="x")),
        End(2, None),
    ],
)
def test_what_does_not_end_as_it_should_is_not_appended_to(end, store):
    made = session(history=(user("a"), assistant("b")))
    store.create(made)
    with pytest.raises(Conflict, match="'Tea' does not end as it did"):
        store.append(ULID, user("c"), after=end)
    assert load(store, ULID) == made
    store.append(ULID, user("c"), after=End(2, assistant("b")))
    assert load(store, ULID).message_count == 3


def test_what_is_empty_and_should_be_is_appended_to(store):
    store.create(session())
    with pytest.raises(Conflict):
        store.append(ULID, user("a"), after=End(1, user("z")))
    assert store.append(ULID, user("a"), after=End(0, None)).message_count == 1


def test_an_end_is_the_same_whatever_json_makes_of_it(store):
    store.create(session())
    last = Message("user", "\ud83d\ude00 \ud800", None, {"pair": (1, 2)})
    count = store.append(ULID, last).message_count
    assert store.append(ULID, assistant("b"), after=End(count, last)).message_count == 2


def test_updating(store):
    made = session(history=(user("a"), assistant("b")), metadata={"x": 1}, extra={"y": 2})
    store.create(made)
    assert store.update(ULID, lambda one: replace(one, name="Green tea")) == replace(made, name="Green tea").summary()
    assert load(store, ULID) == replace(made, name="Green tea")
    assert [one.name for one in store.list()] == ["Green tea"]
    assert store.append(ULID, user("c")).message_count == 3
    with pytest.raises(SessionNotFound):
        store.update(OTHER, lambda one: one)


@pytest.mark.parametrize("change", [lambda s: replace(s, history=s.history[:1]), lambda s: replace(s, id=OTHER)])
def test_an_update_never_touches_messages_or_the_id(change, store):
    made = session(history=(user("a"), assistant("b")))
    store.create(made)
    with pytest.raises(ValueError, match="may not touch"):
        store.update(ULID, change)
    assert load(store, ULID) == made


def test_a_newer_version_can_be_read_and_not_written(store):
    store.create(session(version=99, extra={"future": True}))
    assert load(store, ULID).version == 99
    with pytest.raises(NewerVersion):
        store.append(ULID, user())
    with pytest.raises(NewerVersion):
        store.update(ULID, lambda one: replace(one, name="x"))
    assert (load(store, ULID).history, load(store, ULID).name) == ((), "Tea")


def test_listing_is_newest_turn_first_and_ties_go_by_id(store):
    store.create(session(ULID, "a", updated_at="2025-01-03T10:00:00.000Z"))
    store.create(session(OTHER, "b", updated_at="2025-01-03T10:00:00.000Z"))
    store.create(session(UUID, "c", updated_at="2025-01-02T10:00:00.000Z"))
    assert [one.name for one in store.list()] == ["b", "a", "c"]
    store.append(UUID, Message("user", "x", "2025-01-05T10:00:00.000Z"))
    assert [one.name for one in store.list()] == ["c", "b", "a"]
    store.close()
    assert [one.name for one in store.list()] == ["c", "b", "a"]


def test_listing_by_prompt_object_and_name(store):
    store.create(session(ULID, "Tea", "greeter"))
    store.create(session(OTHER, "Tea", "reader"))
    store.create(session(UUID, 'He said "Tea"', "reader"))
    for _ in range(2):
        assert [one.id for one in store.list(po_name="reader", name="Tea")] == [OTHER]
        assert {one.id for one in store.list(po_name="reader")} == {OTHER, UUID}
        assert {one.id for one in store.list(name="Tea")} == {ULID, OTHER}
        assert [one.id for one in store.list(name='He said "Tea"')] == [UUID]
        assert {one.id for one in store.list(beginning="Te")} == {ULID, OTHER}
        assert [one.id for one in store.list(po_name="reader", beginning='He said "')] == [UUID]
        assert list(store.list(beginning="ea")) == []
        assert list(store.list(po_name="nobody")) == []
        store.close()


def test_ids_by_either_end(store):
    for id in (ULID, OTHER, UUID):
        store.create(session(id, id))
    assert store.find("01ARZ3") == [ULID, OTHER]
    assert store.find("G5FAV") == [ULID]
    assert store.find("174000") == [UUID]
    assert store.find("Q69G") == []
    assert store.find("01arz3") == [ULID, OTHER]
    assert store.find("123E4567-E89B") == [UUID]


def test_a_turn_that_does_not_wait(open_store):
    store = open_store(lock_timeout=30)
    store.create(session())
    began = time.monotonic()
    with store.turn(ULID, "send"), pytest.raises(Busy), store.turn(ULID, "prune", wait=False):
        pass
    assert time.monotonic() - began < 5


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


def test_turns_follow_each_other(store):
    store.create(session())
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with store.turn(ULID, "send"):
            entered.set()
            leave.wait(5)

    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(5)
    assert "send" in store.turn_owner(ULID)
    with pytest.raises(Busy, match=r"in use by .*send"), store.turn(ULID, "retry"):
        pass
    assert load(store, ULID).name == "Tea"  # readers do not wait
    with store.turn(OTHER, "send"):
        pass  # nor do other sessions
    leave.set()
    thread.join()
    assert store.turn_owner(ULID) is None
    with store.turn(ULID, "retry"):
        pass


def test_names_are_held_by_one(store):
    with store.claim_name("greeter", "x"):
        seen = []

        def ask():
            try:
                with store.claim_name("greeter", "x"):
                    seen.append("held")
            except Busy:
                seen.append("busy")

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert seen == ["busy"]


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


def test_renaming_a_prompt_object_in_its_sessions(store):
    store.create(session(ULID, "a", po_name="old"))
    store.create(session(OTHER, "b", po_name="other"))
    moved = []
    store.rename_po("old", "new", lambda *names: moved.append(names))
    assert moved == [("old", "new")]
    assert [(one.id, one.po_name) for one in store.list(po_name="new")] == [(ULID, "new")]
    assert list(store.list(po_name="old")) == []
    assert load(store, OTHER).po_name == "other"
    store.resume_rename(lambda *names: moved.append(names))
    assert len(moved) == 1


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
