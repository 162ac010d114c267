"""The index against a naive reading of what it was told, with blocks that are shorter than a row and longer."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from po_sessions.layout import lines
from po_sessions.layout.index import Damaged
from po_sessions.storage.files import index as index_module
from po_sessions.storage.files.index import Index
from po_sessions.text.strict_json import dumps

IDS = [f"01ARZ3NDEKTSV4RRFFQ69G{number:04}" for number in range(8)]
TIMES = [f"2025-01-03T10:00:{number:02}.000Z" for number in range(6)]
NAMES = [
    "Tea",
    "Te",
    'say "Tea"',
    'x","updated_at":"2031',
    "back\\",
    '\\","size":1,"inode":1}',
    "tää",
    "\ud800",
    "é\n,{",
]


def row(id: str, updated_at: str, name: str, size: int = 1, **more: object) -> dict:
    texts = {"name": name, "po_name": "greeter", "created_at": TIMES[0], "updated_at": updated_at}
    counts = {"message_count": 2, "turn_count": 1, "preview": name[::-1], "last_turn": "done"}
    more = {**more, "damaged": name} if size < 0 else more
    return {"id": id, **texts, **counts, **more, "size": size, "inode": 7}


marks = st.sampled_from([{"changed": 10**18}, {"written": 10**18}, {}])
rows = st.builds(
    lambda id, time, name, size, mark: row(id, time, name, size, **mark),
    *(st.sampled_from(one) for one in (IDS, TIMES, NAMES)),
    st.integers(-(10**9), 10**9),
    marks,
)
MARKS = ("id", "changed", "written", "size", "inode")
steps = st.lists(st.one_of(rows, st.sampled_from(IDS), st.sampled_from(["fold", "rebuild"])), max_size=25)


def contents(index: Index) -> list[dict]:
    return list(index.rows())


def newest_first(known: dict[str, dict]) -> list[dict]:
    return sorted(known.values(), key=lambda row: (row["updated_at"], row["id"]), reverse=True)


def marked(rows: Iterable[dict]) -> list[list[object]]:
    return sorted(([one.get(key) for key in MARKS] for one in rows), key=str)


@pytest.mark.parametrize("block", [1, 150, 400, 1 << 16])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=steps)
def test_it_says_what_it_was_told(block, steps, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_module, "_BLOCK", block)
        patch.setattr(lines, "_BLOCK", block)
        patch.setattr(lines, "_LARGEST", 2 * block)
        directory = tmp_path_factory.mktemp("index")
        (directory / ".locks").mkdir()
        index, known = Index(str(directory)), dict[str, dict]()
        index.start()
        for step in steps:
            if step == "fold":
                index.fold()
            elif step == "rebuild":
                assert index.rebuild(lambda: iter(known.values()))
            elif isinstance(step, str):
                index.record_removal(step)
                known.pop(step, None)
            else:
                index.record(step)
                known[step["id"]] = step
            assert contents(index) == newest_first(known)
        for name in NAMES:
            needle = b'"name":' + dumps(name)
            assert [one for one in index.rows(needle) if one["name"] == name] == [
                one for one in newest_first(known) if one["name"] == name
            ]
        assert marked(index.files()) == marked(known.values())
        index.fold()
        assert json.loads((directory / "index.json").read_bytes())["sessions"] == newest_first(known)[::-1]
        assert contents(index) == newest_first(known)


@pytest.fixture
def folded(tmp_path: Path) -> Index:
    (tmp_path / ".locks").mkdir()
    index = Index(str(tmp_path))
    index.rebuild(lambda: [row(id, TIMES[0], "Tea") for id in IDS])
    return index


def test_rows_that_did_not_change_are_copied_as_they_are(folded, tmp_path):
    path = tmp_path / "index.json"
    path.write_bytes(path.read_bytes().replace(b',"size":1,', b',"later":"key","size":1,'))
    folded.record(row(IDS[3], TIMES[1], "Coffee"))
    folded.fold()
    lines = path.read_bytes().splitlines()
    assert [b'"later":"key"' in line for line in lines] == [False, *[True] * 7, False, False]
    assert [one["name"] for one in folded.rows()] == ["Coffee", *["Tea"] * 7]


@pytest.mark.parametrize("harm", [b"", b"{}", b'{"id":"x"}', b'{"id":5}', b"\0\0\0"])
def test_a_row_that_is_none_is_damage_whoever_reads_it(harm, folded, tmp_path):
    path = tmp_path / "index.json"
    lines = path.read_bytes().split(b"\n")
    lines[4] = b"," + harm
    path.write_bytes(b"\n".join(lines))
    for read in (contents, lambda index: list(index.files())):
        with pytest.raises(Damaged):
            read(folded)
    folded.record(row(IDS[3], TIMES[1], "Coffee"))
    with pytest.raises(Damaged):
        folded.fold()
    assert path.read_bytes() == b"\n".join(lines)


def test_a_fold_needs_no_more_memory_where_there_are_more_rows(folded, tmp_path):
    import tracemalloc

    peaks = []
    for count in (2_000, 20_000):
        folded.rebuild(lambda: (row(f"01ARZ3NDEKTSV4RRFF{n:08}", TIMES[0], "Tea") for n in range(count)))  # noqa: B023
        folded.record(row(IDS[3], TIMES[1], "Coffee"))
        tracemalloc.start()
        folded.fold()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] + 200_000
