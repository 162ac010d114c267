"""The front matter of prompt objects, as far as it is plain text in one line, before anything large is imported."""

from po_sessions.layout import primitives

LARGEST = primitives.LARGEST
"""Bytes of a prompt object's file; a larger one is not read."""


def front_matter(data: bytes) -> list[tuple[str, str]]:
    """Return the keys and values of the lines before the second fence that begin with a key, without quotes.

    A value that goes on in other lines, has an escape or a comment is not what YAML makes of it.
    """
    first, *lines = data.partition(b"\n---")[0].decode("utf-8", "replace").split("\n")
    if first.rstrip() != "---":
        return []
    pairs = [line.partition(":") for line in lines if ":" in line]
    return [(key, _unquoted(value.strip())) for key, _, value in pairs]


def _unquoted(value: str) -> str:
    quote = value[:1]
    is_quoted = len(value) > 1 and quote in "\"'" and value.endswith(quote) and quote not in value[1:-1]
    return value[1:-1] if is_quoted else value


def is_defined(objects: str, po_name: str) -> bool:
    """Tell whether the directory `objects` surely has this prompt object: in the file named like it."""
    if not primitives.is_po_name(po_name):
        return False
    data = primitives.read(f"{objects}/{po_name}.md", LARGEST + 1)
    if data is None or len(data) > LARGEST:
        return False
    return [value for key, value in front_matter(data) if key == "name"] in ([], [po_name])


def may_be_named(data: bytes, po_name: str) -> bool:
    """Tell whether a file not named like it can have this name: it would stand there as it is, or with an escape."""
    return po_name.encode() in data or b"\\" in data
