"""Which sessions the criteria take, against a naive reading of them; and taking them away, over each store."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import ULID, user
from support.hints import hint_of
from support.named import OTHER, UUID, session

from po_sessions.errors import InvalidInput
from po_sessions.pointers import MemoryPointers
from po_sessions.session import Session, SessionSummary
from po_sessions.sessions.pruning import Criteria, carry_out, plan, select
from po_sessions.storage import LocalFiles, ability
from po_sessions.text.times import UNKNOWN_TIME, timestamp

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
STAMP = timestamp(NOW)


def now() -> str:
    return STAMP


moments = st.integers(-80 * 24, 5 * 24).map(lambda hours: timestamp(NOW + timedelta(hours=hours)))
times = moments | st.sampled_from([UNKNOWN_TIME, STAMP, timestamp(NOW - 30 * DAY), timestamp(NOW - timedelta(hours=1))])


@st.composite
def stores(draw) -> list[tuple[SessionSummary, int]]:
    """Some sessions with their sizes, in any order, many with the same times."""
    made = []
    for number in range(draw(st.integers(0, 12))):
        messages = draw(st.integers(0, 2))
        one = SessionSummary(
            f"{ULID[:-2]}{number:02}", "n", draw(st.sampled_from("ab")), draw(times), draw(times), messages
        )
        made.append((one, draw(st.integers(1, 50))))
    return draw(st.permutations(made))


def made(**given) -> Criteria:
    """Return criteria; where nothing is given, by age."""
    return Criteria(**given) if any(given.values()) else Criteria(older_than=30 * DAY)


any_criteria = st.builds(
    made,
    older_than=st.none() | st.integers(1, 60).map(lambda days: days * DAY),
    before=st.none() | st.integers(-80, 10).map(lambda days: NOW + days * DAY),
    empty=st.booleans(),
    keep_last=st.none() | st.integers(1, 4),
    max_size=st.none() | st.integers(1, 300),
)


def when(text: str) -> datetime:
    return datetime.fromisoformat(text)


def naive(found, wanted: Criteria, spared: set[str]) -> list[str]:
    """Return the ids that go, oldest first, by reading each criterion for each session on its own."""
    age = {one.id: max(when(one.created_at), when(one.updated_at)) for one, _ in found}
    order = sorted((one for one, _ in found), key=lambda one: (age[one.id], one.id))

    def goes(one: SessionSummary) -> bool:
        idle = NOW - age[one.id]
        if idle < timedelta() or age[one.id] == when(UNKNOWN_TIME) or one.id in spared:
            return False
        if wanted.older_than is not None and not idle > wanted.older_than:
            return False
        if wanted.before is not None and not age[one.id] < wanted.before:
            return False
        if wanted.empty and one.message_count:
            return False
        if wanted.empty and wanted.older_than is None and wanted.before is None and not idle > timedelta(hours=1):
            return False
        newer = [o for o in order if o.po_name == one.po_name and (age[o.id], o.id) > (age[one.id], one.id)]
        return wanted.keep_last is None or len(newer) >= wanted.keep_last

    gone: list[str] = []
    for one in order:
        left = sum(size for other, size in found if other.id not in gone)
        if (wanted.max_size is None or left > wanted.max_size) and goes(one):
            gone.append(one.id)
    return gone


@given(stores(), any_criteria, st.sets(st.integers(0, 11)))
def test_what_is_taken_is_what_each_criterion_says(found, wanted, numbers):
    spared = {f"{ULID[:-2]}{number:02}" for number in numbers}
    asked = []

    def spare(one):
        asked.append(one.id)
        return "spared" if one.id in spared else None

    selection = select(iter(found), wanted, NOW, spare)
    chosen = [one.session.id for one in selection.chosen]
    assert chosen == naive(found, wanted, spared)
    assert len(asked) == len(set(asked))
    assert selection.rest == sum(size for one, size in found if one.id not in chosen)
    assert {one.session.id for one in selection.spared}.isdisjoint(chosen)
    assert all(one.reason for one in [*selection.chosen, *selection.spared])
    assert {(one.session, one.size) for one in selection.chosen} <= set(found)


@given(stores(), any_criteria)
def test_a_clock_that_goes_back_takes_fewer(found, wanted):
    if wanted.max_size is None:
        before = {one.session.id for one in select(found, wanted, NOW - 20 * DAY).chosen}
        assert before <= {one.session.id for one in select(found, wanted, NOW).chosen}


@pytest.mark.parametrize("given", [{}, {"empty": False}, {"keep_last": 0}, {"keep_last": -1}, {"max_size": 0}])
def test_criteria_that_mean_nothing_or_everything(given):
    with pytest.raises(InvalidInput) as caught:
        Criteria(**given)
    assert hint_of(caught.value)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"older_than": DAY}, "idle for 31 days"),
        ({"before": NOW, "empty": True}, "empty, idle for 31 days"),
        ({"empty": True}, "empty, idle for 31 days"),
        ({"keep_last": 1}, "not of the newest 1"),
        ({"max_size": 1000}, "more than 1.0 kB"),
    ],
)
def test_reasons(given, reason):
    at = timestamp(NOW - 31 * DAY)
    old = SessionSummary(ULID, "Old", "greeter", at, at)
    new = replace(old, id=OTHER, created_at=STAMP, message_count=1)
    (one,) = select([(old, 600), (new, 600)], Criteria(**given), NOW).chosen
    assert (one.session.id, one.reason) == (ULID, reason)


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=1), "1 second"),
        (timedelta(seconds=119), "119 seconds"),
        (timedelta(minutes=3), "3 minutes"),
        (timedelta(hours=47), "47 hours"),
        (timedelta(days=400), "400 days"),
    ],
)
def test_how_long_it_was_idle(ago, words):
    at = timestamp(NOW - ago)
    (one,) = select([(SessionSummary(ULID, "a", "b", at, at), 1)], Criteria(before=NOW), NOW).chosen
    assert one.reason == f"idle for {words}"


OLD = "2025-01-03T10:00:00.000Z"
WANTED = Criteria(older_than=DAY)


def reasons(selection) -> dict[str, str]:
    return {one.session.id: one.reason for one in selection.spared}


@pytest.fixture
def pointers():
    return MemoryPointers()


def test_what_is_never_chosen(store, pointers):
    ids = [f"{ULID[:-2]}{number:02}" for number in range(8)]
    store.create(session(ids[0]))
    store.create(session(ids[1], pinned=True))
    store.create(Session.from_dict({**session(ids[2]).to_dict(), "pinned": "yes"}))
    store.create(session(ids[3], pinned=False))
    store.create(session(ids[4], version=2))
    store.create(session(ids[5], updated_at=timestamp(NOW + DAY)))
    store.create(replace(session(ids[6], updated_at=UNKNOWN_TIME), created_at=UNKNOWN_TIME))
    store.create(session(ids[7]))
    pointers.change(lambda state: state.with_session("greeter", ids[0]))
    with store.turn(ids[7], "send"):
        selection = plan(store, pointers, Criteria(before=NOW + 9 * DAY), NOW)
    assert [one.session.id for one in selection.chosen] == [ids[3]]
    assert reasons(selection) == {
        ids[0]: "current",
        ids[1]: "pinned",
        ids[2]: "pinned",
        ids[4]: "of a newer version",
        ids[5]: "from the future",
        ids[6]: "of unknown age",
        ids[7]: "in use",
    }


def test_the_copy_of_an_old_session_is_as_young_as_it_is(store, pointers):
    store.create(replace(session(), created_at=STAMP))
    assert plan(store, pointers, WANTED, NOW).chosen == []


def test_choosing_within_a_prompt_object(store, pointers):
    store.create(session(ULID, "a", "greeter"))
    store.create(session(OTHER, "b", "reader"))
    assert [one.session.id for one in plan(store, pointers, WANTED, NOW, "reader").chosen] == [OTHER]
    assert len(plan(store, pointers, WANTED, NOW).chosen) == 2


CHANGES = {
    "changed": lambda store, _: store.append(ULID, user("new")),
    "pinned": lambda store, _: store.update(ULID, lambda one: replace(one, pinned=True)),
    "current": lambda store, pointers: pointers.change(lambda state: state.with_session("greeter", ULID)),
    "gone already": lambda store, _: store.purge(ULID, STAMP),
}


@pytest.mark.parametrize("purge", [False, True])
@pytest.mark.parametrize("why", CHANGES)
def test_what_changes_before_its_turn_stays(why, purge, store, pointers):
    store.create(session(ULID, "a", history=(user("old"),)))
    store.create(session(OTHER, "b"))
    selection = plan(store, pointers, WANTED, NOW)
    assert len(selection.chosen) == 2
    CHANGES[why](store, pointers)
    done = {one.choice.session.id: one for one in carry_out(selection.chosen, store, pointers, now, purge=purge)}
    assert (done[ULID].spared, done[ULID].trash_id) == (why, None)
    assert (done[OTHER].spared, done[OTHER].trash_id is None) == (None, purge)
    assert store.find("") == [ULID] * (why != "gone already")


def test_a_session_given_to_another_prompt_object_stays(store, pointers):
    store.create(session(ULID, "a"))
    selection = plan(store, pointers, WANTED, NOW, "greeter")
    store.update(ULID, lambda one: replace(one, po_name="reader"))
    assert [one.spared for one in carry_out(selection.chosen, store, pointers, now)] == ["changed"]


def test_what_is_held_by_then_stays_and_is_not_waited_for(open_store, pointers):
    store = open_store(lock_timeout=60)
    store.create(session(ULID, "a"))
    selection = plan(store, pointers, WANTED, NOW)
    began = time.monotonic()
    with store.turn(ULID, "send"):
        (one,) = carry_out(selection.chosen, store, pointers, now)
    assert (one.spared, time.monotonic() - began < 30) == ("in use", True)
    assert store.load(ULID).name == "a"


def test_nothing_points_at_what_is_gone(store, pointers):
    store.create(session(ULID, "a"))
    store.create(session(OTHER, "b"))
    pointers.change(lambda state: state.with_session("greeter", ULID).with_session("greeter", OTHER))
    assert pointers.read().pointer("greeter").previous == ULID
    (one,) = carry_out(plan(store, pointers, WANTED, NOW).chosen, store, pointers, now)
    assert one.choice.session.id == ULID
    assert pointers.read().pointer("greeter") == pointers.read().pointer("greeter")._replace(
        current=OTHER, previous=None
    )


def test_what_is_known_without_the_messages(store):
    made = session(UUID, history=(user("a" * 100),), pinned=True)
    store.create(made)
    about = store.head(UUID)
    assert (about.summary, about.version, about.pinned, about.whole) == (made.summary(), 1, True, True)
    assert about.active_at == made.updated_at
    assert about.size is None or about.size > 100
    if files := ability(store, LocalFiles):
        assert list(files.with_sizes("greeter")) == [(made.summary(), about.size)]
        assert list(files.with_sizes("nobody")) == []
