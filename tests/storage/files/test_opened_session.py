"""Sessions whose history stays in its file: the same as when it is in memory, and memory does not grow with it."""

from __future__ import annotations

import json
import os
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import ULID, assistant, user
from support.window_messages import message, summary

from po_sessions.errors import SessionNotFound, Unreadable
from po_sessions.layout import lines
from po_sessions.message import Message
from po_sessions.session import Session
from po_sessions.storage import open_storage
from po_sessions.storage.files import codec

WHEN = "2025-01-03T10:00:00.000Z"


def session(*history, **keys):
    return Session(ULID, "Default", "greeter", WHEN, WHEN, tuple(history), **keys)


@pytest.fixture
def files(tmp_path):
    return open_storage("files", root=str(tmp_path / "store"), lock_timeout=0.2)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "store" / "sessions" / f"{ULID}.json"


@settings(max_examples=100, deadline=None)
@given(st.lists(message(), max_size=8), st.integers(-10, 10), st.integers(-10, 10), st.integers(4, 80))
def test_it_is_the_same_as_in_memory(tmp_path_factory, monkeypatch_block, history, first, end, block):
    monkeypatch_block(block)
    stored = session(*history, metadata={"a": 1}, extra={"labels": ["x"]})
    store = open_storage("files", root=str(tmp_path_factory.mktemp("store")))
    store.create(stored)
    with store.reading(ULID) as opened:
        assert len(opened.history) == len(history)
        assert tuple(opened.history) == stored.history
        assert tuple(reversed(opened.history)) == stored.history[::-1]
        assert tuple(opened.history[first:end]) == stored.history[first:end]
        assert tuple(reversed(opened.history[first:end])) == stored.history[first:end][::-1]
        assert tuple(opened.history[first:][1:end]) == stored.history[first:][1:end]
        assert tuple(opened.history[::-2]) == stored.history[::-2]
        assert [opened.history[at] for at in range(-len(history), len(history))] == list(history) * 2
        with pytest.raises(IndexError):
            opened.history[len(history)]
        assert opened.summary() == stored.summary()
        assert opened.summary_at() == stored.summary_at()
        assert opened.last_turn() == stored.last_turn() == next(reversed(list(stored.turns())), None)
        assert b"".join(opened.encoded()) == b"".join(stored.encoded())
        assert opened.to_dict() == stored.to_dict()


@pytest.fixture(scope="module")
def monkeypatch_block():
    patch = pytest.MonkeyPatch()
    yield lambda size: patch.setattr(lines, "_BLOCK", size)
    patch.undo()


def test_what_is_written_meanwhile_is_not_in_it(files):
    files.create(session(user("one")))
    with files.reading(ULID) as opened:
        files.append(ULID, assistant("1"))
        files.update(ULID, lambda one: one)
        files.append(ULID, user("two"))
        assert [one.content for one in opened.history] == ["one"]
        assert opened.message_count == opened.summary().message_count == 1
    with files.reading(ULID) as opened:
        assert [one.content for one in opened.history] == ["one", "1", "two"]


def test_a_torn_end_is_left_out(files, file):
    files.create(session(user("one"), assistant("1")))
    file.write_bytes(file.read_bytes()[:-40])
    with files.reading(ULID) as opened:
        assert [one.content for one in opened.history] == ["one", "1"]


def test_another_layout_is_read(files, file):
    files.create(session(user("one"), assistant("1")))
    file.write_text(json.dumps(json.loads(file.read_text()), indent=2))
    with files.reading(ULID) as opened:
        assert [one.content for one in opened.history] == ["one", "1"]


def test_messages_laid_out_anew_between_our_first_and_last_line(files, file):
    files.create(session(user("one"), assistant("1"), user("two")))
    first, *messages, last, brace = file.read_bytes().splitlines()
    broken = b"\n".join([first, messages[0], messages[1].replace(b',"content"', b',\n"content"'), messages[2], last])
    file.write_bytes(broken + b"\n" + brace + b"\n")
    with files.reading(ULID) as opened:
        assert [one.content for one in opened.history] == ["one", "1", "two"]
        assert [one.content for one in reversed(opened.history)] == ["two", "1", "one"]
        assert json.loads(b"".join(opened.encoded()))["history"] == opened.to_dict()["history"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line[:-5],
        lambda line: line.replace(b"role", b"rule"),
        lambda line: line.replace(b"Hello", b"\0\0\0\0\0"),
        lambda line: line.replace(b"Hello", b"\xff\xfe\xfd\xfc\xfb"),
        lambda line: line.replace(b",{", b"{"),
    ],
)
def test_damage_in_the_middle_is_named_with_its_place(damage, files, file):
    files.create(session(user("one"), assistant("Hello"), user("two")))
    before, after = file.read_bytes().split(b',{"role":"assistant"')
    line, after = after.split(b"\n", 1)
    file.write_bytes(before + damage(b',{"role":"assistant"' + line) + b"\n" + after)
    for look in (
        lambda one: list(one.history),
        lambda one: list(reversed(one.history)),
        lambda one: list(one.encoded()),
    ):
        with pytest.raises(Unreadable, match=rf"{ULID}.json cannot be read at byte"), files.reading(ULID) as opened:
            look(opened)


def test_a_session_that_is_not_there(files):
    with pytest.raises(SessionNotFound), files.reading(ULID):
        pass


def test_the_newest_summary_is_found_without_reading_the_rest(files, monkeypatch):
    hello = Message("user", 'says it "stands_for"', WHEN)
    files.create(
        session(user("one"), assistant("1"), summary("They said one."), *[user("x"), assistant("x")] * 500, hello)
    )
    looked = 0
    original = codec.read_message

    def counting(line, *, first):
        nonlocal looked
        looked += 1
        return original(line, first=first)

    monkeypatch.setattr("po_sessions.storage.files.lazy_history.read_message", counting)
    with files.reading(ULID) as opened:
        assert opened.summary_at() == 2
    assert looked == 2


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(files):
    from po_sessions import formats

    text = "x" * 1000
    files.create(session(*[user(text), assistant(text)] * 10_000))  # 20 MB
    for name in formats.FORMATS:
        tracemalloc.start()
        with files.reading(ULID) as opened:
            size = sum(map(len, formats.format_named(name).encode(opened)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert size > 20_000_000
        assert peak < 4_000_000, name


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("ab", max_size=20).map(str.encode), max_size=8), st.integers(1, 12))
def test_lines(tmp_path_factory, monkeypatch_block, some, block):
    monkeypatch_block(block)
    data = b"".join(line + b"\n" for line in some)
    path = tmp_path_factory.mktemp("lines") / "file"
    path.write_bytes(b"head\n" + data + b"tail")
    start, end = 5, 5 + len(data)
    places = [start + sum(len(line) + 1 for line in some[:at]) for at in range(len(some) + 1)]
    with path.open("rb") as file:
        fd = file.fileno()

        def read(size, at):
            return os.pread(fd, size, at)

        assert b"".join(lines.blocks(read, start, end)) == data
        assert all(piece.endswith(b"\n") for piece in lines.blocks(read, start, end))
        assert list(lines.forwards(read, start, end)) == some
        assert list(lines.backwards(read, start, end)) == some[::-1]
        assert list(lines.backwards(read, start, end, b"a")) == [line for line in some[::-1] if b"a" in line]
        for count in range(len(some) + 1):
            assert lines.after(read, start, end, count) == places[count]
            assert lines.before(read, start, end, count) == places[len(some) - count]


def test_damage_found_late_costs_no_other_session(files, file, po):
    files.create(session(user("one"), assistant("Hello"), user("two")))
    other = "01ARZ3NDEKTSV4RRFFQ69G5FAW"
    files.create(Session(other, "Other", "greeter", WHEN, WHEN, (user("three"),)))
    file.write_bytes(file.read_bytes().replace(b'"content":"Hello"', b'"content":"Hello'))
    for name in ("jsonl", "json"):
        done = po("--root", str(file.parent.parent), "session", "export", "--all", "--format", name)
        assert done.exit_code == 7
        assert "cannot be read at byte" in done.stderr
        there = list(map(json.loads, done.stdout.splitlines())) if name == "jsonl" else json.loads(done.stdout)
        (damaged,) = (one for one in there if one["id"] != other)
        assert len(there) == 2
        assert [one["content"] for one in damaged["history"]][::2] == ["one", "two"]
        assert damaged["history"][1]["damaged"]
