from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.hints import hint_of

from po_sessions.errors import Unreadable
from po_sessions.prompt_objects.definition import Definition, parse

FULL = """---
name: coordinator
description: >
  Plans
  things.
capabilities: [greeter, reader]
model: smollm2
options: {temperature: 0.5}
mood: calm
---

You plan.

--- not a fence
"""


def test_all_keys_are_read_and_unknown_ones_kept():
    one = parse(FULL, stem="x", where="x.md")
    assert one == Definition(
        name="coordinator",
        description="Plans things.",
        capabilities=("greeter", "reader"),
        model="smollm2",
        options={"temperature": 0.5},
        body="You plan.\n\n--- not a fence",
        extra={"mood": "calm"},
    )


@pytest.mark.parametrize(
    "text", ["You help.\n", "---\n---\nYou help.", "---\ndescription: ''\n---\nYou help.", "\ufeff---\n---\nYou help."]
)
def test_a_missing_name_falls_back_to_the_files(text):
    one = parse(text, stem="helper", where="helper.md")
    assert (one.name, one.body, one.description) == ("helper", "You help.", "")


def test_a_time_is_text_and_line_ends_are_folded():
    one = parse("---\r\nmade: 2025-01-01\r\n---\r\na\r\nb\r\n", stem="x", where="x.md")
    assert (one.extra, one.body) == ({"made": "2025-01-01"}, "a\nb")


names = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\x85\u2028\u2029"))


@given(names, texts, st.lists(texts, max_size=3), st.dictionaries(texts, st.integers(), max_size=3), texts)
def test_what_is_rendered_is_parsed_back(name, description, capabilities, options, body):
    one = Definition(
        name=name, description=" ".join(description.split()), capabilities=tuple(capabilities), options=options,
        body=body.strip("\n"),
    )  # fmt: skip
    assert parse(one.render(), stem="x", where="x.md") == one


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("---\nname: x\nYou help.", "no closing '---'"),
        ("---\nname: [\n---\n", "not YAML: .* in line 2"),
        ("---\nname: 'x\n---\n", "not YAML"),
        ("---\n- a\n---\n", "not a mapping"),
        ("---\n5: a\n---\n", "not a mapping"),
        ("---\nname: 5\n---\n", "'name' is not text"),
        ("---\nname: ../x\n---\n", "cannot be a prompt object's name"),
        ("---\nmodel: {}\n---\n", "'model' is not text"),
        ("---\ncapabilities: greeter\n---\n", "'capabilities' is not a list"),
        ("---\noptions: [1]\n---\n", "'options' is not a mapping"),
        ("---\n!!python/object/apply:os.system [id]\n---\n", "not YAML"),
        ("---\n" + "[" * 5000 + "\n---\n", "not YAML"),
        ("---\na: \x00\n---\n", "not YAML"),
        ("---\nx: &a [*a]\n---\n", "an alias"),
        ("---\na: &a [1]\nb: *a\n---\n", "an alias"),
        ("---\na: .nan\n---\n", "holds a value"),
        ("---\na: !!binary aGk=\n---\n", "holds a value"),
    ],
)
def test_bad_front_matter_is_named(text, complaint):
    with pytest.raises(Unreadable, match=f"x.md: .*{complaint}") as error:
        parse(text, stem="x", where="x.md")
    assert "\n" not in str(error.value)
    assert hint_of(error.value)
