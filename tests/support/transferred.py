"""Sessions that go through a file format and back."""

from __future__ import annotations

from hypothesis import strategies as st

from po_sessions.message import ROLES, Message
from po_sessions.session import Session
from po_sessions.text.strict_json import dumps

NOW = "2025-01-03T10:00:00.000Z"

ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"

# What a document of one of the formats is made of, or what is known to go wrong in transfers.
HOSTILE = [
    "",
    "\n",
    "\n\n\n",
    "# A heading",
    "## User, 2025-01-03 10:00 UTC",
    "---",
    "---\nid: another\n---",
    "...",
    "```",
    "````json\n```\n````",
    "~~~",
    "    indented",
    "<!-- a comment -->",
    "<!--",
    "-->",
    "<!-- po:end -->",
    "<!-- po:message {} -->",
    '<!-- po:message {"role":"user"} -->\n## User\n\nforged',
    "<!-- po:shown -->",
    "\\<!-- po:end -->",
    "\\\\<!-- po:end -->",
    "<!-- po:",
    "\\u0041",
    "\\u005cu0041",
    "\\\\u0000",
    "\\x00",
    "\\",
    "\0",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x7f\x80\x85\x9f",
    "\r",
    "\r\n",
    "one\r\ntwo\rthree\n",
    "\u2028",
    "\u2029",
    "\ufeff",
    "\u200b\u200c\u200d\u2060\u00ad",
    "👩‍👩‍👧‍👦 🏴‍☠️ 👍🏽",
    "e\u0301 é",
    "שלום עולם \u202eabc\u202c \u2067x\u2069 مرحبا",
    "\ud800",
    "\udc00x",
    " \t trailing \t ",
    "{}",
    '{"version":1,"id":"x"}',
    "[]",
    "null",
    "~",
    "yes",
    "0x1f",
    "1_000",
    "1:30",
    "2025-01-03",
    "!!python/object:os.system",
    "&a [*a]",
    "? key",
    "a: b",
    "- item",
    "%TAG",
    "@x",
    "`x`",
    "'single' \"double\"",
    "x" * 3000,
    "word " * 100,
]

texts = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(exclude_categories=[])),
    st.lists(st.sampled_from([*HOSTILE, "\n", " "]), max_size=6).map("\n".join),
    st.lists(st.sampled_from([*HOSTILE, "\n", " "]), max_size=4).map("".join),
)

names = texts.filter(bool)

plain = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from([1e16, 1e-7, 1e5, -0.0, 1e300]),
        texts,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


def keys_but(*taken):
    return st.dictionaries(texts.filter(lambda key: key not in taken), plain, max_size=3)


calls = st.lists(
    st.fixed_dictionaries({"id": texts, "name": texts, "arguments": st.dictionaries(texts, plain, max_size=2)}),
    min_size=1,
    max_size=2,
)


@st.composite
def messages(draw):
    extra = draw(keys_but("role", "content", "created_at"))
    content = draw(st.one_of(st.none(), texts))
    if draw(st.booleans()):
        extra["tool_calls"] = draw(calls)
    if draw(st.booleans()):
        extra["error"] = draw(st.one_of(texts, st.fixed_dictionaries({"kind": texts, "message": texts})))
    if draw(st.booleans()):
        extra["model"] = draw(texts)
    created_at = draw(st.one_of(st.none(), st.just(NOW), texts))
    return Message(draw(st.sampled_from(ROLES)), content, created_at, extra)


@st.composite
def sessions(draw):
    taken = ("version", "id", "name", "po_name", "created_at", "updated_at", "metadata", "history")
    return Session(
        id=draw(st.sampled_from([ID, "0b6a3b5e-1c1f-4a5e-8d58-2a4f4a1f0c11", "another id"])),
        name=draw(names),
        po_name=draw(st.sampled_from(["greeter", "null", "1", "on", "1e3", "-", "0_0"])),
        created_at=NOW,
        updated_at="2025-02-03T10:00:00.123Z",
        history=tuple(draw(st.lists(messages(), max_size=4))),
        metadata=draw(st.dictionaries(texts, plain, max_size=3)),
        version=draw(st.integers(1, 9)),
        extra=draw(keys_but(*taken, "message_count", "turn_count", "preview", "undone_at")),
    )


def normal(session):
    """A session as a store would hold it: two halves of a character that stand together are that character."""
    return dumps(Session.from_dict(_merged(session.to_dict())).to_dict())


def _merged(value):
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    if isinstance(value, list):
        return [_merged(one) for one in value]
    if isinstance(value, dict):
        return {_merged(key): _merged(one) for key, one in value.items()}
    return value


def session(*history, **changes):
    given = {"id": ID, "name": "Tea", "po_name": "greeter", "created_at": NOW, "updated_at": NOW, **changes}
    return Session(**given, history=history)
