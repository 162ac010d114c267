"""Pointers as values."""

from __future__ import annotations

from po_sessions.pointers import Pointer, Pointers

POINTER = Pointer("01JGMZ0000000000000000000A", None)


def test_each_name_is_asked_for_once():
    asked = []

    def now(name: str) -> str:
        asked.append(name)
        return name

    pointers = Pointers("greeter", {"greeter": POINTER, "reader": POINTER})
    assert pointers.renamed(now) is pointers
    assert sorted(asked) == ["greeter", "reader"]


def test_a_name_that_was_changed_is_changed_in_both_places():
    new = {"greeter": "host"}
    pointers = Pointers("greeter", {"greeter": POINTER, "reader": POINTER})
    changed = pointers.renamed(lambda name: new.get(name, name))
    assert changed == Pointers("host", {"reader": POINTER, "host": POINTER})
    assert Pointers("greeter").renamed(lambda name: new.get(name, name)) == Pointers("host")
