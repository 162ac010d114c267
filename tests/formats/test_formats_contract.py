"""What every format promises: sessions come back as they were, message for message and key for key."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from support.hints import hint_of
from support.transferred import HOSTILE, NOW, normal, session, sessions

from po_sessions.errors import InvalidInput, Unreadable
from po_sessions.formats import FORMATS, decode, encode, format_named
from po_sessions.message import Message


@pytest.fixture(params=FORMATS)
def form(request):
    return format_named(request.param)


def written(form, *some):
    return b"".join(encode(form, some, several=len(some) != 1))


@settings(max_examples=300)
@given(one=sessions())
@example(one=session(*[Message("user", text) for text in HOSTILE]))
@example(one=session(*[Message("assistant", None, None, {"tool_calls": [{"id": text}]}) for text in HOSTILE]))
@example(one=session(metadata={text: text for text in HOSTILE}, extra={text + "x": [text] for text in HOSTILE}))
@pytest.mark.slow
def test_a_session_comes_back_as_it_was(one):
    for form in map(format_named, FORMATS):
        document = written(form, one)
        _, (back,) = decode(document, "it")
        assert normal(back) == normal(one), form.name


@settings(max_examples=50)
@given(some=st.lists(sessions(), max_size=4))
def test_several_sessions_come_back_in_their_order(some):
    for form in map(format_named, FORMATS):
        if form.several is not None and (some or form.name == "json"):
            _, back = decode(written(form, *some), "it")
            assert [normal(one) for one in back] == [normal(one) for one in some]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("ends", [b"\r\n", b"\n"])
def test_a_document_survives_other_line_ends_and_a_byte_order_mark(form, text, ends):
    messages = Message("user", text, NOW), Message("assistant", f"{text}\n{text}", NOW, {"model": text})
    one = session(*messages, name=text or "x", metadata={text: [text]})
    document = b"\xef\xbb\xbf" + written(form, one).replace(b"\n", ends)
    _, (back,) = decode(document, "it")
    assert normal(back) == normal(one)


def test_the_format_is_told_by_the_content(form):
    found, _ = decode(written(form, *[session(Message("user", "Hello"))] * (1 + (form.several is not None))), "it")
    assert found.name == form.name


def test_what_is_written_is_text_that_editors_leave_alone(form):
    document = written(form, session(*[Message("user", text) for text in HOSTILE])).decode()
    assert not {c for c in document if ord(c) < 32} - {"\n", "\t"}
    if form.name == "markdown":
        assert not {c for c in document if c in "\x7f\x80\x85\x9f\u2028\u2029\ufeff"}
    assert document.endswith("\n")


def test_pieces_are_whole_text(form):
    for piece in form.encode(session(Message("user", "é👍🏽שלום"))):
        assert piece.decode()


@pytest.mark.parametrize("cut", [0.2, 0.4, 0.8, 0.95])
def test_a_document_that_was_cut_is_refused(form, cut):
    some = [
        session(Message("user", "Hello\nand"), Message("assistant", "Hi"))
        for _ in range(1 + (form.several is not None))
    ]
    document = written(form, *some)
    with pytest.raises(Unreadable, match="it cannot be imported"):
        decode(document[: int(len(document) * cut)], "it")


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (b"", "it is empty"),
        (b" \n\t\n", "it is empty"),
        (b"Hello", "none of the formats"),
        (b"\x89PNG\r\n\x1a\n\0\0", "none of the formats"),
        (b"{}", "'history' is not a list"),
        (b"{", "Expecting property name"),
        (b"[1]", "session 1 of 1: it is not a JSON object"),
        (b'[{"history":[]}]', "session 1 of 1: 'id' is missing"),
        (b'{"history":[{"role":"king"}],"id":"x","name":"x","po_name":"x"}', "the role 'king'"),
        (b'{"a":1,"a":2}', "twice"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":"\xff"}', "UTF-8"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"history":[]}\n{"history":[]}\n', "line 1: 'id' is missing"),
        (b'{"version":1}\nnonsense\n', "line 1"),
        (b"---\nname: x\n", "no closing"),
        (b"---\n: : :\n---\n\n<!-- po:end -->\n", "not YAML"),
        (b"---\nname: x\n---\nHello\n", "its end is missing"),
        (b"---\nname: x\n---\n<!-- po:end -->\nmore\n", "line 5: there is something behind the end"),
        (b"---\nname: x\n---\n<!-- po:end -->\n<!-- po:end -->\n", "line 4: the end is in the middle"),
        (b"---\nname: x\n---\n<!-- po:nonsense -->\n<!-- po:end -->\n", "line 4: not a comment"),
        (b"---\nname: x\n---\n<!-- po:message {oops} -->\n<!-- po:end -->\n", "line 4: Expecting"),
        (b'---\nname: x\n---\n<!-- po:message {"content":"a"} -->\n\n<!-- po:end -->\n', "line 4: the content"),
        (b"---\nname: x\n---\n<!-- po:message [] -->\n<!-- po:end -->\n", "line 4: not a comment"),
        (b"---\nname: \xff\n---\n", "not UTF-8 text"),
    ],
)
def test_what_cannot_be_read_is_refused_and_says_where(document, says):
    with pytest.raises(Unreadable) as caught:
        decode(document, "it")
    assert str(caught.value).startswith("it cannot be imported: ")
    assert says in str(caught.value)
    assert hint_of(caught.value)
    assert "\n" not in str(caught.value)


def test_markdown_reads_well():
    one = session(
        Message("user", "What is the weather?", NOW),
        Message("assistant", None, NOW, {"tool_calls": [{"id": "1", "name": "weather", "arguments": {"at": "Bonn"}}]}),
        Message("tool", "rain", NOW, {"tool_call_id": "1"}),
        Message("assistant", "It rains.", NOW, {"model": "m-1", "usage": {"input": 3, "output": 4}}),
        Message("user", "And now?", NOW),
        Message("assistant", "It", NOW, {"model": "m-1", "error": {"kind": "unreachable", "message": "No answer."}}),
    )
    assert written(format_named("markdown"), one).decode() == (
        """---
version: 1
id: 01ARZ3NDEKTSV4RRFFQ69G5FAV
name: Tea
po_name: greeter
created_at: '2025-01-03T10:00:00.000Z'
metadata: {}
updated_at: '2025-01-03T10:00:00.000Z'
---

# Tea

<!-- po:message {"role":"user","created_at":"2025-01-03T10:00:00.000Z"} -->
## User, 2025-01-03 10:00 UTC

What is the weather?

<!-- po:message {"role":"assistant","content":null,"created_at":"2025-01-03T10:00:00.000Z","""
        """"tool_calls":[{"id":"1","name":"weather","arguments":{"at":"Bonn"}}]} -->
## Assistant, 2025-01-03 10:00 UTC

<!-- po:shown -->
<details><summary>Tool calls</summary>

```json
[
  {
    "id": "1",
    "name": "weather",
    "arguments": {
      "at": "Bonn"
    }
  }
]
```

</details>

<!-- po:message {"role":"tool","created_at":"2025-01-03T10:00:00.000Z","tool_call_id":"1"} -->
## Tool, 2025-01-03 10:00 UTC

rain

<!-- po:message {"role":"assistant","created_at":"2025-01-03T10:00:00.000Z","model":"m-1","""
        """"usage":{"input":3,"output":4}} -->
## Assistant, m-1, 2025-01-03 10:00 UTC

It rains.

<!-- po:message {"role":"user","created_at":"2025-01-03T10:00:00.000Z"} -->
## User, 2025-01-03 10:00 UTC

And now?

<!-- po:message {"role":"assistant","created_at":"2025-01-03T10:00:00.000Z","model":"m-1","""
        """"error":{"kind":"unreachable","message":"No answer."}} -->
## Assistant, m-1, 2025-01-03 10:00 UTC, failed: No answer.

It

<!-- po:end -->
"""
    )


def test_markdown_shows_its_headings_and_nothing_of_its_comments():
    tools = [{"id": "-->", "name": "<b>", "arguments": {"at": "--> ## forged"}}]
    one = session(
        Message("user", "Hello", NOW), Message("assistant", "Hi", NOW, {"model": "m --> <!-- n", "tool_calls": tools})
    )
    parsed = MarkdownIt().parse(written(format_named("markdown"), one).decode().split("---\n", 2)[2])
    heads = [parsed[at + 1].content for at, token in enumerate(parsed) if token.type == "heading_open"]
    assert heads == ["Tea", "User, 2025-01-03 10:00 UTC", "Assistant, m --> \\<!-- n, 2025-01-03 10:00 UTC"]
    assert [token.content for token in parsed if token.type == "inline" and token.content not in heads] == [
        "Hello",
        "Hi",
    ]


def test_markdown_that_a_person_edited():
    text = written(format_named("markdown"), session(Message("user", "Helo", NOW), Message("assistant", "Hi", NOW)))
    edited = text.decode().replace("Helo", "Hello,\n\nyou").replace("## User, 2025-01-03 10:00 UTC\n\n", "")
    edited = edited.replace("name: Tea", "name: Coffee").replace("Hi\n\n<!-- po:end", "Hi<!-- po:end -->\n<!-- po:end")
    _, (back,) = decode(edited.encode(), "it")
    assert (back.name, [one.content for one in back.history]) == ("Coffee", ["Hello,\n\nyou", "Hi<!-- po:end -->"])


def test_a_format_that_is_not_there():
    with pytest.raises(InvalidInput) as caught:
        format_named("pdf")
    assert "markdown, jsonl, json" in hint_of(caught.value)
