"""Histories that providers refuse as they are."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from po_sessions.message import STANDS_FOR, Message

OPENAI = {"id": "c1", "type": "function", "function": {"name": "ls", "arguments": '{"at": "/"}'}}

DEEP = json.loads('{"a":' * 200 + "1" + "}" * 200)

TEXTS = st.sampled_from(["", " ", None, "a", "b\ud800", "é\n"])

IDS = st.sampled_from(["c1", "c2", "", None, 1, True, [], "a|b", "call-1"])

ARGUMENTS = st.sampled_from(["{}", '{"a": 1}', "no", "", None, {}, {"a": ["\udc00"]}, [], 5, DEEP])

CALLS = st.one_of(
    st.fixed_dictionaries(
        {}, optional={"id": IDS, "name": st.sampled_from(["ls", "", None, "a b", 3]), "arguments": ARGUMENTS}
    ),
    st.fixed_dictionaries(
        {"function": st.sampled_from([None, {"name": "ls", "arguments": "{}"}, {"name": None}, [], "x"])}
    ),
    st.sampled_from([None, 1, "x", [], OPENAI]),
)

EXTRA = st.fixed_dictionaries(
    {},
    optional={
        "tool_calls": st.one_of(st.lists(CALLS, max_size=3), st.sampled_from([None, "x", {}, 0, True])),
        "tool_call_id": IDS,
        "name": st.sampled_from([None, "Ada", {}]),
        "error": st.sampled_from([None, {}, "x", {"kind": 1}]),
        STANDS_FOR: st.sampled_from([0, None, "x"]),
    },
)

ODD = st.builds(
    Message,
    st.sampled_from(["system", "user", "user", "assistant", "assistant", "tool", "tool"]),
    TEXTS,
    st.none(),
    EXTRA,
)

HISTORIES = st.lists(ODD, max_size=14).map(tuple)
