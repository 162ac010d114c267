"""Markdown: a session to read, and to read back without loss.

::

    ---
    version: 1
    id: 01K…
    name: Default
    po_name: coordinator
    …
    ---

    # Default

    <!-- po:message {"role":"user","created_at":"2025-01-03T10:00:00.000Z"} -->
    ## User, 2025-01-03 10:00 UTC

    Hello

    <!-- po:message {"role":"assistant","created_at":"…","model":"…","usage":{…}} -->
    ## Assistant, 2025-01-03 10:00 UTC

    Hi there!

    <!-- po:end -->

The front matter has all keys of the session but its history; the comment in front of a message, which no reader of
Markdown shows, has all keys of the message but its content. The title, the headings and what follows
`<!-- po:shown -->` are there for people only and are not read back. The content stands as it is, with two exceptions: a
line that begins like one of these comments gets a backslash in front, and a message with characters that editors,
terminals or transfers do not leave alone has them as `\\uXXXX`, and the word `escaped` in its comment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from po_sessions.errors import Advice, InvalidInput
from po_sessions.message import Message
from po_sessions.session import Session
from po_sessions.text import front_matter
from po_sessions.text.front_matter import UNSAFE
from po_sessions.text.strict_json import dumps, loads

_ESCAPABLE = re.compile(UNSAFE.pattern + r"|\\(?=u)")
_ESCAPED = re.compile(r"\\u([0-9a-f]{4})")
_MARKER = re.compile(r"<!-- po:(message|shown|end)( escaped)?(?: (\{.*\}))? -->")
_LIKE_A_MARKER = re.compile(r"^(\\*<!-- po:)", re.MULTILINE)
_GUARDED = re.compile(r"^\\(\\*<!-- po:)", re.MULTILINE)


class Markdown:
    """One session a document."""

    name = "markdown"
    suffix = ".md"
    several = None

    def encode(self, session: Session) -> Iterator[bytes]:
        """Yield the pieces of a document. Raises InvalidInput if it nests too deep."""
        try:
            front = front_matter.dump({**session.head(), "updated_at": session.updated_at})
        except ValueError as error:
            wrong = f"The session {session.name!r} cannot be Markdown: {error}."
            raise InvalidInput(wrong, advice=Advice("only_as_json")) from None
        yield f"{front}\n# {_one_line(session.name)}\n".encode()
        for message in session.history:
            yield _section(message).encode()
        yield b"\n<!-- po:end -->\n"

    def recognises(self, data: bytes) -> bool:
        """Tell whether a document begins with front matter."""
        return data.split(b"\n", 1)[0].rstrip() == front_matter.FENCE.encode()

    def decode(self, data: bytes) -> list[Session]:
        """Read a document. Raises ValueError."""
        # None is ever written here, so whoever passed the file on has put them in.
        text = data.decode().replace("\r\n", "\n")
        front, body = front_matter.split(text) or ("", text)
        keys = front_matter.load(front)
        before = text.count("\n") - body.count("\n")
        return [Session.from_dict({**keys, "history": list(_messages(body.split("\n"), before))})]


def _section(message: Message) -> str:
    """Return a message with its comment and its heading, and a blank line in front."""
    keys, word, parts = message.to_dict(), "", []
    if message.content is not None:
        content = keys.pop("content")
        if UNSAFE.search(content):
            word, content = " escaped", _ESCAPABLE.sub(_escape, content)
        parts.append(_guard(content))
    if calls := message.extra.get("tool_calls"):
        parts.append(_folded("Tool calls", json.dumps(calls, ensure_ascii=False, indent=2)))
    marker = f"<!-- po:message{word} {_comment(keys)} -->\n{_heading(message)}"
    return "".join(f"\n{part}\n" for part in [marker, *parts])


def _folded(title: str, text: str) -> str:
    """Return JSON that readers of Markdown show when it is asked for, and that is not read back."""
    text = _guard(UNSAFE.sub(_escape, text))
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"<!-- po:shown -->\n<details><summary>{title}</summary>\n\n{fence}json\n{text}\n{fence}\n\n</details>"


def _heading(message: Message) -> str:
    words = [message.role.capitalize()]
    if model := message.extra.get("model"):
        words.append(str(model))
    if message.created_at:
        words.append(re.sub(r"T(\d\d:\d\d):\d\d\.\d+Z$", r" \1 UTC", message.created_at))
    if message.failed:
        error = message.extra["error"]
        words.append(f"failed: {error.get('message', error) if isinstance(error, dict) else error}")
    return f"## {_one_line(', '.join(words))}"


def _one_line(text: str) -> str:
    return UNSAFE.sub(_escape, " ".join(text.split())).replace("<", "\\<")


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _guard(text: str) -> str:
    return _LIKE_A_MARKER.sub(r"\\\1", text)


def _comment(keys: dict[str, Any]) -> str:
    """Return JSON that cannot end the comment it stands in."""
    return UNSAFE.sub(_escape, dumps(keys).decode()).replace(">", "\\u003e")


def _messages(lines: list[str], before: int) -> Iterator[dict[str, Any]]:
    """Yield the messages of a body; `before` is how many lines of the document stand before it. Raises ValueError."""
    markers = [
        (at, _read_marker(line, before + at + 1)) for at, line in enumerate(lines) if line.startswith("<!-- po:")
    ]
    if not markers or markers[-1][1][0] != "end":
        raise ValueError("its end is missing ('<!-- po:end -->'), so it may have been cut")
    if rest := next((at for at in range(markers[-1][0] + 1, len(lines)) if lines[at].strip()), None):
        raise ValueError(f"line {before + rest + 1}: there is something behind the end")
    for (at, (kind, escaped, keys)), (end, _) in pairwise(markers):
        if kind == "message":
            try:
                yield _read_message(lines[at + 1 : end], keys, escaped=escaped)
            except ValueError as error:
                raise ValueError(f"line {before + at + 1}: {error}") from None
        elif kind == "end":
            raise ValueError(f"line {before + at + 1}: the end is in the middle")


def _read_marker(line: str, number: int) -> tuple[str, bool, str]:
    found = _MARKER.fullmatch(line.rstrip())
    if found is None:
        raise ValueError(f"line {number}: not a comment that is known here; put a backslash in front if it is text")
    kind, escaped, keys = found.groups()
    return kind, bool(escaped), keys or "{}"


def _read_message(lines: list[str], keys: str, *, escaped: bool) -> dict[str, Any]:
    """Return a message; `lines` stand between its comment and the next."""
    message: dict[str, Any] = loads(keys.encode())
    if "content" in message:
        if message["content"] is not None:
            raise ValueError("the content of a message stands below its heading, not in its comment")
        return message
    if lines and lines[0].startswith("## "):
        lines = lines[1:]
    if lines and not lines[0].strip():
        lines = lines[1:]
    # Whoever ends the file with the last message has one line less.
    text = "\n".join(lines[:-1] if lines and not lines[-1].strip() else lines)
    text = _GUARDED.sub(r"\1", text)
    message["content"] = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if escaped else text
    return message
