"""Importing sessions: whether one may come in, whether it is here already, its id and its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from po_sessions.errors import Advice, Conflict, InvalidInput, NewerVersion, PoError, SessionNotFound, Unreadable
from po_sessions.message import Message
from po_sessions.names import check_po_name, check_session_name, is_session_id, new_session_id
from po_sessions.session import VERSION, Session, SessionSummary
from po_sessions.sessions.naming import UNNAMED, FreeNames, claimed
from po_sessions.storage import SessionStore, load
from po_sessions.storage.records import without_undone
from po_sessions.text.strict_json import dumps
from po_sessions.text.times import timestamp

_AT_ONCE = 100
"""How many sessions are imported before others get a turn at the names."""


class Imported(NamedTuple):
    """What came of a session that was imported."""

    session: SessionSummary
    """The session as it is here."""
    original: Session
    made: bool
    """False if it was here already."""


def read(data: str | bytes, po_name: str | None) -> tuple[str, list[Session]]:
    """Return the name of a document's format, and its sessions, which can be imported, as `po_name`'s if given.

    Raises Unreadable, NewerVersion.
    """
    from po_sessions import formats

    # What is not a character makes the document one that is not UTF-8.
    encoded = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    form, sessions = formats.decode(encoded, "The document")
    for session in sessions:
        check_importable(session, po_name)
    return form.name, sessions


def carry_out(
    sessions: Iterable[Session],
    storage: SessionStore,
    clock: Callable[[], datetime],
    *,
    po_name: str | None,
    format_name: str,
) -> Iterator[Imported]:
    """Add sessions to a store, as `po_name`'s if given; yield what came of each, also before a failure.

    Raises Busy, WriteFailed.
    """
    waiting = iter(sessions)
    while some := list(islice(waiting, _AT_ONCE)):
        made, failure = dict[int, Imported](), None
        try:
            for owner in dict.fromkeys(po_name or one.po_name for one in some):
                mine = {at: one for at, one in enumerate(some) if owner == (po_name or one.po_name)}
                with claimed(storage, owner, *(carried_name(one.name) for one in mine.values())) as now_called:
                    free = FreeNames(storage.taken_names(now_called))
                    for at, session in mine.items():
                        made[at] = _import(session, storage, clock, free, po_name=now_called, format_name=format_name)
        except PoError as error:
            failure = error
        yield from (made[at] for at in sorted(made))
        if failure is not None:
            raise failure


def _import(
    session: Session,
    storage: SessionStore,
    clock: Callable[[], datetime],
    free: FreeNames,
    *,
    po_name: str,
    format_name: str,
) -> Imported:
    name = None
    while True:
        id, there = place_of(session, storage)
        if there is not None:
            return Imported(there, session, made=False)
        name = name or free.take(carried_name(session.name))
        now = clock()
        copy = imported(session, id or new_session_id(now), name, po_name, format_name, timestamp(now))
        # If another process has made a session with this id since, it may be the same one.
        with suppress(Conflict):
            return Imported(storage.create(copy), session, made=True)


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
