"""What a turn stores carries the turn, so that a store may refuse a holder whose time has run out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import foreign_store
from support.foreign_store import ForeignStore
from support.scripted import Script

from po_sessions.errors import Conflict, Interrupted, ReplyNotStored, Unreachable
from po_sessions.message import Message
from po_sessions.prompt_objects.definition import Definition
from po_sessions.sessions.manager import SessionManager
from po_sessions.storage.records import HeldTurn
from po_sessions.turns.prompt_object import Context, PromptObject

GREETER = PromptObject(Definition("greeter", body="You greet."))
FAILS = Script(says="half of it", error=Unreachable("No."), error_at=1)


@pytest.fixture
def manager(monkeypatch, clock):
    monkeypatch.setattr(foreign_store, "ROWS", {})
    return SessionManager(ForeignStore(lock_timeout=0.2), clock=clock)


@pytest.fixture
def context(manager, backend):
    return Context(manager.begin("greeter"), manager, lambda model: backend(), default_model="scripted")


def contents(context):
    return [one.content for one in context.session_manager.get(context.session_id).history]


def test_only_the_turn_that_holds_a_session_adds_to_it(context, manager):
    message = Message("user", "Hello")
    with manager.turn(context.session_id, "send") as held:
        for turn in (None, HeldTurn(context.session_id), held._replace(token=held.token + 1)):
            with pytest.raises(Conflict, match="belongs to no turn"):
                manager.append(context.session_id, message, turn=turn)
        manager.append(context.session_id, message, turn=held)
    with pytest.raises(Conflict, match="belongs to no turn"):
        manager.append(context.session_id, message, turn=held)
    assert contents(context) == ["Hello"]


def test_each_message_of_a_turn_carries_it(context, backend):
    GREETER.receive("Hello", context=context)
    backend.script = FAILS
    with pytest.raises(Unreachable):
        GREETER.receive("More", context=context)
    assert contents(context) == ["Hello", "Hello", "More", "half "]
    backend.script = Script(says="A summary.")
    GREETER.retry(context=context)
    GREETER.compact(context=context)
    assert contents(context)[4:] == ["A summary.", "A summary."]


@pytest.fixture
def late(context, manager):
    """A context in which another turn takes the session when the model has said its first word."""

    def take(chunk):
        manager.storage.holders[context.session_id] += 1

    return replace(context, on_chunk=take)


def test_a_turn_whose_time_has_run_out_stores_no_reply(late):
    with pytest.raises(ReplyNotStored, match="belongs to no turn") as error:
        GREETER.receive("Hello", context=late)
    assert (error.value.reply, contents(late)) == ("Hello", ["Hello"])


@pytest.mark.parametrize(
    ("error", "raised", "reason"),
    [(Unreachable("No."), ReplyNotStored, "partial_reply"), (KeyboardInterrupt(), Interrupted, "reply_lost")],
)
def test_nor_what_had_arrived_of_one(error, raised, reason, late, backend):
    backend.script = Script(says="half of it", error=error, error_at=1)
    with pytest.raises(raised) as told:
        GREETER.receive("Hello", context=late)
    assert contents(late) == ["Hello"]
    assert told.value.advice.reason == reason
