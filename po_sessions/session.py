"""The nouns: Session, Message, and SessionSummary, the session without its history.

Plain data and its rules; nothing here touches a disk, a clock or a model. Times are ISO-8601 text in UTC with
milliseconds (`2025-01-03T10:00:00.000Z`), so they sort as text; keys that are not known here are kept in `extra`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from po_sessions import schema
from po_sessions.errors import Advice, InvalidInput
from po_sessions.layout.primitives import FOOTER_AT, is_printable
from po_sessions.schema import Parent, Totals
from po_sessions.text.strict_json import dumps

VERSION = 1
"""The version of the session format written here. Newer ones are readable, and read-only."""

DEFAULT_NAME = "Default"
"""The session that a first plain use of a prompt object makes."""

UNKNOWN_TIME = "1970-01-01T00:00:00.000Z"
"""What stands for the times of a session whose file does not tell them."""

ROLES = ("system", "user", "assistant", "tool")
NAME_LENGTH = 200
PREVIEW_LENGTH = 80
FOOTER_KEYS = ("updated_at", "preview", "message_count", "turn_count")
"""What stands behind the history, since it changes with every message; the counts last."""

OWN_FOOTER_KEYS = ("totals", "spent")
"""What only files have behind the history, since the messages tell it; one in front is from an earlier version."""

STANDS_FOR = "stands_for"
"""The key of a summary: how many messages before it it stands for in what a model is sent."""

DAMAGED = "damaged"
"""The key of a gap: how many `bytes` could not be read."""

TurnState = Literal["empty", "open", "failed", "done"]
"""The newest turn: none yet; a user's message without a reply; one that ended in an error; one that was answered."""

_ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PO_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_UTC_MILLISECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def timestamp(moment: datetime) -> str:
    """Return an aware datetime as the store writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def normal_time(text: str) -> str:
    """Return any ISO-8601 time in the form of `timestamp`; one without a zone is taken as UTC.

    Raises ValueError if it is not a time.
    """
    moment = datetime.fromisoformat(text)
    if _UTC_MILLISECONDS.fullmatch(text):
        return text
    try:
        return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except OverflowError:
        raise ValueError(f"{text} lies outside of time") from None


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


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: str
    """One of ROLES."""
    content: str | None
    """The text; None for an assistant's message that only calls tools."""
    created_at: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """All other keys. Ours: `model`, `usage`, `duration_ms`, `finish_reason`, and `error` (`kind`, `message`) in the
    reply of a failed turn, whose content is what had arrived."""

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"a message has the role {self.role!r}")
        if not isinstance(self.content, str | None):
            raise ValueError("the content of a message is not text")
        if not isinstance(self.created_at, str | None):
            raise ValueError("the time of a message is not text")

    @classmethod
    def gap(cls, size: int, role: str) -> Message:
        """Return what stands for a damaged message of so many bytes, of which no more than its role is known."""
        return cls(role, f"[damaged: {size} bytes cannot be read]", None, {DAMAGED: {"bytes": size}})

    @property
    def is_gap(self) -> bool:
        """Whether this stands for a damaged message."""
        return isinstance(self.extra.get(DAMAGED), Mapping)

    @property
    def failed(self) -> bool:
        """Whether this is the reply of a failed turn."""
        return self.extra.get("error") is not None

    @property
    def is_summary(self) -> bool:
        """Whether this stands for the messages before it in what a model is sent."""
        return self.role == "system" and STANDS_FOR in self.extra

    def has(self, key: str, value: str | None = None) -> bool:
        """Tell whether this has one of the other keys, and this value if given."""
        return key in self.extra and value in (None, self.extra[key])

    @property
    def turn_state(self) -> TurnState:
        """The state of a turn whose last message this is."""
        if self.failed:
            return "failed"
        answered = self.role == "assistant" and not self.extra.get("tool_calls")
        return "done" if answered or self.role == "system" else "open"

    def to_dict(self) -> dict[str, Any]:
        """Return the message as it is stored."""
        made = {"role": self.role, "content": self.content}
        if self.created_at is not None:
            made["created_at"] = self.created_at
        return {**made, **self.extra}

    @classmethod
    def from_dict(cls, data: Any) -> Message:
        """Read a stored message. Raises ValueError, saying what is wrong with it."""
        if not isinstance(data, dict):
            raise ValueError("a message is not an object")
        rest = dict(data)
        role, content, created_at = rest.pop("role", None), rest.pop("content", None), rest.pop("created_at", None)
        return cls(role, content, created_at, rest)


class Turn(NamedTuple):
    """A user's message with all that answers it."""

    number: int
    """Counted from 1; failed and interrupted turns keep their numbers."""
    messages: tuple[Message, ...]

    @property
    def state(self) -> TurnState:
        """`done`, `failed`, or `open` (being answered, or interrupted)."""
        return self.messages[-1].turn_state


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """What is known of a session without reading its history."""

    id: str
    name: str
    po_name: str
    created_at: str
    updated_at: str
    """The time of the last turn."""
    message_count: int = 0
    turn_count: int = 0
    preview: str = ""
    """The first user's message on one line, cut to PREVIEW_LENGTH characters."""
    last_turn: TurnState = "empty"
    tags: tuple[str, ...] = ()
    pinned: bool = False
    parent: Parent | None = None
    totals: Totals | None = None
    """The replies of each model; None where they have to be counted."""
    spent: int = 0
    """The tokens that its replies ever cost, also those that were undone."""

    def with_message(self, message: Message, now: str = "") -> SessionSummary:
        """Return the summary of the session with one more message.

        The time of the last turn does not move back, unless it lies more than a day ahead of `now`.
        """
        first = message.role == "user" and not self.turn_count
        at = _time_or(message.created_at, self.updated_at)
        return replace(
            self,
            updated_at=at if now and is_far_ahead(self.updated_at, now) else max(self.updated_at, at),
            message_count=self.message_count + 1,
            turn_count=self.turn_count + (message.role == "user"),
            preview=preview(message.content) if first else self.preview,
            last_turn=message.turn_state,
            totals=None if self.totals is None else schema.with_message(self.totals, message),
            spent=self.spent + schema.tokens_in(message),
        )


def is_far_ahead(time: str, now: str) -> bool:
    """Tell whether a time lies more than a day ahead of another, so that the clock must have been wrong."""
    return time > now and datetime.fromisoformat(time) - datetime.fromisoformat(now) > timedelta(days=1)


def _time_or(text: str | None, default: str) -> str:
    try:
        return normal_time(text or default)
    except ValueError:
        return default


def preview(text: str | None) -> str:
    """Return a text on one line, cut to PREVIEW_LENGTH characters."""
    line = " ".join((text or "")[: 8 * PREVIEW_LENGTH].split())
    return line if len(line) <= PREVIEW_LENGTH else line[: PREVIEW_LENGTH - 1] + "…"


@dataclass(frozen=True, slots=True)
class Session:
    """One conversation with one prompt object."""

    id: str
    name: str
    po_name: str
    created_at: str
    updated_at: str
    history: Sequence[Message] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    version: int = VERSION
    extra: Mapping[str, Any] = field(default_factory=dict)
    """All other keys."""
    parent: Parent | None = None
    tags: Sequence[str] = ()
    pinned: bool = False
    """Whether it is never pruned."""
    note: str | None = None
    budget: int | None = None
    """How many tokens it may spend."""
    amended_at: str | None = None
    """When one of the keys before the history was last changed."""
    spent: int = field(default=0, compare=False)
    """The tokens that its replies ever cost, where the history does not tell all of them."""

    def __post_init__(self) -> None:
        for key in ("id", "name", "po_name"):
            value = getattr(self, key)
            if not isinstance(value, str) or not value:
                raise ValueError(f"{key!r} is missing or not text")
        for key in ("created_at", "updated_at"):
            object.__setattr__(self, key, _normal_time(getattr(self, key), key))
        if type(self.version) is not int or self.version < 1:
            raise ValueError("'version' is not a positive whole number")
        if not isinstance(self.metadata, Mapping) or not isinstance(self.extra, Mapping):
            raise ValueError("'metadata' is not an object")
        if "pinned" in self.extra:
            raise ValueError("'pinned' is a field of its own, not one of the other keys")
        if not isinstance(self.history, Sequence) or isinstance(self.history, str | bytes):
            raise ValueError("'history' is not a list")
        if isinstance(self.history, tuple | list) and not all(type(one) is Message for one in self.history):
            raise ValueError("'history' has something that is not a message")
        for key, check in _CHECKS.items():
            object.__setattr__(self, key, check(getattr(self, key)))

    @property
    def message_count(self) -> int:
        """How many messages there are."""
        return len(self.history)

    def turns(self) -> Iterator[Turn]:
        """Yield the turns; messages before the first user's belong to none."""
        number, messages = 0, list[Message]()
        for message in self.history:
            if message.role == "user":
                if number:
                    yield Turn(number, tuple(messages))
                number, messages = number + 1, []
            messages.append(message)
        if number:
            yield Turn(number, tuple(messages))

    def last_turn(self) -> Turn | None:
        """Return the newest turn, looking at no others."""
        messages = list[Message]()
        for message in reversed(self.history):
            messages.insert(0, message)
            if message.role == "user":
                return Turn(self.summary().turn_count, tuple(messages))
        return None

    def newest_with(self, key: str, value: str | None = None) -> int | None:
        """Return where in the history, from 0, the newest message is that has one of the other keys, and this value."""
        found = (at for at in reversed(range(len(self.history))) if self.history[at].has(key, value))
        return next(found, None)

    def summary_at(self) -> int | None:
        """Return where in the history the newest summary is, counted from 0."""
        at = self.newest_with(STANDS_FOR)
        return at if at is not None and self.history[at].is_summary else None

    def summary(self) -> SessionSummary:
        """Return what is known of this session without its history."""
        turn_count, first, last = 0, "", None
        for last in self.history:
            if last.role == "user":
                first = first if turn_count else preview(last.content)
                turn_count += 1
        totals = schema.totals_of(self.history)
        return SessionSummary(
            id=self.id,
            name=self.name,
            po_name=self.po_name,
            created_at=self.created_at,
            updated_at=self.updated_at,
            message_count=len(self.history),
            turn_count=turn_count,
            preview=first,
            last_turn=last.turn_state if last else "empty",
            tags=tuple(self.tags),
            pinned=self.pinned,
            parent=self.parent,
            totals=totals,
            spent=max(self.spent, schema.tokens_of(totals)),
        )

    def head(self) -> dict[str, Any]:
        """Return the keys that are stored before the history."""
        return {
            "version": self.version,
            "id": self.id,
            "name": self.name,
            "po_name": self.po_name,
            "created_at": self.created_at,
            **self.extra,
            **({} if self.parent is None else {"parent": self.parent.to_dict()}),
            **({"tags": list(self.tags)} if self.tags else {}),
            **({"pinned": True} if self.pinned else {}),
            **{key: value for key in _SINGLE if (value := getattr(self, key)) is not None},
            "metadata": dict(self.metadata),
        }

    def footer(self) -> dict[str, Any]:
        """Return the keys that are stored behind the history."""
        summary = self.summary()
        return {key: getattr(summary, key) for key in FOOTER_KEYS}

    def to_dict(self) -> dict[str, Any]:
        """Return the session as one JSON object, in the order in which it is stored."""
        return {**self.head(), "history": [message.to_dict() for message in self.history], **self.footer()}

    def encoded(self) -> Iterator[bytes]:
        """Yield the same as JSON, in pieces that end with a line: one a message, its comma leading.

        The last brace has a line of its own.
        """
        yield from self.encoded_history()
        yield b"]," + dumps(self.footer())[1:-1] + b"\n}\n"

    def encoded_history(self) -> Iterator[bytes]:
        """Yield the same up to the end of the history."""
        yield dumps(self.head())[:-1] + b',"history":[\n'
        yield from self._encoded_messages()

    def _encoded_messages(self) -> Iterator[bytes]:
        for i, message in enumerate(self.history):
            yield b"," * (i > 0) + dumps(message.to_dict()) + b"\n"

    @classmethod
    def from_dict(cls, data: Any) -> Session:
        """Read a session from its JSON object; counts and preview are computed, not believed.

        Raises ValueError, saying what is wrong with it.
        """
        if not isinstance(data, dict):
            raise ValueError("it is not a JSON object")
        rest = dict(data)
        history = rest.pop("history", None)
        if not isinstance(history, list):
            raise ValueError("'history' is not a list")
        messages = tuple(map(Message.from_dict, history))
        spent = schema.spent_by(rest, schema.tokens_of(schema.totals_of(messages)))
        for derived in (FOOTER_AT, *OWN_FOOTER_KEYS, *FOOTER_KEYS[1:]):
            rest.pop(derived, None)
        created_at = _normal_time(rest.pop("created_at", UNKNOWN_TIME), "created_at")
        if "updated_at" not in rest:  # the messages tell, or nothing does
            rest["updated_at"] = max([created_at, *(_time_or(one.created_at, created_at) for one in messages)])
        return cls(
            **{key: rest.pop(key, None) for key in ("id", "name", "po_name")},
            created_at=created_at,
            updated_at=rest.pop("updated_at"),
            history=messages,
            metadata=rest.pop("metadata", {}),
            version=rest.pop("version", VERSION),
            pinned=bool(rest.pop("pinned", False)),
            **_known(rest),
            extra=rest,
            spent=spent,
        )


def _known(rest: dict[str, Any]) -> dict[str, Any]:
    """Take the keys of the schema out of others; one that has another meaning to another program stays there."""
    found = {}
    for key, check in (("parent", Parent.from_dict), *_CHECKS.items()):
        if key in rest:
            with suppress(ValueError):
                found[key] = check(rest[key])
                del rest[key]
    return found


def _check_amended(time: Any) -> str | None:
    return None if time is None else _normal_time(time, "amended_at")


_SINGLE = ("note", "budget", "amended_at")
_CHECKS: dict[str, Callable[[Any], Any]] = {
    "tags": schema.check_tags,
    "note": schema.check_text,
    "budget": schema.check_count,
    "amended_at": _check_amended,
}


def _normal_time(value: Any, key: str) -> str:
    try:
        return normal_time(value)
    except (TypeError, ValueError):
        raise ValueError(f"{key!r} is not a time") from None
