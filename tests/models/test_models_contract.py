"""What every back end promises, shown on the scripted one and on a real model."""

import copy
import os
import tempfile
import threading
import time

import pytest
from support.model_server import ANTHROPIC, OPENAI
from support.scripted import Script, ScriptedBackend

from po_sessions.errors import InvalidInput, ModelError
from po_sessions.models import DEFAULT_MODEL, Chunk, ModelInfo, ModelPaths, Reply
from po_sessions.models.embedded import EmbeddedBackend
from po_sessions.models.llm import LlmBackend

HELLO = [{"role": "user", "content": "Tell me a story about an old lighthouse, please."}]
HISTORY = [
    {"role": "system", "content": "You are a gardener and talk of nothing but roses."},
    {"role": "user", "content": "When should I prune them?", "created_at": "2025-01-03T10:00:00.000Z"},
    {"role": "assistant", "content": "In early spring.", "usage": {"input": 9, "output": 4}, "model": "another"},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "name": "weather", "arguments": {}}]},
    {"role": "tool", "content": "rain", "tool_call_id": "1"},
    *HELLO,
]


@pytest.fixture
def runtime():
    with tempfile.TemporaryDirectory(prefix="po-") as made:
        yield made


NAMES = {"openai": OPENAI, "anthropic": ANTHROPIC}


@pytest.fixture(params=["scripted", "embedded", *NAMES])
def kind(request):
    return request.param


@pytest.fixture
def backend(kind, request, runtime):
    if kind == "scripted":
        return ScriptedBackend(script=Script(delay=0.002))
    paths = ModelPaths(cache=os.path.dirname(request.getfixturevalue("weights")), runtime=runtime)
    if kind == "embedded":
        return EmbeddedBackend(paths)
    request.getfixturevalue("model_server")
    return LlmBackend(paths)


@pytest.fixture
def complete(backend, kind):
    """Ask the back end under test for a reply of at most twelve tokens."""

    def complete(messages=HELLO, **options):
        options = {"max_tokens": 12, "temperature": 0, **options}
        return backend.complete(messages, model=NAMES.get(kind, DEFAULT_MODEL), options=options)

    return complete


@pytest.fixture
def ask(complete):
    return lambda *args, **options: list(complete(*args, **options))


def test_chunks_come_first_and_then_exactly_one_reply(ask):
    *chunks, reply = ask()
    assert isinstance(reply, Reply)
    assert len(chunks) > 1
    assert all(isinstance(chunk, Chunk) and chunk.kind == "text" and chunk.text for chunk in chunks)


def test_the_reply_is_the_chunks_joined(ask):
    *chunks, reply = ask()
    assert reply.message == {"role": "assistant", "content": "".join(chunk.text for chunk in chunks)}
    assert " " in reply.message["content"]


def test_the_reply_tells_what_it_took(ask):
    *_, reply = ask()
    assert reply.usage["input"] > 0
    assert reply.usage["output"] > 0
    assert isinstance(reply.duration_ms, int)
    assert reply.duration_ms >= 0
    assert reply.model
    assert reply.finish_reason in ("stop", "length")


def test_a_reply_that_reaches_max_tokens_says_so(ask):
    *_, reply = ask(max_tokens="3")
    assert reply.finish_reason == "length"
    assert reply.usage["output"] == 3


def test_the_history_is_what_the_model_reads(ask):
    short, long = ask()[-1], ask(HISTORY)[-1]
    assert long.usage["input"] > short.usage["input"] + 10


def test_messages_and_options_are_left_as_they_were(backend, kind):
    messages, options = copy.deepcopy(HISTORY), {"max_tokens": 4, "temperature": 0}
    list(backend.complete(messages, model=NAMES.get(kind, DEFAULT_MODEL), options=options))
    assert messages == HISTORY
    assert options == {"max_tokens": 4, "temperature": 0}


def test_the_same_messages_get_the_same_reply(ask):
    assert [c for c in ask() if isinstance(c, Chunk)] == [c for c in ask() if isinstance(c, Chunk)]


@pytest.mark.parametrize("options", [{"nonsense": 1}, {"max_tokens": "many"}])
def test_options_that_make_no_sense_are_refused(backend, complete, kind, options):
    with pytest.raises(InvalidInput) as caught:
        complete(**options)
    assert next(iter(options)) in str(caught.value)
    with pytest.raises(InvalidInput):
        backend.check(NAMES.get(kind, DEFAULT_MODEL), options)


def test_closing_the_iterator_stops_the_model_and_leaves_nothing(complete, runtime):
    threads = threading.active_count()
    reply = complete(max_tokens=400)
    next(reply)
    began = time.monotonic()
    reply.close()
    assert time.monotonic() - began < 2
    assert threading.active_count() == threads
    assert os.listdir(runtime) == []


def test_an_iterator_that_was_never_asked_costs_nothing(complete, runtime):
    threads = threading.active_count()
    complete()
    assert threading.active_count() == threads
    assert os.listdir(runtime) == []


def test_chunks_arrive_while_the_model_still_works(complete):
    reply = complete(max_tokens=40)
    began = time.monotonic()
    next(reply)
    first = time.monotonic() - began
    *_, whole = reply
    assert first * 1000 < whole.duration_ms


def test_models_can_be_listed_and_checked(backend):
    info = next(info for info in backend.models() if info.ready)
    assert isinstance(info, ModelInfo)
    assert info.ready
    assert info.description
    assert backend.check(info.name, {}) is None


def test_the_scripted_one_fails_where_it_is_told_to():
    backend = ScriptedBackend(script=Script(error=ModelError("no"), error_at=2))
    reply = backend.complete(HELLO, model="m", options={})
    assert [next(reply).text, next(reply).text] == ["Tell ", "me "]
    with pytest.raises(ModelError, match="no"):
        next(reply)
    assert backend.asked[-1]["messages"] == HELLO


def test_the_scripted_one_takes_its_script_from_the_environment(monkeypatch):
    monkeypatch.setenv("PO_TEST_SCRIPT", '{"says": "One two.", "error": "Unreachable", "error_at": 9}')
    reply = ScriptedBackend().complete(HELLO, model="m", options={})
    assert [next(reply).text, next(reply).text] == ["One ", "two."]
    with pytest.raises(ModelError):
        next(reply)
