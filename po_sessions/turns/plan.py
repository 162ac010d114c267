"""What a turn is to do: decided before anything is stored, and before a model is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from po_sessions.message import Message
    from po_sessions.models import ModelBackend
    from po_sessions.session import SessionSummary
    from po_sessions.storage.records import HeldTurn
    from po_sessions.turns.window import Window


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is asked in a turn; that it can be has been checked."""

    backend: ModelBackend
    model: str
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sent in a turn, to whom, and behind what the reply is stored."""

    turn: HeldTurn
    session: SessionSummary
    """The session as it is before."""
    window: Window
    asked: Asked
    last: Message
    """The message that the reply has to follow: the question, or the end of what is gone on with."""
    is_stored: bool = True
    """Whether that message is in the session; else it is stored before the model is asked."""
