"""The pointers: the same in a file and in memory."""

from __future__ import annotations

import pytest
from support.builders import ULID
from support.named import OTHER, UUID

from po_sessions.errors import Unreadable
from po_sessions.pointers import MemoryPointers, PointerFile, Pointers


@pytest.fixture(params=["file", "memory"])
def opened(request, tmp_path):
    """Open the same pointers again."""
    memory = MemoryPointers()
    return lambda: PointerFile(str(tmp_path / "store")) if request.param == "file" else memory


def test_nothing_is_current_at_first(opened):
    assert opened().read() == Pointers()


def test_the_pointers(opened):
    opened().change(lambda now: now.with_po("greeter").with_session("greeter", ULID))
    opened().change(lambda now: now.with_session("greeter", OTHER).with_session("reader", UUID))
    found = opened().read()
    assert (found.po_name, found.pointer("greeter").current, found.pointer("greeter").previous) == (
        "greeter",
        OTHER,
        ULID,
    )
    assert (found.pointer("reader").current, found.pointer("reader").previous) == (UUID, None)
    assert found.with_session("greeter", OTHER) == found
    assert found.pointer("nobody").current is None


def test_a_renamed_prompt_object(opened):
    opened().change(lambda now: now.with_po("old").with_session("old", ULID).with_session("other", OTHER))
    opened().change(lambda now: now.with_po_renamed("old", "new"))
    found = opened().read()
    assert (found.po_name, set(found.pointers), found.pointer("new").current) == ("new", {"new", "other"}, ULID)


def test_a_prompt_object_that_is_being_renamed_has_its_new_name(tmp_path):
    PointerFile(str(tmp_path)).change(lambda now: now.with_po("old").with_session("old", ULID))
    being = PointerFile(str(tmp_path), current_name=lambda name: "new" if name == "old" else name)
    assert being.read() == Pointers("new").with_session("new", ULID)
    assert PointerFile(str(tmp_path)).read().po_name == "old"
    being.change(lambda now: now)
    assert PointerFile(str(tmp_path)).read() == being.read()


@pytest.mark.parametrize(
    "text",
    ["x", "current = ", "current = 5", "sessions = 5", "[sessions]\nx = 5", "[sessions.x]\ncurrent = 5"],
)
def test_a_file_that_cannot_be_read_is_named_and_kept(text, tmp_path):
    (tmp_path / "state.toml").write_text(text)
    pointers = PointerFile(str(tmp_path))
    for use in (pointers.read, lambda: pointers.change(lambda now: now.with_po("x"))):
        with pytest.raises(Unreadable, match=r"state\.toml cannot be read"):
            use()
    assert (tmp_path / "state.toml").read_text() == text


def test_each_name_is_asked_for_once():
    asked = []

    def now(name: str) -> str:
        asked.append(name)
        return name

    pointers = Pointers().with_po("greeter").with_session("greeter", ULID).with_session("reader", OTHER)
    assert pointers.renamed(now) is pointers
    assert sorted(asked) == ["greeter", "reader"]
