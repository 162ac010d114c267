"""Names and ids: which ones a session and a prompt object may have."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime

from po_sessions.errors import Advice, InvalidInput
from po_sessions.layout.primitives import is_printable

DEFAULT_NAME = "Default"
"""The session that a first plain use of a prompt object makes."""

NAME_LENGTH = 200

_ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PO_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_session_id(text: str) -> bool:
    """Tell whether `text` is a ULID (capital letters) or a UUID (small letters), and so safe as a file name."""
    return _ID.fullmatch(text) is not None


def new_session_id(now: datetime) -> str:
    """Return an id that no session has: a ULID of this moment."""
    from ulid import ULID

    return str(ULID.from_datetime(now))


def check_session_name(name: str) -> str:
    """Return `name` in Unicode's composed form if a new session may have it.

    1 to 200 printable characters, no space at either end, not `.`, not like an id, no `-` or `@` in front.
    Raises InvalidInput.
    """
    name = unicodedata.normalize("NFC", name)
    wrong = ""
    if not 1 <= len(name) <= NAME_LENGTH:
        wrong = f"it has {len(name)} characters, and 1 to {NAME_LENGTH} are allowed"
    elif not is_printable(name):
        wrong = "it contains a control or invisible character"
    elif name != name.strip():
        wrong = "it begins or ends with a space"
    elif name[0] in "-@":
        wrong = f"it begins with {name[0]!r}"
    elif name == ".":
        wrong = "'.' stands for the current prompt object"
    elif is_session_id(name.upper()) or is_session_id(name.lower()):
        wrong = "it looks like an id"
    if wrong:
        raise InvalidInput(f"{name!r} cannot be a session's name: {wrong}.", advice=Advice("choose_another_name"))
    return name


def check_po_name(name: str) -> str:
    """Return `name` if a prompt object may have it: 1 to 64 of `A-Z a-z 0-9 _ -`. Raises InvalidInput."""
    if not _PO_NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} cannot be a prompt object's name.",
            advice=Advice("po_name_form"),
        )
    return name
