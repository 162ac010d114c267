"""A prompt object's definition: one `objects/*.md` file, YAML front matter and a body that is the system prompt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from po_sessions.errors import Advice, InvalidInput, Unreadable
from po_sessions.names import check_po_name
from po_sessions.text import front_matter

_LIMIT = re.compile(r"(last|tokens):([0-9]{1,9})")
_FRONT = 64 * 1024
"""Characters of front matter, which takes long to read; the body may have more."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How much of a conversation is sent: all of it, its last turns, or what fits a number of tokens."""

    kind: Literal["all", "last", "tokens"] = "all"
    number: int = 0

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Read `all`, `last:N` or `tokens:N`. Raises InvalidInput."""
        if text == "all":
            return cls()
        found = _LIMIT.fullmatch(text)
        number = int(found[2]) if found else 0
        if found is None or (found[1] == "tokens" and not number):
            raise InvalidInput(
                f"{text!r} does not say how much of the conversation to send.",
                advice=Advice("context_form"),
            )
        return cls("last" if found[1] == "last" else "tokens", number)

    def __str__(self) -> str:
        return "all" if self.kind == "all" else f"{self.kind}:{self.number}"


@dataclass(frozen=True, slots=True)
class Definition:
    """What a prompt object is told and which model answers for it."""

    name: str
    description: str = ""
    capabilities: tuple[str, ...] = ()
    """Kept and shown; running them is not this project's part."""
    model: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options for the model, such as `temperature`."""
    context: Limit | None = None
    """What of a conversation the model gets; all of it if not given."""
    body: str = ""
    """The system prompt."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """All other keys of the front matter."""

    def front_matter(self) -> dict[str, Any]:
        """Return the front matter's keys, those that are set."""
        made: dict[str, Any] = {"name": self.name}
        if self.description:
            made["description"] = self.description
        if self.capabilities:
            made["capabilities"] = list(self.capabilities)
        if self.model is not None:
            made["model"] = self.model
        if self.options:
            made["options"] = dict(self.options)
        if self.context is not None:
            made["context"] = str(self.context)
        return {**made, **self.extra}

    def render(self) -> str:
        """Return the file's text; `parse` reads it back."""
        return f"{front_matter.dump(self.front_matter())}\n{self.body}\n"


def parse(text: str, *, stem: str, where: str) -> Definition:
    """Read a definition. `stem` is the file's name without `.md`, the name where the front matter has none; `where` is
    how errors call the file.

    Raises Unreadable, with the line, if the front matter is not YAML or holds something of the wrong type.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    try:
        front, body = front_matter.split(text) or ("", text)
        if len(front) > _FRONT:
            raise ValueError(f"the front matter has more than {_FRONT} characters")
        data = front_matter.load(front)
    except ValueError as error:
        raise _wrong(where, str(error)) from None
    try:
        name = check_po_name(_text(data, "name", where) or stem)
    except InvalidInput as error:
        raise Unreadable(f"{where}: {error}", advice=error.advice) from None
    options = data.pop("options", None) or {}
    if not isinstance(options, dict) or not all(isinstance(key, str) for key in options):
        raise _wrong(where, "'options' is not a mapping")
    capabilities = data.pop("capabilities", None) or []
    if not isinstance(capabilities, list) or not all(isinstance(item, str) for item in capabilities):
        raise _wrong(where, "'capabilities' is not a list of names")
    try:
        limit = _text(data, "context", where)
        context = Limit.parse(limit) if limit else None
    except InvalidInput as error:
        raise Unreadable(f"{where}: {error}", advice=error.advice) from None
    return Definition(
        name=name,
        description=" ".join(_text(data, "description", where).split()),
        capabilities=tuple(capabilities),
        model=_text(data, "model", where) or None,
        options=options,
        context=context,
        body=body.strip("\n"),
        extra=data,
    )


def _text(data: dict[str, Any], key: str, where: str) -> str:
    value = data.pop(key, None)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(where, f"{key!r} is not text (put it in quotes)")
    return value


def _wrong(where: str, what: str) -> Unreadable:
    return Unreadable(f"{where}: {what}.", advice=Advice("mend", path=where))
