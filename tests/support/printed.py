"""The command lines in what `po` printed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator


def printed(text: str) -> Iterator[str]:
    """Yield the command lines in what po printed: in quotes, which may hold quotes, or to the end of a line."""
    for found in re.finditer(r"'(?=po )|(?<=: )(?=po )|(?<=, or )(?=po )", text):
        rest = text[found.end() :].split("\n")[0]
        if not found[0]:
            yield rest
            continue
        for end in re.finditer(r"'(?=[\s,.;:)]|$)", rest):
            line = rest[: end.start()]
            if is_whole(line):
                yield line
                break


def is_whole(line: str) -> bool:
    try:
        return bool(shlex.split(line))
    except ValueError:
        return False
