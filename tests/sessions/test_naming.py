"""A name is given to one session at most, also in a store that holds each name by itself."""

from __future__ import annotations

import pytest
from support.foreign_store import ForeignStore

from po_sessions.errors import Busy
from po_sessions.sessions.manager import SessionManager
from po_sessions.sessions.naming import FreeNames, claimed

LONG = "x" * 178 + " 12 " + "y" * 18


@pytest.fixture
def store(tmp_path):
    return ForeignStore(root=str(tmp_path), lock_timeout=0.05)


@pytest.mark.parametrize(
    ("held", "base"),
    [
        ("Session", "Session"),
        ("Session 2", "Session"),
        ("Session", "Session 2"),
        ("Tea 3 2", "Tea 3"),
        (LONG + "abc", LONG + "abc"),
    ],
)
def test_a_name_and_what_numbers_make_of_it_are_held_together(held, base, store):
    made = FreeNames({base}).take(base)
    for name in (base, made):
        with claimed(store, "greeter", held), pytest.raises(Busy), claimed(store, "greeter", name):
            pass


def test_other_names_and_prompt_objects_are_free_meanwhile(store, clock):
    manager = SessionManager(store, clock=clock)
    with claimed(store, "greeter", "Session 2"):
        assert manager.create("greeter", "Tea").name == "Tea"
        assert manager.create("reader").name == "Session"
        with pytest.raises(Busy):
            manager.create("greeter")
    assert manager.create("greeter").name == "Session"
