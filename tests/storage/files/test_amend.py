from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.builders import ULID, assistant, session, user

from po_sessions import atomic
from po_sessions.errors import Unreadable
from po_sessions.session import Session
from po_sessions.storage import load, open_storage
from po_sessions.storage.files import codec, parsing

HISTORY = (user("a"), assistant("b", model="m", usage={"input": 1, "output": 2}), user("c"), assistant("d"))


@pytest.fixture
def store(tmp_path):
    made = open_storage("files", root=str(tmp_path / "store"))
    made.create(session(*HISTORY))
    return made


def renamed(one: Session) -> Session:
    return replace(one, name="Coffee", tags=("x",), note="n")


@pytest.mark.parametrize("ranges", [True, False])
def test_an_amended_file_is_the_one_that_is_written_whole(ranges, store, monkeypatch):
    if not ranges:
        monkeypatch.delattr("os.copy_file_range", raising=False)
    summary = store.amend(ULID, renamed)
    assert Path(store.path(ULID)).read_bytes() == codec.encode(renamed(session(*HISTORY)))
    assert summary == store.summary(ULID) == load(store, ULID).summary()
    store.append(ULID, user("more"))
    assert load(store, ULID).message_count == 5


def test_the_history_is_neither_read_nor_checked(store, monkeypatch):
    path = Path(store.path(ULID))
    damaged = path.read_bytes().replace(b'"b"', b'"\0"')
    path.write_bytes(damaged)
    monkeypatch.setattr(parsing, "parse", lambda *_: pytest.fail("parsed"))
    seen = []
    store.amend(ULID, lambda one: seen.append(one.history) or renamed(one))
    assert seen == [()]
    at = damaged.index(b"\n")
    assert damaged[at : damaged.index(b"\n]")] in path.read_bytes()


def test_a_torn_end_is_repaired_first(store):
    path = Path(store.path(ULID))
    path.write_bytes(path.read_bytes()[:-20])
    store.amend(ULID, renamed)
    assert load(store, ULID) == replace(renamed(session(*HISTORY)), updated_at=load(store, ULID).updated_at)
    assert json.loads(path.read_bytes())["message_count"] == 4


def test_a_change_of_the_header_adds_no_message(store):
    before = Path(store.path(ULID)).read_bytes()
    with pytest.raises(ValueError, match="may not"):
        store.amend(ULID, lambda one: replace(one, history=(user("x"),)))
    with pytest.raises(ValueError, match="may not"):
        store.amend(ULID, lambda one: replace(one, id="01ARZ3NDEKTSV4RRFFQ69G5FAW"))
    assert Path(store.path(ULID)).read_bytes() == before


def test_a_doubled_file_is_refused(store):
    path = Path(store.path(ULID))
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(Unreadable):
        store.amend(ULID, renamed)
    assert path.read_bytes() == path.read_bytes()[: len(path.read_bytes()) // 2] * 2


def test_a_file_that_is_cut_while_it_is_copied_is_an_error(tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"x" * 10)
    with source.open("rb") as one, target.open("wb") as other, pytest.raises(OSError, match="cut"):
        atomic.copy_range(one.fileno(), other.fileno(), 0, 20, 0)
