"""When backups are made, how many are kept, and what restoring one does, over both stores."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.builders import user
from support.hints import hint_of
from support.scripted import ScriptedBackend

from po_sessions.errors import (
    Advice,
    AmbiguousSelector,
    Busy,
    Conflict,
    InvalidInput,
    NotFound,
    Unreachable,
    WriteFailed,
)
from po_sessions.prompt_objects.definition import Definition
from po_sessions.sessions.backups import BackupPolicy
from po_sessions.sessions.manager import SessionManager
from po_sessions.storage import load, open_storage
from po_sessions.turns.prompt_object import Context, PromptObject

GREETER = PromptObject(Definition("greeter", body="You greet."))
DAY = timedelta(days=1)


@pytest.fixture
def said():
    return []


@pytest.fixture(params=["files", "memory"])
def storage(request, tmp_path):
    arguments = {"root": str(tmp_path / "store")} if request.param == "files" else {}
    return open_storage(request.param, lock_timeout=0.2, **arguments)


@pytest.fixture
def manager(storage, clock, said):
    return SessionManager(storage, clock=clock, backup_policy=BackupPolicy(keep=3), notice=said.append)


@pytest.fixture
def tea(manager):
    """A session with one message."""
    made = manager.create("greeter", "Tea")
    return manager.append(made.id, user("One"))


@pytest.fixture
def send(manager, backend):
    """Take a turn in a session."""

    def send(session, text="Hello"):
        context = Context(session, manager, lambda _: ScriptedBackend(), default_model="scripted")
        return GREETER.receive(text, context=context)

    return send


def counts(manager) -> list[int]:
    return [one.session.message_count for one in manager.backups.list()]


def test_the_first_turn_of_a_day_makes_one_and_no_other_turn(manager, clock, send):
    session = manager.create("greeter", "Tea")
    send(session)
    assert counts(manager) == []  # there was nothing to lose
    send(session)
    assert counts(manager) == [2]
    send(session)
    clock.now += DAY - timedelta(minutes=1)
    send(session)
    assert counts(manager) == [2]
    clock.now += timedelta(minutes=2)
    send(session)
    send(session)
    assert counts(manager) == [8, 2]


def test_each_verb_takes_an_id_or_a_session_with_or_without_its_history(manager, tea):
    other = manager.create("greeter", "Coffee")
    for given in (tea.id, tea, manager.get(tea)):
        assert manager.backups.create(given).session.id == tea.id
        assert len(manager.backups.list(given)) == len(manager.backups.list()) > 0
        assert not manager.backups.list(other)
    manager.backups.create(other)
    for given in (tea.id, tea, manager.get(tea)):
        before = len(manager.backups.list(tea))
        manager.before_turn(given, BackupPolicy(interval=timedelta(-1), keep=9))
        assert len(manager.backups.list(tea)) == before + 1


def test_the_newest_are_kept(manager, clock, send, tea):
    for _ in range(6):
        send(tea)
        clock.now += 2 * DAY
    assert counts(manager) == [11, 9, 7]


def test_with_keep_0_none_is_made_and_none_removed(storage, clock, send, tea, manager):
    for _ in range(3):
        manager.backups.create(tea.id)
    off = SessionManager(storage, clock=clock, backup_policy=BackupPolicy(keep=0))
    clock.now += 10 * DAY
    off.backups.before_turn(load(off.storage, tea.id))
    assert len(manager.backups.list()) == 3
    off.backups.create(tea.id)
    assert len(manager.backups.list()) == 4


def test_asking_again_makes_one_too(manager, clock, tea, backend):
    context = Context(tea, manager, lambda _: ScriptedBackend(), default_model="scripted")
    assert GREETER.retry(context=context).session.message_count == 2
    assert counts(manager) == [1]


@pytest.mark.parametrize("back", [timedelta(minutes=5), 10 * DAY, 4000 * DAY])
def test_a_clock_that_was_set_back_makes_neither_many_nor_none(manager, clock, send, tea, back):
    for _ in range(3):
        send(tea)
        clock.now += 2 * DAY
    clock.now -= 2 * DAY + back
    made = set()
    for _ in range(5):
        send(tea)
        made |= {one.id for one in manager.backups.list()}
    assert len(made) <= 4
    for _ in range(2):
        last = max(counts(manager))
        clock.now += 2 * DAY + timedelta(hours=1)
        send(tea)
        assert max(counts(manager)) > last
    assert len(counts(manager)) == 3


def test_set_back_far_one_is_made_and_the_wrong_ones_go_first():
    now = datetime(2025, 1, 3, tzinfo=UTC)
    policy = BackupPolicy(DAY, 3)
    wrong = [now + timedelta(days=days) for days in (100, 200, 300)]
    assert policy.is_due(wrong, now)
    assert not policy.is_due([*wrong, now], now + timedelta(seconds=1))
    assert not policy.is_due([now + timedelta(hours=23)], now)
    assert policy.surplus(wrong, now) == [wrong[0]]
    earlier = [now - DAY, now - 2 * DAY, now - 3 * DAY]
    assert policy.surplus([*wrong, *earlier], now) == [now - 3 * DAY, *wrong[::-1]]
    assert policy.surplus(earlier[:2], now) == []
    assert BackupPolicy(DAY, 1).surplus([now + timedelta(hours=1)], now) == [now + timedelta(hours=1)]


@pytest.mark.parametrize("name", ["back_up", "backup_ids", "discard_backup"])
def test_what_goes_wrong_with_a_backup_keeps_no_turn_from_happening(name, manager, clock, send, tea, said, monkeypatch):
    for _ in range(3):
        manager.backups.create(tea.id)
    clock.now += 2 * DAY

    def fail(*_):
        raise WriteFailed("Cannot write x: No space left on device.", advice=Advice("write_failed"))

    monkeypatch.setattr(manager.storage, name, fail)
    assert send(tea).reply.content == "Hello"
    (sentence,) = said
    assert "Cannot write x: No space left on device." in sentence
    assert ("'Tea'" in sentence) == (name != "discard_backup")


def test_a_policy_of_a_call_counts_before_the_managers(manager, clock, tea):
    for _ in range(3):
        manager.backups.create(tea.id)
    clock.now += 2 * DAY
    manager.backups.before_turn(load(manager.storage, tea.id), BackupPolicy(keep=0))
    assert len(manager.backups.ids()) == 3
    manager.backups.create(tea.id, BackupPolicy(keep=2))
    assert len(manager.backups.ids()) == 2


def test_nothing_is_copied_for_a_turn_that_cannot_begin(manager, tea, backend):
    class Unavailable(ScriptedBackend):
        def check(self, model, options):
            raise Unreachable("no")

    context = Context(tea, manager, lambda _: Unavailable(), default_model="scripted")
    with pytest.raises(Unreachable):
        GREETER.receive("Hello", context=context)
    assert counts(manager) == []


def test_finding(manager, tea, clock):
    other = manager.create("greeter", "Other")
    first, second, third = (
        manager.backups.create(tea.id),
        manager.backups.create(tea.id),
        manager.backups.create(other.id),
    )
    for ref in (third.id, third.id.lower(), "Other", other.id, other.id.lower(), other.id[-6:]):
        assert manager.backups.find(ref) == third, ref
    assert manager.backups.find(first.id) == first
    assert manager.backups.find(second.id[-6:]) == second
    for ref in ("Tea", tea.id, tea.id[-6:]):
        with pytest.raises(AmbiguousSelector, match="matches 2 backups"):
            manager.backups.find(ref)
    for ref in ("Nope", "", "../x", "000", f"{tea.id}.20200101T000000.000Z"):
        with pytest.raises(NotFound, match="No backup matches"):
            manager.backups.find(ref)


def test_restoring_keeps_what_was_there_in_the_trash(manager, tea):
    backup = manager.backups.create(tea.id)
    there = load(manager.storage, manager.append(manager.rename(tea, "Green").id, user("Two")).id)
    restored = manager.backups.restore(backup)
    assert (restored.changed, restored.session) == (True, backup.session)
    assert manager.storage.trashed(restored.trash_id) == there
    assert load(manager.storage, tea.id) == manager.storage.backed_up(backup.id)
    again = manager.backups.restore(backup)
    assert (again.changed, again.trash_id, len(manager.trash.list())) == (False, None, 1)
    undone = manager.trash.restore(manager.trash.find(restored.trash_id), "Before")
    assert load(manager.storage, undone.id).history == there.history


def test_restoring_a_session_that_went_makes_it_again(manager, tea):
    backup = manager.backups.create(tea.id)
    manager.delete(tea)
    manager.create("greeter", "Tea")
    with pytest.raises(Conflict, match="greeter has a session named 'Tea'") as caught:
        manager.backups.restore(backup)
    assert f"po backup restore {backup.id} --as NAME" in hint_of(caught.value)
    manager.delete(manager.find("Tea", "greeter"))
    restored = manager.backups.restore(backup)
    assert (restored.session, restored.trash_id, restored.changed) == (backup.session, None, True)


def test_restoring_where_another_session_has_the_name_by_now(manager, tea):
    backup = manager.backups.create(tea.id)
    manager.rename(tea, "Green")
    manager.create("greeter", "Tea")
    with pytest.raises(Conflict):
        manager.backups.restore(backup)
    assert load(manager.storage, tea.id).name == "Green"
    assert manager.trash.list() == []


def test_restoring_under_another_name_leaves_the_session_alone(manager, tea):
    backup = manager.backups.create(tea.id)
    there = load(manager.storage, manager.append(tea.id, user("Two")).id)
    with manager.turn(tea.id, "send"):
        made = manager.backups.restore(backup, "Old").session
    assert made.id != tea.id
    assert load(manager.storage, made.id) == replace(manager.storage.backed_up(backup.id), id=made.id, name="Old")
    assert (load(manager.storage, tea.id), manager.trash.list()) == (there, [])
    for name, error in (("Old", Conflict), ("Tea", Conflict), ("@x", InvalidInput)):
        with pytest.raises(error):
            manager.backups.restore(backup, name)


def test_a_prompt_object_that_was_renamed_since_keeps_its_sessions(manager, tea):
    backup = manager.backups.create(tea.id)
    manager.append(tea.id, user("Two"))
    manager.storage.rename_po("greeter", "host", lambda *_: None)
    assert manager.backups.restore(backup).session.po_name == "host"
    assert manager.backups.restore(backup, "Copy").session.po_name == "host"
    assert manager.backups.restore(backup).changed is False
    manager.delete(manager.storage.summary(tea.id))
    assert manager.backups.restore(backup).session.po_name == "greeter"  # it is not known any more


def test_a_session_in_a_turn_is_not_put_back(manager, tea):
    backup = manager.backups.create(tea.id)
    manager.append(tea.id, user("Two"))
    with manager.turn(tea.id, "send"), pytest.raises(Busy, match="send"):
        manager.backups.restore(backup)
    assert load(manager.storage, tea.id).message_count == 2
    seen = []
    real = manager.storage.put_back
    manager.storage.put_back = lambda *args: (seen.append(manager.storage.turn_owner(tea.id)), real(*args))[1]
    manager.backups.restore(backup)
    assert "(backup restore)" in seen[0]
