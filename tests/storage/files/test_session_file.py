from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from support.builders import ULID, assistant, messages, session, sessions, user

from po_sessions.errors import NewerVersion, Unreadable
from po_sessions.layout import primitives
from po_sessions.message import Message
from po_sessions.storage import load, open_storage
from po_sessions.storage.files import appending, codec, parsing


@pytest.fixture
def opened(tmp_path):
    """Write bytes to a file and open it."""
    fds = []

    def write(data: bytes) -> int:
        path = tmp_path / f"{len(fds)}.json"
        path.write_bytes(data)
        fds.append(os.open(path, os.O_RDWR))
        return fds[-1]

    yield write
    for fd in fds:
        os.close(fd)


def content(fd: int) -> bytes:
    return os.pread(fd, 1 << 24, 0)


def append(fd: int, message: Message) -> None:
    tail = appending.read_tail(fd)
    assert tail is not None
    appending.write_append(fd, "x.json", appending.plan_append(tail, message))


@given(sessions)
def test_a_file_is_json_and_comes_back(one):
    data = codec.encode(one)
    read = json.loads(data)
    assert read.pop("footer_at") == data.rindex(b'],"footer_at"')
    made_for = {"message_count": one.message_count, "updated_at": one.updated_at}
    assert read.pop("totals") == {**made_for, "models": one.summary().totals}
    assert read.pop("spent") == one.summary().spent
    assert read == one.to_dict()
    assert data.count(b"\n") == one.message_count + 3
    parsed = parsing.parse(data, "x.json")
    assert (parsed.session, parsed.torn) == (one, None)


@given(sessions, messages)
def test_an_append_gives_what_encoding_the_longer_session_gives(one, message):
    import tempfile

    with tempfile.TemporaryFile() as file:
        file.write(codec.encode(one))
        file.flush()
        append(file.fileno(), message)
        longer = replace(one, history=(*one.history, message))
        assert parsing.parse(content(file.fileno()), "x").session.history == longer.history
        assert json.loads(content(file.fileno()))["message_count"] == longer.message_count
        tail = appending.read_tail(file.fileno())
        assert tail is not None
        assert tail.summary == replace(longer, updated_at=tail.summary.updated_at).summary()


def test_an_append_leaves_the_message_lines_before_it_alone(opened):
    fd = opened(codec.encode(session(user(), assistant())))
    before = content(fd).split(b"\n")
    append(fd, user("more"))
    after = content(fd).split(b"\n")
    assert after[:3] == before[:3]
    assert len(after) == len(before) + 1


def test_unknown_keys_of_the_closing_line_are_carried_over(opened):
    data = codec.encode(session(user())).replace(b'\n],"', b'\n],"mood":"calm","')
    fd = opened(data)
    append(fd, assistant())
    assert json.loads(content(fd))["mood"] == "calm"
    assert parsing.parse(content(fd), "x").session.extra == {"mood": "calm"}


def test_lone_surrogates_are_kept_and_the_file_stays_utf8(opened):
    fd = opened(codec.encode(session()))
    append(fd, user("\ud800 ü"))
    content(fd).decode()
    assert parsing.parse(content(fd), "x").session.history[0].content == "\ud800 ü"


@pytest.mark.parametrize(
    "change",
    [
        lambda d: json.dumps(json.loads(d), indent=2).encode(),
        lambda d: json.dumps(json.loads(d)).encode(),
        lambda d: json.dumps(dict(reversed(json.loads(d).items()))).encode(),
        lambda d: d + b"\n",
        lambda d: d[:-1],
        lambda d: d.replace(b'"message_count":', b'"message_count": '),
        lambda d: d[:-3] + b"}\n",
    ],
)
def test_any_other_layout_is_read_as_it_is_and_not_appended_to(change, opened):
    one = session(user(), assistant())
    data = change(codec.encode(one))
    assert appending.read_tail(opened(data)) is None
    parsed = parsing.parse(data, "x")
    assert (parsed.session.history, parsed.torn) == (one.history, None)


def test_a_file_of_the_older_kind_without_version_and_counts():
    data = {"id": "x", "name": "Tea", "po_name": "greeter", "created_at": "2025-01-03T10:00:00", "history": [
        {"role": "user", "content": "Hello"}]}  # fmt: skip
    one = parsing.parse(json.dumps(data).encode(), "x").session
    assert (one.version, one.message_count, one.updated_at) == (1, 1, "2025-01-03T10:00:00.000Z")


def test_a_newer_version_is_refused(opened):
    fd = opened(codec.encode(replace(session(), version=2)))
    before = content(fd)
    with pytest.raises(NewerVersion, match="can be read, not changed"):
        append(fd, user())
    assert content(fd) == before


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\0" * 100,
        b"\xff\xfe",
        b'{"id":"x"}',
        b"{}" * 2,
        b"[" * 100_000,
        b'{"history":NaN}',
        codec.encode(session(user())).replace(b'"metadata":{}', b'"metadata":{"a":1e999}'),
        json.dumps(session(user()).to_dict()).encode()[:-1] + b', "history": []}',
    ],
)
def test_what_is_no_session(data):
    with pytest.raises(Unreadable, match=r"x\.json cannot be read.*\.$"):
        parsing.parse(data, "x.json")


@pytest.mark.parametrize("line", [1, 2, 3])
def test_damage_before_the_last_write_is_told_with_its_place(line):
    lines = codec.encode(session(user("a"), assistant("b"), user("c"), assistant("d"))).split(b"\n")
    at = sum(len(one) + 1 for one in lines[:line])
    lines[line] = lines[line][:-5] + b"\0" * 5
    with pytest.raises(Unreadable, match=f"at byte {at}"):
        parsing.parse(b"\n".join(lines), "x.json")


def test_damage_in_the_last_message_looks_like_a_write_that_was_cut():
    lines = codec.encode(session(user("a"), assistant("b"))).split(b"\n")
    lines[2] = b"\0" * 9
    parsed = parsing.parse(b"\n".join(lines), "x.json")
    assert (parsed.session.message_count, parsed.torn) == (1, b"\n".join(lines[2:]))


@pytest.mark.parametrize("closing", ["null", "5", '"x"', '"0001-01-01T00:00:00+14:00"', '"9999-99-99T99:99:99.999Z"'])
def test_an_odd_time_is_an_error_of_ours(closing, opened):
    data = codec.encode(session(user())).replace(
        b'"updated_at":"2025-01-03T10:00:00.000Z"', b'"updated_at":' + closing.encode()
    )
    assert appending.read_tail(opened(data)) is None
    parsed = parsing.parse(data, "x.json")  # the closing is of no use, but the messages know when they were
    assert (parsed.session.updated_at, parsed.session.message_count) == ("2025-01-03T10:00:00.000Z", 1)
    data = data.replace(
        b'"created_at":"2025-01-03T10:00:00.000Z","meta', b'"created_at":' + closing.encode() + b',"meta'
    )
    with pytest.raises(Unreadable):
        parsing.parse(data, "x.json")


def test_a_whole_line_that_is_no_message_of_ours_is_never_cut_off():
    data = codec.encode(session(user("a"), assistant("b")))
    for strange in (b'"role":"developer"', b'"role":"assistant","content":[{"type":"text"}],"old":true'):
        with pytest.raises(Unreadable, match="at byte"):
            parsing.parse(data.replace(b'"role":"assistant"', strange), "x.json")


def test_what_could_not_be_read_is_not_written(opened):
    fd = opened(codec.encode(session()))
    with pytest.raises(ValueError, match="developer"):
        append(fd, Message("developer", "x"))
    with pytest.raises(ValueError, match="developer"):
        append(fd, Message("user", "x", None, {"role": "developer"}))


def test_a_long_first_line_is_read_once(opened):
    fd = opened(b"x" * 20_000_000)
    reads = []
    real = os.pread
    codec.os.pread = lambda *args: reads.append(args) or real(*args)
    try:
        assert appending.read_tail(fd) is None
    finally:
        codec.os.pread = real
    assert len(reads) < 1000


def test_a_message_line_without_its_comma_is_damage_not_a_cut():
    data = codec.encode(session(user("a"), assistant("b"))).replace(b'\n,{"role":"assistant"', b'\n{"role":"assistant"')
    with pytest.raises(Unreadable):
        parsing.parse(data, "x.json")


def test_no_cut_of_a_short_append_looks_like_a_whole_file(tmp_path):
    """Nor like a whole closing with the counts of the old one: a message shorter than that has spaces behind it."""
    before = session(user("Hello, who are you?"), assistant("I am a greeter."))
    old, path = codec.encode(before), tmp_path / "file"
    path.write_bytes(old)
    with path.open("rb") as file:
        tail = appending.read_tail(file.fileno())
        assert tail is not None
        append = appending.plan_append(tail, user("a"))
        for cut in range(1, len(append.data) - 1):  # without its last byte, a line end, it is whole
            path.write_bytes(old[: append.offset] + append.data[:cut] + old[append.offset + cut :])
            found, parsed = appending.read_tail(file.fileno()), parsing.parse(path.read_bytes(), "it")
            same = path.read_bytes() == old
            assert (found is None) != same, cut
            assert (parsed.torn is None) == same, cut
            assert parsed.session.extra == {}


def test_no_cut_mixes_a_new_closing_with_the_old_one(tmp_path):
    """Where a text repeats itself, the beginning of the one and the end of the other would be a whole closing."""
    history = (user("x" * 80), assistant(), user(), assistant())
    old, path = codec.encode(session(*history)), tmp_path / "file"
    path.write_bytes(old)
    with path.open("rb") as file:
        tail = appending.read_tail(file.fileno())
        assert tail is not None
        append = appending.plan_append(tail, Message("user", "a"))
        assert append.data.index(b"\n],") + 1 >= len(append.old)
        for cut in range(len(append.data)):
            path.write_bytes(old[: append.offset] + append.data[:cut] + old[append.offset + cut :])
            found = appending.read_tail(file.fileno())
            assert (
                found is None
                or found.summary.message_count == parsing.parse(path.read_bytes(), "it").session.message_count
            )


def without_offset(data: bytes) -> bytes:
    """Return a file as earlier versions write it."""
    return re.sub(rb'"footer_at":\d+,', b"", data)


def test_the_footer_says_where_it_begins_also_after_appends(opened):
    fd = opened(codec.encode(session(user())))
    for number in range(30):  # over a change in the number of digits
        append(fd, assistant("x" * number))
        data = content(fd)
        assert json.loads(data)["footer_at"] == data.rindex(b'],"footer_at"')


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: data + data,
        lambda data: data[:-2] + data,
        lambda data: data[: data.index(b"\n,")] + data[data.index(b"\n,") :] * 2,
        lambda data: data.replace(b'"content":"b"', b'"content":"bb"'),
    ],
)
def test_the_end_alone_tells_of_a_doubled_or_spliced_file(harm, opened, monkeypatch):
    data = harm(codec.encode(session(user("a" * 100_000), assistant("b" * 100_000), user("b"))))
    fd, read = opened(data), []
    real = os.pread
    monkeypatch.setattr(codec.os, "pread", lambda fd, size, at: read.append(size) or real(fd, size, at))
    assert appending.read_tail(fd) is None
    assert primitives.session(f"/proc/self/fd/{fd}", ULID) is None
    assert len(read) < 12


@pytest.mark.parametrize("version", ["this", "an earlier one"])
def test_a_doubled_file_is_refused_as_a_whole(version, tmp_path):
    store = open_storage("files", root=str(tmp_path / "store"))
    store.create(session(user("a"), assistant("b")))
    path = store.path(ULID)
    with open(path, "rb+") as file:
        data = file.read() if version == "this" else without_offset(file.read())
        file.seek(0)
        file.write(data * 2)
    for change in (lambda: store.append(ULID, user("c")), lambda: load(store, ULID)):
        with pytest.raises(Unreadable, match="cannot be read at byte"):
            change()
    with open(path, "rb") as file:
        assert file.read() == data * 2


@pytest.mark.parametrize(
    "stale",
    [
        lambda data: data.replace(b'"footer_at":', b'"footer_at":1'),
        lambda data: without_offset(data).replace(b'"metadata"', b'"footer_at":7,"metadata"'),
        lambda data: data.replace(b'"metadata"', b'"footer_at":7,"metadata"'),
        without_offset,
    ],
)
def test_a_stale_offset_is_written_right_by_the_next_append(stale, tmp_path):
    """An earlier version carries it along unchanged, and moves it into the header when it writes a new file."""
    store = open_storage("files", root=str(tmp_path / "store"))
    store.create(session(user("a"), assistant("b")))
    path = Path(store.path(ULID))
    path.write_bytes(stale(path.read_bytes()))
    assert load(store, ULID) == session(user("a"), assistant("b"))
    store.append(ULID, user("c"))
    written = path.read_bytes()
    assert json.loads(written)["footer_at"] == written.rindex(b'],"footer_at"')
    assert written.count(b"footer_at") == 1
    assert [one.content for one in load(store, ULID).history] == ["a", "b", "c"]
