"""Messages as providers take them: what stands between the record and the request.

A record may hold anything: it was imported, edited by hand, or cut. A provider refuses the whole request for one
message that it does not take, and then the session could never go on. What is sent therefore keeps the rules of the
strictest: OpenAI's, Anthropic's and Gemini's interfaces, servers that check as they do, templates of chat models.

- A text is not blank (Anthropic, Gemini; OpenAI for an assistant's message without calls). An assistant's message
  without a text and without a call is left out. A turn is left out if its question is blank, or if it has no answer.
- A turn begins with the user's message and ends with an assistant's text, and roles alternate (Gemini, templates): two
  messages of an assistant in a row are joined. One system message comes first (older Anthropic models take no other):
  the texts of all others are added to it.
- A call has an id that occurs once in a request (Anthropic), a name of letters, digits, `_` and `-` (all three) and an
  object of arguments. Its result comes directly behind the message that calls, in the order of the calls. OpenAI's
  shape of a call is read as ours is. A call is left out without a name, with arguments that are not an object, without
  a result, or if no answer follows the results. A result is left out without its call.
- A turn that a model goes on with ends with the results of its last round of calls that has them all, or with its
  question if there is none. A round that lacks a result is left out, with its text and what follows it.
- A missing id is made up: the call then gets the result in its place. A name with other characters gets `_` for them.

Nothing here changes the record. `left_out` and `mended` count what a model is not sent as it is stored. The shape of a
call, ids, joined texts and system messages do not count: they say the same in another form.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from po_sessions.text.strict_json import loads

Sent = dict[str, Any]

_DEEPEST = 50
"""How deep arguments may nest: SDKs go through them by recursion."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_NO_NAME = re.compile(r"[^A-Za-z0-9_-]")
_NAME_LENGTH = 64


class Mended(NamedTuple):
    """What is sent of some messages."""

    messages: list[Sent]
    instructions: list[str]
    """The texts of system messages."""
    left_out: int = 0
    """How many messages are not sent."""
    mended: int = 0
    """How many lost a call, or have a call with another name, or are results in another place."""

    @property
    def is_turn(self) -> bool:
        """Whether there is a question, and an answer at the end."""
        return len(self.messages) > 1 and [self.messages[at]["role"] for at in (0, -1)] == ["user", "assistant"]


@dataclass(slots=True)
class _Block:
    """A message with the results of its calls."""

    role: str
    text: str | None
    calls: list[Sent] = field(default_factory=list)
    results: list[Sent] = field(default_factory=list)
    mended: int = 0
    """How many of its messages are not sent as they are stored."""

    def messages(self) -> list[Sent]:
        calls = {"tool_calls": self.calls} if self.calls else {}
        return [{"role": self.role, "content": self.text, **calls}, *self.results]


def is_blank(text: str | None) -> bool:
    """Tell whether there is nothing to read."""
    return not (text or "").strip()


def mend(said: Sequence[Mapping[str, Any]], *, goes_on: bool = False) -> Mended:
    """Return what can be sent of the messages of a turn, or of those before the first.

    Of a turn that a model `goes_on` with, that is the question and all up to the last round of calls that has its
    results. What comes behind is left out, so a call without its result is not made again.
    """
    kept = _up_to_results(said) if goes_on else said
    pairs, left_out = _paired(kept)
    left_out += len(said) - len(kept)
    blocks, instructions = list[_Block](), list[str]()
    for at, one in enumerate(kept):
        text = None if is_blank(one["content"]) else one["content"]
        if one["role"] == "tool":
            continue
        if one["role"] == "system" and text is not None:
            instructions.append(text)
            continue
        block = _block(one, text, pairs.get(at, []), at)
        if block.text is None and not block.calls:
            left_out += 1
            continue
        blocks.append(block)
    while not goes_on and blocks and blocks[-1].results:
        block = blocks[-1]
        left_out += len(block.results) + (block.text is None)
        block.calls, block.results, block.mended = [], [], 1
        if block.text is None:
            blocks.pop()
    mended = sum(block.mended for block in blocks)
    return Mended([one for block in _joined(blocks) for one in block.messages()], instructions, left_out, mended)


def _up_to_results(said: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return a turn up to the last message whose calls all have a result, with these; else its question alone.

    Calls that cannot be sent do not count.
    """
    pairs, _ = _paired(said)
    whole = (at for at, found in pairs.items() if len(found) == len(_calls(said[at]["tool_calls"])))
    last = max(whole, default=0)
    results = {result.at for at, found in pairs.items() if at <= last for _, result in found}
    return [one for at, one in enumerate(said) if at <= last or at in results]


def _block(one: Mapping[str, Any], text: str | None, pairs: list[_Pair], at: int) -> _Block:
    """Return a message with its calls and their results."""
    block, before = _Block(one["role"], text), at
    given = one.get("tool_calls")
    dropped = len(given) - len(pairs) if isinstance(given, list) else given
    renamed, moved = False, 0
    for call, result in pairs:
        id, name = call["id"] or "", _NO_NAME.sub("_", call["name"])[:_NAME_LENGTH]
        renamed = renamed or name != call["name"]
        moved += result.is_elsewhere or result.at < before
        before = result.at
        block.calls.append({"id": id, "name": name, "arguments": call["arguments"]})
        block.results.append({"role": "tool", "content": result.text, "tool_call_id": id})
    block.mended = (bool(dropped) or renamed) + moved
    return block


def _joined(blocks: Iterable[_Block]) -> list[_Block]:
    """Return blocks of which no two that follow each other are an assistant's, unless results stand between them."""
    made: list[_Block] = []
    for block in blocks:
        if made and block.role == made[-1].role == "assistant" and not made[-1].calls:
            block.text = "\n\n".join(text for text in (made.pop().text, block.text) if text is not None)
        made.append(block)
    return made


class _Result(NamedTuple):
    at: int
    """Where it stands."""
    text: str
    is_elsewhere: bool
    """Whether it does not follow the message that calls, with nothing but results between them."""


_Pair = tuple[Sent, _Result]


def _paired(said: Sequence[Mapping[str, Any]]) -> tuple[dict[int, list[_Pair]], int]:
    """Return the calls that have a result, by the place of their message; and the number of results without a call."""
    owner, places = -1, dict[int, int]()
    waiting: dict[str | None, deque[int]] = {}
    for at, one in enumerate(said):
        if one["role"] == "tool":
            places[at] = owner
            waiting.setdefault(_id(one.get("tool_call_id")), deque()).append(at)
        else:
            owner = at
    called = [
        (at, call)
        for at, one in enumerate(said)
        if one["role"] == "assistant"
        for call in _calls(one.get("tool_calls"))
    ]
    found: dict[int, int] = {}
    for number, (at, call) in enumerate(called):
        if call["id"] is not None and (there := waiting.get(call["id"])):
            result = next((place for place in there if place > at), there[0])
            there.remove(result)
            found[number] = result
    rest: dict[int, deque[int]] = {}
    for result in sorted(place for there in waiting.values() for place in there):
        rest.setdefault(places[result], deque()).append(result)
    for number, (at, call) in enumerate(called):
        # Two ids that differ are two things; where one is missing, the place tells.
        if number in found or not (there := rest.get(at)):
            continue
        if call["id"] is None or _id(said[there[0]].get("tool_call_id")) is None:
            found[number] = there.popleft()
    pairs: dict[int, list[_Pair]] = {}
    for number, (at, call) in enumerate(called):
        if (result := found.get(number, -1)) >= 0:
            text = said[result]["content"] or ""
            pairs.setdefault(at, []).append((call, _Result(result, text, places[result] != at)))
    return pairs, len(places) - len(found)


def _calls(given: Any) -> list[Sent]:
    """Return the calls that can be sent, in our shape; the id is None where there is none."""
    return [call for one in (given if isinstance(given, list) else []) if (call := _call(one)) is not None]


def _call(given: Any) -> Sent | None:
    if not isinstance(given, dict):
        return None
    function = given.get("function")
    about = function if isinstance(function, dict) else given
    name, arguments = about.get("name"), _arguments(about.get("arguments", about.get("input")))
    if not isinstance(name, str) or is_blank(name) or arguments is None:
        return None
    return {"id": _id(given.get("id")), "name": name, "arguments": arguments}


def _id(given: Any) -> str | None:
    """Return an id as text, None if it is none."""
    return str(given) if isinstance(given, str | int) and str(given) and not isinstance(given, bool) else None


def _arguments(given: Any) -> Sent | None:
    """Return arguments as an object that any SDK can write, None if they are not one."""
    try:
        if isinstance(given, str):
            given = loads(given.encode("utf-8", "replace")) if given.strip() else {}
        made = _plain({} if given is None else given, _DEEPEST)
    except ValueError:
        return None
    return made if isinstance(made, dict) else None


def _plain(value: Any, depth: int) -> Any:
    """Return JSON without the halves of characters that no wire can carry. Raises ValueError if it nests deeper."""
    if not depth:
        raise ValueError("it is nested too deep")
    if isinstance(value, dict):
        return {_plain(key, 1): _plain(inner, depth - 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, depth - 1) for inner in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def with_own_ids(turns: Iterable[list[Sent]]) -> list[Sent]:
    """Return the messages of turns, the ids of their calls such that any provider takes them and none occurs twice."""
    made, taken, number = list[Sent](), set[str](), 0
    for turn in turns:
        waiting: list[str] = []
        for one in turn:
            if one["role"] == "tool":
                one = {**one, "tool_call_id": waiting.pop(0)}
            elif "tool_calls" in one:
                calls = []
                for call in one["tool_calls"]:
                    id = call["id"]
                    while id in taken or not _ID.fullmatch(id):
                        number += 1
                        id = f"call-{number}"
                    taken.add(id)
                    waiting.append(id)
                    calls.append({**call, "id": id})
                one = {**one, "tool_calls": calls}
            made.append(one)
    return made


def normal_calls(given: Any) -> Any:
    """Return calls in our shape where nothing is lost by that, as they are where something would be."""
    return [_normal(one) for one in given] if isinstance(given, list) else given


def _normal(given: Any) -> Any:
    if not isinstance(given, dict):
        return given
    rest, about = given, {key: given[key] for key in ("name", "arguments") if key in given}
    if "function" in given:
        function = given["function"]
        is_known = isinstance(function, dict) and function.keys() <= {"name", "arguments"}
        if about or not is_known or given.get("type", "function") != "function":
            return given
        rest, about = {key: given[key] for key in given if key not in ("type", "function")}, dict(function)
    if not isinstance(about.get("name"), str):
        return given
    if isinstance(about.get("arguments"), str):
        try:
            about["arguments"] = loads(about["arguments"].encode())
        except ValueError:
            return given
        if not isinstance(about["arguments"], dict):
            return given
    return {**rest, **about}
