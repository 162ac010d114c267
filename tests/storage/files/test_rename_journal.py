"""The journal of a rename is looked for once in each operation, however many sessions it reads."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.named import session

from po_sessions import bounded
from po_sessions.storage.files.store import FileStore

IDS = [f"01ARZ3NDEKTSV4RRFFQ69G{number:04}" for number in range(5)]


@pytest.fixture
def store(tmp_path) -> FileStore:
    store = FileStore(str(tmp_path / "store"))
    for id in IDS:
        store.create(session(id, f"Name {id}"))
    return store


OPERATIONS: dict[str, Callable[[FileStore], object]] = {
    "list": lambda store: list(store.list()),
    "list of a prompt object": lambda store: list(store.list(po_name="greeter")),
    "taken names": lambda store: store.taken_names("greeter"),
    "read": lambda store: store.load(IDS[0]),
}


@pytest.mark.parametrize("what", OPERATIONS)
def test_an_operation_looks_for_the_journal_once(what, store, monkeypatch):
    looked = []

    def read(path: str, *more: int) -> bytes:
        if path.endswith("/.rename"):
            looked.append(path)
        return real(path, *more)

    real = bounded.read
    monkeypatch.setattr(bounded, "read", read)
    OPERATIONS[what](store)
    assert len(looked) == 1


def test_a_rename_in_progress_holds_for_every_session_of_a_listing(store, tmp_path):
    (tmp_path / "store" / "sessions" / ".rename").write_text('{"version":1,"old":"greeter","new":"host"}')
    assert {one.po_name for one in store.list()} == {"host"}
    assert len(list(store.list(po_name="host"))) == len(IDS)
    assert list(store.list(po_name="greeter")) == []
    assert len(store.taken_names("host")) == len(IDS)
    assert store.taken_names("greeter") == set()
