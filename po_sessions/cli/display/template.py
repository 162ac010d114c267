"""What `--format` takes: `{id}\\t{name}`. `po status` uses it before anything large is imported."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_ESCAPES = {"t": "\t", "n": "\n", "0": "\0", "\\": "\\"}

STATUS_FIELDS = ("po_name", "session_name", "session_id", "message_count")
"""What `po status` tells."""


class Template:
    """A line with fields in braces. `{{` and `}}` are braces, `\\t`, `\\n`, `\\0` and `\\\\` what they are in C."""

    def __init__(self, text: str, fields: "Collection[str]") -> None:
        """Raise ValueError, which says why, for what is no template of these fields."""
        self._parts = list(_parse(text))
        self.names = {name for _, name in self._parts if name is not None}
        for name in self.names.difference(fields):
            raise ValueError(f"there is no field {name!r}; the fields are {', '.join(fields)}")

    def fill(self, values: "Mapping[str, str]") -> str:
        """Return the line with these values of its fields."""
        return "".join(text if name is None else values[name] for text, name in self._parts)


def _parse(text: str) -> "list[tuple[str, str | None]]":
    """Return the pieces: a text and None, or nothing and a field's name."""
    parts: list[tuple[str, str | None]] = []
    at = 0
    while at < len(text):
        sign, next_ = text[at], text[at + 1 : at + 2]
        if sign == "\\":
            if next_ not in _ESCAPES:
                raise ValueError(rf"\{next_} means nothing; write \\ for a backslash")
            parts.append((_ESCAPES[next_], None))
            at += 2
        elif sign in "{}" and next_ == sign:
            parts.append((sign, None))
            at += 2
        elif sign == "{" and (end := text.find("}", at)) > 0:
            parts.append(("", text[at + 1 : end]))
            at = end + 1
        elif sign in "{}":
            raise ValueError(f"a {sign} stands alone; write {sign}{sign} for a brace")
        else:
            parts.append((sign, None))
            at += 1
    return parts
