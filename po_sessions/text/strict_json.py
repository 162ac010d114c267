"""JSON as it is written and believed here: compact, on one line, UTF-8, and strict when read."""

from __future__ import annotations

import json
import re
from typing import Any


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise ValueError(f"the number {text} is too large")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return made


# Made once: an append encodes and decodes several times, and making these takes as long as using them.
_decode = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_unique).decode
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_SURROGATES = re.compile("[\ud800-\udfff]")


def dumps(value: Any) -> bytes:
    """Return compact JSON on one line; lone surrogates, which UTF-8 cannot hold, are written as escapes."""
    try:
        return _encode(value).encode()
    except UnicodeEncodeError:
        return _SURROGATES.sub(lambda found: f"\\u{ord(found[0]):04x}", _encode(value)).encode()


def loads(data: bytes) -> Any:
    """Read strict JSON. Raises ValueError, also for `NaN`, a repeated key and what is nested too deep."""
    try:
        return _decode(data.decode())
    except RecursionError:
        raise ValueError("it is nested too deep") from None
