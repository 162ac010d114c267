"""File formats of sessions: the protocol they share and the table of them.

A format writes sessions so that reading them gives the same sessions, message for message and key for key. It knows
nothing of files, stores or terminals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Protocol

from po_sessions.errors import Advice, InvalidInput, Unreadable
from po_sessions.session import Session
from po_sessions.text.suggest import nearest


class Format(Protocol):
    """What every format can do."""

    name: str
    suffix: str
    """The ending of its files' names, with the point."""
    several: tuple[bytes, bytes, bytes] | None
    """What stands before, between and behind several sessions in one document; None if it can only have one."""

    def encode(self, session: Session) -> Iterator[bytes]:
        """Yield the pieces of a document with one session, each of them whole UTF-8 text.

        The history is looked at once. Raises InvalidInput if this format cannot hold the session.
        """

    def recognises(self, data: bytes) -> bool:
        """Tell cheaply whether a document looks like one of this format."""

    def decode(self, data: bytes) -> list[Session]:
        """Read a document. Raises ValueError, with the place, if it cannot be read whole."""


FORMATS = {
    "markdown": "po_sessions.formats.markdown:Markdown",
    "jsonl": "po_sessions.formats.jsonl:JsonLines",
    "json": "po_sessions.formats.json:Json",
}
"""The formats, in the order in which they are tried on a document."""


def format_named(name: str) -> Format:
    """Return a format by its name. Raises InvalidInput."""
    if name not in FORMATS:
        advice = Advice("no_such_format", near=nearest(name, FORMATS), names=tuple(FORMATS))
        raise InvalidInput(f"There is no format {name!r}.", advice=advice)
    module, _, attribute = FORMATS[name].partition(":")
    made: Format = getattr(import_module(module), attribute)()
    return made


def encode(form: Format, sessions: Iterable[Session], *, several: bool) -> Iterator[bytes]:
    """Yield the pieces of a document: of one session, or if there are `several`, of any number of them.

    Each is written before the next is asked for. Raises InvalidInput.
    """
    before, between, behind = form.several if several and form.several else (b"", b"", b"")
    yield before
    for number, session in enumerate(sessions):
        if number:
            yield between
        yield from form.encode(session)
    yield behind


def decode(data: bytes, where: str) -> tuple[Format, list[Session]]:
    """Return the sessions of a document whose format is told by its content, and the format.

    `where` is how errors call the document. Raises Unreadable.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")
    for one in map(format_named, FORMATS):
        if one.recognises(data):
            try:
                return one, one.decode(data)
            except UnicodeDecodeError as error:
                raise _unreadable(where, f"it is not UTF-8 text (byte {error.start})") from None
            except ValueError as error:
                raise _unreadable(where, " ".join(str(error).split())) from None
    raise _unreadable(where, "it is empty" if not data.strip() else "it is in none of the formats that are known")


def _unreadable(where: str, what: str) -> Unreadable:
    return Unreadable(f"{where} cannot be imported: {what}.", advice=Advice("not_a_document"))
