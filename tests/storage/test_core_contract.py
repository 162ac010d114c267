"""What every store can do, one test for each rule; over files, memory, and a store of another kind."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
import ulid
from hypothesis import HealthCheck, given, settings
from support.builders import ULID, assistant, sessions, user
from support.named import OTHER, UUID, session

from po_sessions import storage
from po_sessions.changes import End
from po_sessions.errors import Busy, Conflict, NewerVersion, SessionNotFound
from po_sessions.message import Message
from po_sessions.storage import load, open_storage


@pytest.fixture(params=["files", "memory", "foreign"])
def open_store(request, tmp_path, monkeypatch):
    """Open a store; for one kind, always the same sessions."""
    memory = None
    monkeypatch.setitem(storage.KINDS, "foreign", "support.foreign_store:ForeignStore")

    def open_(**arguments):
        nonlocal memory
        if request.param == "memory":
            memory = memory or open_storage("memory", **arguments)
            return memory
        return open_storage(request.param, root=str(tmp_path / "store"), **arguments)

    return open_


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
    assert store.amend(ULID, lambda one: replace(one, name="Green tea")) == replace(made, name="Green tea").summary()
    assert load(store, ULID) == replace(made, name="Green tea")
    assert [one.name for one in store.list()] == ["Green tea"]
    assert store.append(ULID, user("c")).message_count == 3
    with pytest.raises(SessionNotFound):
        store.amend(OTHER, lambda one: one)


@pytest.mark.parametrize("change", [lambda s: replace(s, history=(user("x"),)), lambda s: replace(s, id=OTHER)])
def test_an_update_never_touches_messages_or_the_id(change, store):
    made = session(history=(user("a"), assistant("b")))
    store.create(made)
    with pytest.raises(ValueError, match="may not touch"):
        store.amend(ULID, change)
    assert load(store, ULID) == made


def test_a_newer_version_can_be_read_and_not_written(store):
    store.create(session(version=99, extra={"future": True}))
    assert load(store, ULID).version == 99
    with pytest.raises(NewerVersion):
        store.append(ULID, user())
    with pytest.raises(NewerVersion):
        store.amend(ULID, lambda one: replace(one, name="x"))
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
