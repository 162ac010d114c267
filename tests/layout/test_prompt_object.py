"""The front matter in its plain form, against what the whole reader makes of the same file."""

from __future__ import annotations

import pytest

from po_sessions.layout import prompt_object
from po_sessions.prompt_objects import definition

PLAIN = {
    "---\nname: tutor\ndescription: Teaches well.\n---\nBody",
    '---\nname: "tutor"\ndescription: "Says: hello"\n---\nBody',
    "---\nname: 'tutor'\r\ndescription: x\r\n---\nBody",
    "---\ndescription: It's that\n---\n",
    "---\nmodel: x\n---\nname: other\ndescription: not this",
    "Body only\nname: other\n",
    "",
}
ODD = {
    '---\nname: "t\\u0075tor"\n---\n',
    "---\nname: tutor # mine\n---\n",
    "---\nname: other\n---\n",
    "---\nname: [\n---\n",
    "---\nname: tutor\nname: tutor\n---\n",
    "---\nname:\n  tutor\n---\n",
}


@pytest.mark.parametrize("text", sorted(PLAIN))
def test_a_plain_one_is_read_as_the_whole_reader_does(text, tmp_path):
    whole = definition.parse(text, stem="tutor", where="it")
    front = dict(prompt_object.front_matter(text.encode()))
    assert (front.get("name", "tutor"), front.get("description", "")) == (whole.name, whole.description)
    (tmp_path / "tutor.md").write_bytes(text.encode())
    assert prompt_object.is_defined(str(tmp_path), "tutor")


@pytest.mark.parametrize("text", sorted(ODD))
def test_an_odd_one_is_not_believed(text, tmp_path):
    (tmp_path / "tutor.md").write_bytes(text.encode())
    assert not prompt_object.is_defined(str(tmp_path), "tutor")


def test_what_is_believed_has_that_name(tmp_path):
    for text in (*PLAIN, *ODD):
        (tmp_path / "tutor.md").write_bytes(text.encode())
        if prompt_object.is_defined(str(tmp_path), "tutor"):
            assert definition.parse(text, stem="tutor", where="it").name == "tutor"


@pytest.mark.parametrize("name", ["", "../tutor", "a b"])
def test_no_name_leads_out_of_the_directory(name, tmp_path):
    assert not prompt_object.is_defined(str(tmp_path), name)
