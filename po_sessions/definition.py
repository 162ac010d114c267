"""A prompt object's definition: one `objects/*.md` file, YAML front matter and a body that is the system prompt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from po_sessions.errors import InvalidInput, Unreadable
from po_sessions.session import check_po_name

_FENCE = "---"


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
        return {**made, **self.extra}

    def render(self) -> str:
        """Return the file's text; `parse` reads it back."""
        import yaml

        front = yaml.safe_dump(self.front_matter(), sort_keys=False, allow_unicode=True)
        return f"{_FENCE}\n{front}{_FENCE}\n\n{self.body}\n"


def parse(text: str, *, stem: str, where: str) -> Definition:
    """Read a definition. `stem` is the file's name without `.md`, the name where the front matter has none; `where` is
    how errors call the file.

    Raises Unreadable, with the line, if the front matter is not YAML or holds something of the wrong type.
    """
    front, body = _split(text.removeprefix("\ufeff").replace("\r\n", "\n"), where)
    data = _load(front, where)
    try:
        name = check_po_name(_text(data, "name", where) or stem)
    except InvalidInput as error:
        raise Unreadable(f"{where}: {error}", hint=error.hint) from None
    options = data.pop("options", None) or {}
    if not isinstance(options, dict) or not all(isinstance(key, str) for key in options):
        raise _wrong(where, "'options' is not a mapping")
    capabilities = data.pop("capabilities", None) or []
    if not isinstance(capabilities, list) or not all(isinstance(item, str) for item in capabilities):
        raise _wrong(where, "'capabilities' is not a list of names")
    return Definition(
        name=name,
        description=" ".join(_text(data, "description", where).split()),
        capabilities=tuple(capabilities),
        model=_text(data, "model", where) or None,
        options=options,
        body=body.strip("\n"),
        extra=data,
    )


def _split(text: str, where: str) -> tuple[str, str]:
    lines = text.split("\n")
    if lines[0].rstrip() != _FENCE:
        return "", text
    for number, line in enumerate(lines[1:], 1):
        if line.rstrip() == _FENCE:
            return "\n".join(lines[1:number]), "\n".join(lines[number + 1 :])
    raise _wrong(where, f"the front matter that begins in line 1 has no closing {_FENCE!r}")


def _load(front: str, where: str) -> dict[str, Any]:
    import yaml

    try:
        data = yaml.load(front, _loader())  # noqa: S506 -- a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 2}" if error.problem_mark else ""
        raise _wrong(where, f"the front matter is not YAML: {error.problem}{line}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _wrong(where, f"the front matter is not YAML: {' '.join(str(error).split())}") from None
    if data is None:
        return {}
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise _wrong(where, "the front matter is not a mapping of names to values")
    try:
        json.dumps(data, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise _wrong(where, "the front matter holds a value that is no text, number, list or mapping") from None
    return data


def _loader() -> Any:
    """Return a safe loader that takes times as text, and refuses aliases, with which few bytes can stand for many."""
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {  # noqa: RUF012 -- as in the class it comes from
            first: [(tag, pattern) for tag, pattern in pairs if tag != "tag:yaml.org,2002:timestamp"]
            for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
                raise yaml.composer.ComposerError(None, None, "an alias (*) is not allowed", mark)
            return super().compose_node(parent, index)

    return Loader


def _text(data: dict[str, Any], key: str, where: str) -> str:
    value = data.pop(key, None)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(where, f"{key!r} is not text (put it in quotes)")
    return value


def _wrong(where: str, what: str) -> Unreadable:
    return Unreadable(f"{where}: {what}.", hint=f"Mend {where}.")
