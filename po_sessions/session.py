"""Session, and SessionSummary, the session without its history.

Plain data and its rules; nothing here touches a disk, a clock or a model. Keys that are not known here are kept in
`extra`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from po_sessions import schema
from po_sessions.layout.primitives import FOOTER_AT
from po_sessions.message import STANDS_FOR, Message, Turn, TurnState, preview
from po_sessions.schema import Parent, Totals
from po_sessions.text.strict_json import dumps
from po_sessions.text.times import UNKNOWN_TIME, is_far_ahead, normal_time, time_or

VERSION = 1
"""The version of the session format written here. Newer ones are readable, and read-only."""

FOOTER_KEYS = ("updated_at", "preview", "message_count", "turn_count")
"""What stands behind the history, since it changes with every message; the counts last."""

OWN_FOOTER_KEYS = ("totals", "spent")
"""What only files have behind the history, since the messages tell it; one in front is from an earlier version."""


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
        at = time_or(message.created_at, self.updated_at)
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


@dataclass(frozen=True, slots=True)
class Session:
    """One conversation with one prompt object.

    Raises ValueError for a value of a wrong kind. Which names a new session may have is checked by who makes or renames
    one: files of other programs have others, and can be read.
    """

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
        if taken := _OWN_KEYS.intersection(self.extra):
            raise ValueError(f"{min(taken)!r} is a field of its own, not one of the other keys")
        if type(self.pinned) is not bool:
            raise ValueError("'pinned' is neither True nor False")
        if not isinstance(self.parent, Parent | None):
            raise ValueError("'parent' is not a Parent")
        if type(self.spent) is not int or self.spent < 0:
            raise ValueError("'spent' is not a whole number of at least 0")
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

    def with_history(self, history: Sequence[Message]) -> Session:
        """Return this session with another history, which also outlasts the block that this one was opened for."""
        return Session(**{**{key: getattr(self, key) for key in Session.__dataclass_fields__}, "history": history})

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

    def turns_begin_at(self, turns: int) -> int | None:
        """Return where in the history, from 0, the last `turns` turns begin; None if there are not as many."""
        numbered = zip(reversed(range(len(self.history))), reversed(self.history), strict=False)
        questions = (at for at, message in numbered if message.role == "user")
        return next(islice(questions, turns - 1, None), None) if turns > 0 else None

    def newest_with(self, key: str, value: str | None = None) -> int | None:
        """Return where in the history, from 0, the newest message is that has one of the other keys, and this value."""
        numbered = zip(reversed(range(len(self.history))), reversed(self.history), strict=False)
        return next((at for at, message in numbered if message.has(key, value)), None)

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
            rest["updated_at"] = max([created_at, *(time_or(one.created_at, created_at) for one in messages)])
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


_OWN_KEYS = frozenset(("version", "id", "name", "po_name", "created_at", "pinned", "metadata", "history", FOOTER_AT))
_OWN_KEYS |= frozenset((*FOOTER_KEYS, *OWN_FOOTER_KEYS))
"""Those that are never among the others; a key of the schema is, if another program gave it another meaning."""

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


SessionRef = str | Session | SessionSummary
"""What names a session: its id, or the session itself with or without its history."""


def id_of(session: SessionRef) -> str:
    """Return the id of a session."""
    return session if isinstance(session, str) else session.id
