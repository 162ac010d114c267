"""One prompt object is found by its name without parsing those that cannot have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from po_sessions.errors import Conflict, PromptObjectNotFound
from po_sessions.prompt_objects import definition
from po_sessions.prompt_objects.directory import Definitions


@pytest.fixture
def objects(tmp_path: Path) -> Path:
    path = tmp_path / "root" / "objects"
    path.mkdir(parents=True)
    for name in ("one", "two", "three"):
        (path / f"{name}.md").write_text(f"---\nname: {name}\n---\nHello\n")
    return path


def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of the files that are parsed from now on."""
    stems: list[str] = []
    real = definition.parse
    monkeypatch.setattr(
        definition, "parse", lambda text, *, stem, where: stems.append(stem) or real(text, stem=stem, where=where)
    )
    return stems


def test_only_the_file_that_can_have_the_name_is_parsed(objects, monkeypatch):
    stems = parsed(monkeypatch)
    assert Definitions(str(objects.parent)).get("two").name == "two"
    assert stems == ["two"]


@pytest.mark.parametrize(
    "name",
    [
        "name: two",
        "name: 'two'",
        'name: "\\x74wo"',
        "name: >-\n  two",
        '"n\\x61me": two',
        "? name\n: two",
    ],
)
def test_a_file_of_another_name_that_says_it_too_is_a_conflict(name, objects):
    (objects / "other.md").write_text(f"---\n{name}\n---\nHello\n")
    with pytest.raises(Conflict, match=r"other\.md and two\.md"):
        Definitions(str(objects.parent)).get("two")


def test_a_file_is_found_by_what_it_says(objects, monkeypatch):
    (objects / "two.md").rename(objects / "file.md")
    assert Definitions(str(objects.parent)).path("two") == str(objects / "file.md")


def test_what_is_not_found_is_compared_with_all_names(objects):
    with pytest.raises(PromptObjectNotFound) as caught:
        Definitions(str(objects.parent)).get("thre")
    assert caught.value.advice.fields["near"] == "three"
