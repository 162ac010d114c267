"""What an imported session becomes: whether it may come in, whether it is here already, its id and its name."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from po_sessions.errors import Advice, InvalidInput, NewerVersion, SessionNotFound, Unreadable
from po_sessions.message import Message
from po_sessions.names import check_po_name, check_session_name, is_session_id
from po_sessions.session import VERSION, Session, SessionSummary
from po_sessions.sessions.naming import UNNAMED
from po_sessions.storage import SessionStore, load
from po_sessions.storage.records import without_undone
from po_sessions.text.strict_json import dumps


class Imported(NamedTuple):
    """What came of a session that was imported."""

    session: SessionSummary
    """The session as it is here."""
    original: Session
    made: bool
    """False if it was here already."""


def check_importable(session: Session, po_name: str | None = None) -> None:
    """See that a session from elsewhere can be imported, as `po_name`'s if given. Raises Unreadable, NewerVersion."""
    if session.version > VERSION:
        raise NewerVersion(
            f"The session {session.name!r} has version {session.version}, and this po reads up to {VERSION}.",
            advice=Advice("upgrade"),
        )
    if po_name is None:
        try:
            check_po_name(session.po_name)
        except InvalidInput as error:
            message = f"The session {session.name!r} cannot be imported: {error}"
            raise Unreadable(message, advice=Advice("import_with_owner")) from None


def normal(session: Session) -> Session:
    """Return a session whose calls of tools have our shape, wherever nothing of them is lost by that."""
    if not any(message.extra.get("tool_calls") for message in session.history):
        return session
    return replace(session, history=tuple(map(_normal, session.history)))


def _normal(message: Message) -> Message:
    calls = message.extra.get("tool_calls")
    if not calls:
        return message
    from po_sessions.mending import normal_calls  # which few imports need

    return replace(message, extra={**message.extra, "tool_calls": normal_calls(calls)})


def carried_name(name: str) -> str:
    """Return the name that an imported session asks for, or UNNAMED if no session may have that."""
    try:
        return check_session_name(name)
    except InvalidInput:
        return UNNAMED


def place_of(session: Session, storage: SessionStore) -> tuple[str | None, SessionSummary | None]:
    """Return the id that an imported session gets, None for any; also the session that is there if it is the same.

    The same is one that began at the same time and has all its messages, perhaps more by now.
    """
    for id in [*([session.id] if is_session_id(session.id) else []), _id_of(session)]:
        try:
            there = load(storage, id)
        except SessionNotFound:
            return id, None
        except Unreadable:
            continue
        if holds(normal(there), normal(session)):
            return id, there.summary()
    return None, None


def imported(session: Session, id: str, name: str, po_name: str, format_name: str, now: str) -> Session:
    """Return what is stored of a session that came from elsewhere; its metadata report where it came from."""
    about = {
        "id": session.id,
        "name": session.name,
        "po_name": session.po_name,
        "format": format_name,
        "at": now,
        **{key: session.metadata[key] for key in ("imported_from",) if key in session.metadata},
    }
    return replace(
        normal(session),
        id=id,
        name=name,
        po_name=po_name,
        metadata={**session.metadata, "imported_from": about},
        extra=without_undone(session.extra),
    )


def holds(there: Session, session: Session) -> bool:
    """Tell whether a session has all that another has, and maybe more."""
    return there.created_at == session.created_at and there.history[: session.message_count] == session.history


def _id_of(session: Session) -> str:
    """Return an id that follows from a session's time and content, so that it is found again."""
    from hashlib import sha256

    from ulid import ULID

    moment = max(0, int(datetime.fromisoformat(session.created_at).timestamp() * 1000))
    return str(ULID.from_bytes(moment.to_bytes(6, "big") + sha256(dumps(session.to_dict())).digest()[:10]))
