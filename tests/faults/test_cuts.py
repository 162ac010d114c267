"""Power cuts and kills in the middle of an append: no acknowledged message is lost, and the next append works.

`PO_TEST_ALL_FAULTS=1` tries every state that a cut can leave, and not a sample.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from dataclasses import replace

import pytest
from support.builders import ULID, assistant, session, user
from support.selection import slow_but

from po_sessions.errors import Unreadable
from po_sessions.message import Message
from po_sessions.storage import open_storage
from po_sessions.storage.files import appending, codec, parsing
from po_sessions.text.times import UNKNOWN_TIME


def states(old: bytes, new: bytes, sector: int) -> list[bytes]:
    """Return what a cut write can leave: any of the sectors that differ old (or never written), the others new."""
    size = -(-len(new) // sector)
    differ = [i for i in range(size) if old[i * sector : (i + 1) * sector] != new[i * sector : (i + 1) * sector]]
    padded = old.ljust(len(new), b"\0")  # what was never written reads as zeros once the file is longer
    made = []
    for mask in range(1 << min(len(differ), 8)):
        mixed = bytearray(padded)
        for bit, i in enumerate(differ):
            if mask >> bit & 1:
                mixed[i * sector : (i + 1) * sector] = new[i * sector : (i + 1) * sector]
        made.append(bytes(mixed[: len(new)]))
    return made


def cuts(history: tuple[Message, ...], message: Message) -> list[bytes]:
    """Return every state that a cut append of `message` can leave."""
    old = codec.encode(session(*history))
    with tempfile.TemporaryFile() as file:
        file.write(old)
        file.flush()
        tail = appending.read_tail(file.fileno())
        assert tail is not None
        append = appending.plan_append(tail, message)
    new = old[: append.offset] + append.data
    prefixes = [old[: append.offset] + append.data[:n] + old[append.offset + n :] for n in range(len(append.data))]
    truncated = [old[: append.offset] + append.data[:n] for n in range(len(append.data))]
    return [*prefixes, *truncated, *states(old, new, 512), *states(old, new, 4096)]


CASES = [
    ((), user("first")),
    ((user("a"),), assistant("b" * 700)),
    ((user("a"), assistant("b")), user("ü" * 900)),
    ((user("x" * 480), assistant("y" * 500)), user("z" * 2000)),
    ((user("x" * 5000),), assistant("short")),
    ((user("x" * 3000), assistant("y" * 1200)), assistant("ü" * 1500, usage={"input": 1, "output": 2})),
]
ALL = bool(os.environ.get("PO_TEST_ALL_FAULTS"))
SAMPLE = 400
"""How many states of each case are tried otherwise."""


def test_the_cuts_are_many(capsys):
    counts = [len(cuts(*case)) for case in CASES]
    tried = sum(counts) if ALL else sum(min(count, SAMPLE) for count in counts)
    with capsys.disabled():
        sys.stdout.write(f"\n{tried} of {sum(counts)} states of a cut append are tried.\n")
    assert sum(counts) >= 5_000


@pytest.mark.parametrize("case", slow_but(range(len(CASES)), 0))
def test_no_cut_loses_an_acknowledged_message(case, fast):
    history, message = CASES[case]
    acknowledged = [one.content for one in history]
    store = open_storage("files", root=str(fast / "store"))
    store.create(session(*history))
    path = store.path(ULID)
    left = cuts(history, message)
    assert len(left) > 100
    for data in left if ALL else random.Random(case).sample(left, min(len(left), SAMPLE)):
        with open(path, "wb") as file:
            file.write(data)
        loaded = store.load(ULID)
        assert replace(loaded, history=(), updated_at=UNKNOWN_TIME) == replace(session(), updated_at=UNKNOWN_TIME)
        found = [one.content for one in loaded.history]
        assert found in (acknowledged, [*acknowledged, message.content])
        store.append(ULID, user("next"))
        assert [one.content for one in store.load(ULID).history] == [*found, "next"]
        with open(path, "rb") as file:
            assert parsing.parse(file.read(), path).torn is None


def test_what_a_repair_cuts_off_is_kept_and_told(tmp_path):
    said: list[str] = []
    store = open_storage("files", root=str(tmp_path / "store"), notice=said.append)
    store.create(session(user("a")))
    with open(store.path(ULID), "rb+") as file:
        whole = file.read()
        at = whole.rindex(b"],")
        file.seek(at)
        file.write(b',{"role":"assistant","content":"half')
        file.truncate()
    assert [one.content for one in store.load(ULID).history] == ["a"]
    assert said == []
    store.append(ULID, user("b"))
    assert [one.content for one in store.load(ULID).history] == ["a", "b"]
    (kept,) = os.listdir(tmp_path / "store" / "trash")
    assert (tmp_path / "store" / "trash" / kept).read_bytes() == b',{"role":"assistant","content":"half'
    assert len(said) == 1
    assert "its last write had been cut" in said[0]


def test_what_is_damaged_elsewhere_is_never_written_to(tmp_path):
    store = open_storage("files", root=str(tmp_path / "store"))
    store.create(session(user("a"), assistant("b"), user("c")))
    path = store.path(ULID)
    with open(path, "rb+") as file:
        data = file.read().replace(b'"content":"a"', b'"content":a"')
        file.seek(0)
        file.write(data)
        file.truncate()
    with pytest.raises(Unreadable):
        store.load(ULID)
    # The end is sound, so an append would succeed; it goes where it does no harm, and the damage stays visible.
    with open(path, "rb") as file:
        assert file.read() == data
