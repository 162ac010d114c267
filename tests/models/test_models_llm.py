"""The back end of `llm`: each trap of the library, its plugins and its providers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from support.hints import hint_of
from support.model_server import ANTHROPIC, KEY, OPENAI
from support.selection import sampled, slow, slow_but
from support.wire import nobody

from po_sessions.cli.app.hints import with_hint
from po_sessions.errors import (
    ContextTooLong,
    InvalidInput,
    ModelError,
    ModelUnavailable,
    NoKey,
    RateLimited,
    Refused,
    UnknownModel,
    Unreachable,
)
from po_sessions.models import Chunk, ModelPaths, Reply
from po_sessions.models.llm import LlmBackend

PATHS = ModelPaths(cache="/nowhere", runtime="/nowhere")
HELLO = [{"role": "user", "content": "Hello"}]
WIRES = pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
CALL = {"id": "call-1", "name": "weather", "arguments": {"city": "Ulm"}}
WITH_TOOLS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "How is the weather?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "rain", "tool_call_id": "call-1"},
    {"role": "assistant", "content": "It rains."},
    {"role": "user", "content": "Thanks."},
]
WEATHER = {
    "name": "weather",
    "description": "Tells the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


@pytest.fixture
def backend() -> LlmBackend:
    return LlmBackend(PATHS)


def ask(backend: LlmBackend, messages: list[Any] = HELLO, model: str = OPENAI, **more: Any) -> list[Chunk | Reply]:
    return list(backend.complete(messages, model=model, **{"options": {}, **more}))


def home() -> Path:
    return Path(os.environ["LLM_USER_PATH"])


# Names, keys, options


def test_an_alias_means_its_model(model_server, backend):
    (home() / "aliases.json").write_text(json.dumps({"mine-too": OPENAI}))
    for name in ("here", "mine-too"):
        assert ask(backend, model=name, options={"max_tokens": 2})[-1].usage["output"] == 2


def test_an_unknown_model_is_told_with_what_is_near(tiny, backend):
    with pytest.raises(UnknownModel, match="'gpt-4p'") as caught:
        backend.check("gpt-4p", {})
    assert hint_of(caught.value).startswith("Did you mean 'gpt-4")
    assert "install PLUGIN'" in hint_of(caught.value)


def test_the_default_model_of_llm_is_not_used(tiny, backend):
    (home() / "default_model.txt").write_text(OPENAI)
    with pytest.raises(UnknownModel):
        backend.check("", {})


def test_a_key_that_is_missing_is_told_with_a_command_that_sets_it(tiny, backend, monkeypatch):
    with pytest.raises(NoKey, match="'openai'") as caught:
        backend.check("gpt-4o", {})
    assert hint_of(caught.value).endswith("keys set openai', or set OPENAI_API_KEY.")
    with pytest.raises(NoKey):
        backend.complete(HELLO, model="gpt-4o", options={})  # before anything is asked for
    command = hint_of(caught.value).split("'")[1]
    subprocess.run(command, shell=True, input="sk-pasted\n", text=True, check=True, capture_output=True)
    assert backend.check("gpt-4o", {}) is None


@pytest.mark.parametrize("found", ["script", "module"])
def test_the_command_that_sets_a_key_is_found_wherever_llm_is(tiny, backend, monkeypatch, tmp_path, found):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    if found == "module":
        python = tmp_path / "bin" / "python"
        python.parent.mkdir()
        python.symlink_to(sys.executable)
        monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(NoKey) as caught:
        backend.check("gpt-4o", {})
    assert hint_of(caught.value).startswith(f"Run '{Path(sys.executable).parent}/")
    assert (" -m llm keys" in hint_of(caught.value)) == (found == "module")


def test_a_key_of_the_environment_is_found(tiny, backend, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    assert backend.check("gpt-4o", {}) is None


def test_keys_go_out_from_where_the_user_has_them(tiny, backend):
    tiny.says({"content": "Hi"})
    ask(backend)
    ask(backend, key="sk-given")
    assert [headers["authorization"] for headers in tiny.headers] == [f"Bearer {KEY}", "Bearer sk-given"]


def test_a_model_that_needs_no_key_is_ready(tiny, backend):
    ready = {info.name: info.ready for info in backend.models()}
    assert ready["open"]
    assert ready[OPENAI]
    assert not ready["gpt-4o"]
    assert "no key 'openai'" in next(info.description for info in backend.models() if info.name == "gpt-4o")
    assert "smollm2" not in ready  # ours, as a plugin


def test_options_may_come_as_text(tiny, backend):
    tiny.says({"content": "Hi"})
    ask(backend, options={"temperature": "0.5", "max_tokens": "12", "json_object": "true", "seed": 3})
    body = tiny.asked[0]
    assert {key: body[key] for key in ("temperature", "max_tokens", "seed")} == {
        "temperature": 0.5,
        "max_tokens": 12,
        "seed": 3,
    }
    assert body["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        (OPENAI, {"n_ctx": 1}, "local has no option 'n_ctx'."),
        (OPENAI, {"temperature": "hot"}, "The option 'temperature' cannot be 'hot': Input should be a valid number"),
        (OPENAI, {"temperature": 9}, "The option 'temperature' cannot be 9: Input should be less than"),
        (ANTHROPIC, {"temperature": 0, "top_p": 1}, "The options temperature, top_p do not go together: "),
    ],
)
def test_options_that_a_model_does_not_take(tiny, backend, model, options, said):
    with pytest.raises(InvalidInput) as caught:
        backend.check(model, options)
    assert str(caught.value).startswith(said)
    assert "temperature" in hint_of(caught.value)
    assert tiny.asked == []


@pytest.mark.parametrize(
    "name", ["api_base", "base_url", "apiKey", "api-key", "key", "host", "endpoint", "model_path", "headers", "proxy"]
)
def test_no_message_chooses_an_address_a_key_or_a_file(tiny, backend, name):
    with pytest.raises(InvalidInput, match=f"'{name}' is refused"):
        backend.check(OPENAI, {name: "http://evil.example"})


def test_the_options_there_are_set_up_nothing(tiny, backend):
    """Of the models that are installed here, none has an option that the rule above would take away."""
    for one in backend._catalogue.all():
        if one.model.model_id == "smollm2":
            continue  # the embedded model's options are its own
        for name in one.model.Options.model_fields:
            try:
                backend.check(one.model.model_id, {name: "x"})
            except InvalidInput as error:
                assert "refused" not in str(error)  # noqa: PT017 -- any other reason is as good
            except NoKey:
                pass


# What goes out


@WIRES
def test_the_system_prompt_goes_both_ways_and_arrives_once(tiny, backend, model):
    tiny.says({"content": "Hi"})
    seen = []
    found = backend._find(model)
    execute = type(found).execute

    def spy(self, prompt, *args, **kwargs):
        seen.append((prompt.system, prompt.messages[0].role, prompt.messages[0].parts[0].text))
        yield from execute(self, prompt, *args, **kwargs)

    type(found).execute = spy
    try:
        list(backend.complete(WITH_TOOLS, model=model, options={}))
    except ModelError:
        assert model == ANTHROPIC  # what the wire says is OpenAI's
    finally:
        type(found).execute = execute
    assert seen == [("Be brief.", "system", "Be brief.")]
    assert json.dumps(tiny.asked[0]).count("Be brief.") == 1


def test_a_whole_history_goes_out_over_openais_wire(tiny, backend):
    tiny.says({"content": "Hi"})
    ask(backend, WITH_TOOLS, tools=[WEATHER])
    body = tiny.asked[0]
    call = {"type": "function", "id": "call-1", "function": {"name": "weather", "arguments": '{"city": "Ulm"}'}}
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How is the weather?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call-1", "content": "rain"},
        {"role": "assistant", "content": "It rains."},
        {"role": "user", "content": "Thanks."},
    ]
    assert body["tools"] == [{"type": "function", "function": WEATHER}]
    assert body["stream"] is True


def test_a_whole_history_goes_out_over_anthropics_wire(tiny, backend):
    tiny.fails(400)
    with pytest.raises(Refused):
        ask(backend, WITH_TOOLS, model=ANTHROPIC, tools=[WEATHER])
    body = tiny.asked[0]
    assert body["system"] == "Be brief."
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "How is the weather?"}]},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "call-1", "name": "weather", "input": {"city": "Ulm"}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call-1", "content": "rain"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "It rains."}]},
        {"role": "user", "content": [{"type": "text", "text": "Thanks."}]},
    ]
    assert [tool["name"] for tool in body["tools"]] == ["weather"]


def test_results_of_calls_made_at_once_go_together(tiny, backend):
    seen = []
    tiny.says({"content": "Hi"})
    found = backend._find(OPENAI)
    found.build_messages = lambda prompt, *_, **__: seen.extend(prompt.messages) or [HELLO[0]]
    second = {"id": "call-2", "name": "time", "arguments": {}}
    ask(
        backend,
        [
            HELLO[0],
            {"role": "assistant", "content": "I look.", "tool_calls": [CALL, second]},
            {"role": "tool", "content": "rain", "tool_call_id": "call-1"},
            {"role": "tool", "content": "noon", "tool_call_id": "call-2"},
        ],
    )
    assert [message.role for message in seen] == ["user", "assistant", "tool"]
    assert [(part.name, part.output) for part in seen[2].parts] == [("weather", "rain"), ("time", "noon")]


def test_half_a_character_does_not_stop_a_message(tiny, backend):
    tiny.says({"content": "Hi"})
    ask(backend, [{"role": "user", "content": "a\ud800b"}])
    assert tiny.asked[0]["messages"][0]["content"] == "a?b"


# What comes back


def test_calls_of_tools_are_handed_on_and_not_run(tiny, backend):
    function = {"index": 0, "id": "c9", "function": {"name": "weather", "arguments": '{"city": '}}
    rest = {"index": 0, "function": {"arguments": '"Ulm"}'}}
    tiny.says({"tool_calls": [function]}, {"tool_calls": [rest]}, finish="tool_calls")
    *chunks, reply = ask(backend, tools=[WEATHER])
    assert [chunk.kind for chunk in chunks] == ["tool_call"] * 3
    assert "".join(chunk.text for chunk in chunks) == 'weather{"city": "Ulm"}'
    assert reply.message == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c9", "name": "weather", "arguments": {"city": "Ulm"}}],
    }
    assert reply.finish_reason == "tool_calls"


def test_tools_for_a_model_that_has_none_are_refused(tiny, backend):
    with pytest.raises(InvalidInput, match="cannot call tools"):
        ask(backend, model="open", tools=[WEATHER])


def test_a_reply_tells_its_model_its_counts_and_why_it_ended(tiny, backend):
    tiny.says({"content": "Hi"}, {"content": " there"}, finish="content_filter")
    reply = ask(backend)[-1]
    assert reply.message == {"role": "assistant", "content": "Hi there"}
    assert (reply.model, reply.finish_reason) == ("wire-1", "content_filter")
    assert reply.usage == {"input": 7, "output": 2, "prompt_tokens_details.cached_tokens": 3}


def test_a_model_that_cannot_stream_answers_too(model_server, backend):
    *chunks, reply = ask(backend, model="slow", options={"max_tokens": 5})
    assert len(chunks) == 1
    assert (reply.finish_reason, reply.usage["output"]) == ("length", 5)


@WIRES
def test_nothing_is_written_but_what_llm_needs(model_server, backend, model):
    before = {path.name for path in home().iterdir()}
    ask(backend, model=model, options={"max_tokens": 3})
    assert {path.name for path in home().iterdir()} == before
    assert not list(home().glob("*.db"))


def test_closing_lets_go_of_the_provider_at_once(tiny, backend):
    tiny.says({"content": "Hi"}, finish=None)
    tiny.endless = b'data: {"id": "1", "choices": [{"index": 0, "delta": {"content": "x"}}]}\n\n'
    reply = backend.complete(HELLO, model=OPENAI, options={})
    next(reply)
    assert not tiny.gone.is_set()
    reply.close()
    assert tiny.gone.wait(5)  # it would never stop by itself


# What goes wrong


@WIRES
def test_a_wrong_key(model_server, backend, model):
    keys = {"mine": "sk-wrong", "anthropic": "sk-wrong"}
    (home() / "keys.json").write_text(json.dumps(keys))
    with pytest.raises(Refused, match=r"refused the key \(401\): Invalid API Key") as caught:
        ask(backend, model=model)
    assert caught.value.status == 401
    assert "keys set " + ("mine" if model == OPENAI else "anthropic") in hint_of(caught.value)
    assert "sk-wrong" not in f"{caught.value}{hint_of(caught.value)}"


@WIRES
def test_a_conversation_that_is_too_long(model_server, backend, model):
    with pytest.raises(ContextTooLong) as caught:
        ask(backend, [{"role": "user", "content": "word " * 4000}], model=model)
    assert "exceeds the available context size (2048 tokens)" in str(caught.value)
    assert "--new" in hint_of(caught.value)


@WIRES
def test_a_server_that_dies_in_mid_reply(own_server, backend, model):
    reply = backend.complete(HELLO, model=model, options={"max_tokens": 1000})
    next(reply)
    own_server.kill()
    with pytest.raises(Unreachable) as caught:
        list(reply)
    assert caught.value.retryable
    own_server.start()
    assert ask(backend, model=model, options={"max_tokens": 3})[-1].usage["output"] == 3


@pytest.mark.parametrize("model", slow_but([OPENAI, "slow", ANTHROPIC], OPENAI))
def test_a_server_that_is_not_there(tiny, backend, model, monkeypatch):
    address = nobody()
    monkeypatch.setenv("ANTHROPIC_BASE_URL", address)
    path = home() / "extra-openai-models.yaml"
    path.write_text(path.read_text().replace(tiny.url, address))
    with pytest.raises(Unreachable) as caught:
        ask(backend, model=model)
    assert caught.value.retryable
    assert f"{address}: " in str(caught.value)
    assert "onnection" in str(caught.value)


def test_a_reply_that_ends_without_an_end(tiny, backend):
    tiny.says({"content": "Once upon"}, finish=None)
    with pytest.raises(Unreachable, match="ended before its end"):
        ask(backend)


def test_a_reply_over_anthropics_wire_that_ends_without_an_end(tiny, backend):
    usage = {"input_tokens": 1, "output_tokens": 0}
    message = {"id": "1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}
    message |= {"stop_reason": None, "stop_sequence": None}
    events = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Once upon"}},
    ]
    tiny.body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    with pytest.raises(Unreachable, match="ended before its end"):
        ask(backend, model=ANTHROPIC)


def test_a_reply_without_anything(tiny, backend):
    tiny.body = ""
    with pytest.raises(Unreachable, match="was empty"):
        ask(backend)


@WIRES
@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (400, Refused, "refused the request (400): The wire says no."),
        (403, Refused, "refused the key (403): The wire says no."),
        (404, ModelUnavailable, "(404): http://127.0.0.1:"),
        (418, Refused, "refused the request (418)"),
        (429, RateLimited, "too many requests (429): The wire says no."),
        (500, ModelError, "failed (500): InternalServerError: The wire says no."),
        (503, Unreachable, "did not answer: "),
    ],
)
def test_each_status_has_its_error(tiny, backend, model, status, kind, said):
    tiny.fails(status, x_should_retry="false")
    with pytest.raises(ModelError) as caught:
        ask(backend, model=model)
    assert type(caught.value) is kind
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.retryable == (status in (429, 500, 503))
    assert getattr(caught.value, "status", status) == status


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"retry_after": "7"}, 7, 7),
        ({"retry_after_ms": "1500"}, 1.5, 1.5),
        ({"retry_after": "Fri, 31 Dec 2999 23:59:59 GMT"}, 1e9, 1e12),
        ({"retry_after": "soon"}, None, None),
        ({}, None, None),
    ],
)
def test_a_limit_tells_how_long_to_wait(tiny, backend, headers, low, high):
    tiny.fails(429, x_should_retry="false", **headers)
    with pytest.raises(RateLimited) as caught:
        ask(backend)
    delay = caught.value.delay
    assert delay is None if low is None else low <= delay <= high


@WIRES
@pytest.mark.slow
def test_a_long_wait_of_the_sdk_is_told(tiny, model):
    notices = []

    def heard(sentence):
        notices.append(sentence)
        tiny.fails(401)

    tiny.fails(429, retry_after="2")
    with pytest.raises(Refused):  # the second time
        ask(LlmBackend(PATHS, heard), model=model)
    assert [one.partition(" ")[2] for one in notices] == ["does not answer now; it is asked again in 2 s."]
    assert len(tiny.asked) == 2


SECRETS = [
    (401, "Incorrect API key provided: sk-SECRET-1234567890. Find it at https://host/keys?x=sk-SECRET-1234567890"),
    (
        400,
        "Client error for url 'https://host.example/v1/x?key=sk-SECRET-1234567890': see https://user:sk-SECRET@host/",
    ),
    (502, "Bad gateway at http://user:sk-SECRET@127.0.0.1:1/v1/sk-SECRET/chat"),
    (429, "x" * 290 + " sk-SECRET-1234567890"),
]


@WIRES
@pytest.mark.parametrize(("status", "message"), sampled(SECRETS, every=4))
def test_no_error_has_a_key_or_what_an_address_may_hide(tiny, backend, model, status, message):
    (home() / "keys.json").write_text(json.dumps({"mine": "sk-SECRET-1234567890", "anthropic": "sk-SECRET-1234567890"}))
    tiny.fails(status, message, x_should_retry="false")
    with pytest.raises(ModelError) as caught:
        ask(backend, model=model)
    assert "SECRET" not in f"{caught.value} {hint_of(caught.value)}"


@WIRES
@pytest.mark.parametrize("key", ["sk-right\n", " sk-right", "sk-’right", "sk-\x00right"])
def test_a_key_that_no_header_can_carry_is_refused_before_anything_is_asked(tiny, backend, model, key):
    (home() / "keys.json").write_text(json.dumps({"mine": key, "anthropic": key}))
    with pytest.raises(NoKey) as caught:
        backend.check(model, {})
    assert "right" not in f"{caught.value} {hint_of(caught.value)}"


@pytest.mark.parametrize("finish", ["stop", "length", None])
@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_reply_is_a_failed_one(tiny, backend, text, finish):
    tiny.says({"content": text}, finish=finish)
    with pytest.raises(Unreachable, match="the reply was empty"):
        ask(backend)


def test_an_option_that_can_be_no_address_is_allowed_whatever_it_is_called():
    from types import SimpleNamespace

    import llm as library
    from pydantic import create_model

    from po_sessions.models.llm import _options

    fields = {"url_context": (bool | None, None), "base_url": (str | None, None)}
    model = SimpleNamespace(Options=create_model("Options", __base__=library.Options, **fields), model_id="m")
    assert _options(model, {"url_context": "1"}).url_context is True
    with pytest.raises(InvalidInput, match="refused"):
        _options(model, {"base_url": "http://elsewhere"})


def test_an_alias_of_the_embedded_model_is_the_embedded_model(tiny, weights):
    (home() / "aliases.json").write_text(json.dumps({"toy": "smollm2"}))
    backend = LlmBackend(ModelPaths(cache=os.path.dirname(weights), runtime="/tmp"))
    with pytest.raises(InvalidInput, match="max_tokens"):
        backend.check("toy", {"max_tokens": "x"})
    with pytest.raises(ContextTooLong):
        ask(backend, [{"role": "user", "content": "long words " * 9000}], model="toy")
    assert ask(backend, model="toy", options={"max_tokens": 2})[-1].usage["output"] == 2


def test_a_place_that_cannot_be_written_is_told_and_hides_no_other_model(tiny, monkeypatch, weights):
    from po_sessions import models

    monkeypatch.setenv("LLM_USER_PATH", "/dev/null/x")
    said = []
    found = models.known(ModelPaths(cache=os.path.dirname(weights), runtime="/tmp"), said.append)
    assert [one.name for one in found] == ["smollm2"]
    assert "LLM_USER_PATH" in with_hint(said[0]).text()
    with pytest.raises(ModelUnavailable, match="cannot be kept"):
        LlmBackend(PATHS).check(OPENAI, {})


def test_an_error_says_one_line_without_controls(tiny, backend):
    tiny.fails(400, "bad\n\x1b[31m" + "x" * 1000)
    with pytest.raises(Refused) as caught:
        ask(backend)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 400


# Plugins, in processes of their own: what is loaded stays loaded


OLD = """
    import json, llm

    class Old(llm.Model):
        model_id = "old"
        can_stream = True

        def execute(self, prompt, stream, response, conversation):
            said = []
            if conversation is not None:
                for past in conversation.responses:
                    said.append(["user", past.prompt.prompt])
                    said.append(["assistant", past.text()])
            said.append(["user", prompt.prompt])
            yield json.dumps([prompt.system, said])

    class OldWithTools(Old):
        model_id = "old-tools"
        supports_tools = True

        def execute(self, prompt, stream, response, conversation):
            said = []
            for past in [*conversation.responses, None]:
                asked = past.prompt if past else prompt
                said += [["tool", one.name, one.output, one.tool_call_id] for one in asked.tool_results]
                said += [["user", asked.prompt]] if asked.prompt else []
                if past:
                    calls = [[one.name, one.arguments, one.tool_call_id] for one in past.tool_calls_or_raise()]
                    said.append(["assistant", past.text_or_raise(), calls])
            yield json.dumps([prompt.system, said])

    class Deaf(llm.Model):
        model_id = "deaf"

        def execute(self, prompt, stream, response, conversation):
            yield "I hear only: " + prompt.prompt

    class Single(llm.Model):
        model_id = "single"
        supports_conversation = False

        def execute(self, prompt, stream, response, conversation):
            yield "One at a time."

    class Local(llm.Model):
        model_id = "local-limit"

        class Options(llm.Options):
            num_predict: int | None = None

        def execute(self, prompt, stream, response, conversation):
            yield f"{prompt.prompt} {prompt.options.num_predict}"

    @llm.hookimpl
    def register_models(register):
        for one in (Old(), OldWithTools(), Deaf(), Single(), Local()):
            register(one, aliases=["elder"] if one.model_id == "old" else [])
"""
BROKEN = "raise ImportError('it needs what is not there')"
HALF = """
    import llm

    class Fine(llm.Model):
        model_id = "fine"

        def execute(self, prompt, stream, response, conversation):
            yield from prompt.messages[-1].parts[0].text

    @llm.hookimpl
    def register_models(register):
        register(Fine())
        raise ValueError("the second one is not")
"""
WRAPPER = """
    import llm

    class Wrapper(llm.Model):
        def __init__(self, names):
            self.model_id = "wrapped-" + "-".join(names)

        def execute(self, prompt, stream, response, conversation):
            yield "x"

    @llm.hookimpl(trylast=True)
    def register_models(register, model_aliases):
        register(Wrapper([one.model.model_id for one in model_aliases if one.model.model_id in ("old", "gpt-4o")]))
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Install a plugin as a package that only this test has."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "llm"))
    monkeypatch.setenv("PYTHONPATH", str(site))

    def install(name: str, code: str) -> None:
        (site / f"{name}.py").write_text(textwrap.dedent(code))
        about = site / f"{name}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[llm]\n{name} = {name}\n")

    return install


def in_process(code: str) -> Any:
    """Run code that has `backend` and `notices`, and return what it leaves in `out`."""
    code = (
        "import json, sys\nfrom po_sessions.errors import PoError\nfrom po_sessions.models import ModelPaths\n"
        "from po_sessions.models.llm import LlmBackend\nnotices, out = [], None\n"
        "from po_sessions.cli.app import hints\n"
        "def hint_of(error):\n    return hints.of(error).text()\n"
        "backend = LlmBackend(ModelPaths('/nowhere', '/nowhere'), notices.append)\n"
        "def ask(messages, model):\n"
        "    return list(backend.complete(messages, model=model, options={}))[-1].message['content']\n"
        + textwrap.dedent(code)
        + "\nprint(json.dumps(out))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def asked_of(model: str, messages: list[Any]) -> Any:
    return json.loads(in_process(f"out = ask({messages!r}, {model!r})"))


TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "One?"},
    {"role": "assistant", "content": "One."},
    {"role": "user", "content": "Two?"},
    {"role": "assistant", "content": "Two."},
    {"role": "user", "content": "Three?"},
]


def test_a_broken_plugin_is_named_and_the_others_work(plugin):
    plugin("llm_old", OLD)
    plugin("llm_bad", BROKEN)
    plugin("llm_half", HALF)
    out = in_process(f"""
        out = {{"old": ask({HELLO!r}, "elder"), "fine": ask({HELLO!r}, "fine")}}
        out["names"] = [info.name for info in backend.models()]
        out["notices"] = notices
    """)
    assert json.loads(out["old"]) == ["", [["user", "Hello"]]]
    assert out["fine"] == "Hello"
    assert {"old", "fine", "gpt-4o", "anthropic/claude-3-haiku-20240307"} <= set(out["names"])
    assert sorted(out["notices"]) == [
        "The plugin llm-bad of llm could not be loaded: ImportError: it needs what is not there",
        "The plugin llm_half of llm could not register all its models: ValueError: the second one is not",
    ]


@pytest.mark.slow
def test_settings_of_llm_that_are_broken_are_named_and_the_rest_works(plugin, tmp_path):
    (tmp_path / "llm").mkdir()
    (tmp_path / "llm" / "extra-openai-models.yaml").write_text("- model_id: x\n")
    (tmp_path / "llm" / "aliases.json").write_text("{")
    out = in_process("backend.models(); out = [[info.name for info in backend.models()], notices]")
    assert "gpt-4o" in out[0]
    assert len(out[1]) == 2
    assert any("extra-openai-models.yaml" in notice and "model_name" in notice for notice in out[1])
    assert any("aliases.json cannot be read" in notice for notice in out[1])


def test_an_old_plugin_is_given_the_whole_conversation(plugin):
    plugin("llm_old", OLD)
    said = [[message["role"], message["content"]] for message in TALK[1:]]
    assert asked_of("old", TALK) == ["Be brief.", said]


def test_an_old_plugin_is_given_calls_and_results(plugin):
    plugin("llm_old", OLD)
    assert asked_of("old-tools", WITH_TOOLS) == [
        "Be brief.",
        [
            ["user", "How is the weather?"],
            ["assistant", "", [["weather", {"city": "Ulm"}, "call-1"]]],
            ["tool", "weather", "rain", "call-1"],
            ["assistant", "It rains.", []],
            ["user", "Thanks."],
        ],
    ]


@pytest.mark.parametrize(
    ("model", "messages"),
    [
        ("old", WITH_TOOLS),
        slow(("old-tools", [TALK[1], *TALK[1:]])),
        slow(("old-tools", [TALK[2], *TALK[1:]])),
        slow(("old-tools", [*TALK[:3], TALK[0], *TALK[3:]])),
        slow(("deaf", TALK)),
        slow(("single", TALK)),
    ],
)
def test_a_plugin_that_would_lose_some_of_it_is_refused(plugin, model, messages):
    plugin("llm_old", OLD)
    out = in_process(f"""
        try:
            out = ask({messages!r}, {model!r})
        except PoError as error:
            out = [error.kind, str(error), hint_of(error)]
    """)
    assert out[0] == "model_error", out
    assert "conversation" in out[1] or "does not pass on" in out[1]
    assert "--new" in out[2]


def test_the_limit_of_a_prompt_object_holds_for_a_model_that_calls_it_otherwise(plugin):
    plugin("llm_old", OLD)
    out = in_process(f"""
        replies = [list(backend.complete({HELLO!r}, model="local-limit", options={{"max_tokens": value}}))[-1]
                   for value in (7, "8")]
        out = [reply.message["content"] for reply in replies]
        try:
            backend.check("old", {{"max_tokens": 7}})
        except PoError as error:
            out.append(str(error) + " " + hint_of(error))
    """)
    assert out == ["Hello 7", "Hello 8", "old has no option 'max_tokens'. It has no options."]


@pytest.mark.parametrize("model", slow_but(["deaf", "single"], "deaf"))
def test_a_first_message_loses_nothing(plugin, model):
    plugin("llm_old", OLD)
    assert in_process(f"out = ask({HELLO!r}, {model!r})")


@pytest.mark.slow
def test_the_openai_sdk_is_imported_only_for_its_models(plugin):
    plugin("llm_old", OLD)
    out = in_process(f"""
        ask({HELLO!r}, "old")
        out = ["openai" in sys.modules]
        backend.models()
        out.append("openai" in sys.modules)
    """)
    assert out == [False, True]


@pytest.mark.slow
def test_a_plugin_that_wraps_the_models_of_others_sees_them_all(plugin):
    plugin("llm_old", OLD)
    plugin("llm_wrapper", WRAPPER)
    out = in_process("""
        first = backend._catalogue.find("wrapped-old")
        out = [first is not None, [info.name for info in backend.models() if info.name.startswith("wrapped")]]
    """)
    assert out[0]
    assert out[1] in (["wrapped-old-gpt-4o"], ["wrapped-gpt-4o-old"])


def test_the_plugins_that_a_user_chose_are_all_there_is(plugin, monkeypatch):
    plugin("llm_old", OLD)
    plugin("llm_bad", BROKEN)
    monkeypatch.setenv("LLM_LOAD_PLUGINS", "llm-old")
    out = in_process("out = [[info.name for info in backend.models()], notices]")
    assert {"old", "gpt-4o"} <= set(out[0])
    assert out[1] == []
    monkeypatch.setenv("LLM_LOAD_PLUGINS", "llm-bad,llm-old")
    out = in_process("out = [[info.name for info in backend.models()], notices]")
    assert "gpt-4o" in out[0]
    assert "it needs what is not there" in out[1][0]
