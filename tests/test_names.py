from __future__ import annotations

import pytest
from support.builders import ULID

from po_sessions.errors import InvalidInput
from po_sessions.names import check_po_name, check_session_name, is_session_id

UUID = "123e4567-e89b-12d3-a456-426614174000"


@pytest.mark.parametrize("id", [ULID, UUID])
def test_ids_that_are_ids(id):
    assert is_session_id(id)


@pytest.mark.parametrize(
    "id",
    [
        "",
        "x",
        ULID.lower(),
        UUID.upper(),
        ULID + "A",
        ULID[:-1],
        "8" + ULID[1:],
        f"../{ULID}",
        f"{ULID}\n",
        ULID[:-1] + "U",
    ],
)
def test_what_is_no_id(id):
    assert not is_session_id(id)


@pytest.mark.parametrize(
    "name", ["Default", "Debug task", "../x", "a" * 200, "日本語", "👨‍👩‍👧", "naïve", "x-1", "it's $HOME"]
)
def test_names_a_session_may_have(name):
    assert check_session_name(name) == name


def test_a_name_is_kept_in_composed_form():
    assert check_session_name("Cafe\u0301") == "Caf\u00e9"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a" * 201,
        "-x",
        "@last",
        ".",
        " x",
        "x ",
        "a\nb",
        "a\tb",
        "\x1b[31mred",
        "a\u202eb",
        "a\x7fb",
        ULID,
        ULID.lower(),
        UUID,
    ],
)
def test_names_a_session_may_not_have(name):
    with pytest.raises(InvalidInput, match="cannot be a session's name"):
        check_session_name(name)


@pytest.mark.parametrize("name", ["a", "code-reviewer_2", "A" * 64])
def test_names_a_prompt_object_may_have(name):
    assert check_po_name(name) == name


@pytest.mark.parametrize("name", ["", "../x", "a b", "a" * 65, "é", "a.md", "a\n"])
def test_names_a_prompt_object_may_not_have(name):
    with pytest.raises(InvalidInput):
        check_po_name(name)
