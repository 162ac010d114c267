"""Taking messages out of a session: what stays is copied unread, and is what would have been written anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import ULID, assistant, messages, session, user

from po_sessions.errors import Unreadable
from po_sessions.message import STANDS_FOR, Message
from po_sessions.storage.files import codec, parsing
from po_sessions.storage.files.store import FileStore
from po_sessions.storage.records import cut_apart

NOW = "2025-01-03T11:00:00.000Z"


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(str(tmp_path / "store"), lock_timeout=0.2)


@settings(max_examples=200, deadline=None)
@given(st.lists(messages, min_size=1, max_size=7), st.data())
@pytest.mark.slow
def test_it_is_as_if_the_file_had_been_written_anew(tmp_path_factory, history, data):
    store = FileStore(str(tmp_path_factory.mktemp("store")), lock_timeout=0.2)
    start = data.draw(st.integers(0, len(history) - 1))
    end = data.draw(st.integers(start + 1, len(history)))
    store.create(session(*history))
    undone, left = cut_apart(store.load(ULID), start, end)
    summary, entry = store.cut(ULID, start, end, NOW)
    assert store.load(ULID) == left
    assert summary == left.summary()
    assert store.trashed(entry) == undone
    assert parsing.parse(Path(store.path(ULID)).read_bytes(), "").session.summary() == store.head(ULID).summary


def big(store: FileStore) -> Path:
    usage = {"input": 3, "output": 2}
    said = [one for n in range(20) for one in (user(f"q{n}"), assistant(f"a{n}", model="m", usage=usage))]
    store.create(session(*said))
    return Path(store.path(ULID))


@pytest.mark.parametrize(("start", "end"), [(38, 40), (20, 40), (39, 40), (1, 40), (0, 40)])
def test_what_stays_is_not_read(start, end, store, monkeypatch):
    file = big(store)
    before = file.read_bytes().split(b"\n")
    monkeypatch.setattr(parsing, "parse", lambda *_: pytest.fail("read whole"))
    summary, _ = store.cut(ULID, start, end, NOW)
    assert summary.message_count == start
    assert file.read_bytes().split(b"\n")[1 : start + 1] == before[1 : start + 1]
    assert summary.spent == 100


def test_a_message_in_the_middle_goes_without_a_look_at_the_rest(store, monkeypatch):
    store.create(session(user("q"), assistant("a"), Message("system", "s", None, {STANDS_FOR: 2}), user("r")))
    monkeypatch.setattr(parsing, "parse", lambda *_: pytest.fail("read whole"))
    store.cut(ULID, 2, 3, NOW)
    assert [one["content"] for one in json.loads(Path(store.path(ULID)).read_bytes())["history"]] == ["q", "a", "r"]


def test_damage_before_the_cut_stays_as_it_is(store):
    file = big(store)
    file.write_bytes(file.read_bytes().replace(b"q3", b"q\0"))
    store.cut(ULID, 38, 40, NOW)
    assert b"q\0" in file.read_bytes()
    with store.reading(ULID, on_gap=lambda *_: None) as opened:
        assert [one.is_gap for one in opened.history].count(True) == 1


def test_damage_within_the_cut_is_refused_and_nothing_changes(store):
    file = big(store)
    file.write_bytes(file.read_bytes().replace(b"q19", b"q\0\0"))
    before = file.read_bytes()
    with pytest.raises(Unreadable):
        store.cut(ULID, 38, 40, NOW)
    assert (file.read_bytes(), store.trash()) == (before, [])


def test_the_totals_are_those_of_what_stays(store):
    big(store)
    store.append(ULID, user("q"))
    store.append(ULID, assistant("a", model="other", usage={"input": 1, "output": 1}))
    assert set(store.summary(ULID).totals or ()) == {"m", "other"}
    summary, _ = store.cut(ULID, 40, 42, NOW)
    assert summary.totals == codec.read_footer(footer(store))["totals"]["models"]
    assert set(summary.totals or ()) == {"m"}
    assert summary.spent == 102
    assert store.cut(ULID, 20, 40, NOW)[0].totals == {"m": {**dict.fromkeys(summary.totals["m"], 0), **HALF}}


HALF = {"replies": 10, "input": 30, "output": 20}


def footer(store: FileStore) -> bytes:
    data = Path(store.path(ULID)).read_bytes()
    return data[data.rindex(b"],") :]


def test_a_question_in_the_middle_is_cut_by_writing_anew(store):
    big(store)
    summary, _ = store.cut(ULID, 0, 2, NOW)
    assert (summary.preview, summary.turn_count) == ("q1", 19)


def test_a_summary_that_cost_nothing_is_in_no_totals(store):
    nothing = {"model": "m", "usage": {}}
    store.create(
        session(user("q"), Message("system", "s", None, {STANDS_FOR: 1, **nothing}), assistant("a", **nothing))
    )
    summary, _ = store.cut(ULID, 2, 3, NOW)
    assert summary.totals == store.load(ULID).summary().totals == {}
