"""YAML front matter: the block between two `---` lines at the top of a Markdown file.

Every value is one that JSON has: times stay text, and aliases, with which few bytes can stand for many, are refused.
"""

from __future__ import annotations

import json
import re
from typing import Any

FENCE = "---"
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")
"""Characters that editors, terminals, transfers or other programs do not leave alone."""


def split(text: str) -> tuple[str, str] | None:
    """Return what is between the fences, and what follows; None if the first line is no fence.

    Raises ValueError if the block is never closed.
    """
    lines = text.split("\n")
    if lines[0].rstrip() != FENCE:
        return None
    for number, line in enumerate(lines[1:], 1):
        if line.rstrip() == FENCE:
            return "\n".join(lines[1:number]), "\n".join(lines[number + 1 :])
    raise ValueError(f"the front matter that begins in line 1 has no closing {FENCE!r}")


def load(front: str) -> dict[str, Any]:
    """Read what is between the fences. Raises ValueError, with the line of the file where there is one."""
    import yaml

    try:
        data = yaml.load(front, _loader())  # noqa: S506 -- a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 2}" if error.problem_mark else ""
        raise ValueError(f"the front matter is not YAML: {error.problem}{line}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"the front matter is not YAML: {' '.join(str(error).split())}") from None
    if data is None:
        return {}
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise ValueError("the front matter is not a mapping of names to values")
    try:
        json.dumps(data, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("the front matter holds a value that is no text, number, list or mapping") from None
    return data


def dump(data: dict[str, Any]) -> str:
    """Return a block with its fences and an end of line; `load` reads back what is in it.

    Raises ValueError if it is nested too deep.
    """
    import yaml

    try:
        text = yaml.dump(data, Dumper=_dumper(), sort_keys=False, allow_unicode=True)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return f"{FENCE}\n{text}{FENCE}\n"


def _dumper() -> Any:
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def represent(dumper: Any, text: str) -> Any:
        # In any other style PyYAML lets some of these turn into spaces.
        style = '"' if UNSAFE.search(text) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, represent)
    return Dumper


def _loader() -> Any:
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

        def compose_mapping_node(self, anchor: Any) -> Any:
            node = super().compose_mapping_node(anchor)
            seen = set()
            for key, _ in node.value:
                known = (key.tag, str(key.value))
                if known in seen:
                    raise yaml.composer.ComposerError(None, None, "a key occurs twice", key.start_mark)
                seen.add(known)
            return node

    return Loader
