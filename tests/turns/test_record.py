"""What a turn stores: in which order, behind what, and with the turn, so that a store may refuse a late holder."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import foreign_store
from support.foreign_store import ForeignStore
from support.scripted import Script, ScriptedBackend

from po_sessions.errors import Conflict, Interrupted, ReplyNotStored, Unreachable
from po_sessions.message import Message
from po_sessions.models import Reply
from po_sessions.prompt_objects.definition import Definition
from po_sessions.sessions.manager import SessionManager
from po_sessions.storage.records import HeldTurn
from po_sessions.turns.ask import Failed
from po_sessions.turns.plan import Asked, Plan
from po_sessions.turns.prompt_object import Context, PromptObject
from po_sessions.turns.record import Record

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


@pytest.fixture
def plan(context, manager, backend):
    """A plan of a new turn, which holds the session."""
    with manager.turn(context.session_id, "send") as held, manager.reading(context.session_id) as stored:
        window = GREETER.window(stored, "list it")
        asked = Asked(backend(), "scripted", {})
        yield Plan(held, stored.summary(), window, asked, Message("user", "list it"), is_stored=False)


CALLS = Reply({"role": "assistant", "content": None, "tool_calls": [{"id": "a", "name": "ls", "arguments": {}}]}, "m")
RESULT = Message("tool", "x", extra={"tool_call_id": "a"})


def test_rounds_of_calls_are_stored_one_behind_the_other(plan, context, manager):
    record = Record(plan, manager)
    stored = [plan.last]
    for _ in range(2):
        stored.append(record.take(CALLS))
        record.add(RESULT)
        stored.append(RESULT)
    stored.append(record.take(Reply({"role": "assistant", "content": "Done."}, "m")))
    assert tuple(manager.get(context.session_id).history) == tuple(stored)
    assert (record.session.message_count, record.session.last_turn) == (6, "done")


def test_what_arrived_of_a_later_round_is_stored_behind_the_one_before(plan, context, manager):
    record = Record(plan, manager)
    record.take(CALLS)
    record.add(RESULT)
    with pytest.raises(Unreachable):
        record.take(Failed("m", "half", Unreachable("No.")))
    assert contents(context) == ["list it", None, "x", "half"]
    assert manager.get(context.session_id).history[-1].failed


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), RuntimeError("The reader broke.")])
def test_the_model_is_stopped_before_what_had_arrived_is_stored(stop, context, manager, backend, monkeypatch):
    real, closed = manager.storage.append, []

    def append(id, message, **more):
        closed.append(ScriptedBackend.closed)
        return real(id, message, **more)

    def on_chunk(chunk):
        raise stop

    monkeypatch.setattr(ScriptedBackend, "closed", 0)
    monkeypatch.setattr(manager.storage, "append", append)
    with pytest.raises((Interrupted, RuntimeError)):
        GREETER.receive("Hello there", context=replace(context, on_chunk=on_chunk))
    assert closed == [0, 1]
    assert contents(context) == ["Hello there", "Hello "]
