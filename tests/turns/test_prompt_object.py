"""PromptObject.receive: one turn, over both stores, on the scripted back end."""

from __future__ import annotations

import dataclasses

import pytest
from support.builders import ULID, assistant, user
from support.scripted import Script, ScriptedBackend
from support.strict import refused

from po_sessions.errors import (
    Busy,
    Conflict,
    Interrupted,
    InvalidInput,
    ModelUnavailable,
    ReplyNotStored,
    Unreachable,
    WriteFailed,
)
from po_sessions.message import Message
from po_sessions.prompt_objects.definition import Definition
from po_sessions.session import Session
from po_sessions.sessions.manager import SessionManager
from po_sessions.storage import load, open_storage
from po_sessions.turns.prompt_object import Context, PromptObject

GREETER = PromptObject(Definition("greeter", body="You greet.", options={"seed": 1, "max_tokens": 50}))


@pytest.fixture(params=["files", "memory"])
def manager(request, tmp_path, clock):
    arguments = {"root": str(tmp_path / "store")} if request.param == "files" else {}
    return SessionManager(open_storage(request.param, lock_timeout=0.2, **arguments), clock=clock)


@pytest.fixture
def scripted(backend):
    return backend


@pytest.fixture
def context(manager, scripted):
    return Context(manager.begin("greeter"), manager, lambda model: scripted(), default_model="scripted")


def test_a_turn_is_stored_and_answered(context, manager, scripted):
    scripted.script = Script(says="Hi there!")
    heard = []
    answer = GREETER.receive(
        "Hello", context=dataclasses.replace(context, on_chunk=lambda chunk: heard.append(chunk.text))
    )
    assert heard == ["Hi ", "there!"]
    assert (answer.turn, answer.reply.content, answer.session.message_count) == (1, "Hi there!", 2)
    question, reply = load(manager.storage, context.session_id).history
    assert (question.role, question.content, question.created_at) == ("user", "Hello", "2025-01-03T10:00:02.000Z")
    assert reply == answer.reply
    assert reply.to_dict() == {
        "role": "assistant", "content": "Hi there!", "created_at": "2025-01-03T10:00:03.000Z", "model": "scripted-1",
        "usage": {"input": 5, "output": 2}, "duration_ms": 0, "finish_reason": "stop",
    }  # fmt: skip
    assert scripted.asked[0]["messages"] == [
        {"role": "system", "content": "You greet."},
        {"role": "user", "content": "Hello"},
    ]
    assert scripted.asked[0]["options"] == {"seed": 1, "max_tokens": 50}


def test_the_model_sees_what_was_answered_before(context, scripted):
    for text in ("one", "two"):
        GREETER.receive(text, context=context)
    assert [m["content"] for m in scripted.asked[1]["messages"]] == ["You greet.", "one", "one", "two"]
    assert {frozenset(m) for m in scripted.asked[1]["messages"]} == {frozenset({"role", "content"})}


def test_the_message_is_stored_before_the_model_is_asked(context, manager, scripted):
    seen = []
    scripted.script = Script(says="a b")
    on_chunk = lambda chunk: seen.append([m.content for m in load(manager.storage, context.session_id).history])  # noqa: E731
    GREETER.receive("Hello", context=dataclasses.replace(context, on_chunk=on_chunk))
    assert seen == [["Hello"], ["Hello"]]


@pytest.mark.parametrize(
    ("error", "raised", "kind"),
    [
        (Unreachable("The line is dead."), Unreachable, "unreachable"),
        (KeyboardInterrupt(), Interrupted, "interrupted"),
    ],
)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_failed_call_leaves_a_failed_turn_that_the_model_does_not_see(
    error, raised, kind, at, context, manager, scripted
):
    GREETER.receive("first", context=context)
    scripted.script = Script(says="partial answer", error=error, error_at=at)
    with pytest.raises(raised) as told:
        GREETER.receive("second", context=context)
    assert told.value.session_id == context.session_id
    failed = load(manager.storage, context.session_id).history[-1]
    assert failed.failed
    assert failed.content == ["", "partial ", "partial answer"][at]
    assert failed.extra["error"]["kind"] == kind
    assert manager.storage.turn_owner(context.session_id) is None
    scripted.script = None
    assert GREETER.receive("third", context=context).turn == 3
    assert [m["content"] for m in scripted.asked[-1]["messages"]] == ["You greet.", "first", "first", "third"]
    assert [t.state for t in load(manager.storage, context.session_id).turns()] == ["done", "failed", "done"]


PARTIAL = "half of a reply that never came"


@pytest.fixture
def partial_replies(context, scripted):
    """Let two turns fail in mid-reply, the first of which is then answered."""
    fails = Script(says=f"{PARTIAL} END", error=Unreachable("The line is dead."), error_at=7)
    for text, again in (("first", Script(says="whole")), ("second", None)):
        scripted.script = fails
        with pytest.raises(Unreachable):
            GREETER.receive(text, context=context)
        if again:
            scripted.script = again
            GREETER.retry(context=context)
    scripted.script = Script(says="Fine.")


@pytest.mark.parametrize("then", ["receive", "receive again", "retry", "compact"])
def test_what_had_arrived_of_a_failed_reply_is_never_sent(then, context, manager, scripted, partial_replies):
    stored = [one.content for one in load(manager.storage, context.session_id).history]
    assert [(one or "").strip() for one in stored] == ["first", PARTIAL, "whole", "second", PARTIAL]
    if then == "retry":
        GREETER.retry(context=context)
    else:
        GREETER.receive("third", context=context)
    if then == "receive again":
        GREETER.receive("fourth", context=context)
    elif then == "compact":
        GREETER.compact(context=context)
    sent = [one["content"] for one in scripted.asked[-1]["messages"]]
    assert not any("half" in text for text in sent)
    assert "whole" in "".join(sent)  # the reply of the turn that had failed at first


def test_an_interrupted_turn_is_left_out_too(context, manager, scripted):
    manager.append(context.session_id, user("cut off"))
    GREETER.receive("next", context=context)
    assert [m["content"] for m in scripted.asked[-1]["messages"]] == ["You greet.", "next"]
    assert load(manager.storage, context.session_id).message_count == 3


def calls(*ids, text=None):
    made = [{"id": id, "name": "ls", "arguments": {"at": id}} for id in ids]
    return Message("assistant", text, "2025-01-03T10:00:01.000Z", {"tool_calls": made})


def result(id):
    return Message("tool", f"what {id} gave", "2025-01-03T10:00:01.000Z", {"tool_call_id": id})


ROUNDS = (calls("a", "b", text="I look."), result("a"), result("b"), calls("c", "d"), result("d"), result("c"))


@pytest.fixture(params=["retry", "the same key"])
def go_on(request, context, manager):
    """Have a model go on with a turn that has these messages behind its question, and return the answer."""

    def go(*rest):
        keyed = dataclasses.replace(context, idempotency_key="k")
        for message in (dataclasses.replace(user("list it"), extra={"idempotency_key": "k"}), *rest):
            manager.append(context.session_id, message)
        return GREETER.retry(context=context) if request.param == "retry" else GREETER.receive("list it", context=keyed)

    return go


@pytest.mark.parametrize(("cut", "sent_again"), [(0, 0), (1, 0), (2, 0), (3, 3), (4, 3), (5, 3), (6, 6)])
@pytest.mark.parametrize("failed", [False, True])
def test_a_turn_goes_on_behind_its_last_results(cut, sent_again, failed, context, manager, scripted, go_on):
    GREETER.receive("before", context=context)
    lost = assistant("half", error={"kind": "unreachable", "message": "no"})
    answer = go_on(*ROUNDS[:cut], *[lost] * failed)
    _, *sent = scripted.asked[-1]["messages"]
    assert refused(sent) is None
    assert [one["content"] for one in sent[:3]] == ["before", "before", "list it"]
    contents = ["I look.", "what a gave", "what b gave", None, "what c gave", "what d gave"]
    assert [one["content"] for one in sent[3:]] == contents[:sent_again]
    assert (answer.turn, answer.session.turn_count) == (2, 2)
    history = load(manager.storage, context.session_id).history
    assert history[3:] == (*ROUNDS[:cut], *[lost] * failed, answer.reply)
    assert load(manager.storage, context.session_id).last_turn().state == "done"
    GREETER.receive("after", context=context)
    assert refused(scripted.asked[-1]["messages"]) is None
    assert scripted.asked[-1]["messages"][-2]["content"].endswith(answer.reply.content)


@pytest.mark.parametrize("cut", range(1, 7))
def test_a_turn_that_was_cut_sends_no_call_without_its_result_later(cut, context, manager, scripted):
    for message in (user("list it"), *ROUNDS[:cut]):
        manager.append(context.session_id, message)
    with pytest.raises(Conflict, match="has no answer"):
        GREETER.compact(context=context)
    GREETER.receive("next", context=context)
    assert refused(scripted.asked[-1]["messages"]) is None
    assert not any("tool_calls" in one for one in scripted.asked[-1]["messages"][: 3 if cut < 4 else 0])
    GREETER.compact(context=context)
    told = scripted.asked[-1]["messages"][1]["content"]
    assert "next" in told
    for id in "abcd":
        assert (f'"at": "{id}"' in told) == (f"what {id} gave" in told)


def test_a_damaged_question_is_not_asked_again(context, manager):
    manager.append(context.session_id, Message.gap(32, "user"))
    with pytest.raises(Conflict, match="asks nothing: its message is damaged"):
        GREETER.retry(context=context)


def test_what_stands_before_the_first_turn_is_sent(context, manager):
    manager.append(context.session_id, assistant("Welcome!", usage={}))
    messages = GREETER.window(load(manager.storage, context.session_id), "Hello").messages
    assert messages[1] == {"role": "assistant", "content": "Welcome!"}


@pytest.mark.parametrize("message", ["", " \n\t"])
def test_an_empty_message_is_refused(message, context, manager):
    with pytest.raises(InvalidInput, match="empty"):
        GREETER.receive(message, context=context)
    assert load(manager.storage, context.session_id).history == ()


def test_another_prompt_objects_session_is_refused(context, manager):
    other = manager.create("reader", "Book")
    with pytest.raises(Conflict, match="'Book' belongs to reader, not to greeter") as error:
        GREETER.receive("Hello", context=context, session=other)
    assert error.value.exit_code == 5
    assert load(manager.storage, other.id).history == ()


@pytest.mark.parametrize("options", [{"colour": "red"}, {"max_tokens": "many"}])
def test_bad_options_store_nothing(options, context, manager):
    with pytest.raises(InvalidInput):
        GREETER.receive("Hello", context=dataclasses.replace(context, options=options))
    assert load(manager.storage, context.session_id).history == ()


def test_a_model_that_is_not_there_stores_nothing(context, manager, scripted):
    scripted.script = Script(unavailable=ModelUnavailable("There are no weights."))
    with pytest.raises(ModelUnavailable):
        GREETER.receive("Hello", context=context)
    assert load(manager.storage, context.session_id).history == ()


def test_a_held_session_is_busy_and_stores_nothing(context, manager):
    with manager.turn(context.session_id, "retry"), pytest.raises(Busy, match="retry"):
        GREETER.receive("Hello", context=context)
    assert load(manager.storage, context.session_id).history == ()


def test_a_session_that_cannot_be_read_is_not_written_to(context, manager):
    manager.storage.create(
        Session(ULID, "Future", "greeter", "2025-01-03T10:00:00.000Z", "2025-01-03T10:00:00.000Z", version=2)
    )
    with pytest.raises(Exception, match="can be read, not changed"):
        GREETER.receive("Hello", context=context, session=manager.find("Future", "greeter"))
    assert load(manager.storage, ULID).history == ()


def test_a_reply_that_cannot_be_stored_is_an_error(context, manager, monkeypatch):
    real = manager.storage.append

    def full(id, message, **more):
        if message.role == "assistant":
            raise WriteFailed("The disk is full.")
        return real(id, message, **more)

    monkeypatch.setattr(manager.storage, "append", full)
    with pytest.raises(ReplyNotStored, match="The disk is full") as error:
        GREETER.receive("Hello", context=context)
    assert error.value.reply == "Hello"
    assert not error.value.retryable
    assert [m.content for m in load(manager.storage, context.session_id).history] == ["Hello"]


def test_a_bug_in_a_back_end_leaves_a_failed_turn_and_keeps_its_traceback(context, manager):
    class Broken(ScriptedBackend):
        def _reply(self, messages, most, limit):
            yield from ()

    broken = dataclasses.replace(context, resolve=lambda model: Broken())
    with pytest.raises(RuntimeError, match="without a reply"):
        GREETER.receive("Hello", context=broken)
    assert load(manager.storage, context.session_id).history[-1].failed


def test_which_model_answers():
    named = PromptObject(Definition("x", model="theirs"))
    assert named.model("mine", "default") == "mine"
    assert named.model("", "default") == "theirs"
    assert PromptObject(Definition("x")).model("", "default") == "default"
    file = PromptObject(Definition("x", model="gguf:/etc/passwd"))
    with pytest.raises(InvalidInput, match="only you can choose one"):
        file.model("", "default")
    assert file.model("gguf:/mine", "default") == "gguf:/mine"


def test_the_model_is_checked_once_in_a_turn(context, scripted):
    scripted.checked = 0
    GREETER.receive("Hello", context=context)
    assert scripted.checked == 1
    asked = GREETER.check(scripted(), "scripted", {})
    GREETER.receive("Again", context=dataclasses.replace(context, asked=asked))
    assert scripted.checked == 2


def test_a_wrong_option_of_the_definition_is_its_own(context, scripted):
    odd = PromptObject(dataclasses.replace(GREETER.definition, options={"max_tokens": "many"}))
    for chosen in ({}, {"max_tokens": "2"}):
        with pytest.raises(InvalidInput, match="In the front matter of greeter"):
            odd.check(scripted(), "scripted", chosen)
    with pytest.raises(InvalidInput, match=r"^[^I]"):
        GREETER.check(scripted(), "scripted", {"max_tokens": "many"})
