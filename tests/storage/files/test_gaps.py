"""Damage per message: what can be read of a session is read, and a gap stands for the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.builders import ULID, assistant, session, user

from po_sessions.errors import Conflict, NewerVersion, Unreadable
from po_sessions.message import Message
from po_sessions.storage.files import parsing
from po_sessions.storage.files.store import FileStore
from po_sessions.turns.window import window

TURNS = 5
TEXTS = [text for number in range(TURNS) for text in (f"q{number} ?", f"a{number} !")]

Harm = Callable[[bytes], bytes]


def replaced(old: bytes, new: bytes) -> Harm:
    def harm(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new, 1)

    return harm


def both(*harms: Harm) -> Harm:
    def harm(data: bytes) -> bytes:
        for one in harms:
            data = one(data)
        return data

    return harm


HARMS: dict[str, tuple[Harm, list[int]]] = {
    "a NUL": (replaced(b"q2 ?", b"q\0 ?"), [5]),
    "no UTF-8": (replaced(b"a2 !", b"a\xff !"), [6]),
    "a quote": (replaced(b"q2 ?", b'q" ?'), [5]),
    "longer": (replaced(b"q2 ?", b'q" longer ?'), [5]),
    "shorter": (replaced(b'"content":"q2 ?"', b""), [5]),
    "a role of nobody": (replaced(b'"role":"assistant","content":"a2', b'"role":"assistent","content":"a2'), [6]),
    "the first": (replaced(b"q0 ?", b"q\0 ?"), [1]),
    "the last but one": (replaced(b"q4 ?", b"q\0 ?"), [9]),
    "two in a row": (both(replaced(b"q2 ?", b"q\0 ?"), replaced(b"a2 !", b"a\0 !")), [5, 6]),
    "two apart": (both(replaced(b"q1 ?", b"q\0 ?"), replaced(b"a3 !", b"a\0 !")), [3, 8]),
    "a torn end too": (lambda data: replaced(b"q2 ?", b"q\0 ?")(data)[: data.index(b"a4 !")], [5]),
    "a missing comma": (replaced(b',{"role":"user","content":"q2', b' {"role":"user","content":"q2'), [5]),
}


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    made = FileStore(str(tmp_path / "store"), lock_timeout=0.2)
    said = [message for n in range(TURNS) for message in (user(f"q{n} ?"), assistant(f"a{n} !"))]
    made.create(session(*said))
    return made


@pytest.fixture
def file(store: FileStore) -> Path:
    return Path(store.path(ULID))


def read(store: FileStore) -> tuple[list[Message], list[int]]:
    """Return the history with its gaps, and the numbers of what was reported."""
    found: list[int] = []
    with store.reading(ULID, on_gap=lambda number, _: found.append(number)) as opened:
        return list(opened.history), found


@pytest.mark.parametrize("name", HARMS)
def test_the_rest_is_read_and_the_gap_is_reported(name, store, file):
    harm, damaged = HARMS[name]
    file.write_bytes(harm(file.read_bytes()))
    history, reported = read(store)
    assert reported == damaged
    assert [number for number, one in enumerate(history, 1) if one.is_gap] == damaged
    for number, one in enumerate(history, 1):
        assert one.is_gap or one.content == TEXTS[number - 1]
    assert len(history) == (TURNS * 2 - 1 if name == "a torn end too" else TURNS * 2)
    with pytest.raises(Unreadable, match="cannot be read at byte"), store.reading(ULID) as opened:
        list(opened.history)


@pytest.mark.parametrize("name", HARMS)
def test_what_is_exported_is_json_with_the_gap_in_its_place(name, store, file):
    harm, damaged = HARMS[name]
    file.write_bytes(harm(file.read_bytes()))
    found: list[int] = []
    with store.reading(ULID, on_gap=lambda number, _: found.append(number)) as opened:
        history = json.loads(b"".join(opened.encoded()))["history"]
    assert [number for number, one in enumerate(history, 1) if "damaged" in one] == damaged == found
    assert all("damaged" in one or one["content"] == TEXTS[at] for at, one in enumerate(history))


@pytest.mark.parametrize("damage", [b'{"content":1}', b'["a"]', b'"a"', b'{"role":"user","content":NaN}'])
def test_a_line_that_only_looks_like_a_message_is_not_exported(damage, store, file):
    line = next(line for line in file.read_bytes().split(b"\n") if b"q2 ?" in line)
    file.write_bytes(file.read_bytes().replace(line, b"," + damage))
    with pytest.raises(Unreadable), store.reading(ULID) as opened:
        list(opened.encoded())


def test_a_message_that_was_broken_in_two_is_two_gaps(store, file):
    file.write_bytes(file.read_bytes().replace(b"q2 ?", b"q2\n?"))
    history, reported = read(store)
    assert reported == [5, 6]
    assert [one.content for one in history if not one.is_gap] == [text for text in TEXTS if text != "q2 ?"]


def test_a_gap_has_the_role_that_can_still_be_read(store, file):
    file.write_bytes(
        file.read_bytes().replace(b"q1 ?", b"q\0 ?").replace(b'"role":"assistant","content":"a2', b"x" * 9)
    )
    history, _ = read(store)
    assert [(one.role, one.content, one.created_at) for one in history if one.is_gap] == [
        ("user", "[damaged: 73 bytes cannot be read]", None),
        ("system", "[damaged: 55 bytes cannot be read]", None),
    ]


def test_a_part_without_damage_is_read_without_a_gap(store, file):
    file.write_bytes(file.read_bytes().replace(b"q2 ?", b"q\0 ?"))
    found: list[int] = []
    with store.reading(ULID, on_gap=lambda number, _: found.append(number)) as opened:
        assert [one.content for one in opened.history[6:]] == TEXTS[6:]
        assert found == []
        assert [one.is_gap for one in opened.history[3:6]] == [False, True, False]
        assert found == [5]
        assert [one.is_gap for one in reversed(opened.history[3:6])] == [False, True, False]


def test_the_file_is_parsed_once_however_many_gaps_there_are(store, file, monkeypatch):
    file.write_bytes(file.read_bytes().replace(b" !", b"\0!", TURNS - 1))
    parsed = []
    real = parsing.parse
    monkeypatch.setattr(
        "po_sessions.storage.files.lazy_history.parse", lambda *args: parsed.append(args) or real(*args)
    )
    assert len(read(store)[1]) == TURNS - 1
    assert len(parsed) == 1


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: data + data,
        lambda data: data.replace(b"\n,", b"\n" + data.split(b"\n")[0] + b"\n,", 1).replace(b"q2 ?", b"q\0 ?"),
        lambda data: b"\0" + data[1:],
        lambda data: bytes(len(data)),
        lambda data: b"[" + data,
    ],
)
def test_what_may_be_another_file_is_not_read_in_part(harm, store, file):
    file.write_bytes(harm(file.read_bytes()))
    with pytest.raises(Unreadable):
        read(store)
    before = file.read_bytes()
    with pytest.raises(Unreadable):
        store.salvage(ULID, lambda path: path)
    assert file.read_bytes() == before


@pytest.mark.parametrize("name", HARMS)
def test_what_is_salvaged_goes_on(name, store, file, tmp_path):
    harm, damaged = HARMS[name]
    file.write_bytes(harm(file.read_bytes()))
    before = file.read_bytes()

    def keep(path: str) -> str:
        (tmp_path / "kept").write_bytes(Path(path).read_bytes())
        return "there"

    assert store.salvage(ULID, keep) == "there"
    assert (tmp_path / "kept").read_bytes() == before
    found = store.load(ULID)
    assert [number for number, one in enumerate(found.history, 1) if one.is_gap] == damaged
    assert found.name == "Tea"
    assert store.append(ULID, user("next")).message_count == len(found.history) + 1
    assert [one.message_count for one in store.list(name="Tea")] == [len(store.load(ULID).history)]


def test_a_session_that_is_not_damaged_is_not_salvaged(store, file):
    before = file.read_bytes()
    with pytest.raises(Conflict, match="has changed since"):
        store.salvage(ULID, lambda path: path)
    assert file.read_bytes() == before


def test_a_session_of_a_newer_version_is_not_salvaged(store, file):
    file.write_bytes(file.read_bytes().replace(b'"version":1', b'"version":9').replace(b"q2 ?", b"q\0 ?"))
    with pytest.raises(NewerVersion):
        store.salvage(ULID, lambda path: path)


def test_a_gap_is_not_sent(store, file):
    file.write_bytes(file.read_bytes().replace(b"q2 ?", b"q\0 ?").replace(b"a3 !", b"a\0 !"))
    store.salvage(ULID, lambda path: path)
    sent = window(store.load(ULID), "next")
    assert [one["content"] for one in sent.messages] == [*TEXTS[:4], *TEXTS[8:], "next"]
    assert sent.left_out == 4
