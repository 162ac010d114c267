"""A model that is silent, stalls or trickles: the turn ends in the time that it was given, whatever holds it up."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading

import pytest
from support.model_server import OPENAI, set_up_llm
from support.running import PO
from support.scripted import Script
from support.selection import slow_but
from support.stored import history

from po_sessions.environment import Environment
from po_sessions.errors import TimedOut
from po_sessions.models import ModelPaths
from po_sessions.models.llm import LlmBackend
from po_sessions.models.time_limit import TimeLimit

HELLO = [{"role": "user", "content": "Hello"}]
PIECE = b'data: {"id": "1", "choices": [{"index": 0, "delta": {"content": "x"}}]}\n\n'


@pytest.fixture
def silent(monkeypatch, tmp_path):
    """A server that takes connections and never says anything."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        set_up_llm(tmp_path / "llm", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "llm"))
        yield server


@pytest.fixture(autouse=True)
def _nobody_waits():
    """Wait for the threads that were left behind: other tests count them."""
    yield
    for thread in threading.enumerate():
        if thread.name == "po-provider":
            thread.join(60)


@pytest.fixture
def run(po_process):
    return lambda *args: po_process(*args, "--json", real=True)


def failed(done):
    """Check that a turn failed for its time, and return what the error says."""
    assert done.returncode == 8, done.stderr
    error = json.loads(done.stderr.splitlines()[-1])["error"]
    assert (error["code"], error["kind"], error["retryable"]) == (8, "timed_out", True)
    return error


@pytest.mark.parametrize("model", slow_but([OPENAI, "slow"], OPENAI))
def test_a_silent_provider_ends_with_the_timeout(model, silent, root, run, po):
    error = failed(run("send", "greeter", "Hello", "-m", model, "--timeout", "1s"))
    assert "did not answer in full within 1 second" in error["message"]
    assert f"To ask again: po session retry {error['session_id']} --model={model}" in error["hint"]
    question, reply = history(po, error["session_id"])
    assert (question["content"], reply["content"], reply["error"]["kind"]) == ("Hello", "", "timed_out")
    failed(run("session", "retry", error["session_id"], "-m", model, "--timeout", "1s"))
    assert len(history(po, error["session_id"])) == 3


@pytest.mark.slow
def test_a_silent_provider_ends_with_the_setting(silent, root, run, po, monkeypatch):
    assert po("config", "set", "model.idle_timeout", "1s").exit_code == 0
    assert "has sent nothing for 1 second" in failed(run("send", "greeter", "Hello", "-m", OPENAI))["message"]
    monkeypatch.setenv("PO_MODEL_IDLE_TIMEOUT", "2s")
    assert "has sent nothing for 2 seconds" in failed(run("send", "greeter", "Hello", "-m", OPENAI))["message"]


@pytest.mark.slow
def test_a_summary_is_bounded_too(silent, root, run, po, backend, monkeypatch):
    assert po("send", "greeter", "Hello").exit_code == 0
    failed(run("session", "compact", "-m", OPENAI, "--timeout", "1s"))
    monkeypatch.setenv("PO_MODEL_IDLE_TIMEOUT", "1s")
    failed(run("session", "compact", "-m", OPENAI))
    assert len(history(po)) == 2
    assert po("session", "compact", "--undo", "--timeout", "1s").exit_code == 2


@pytest.mark.slow
def test_a_provider_that_stalls_ends_and_what_had_come_is_kept(tiny, root, run, po, monkeypatch):
    monkeypatch.setenv("PO_MODEL_IDLE_TIMEOUT", "1s")
    tiny.says({"content": "Once"}, {"content": " upon"}, finish=None)
    tiny.endless = b": the connection is alive\n\n"
    error = failed(run("send", "greeter", "Hello", "-m", OPENAI))
    assert "has sent nothing for 1 second" in error["message"]
    assert history(po, error["session_id"])[-1]["content"] == "Once upon"
    assert tiny.gone.wait(10)  # the connection is closed


def test_a_provider_that_trickles_ends_with_the_timeout(tiny, root, run, po):
    tiny.says({"content": "Once"}, finish=None)
    tiny.endless = PIECE
    error = failed(run("send", "greeter", "Hello", "-m", OPENAI, "--timeout", "1s"))
    assert "did not answer in full" in error["message"]
    assert history(po, error["session_id"])[-1]["content"].startswith("Oncex")
    assert tiny.gone.wait(10)


@pytest.mark.slow
def test_asking_again_by_itself_is_bounded(tiny, root, run, po):
    tiny.fails(503, retry_after="50")  # the SDK would wait, and ask again
    failed(run("send", "greeter", "Hello", "-m", OPENAI, "--timeout", "2s"))
    assert len(tiny.asked) == 1


def test_an_interrupt_ends_the_wait_for_a_silent_provider(silent, root, po):
    process = subprocess.Popen(
        [PO, "send", "greeter", "Hello", "-m", OPENAI, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    connection, _ = silent.accept()
    assert connection.recv(10)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    connection.close()
    assert process.returncode == 130
    error = json.loads(said)["error"]
    assert history(po, error["session_id"])[-1]["error"]["kind"] == "interrupted"


@pytest.mark.slow
def test_as_a_library_in_any_thread(silent, root):
    env = Environment.open(root, model_paths=ModelPaths(cache="/nowhere", runtime="/tmp"))
    session = env.session_manager.begin("greeter")
    raised = []

    def work():
        try:
            env.prompt_object("greeter").receive("Hello", context=env.context(session, model=OPENAI, idle_timeout=0.2))
        except TimedOut as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert [error.session_id for error in raised] == [session.id]
    assert env.session_manager.get(session.id).history[-1].failed


def test_time_that_is_over_ends_a_reply_that_never_pauses(tiny):
    tiny.says({"content": "Once"}, finish=None)
    tiny.endless = PIECE * 100
    reply = LlmBackend(ModelPaths(cache="/nowhere", runtime="/nowhere")).complete(
        HELLO, model=OPENAI, options={}, time_limit=TimeLimit(total=0.5)
    )
    with pytest.raises(TimedOut):
        for _ in reply:
            pass
    assert tiny.gone.wait(10)


@pytest.mark.parametrize("limit", [TimeLimit(total=0.001), TimeLimit(idle=0.001)])
def test_the_embedded_model_is_bounded_and_stopped(limit, weights):
    from po_sessions.models.embedded import EmbeddedBackend

    backend = EmbeddedBackend(ModelPaths(cache="/nowhere", runtime="/tmp", gguf=weights))
    reply = backend.complete(HELLO, model="smollm2", options={"max_tokens": 100_000}, time_limit=limit)
    with pytest.raises(TimedOut, match="The embedded model"):
        list(reply)
    assert "po-model" not in [thread.name for thread in threading.enumerate()]


def test_a_limit_that_is_not_reached_changes_nothing(root, po, backend):
    backend.script = Script(says="a b", delay=0.01)
    assert po("send", "greeter", "Hello", "--timeout", "1000y").stdout == "a b\n"
    backend.script = Script(says="a b", delay=2)
    assert po("send", "greeter", "Hello", "--timeout", "1s").exit_code == 8


@pytest.mark.parametrize("given", ["5m", "0s", "0", "-1s", "1.5s", "soon", ""])
@pytest.mark.parametrize("line", [("send", "greeter", "Hello"), ("session", "retry"), ("session", "compact")])
def test_what_is_no_length_of_time_is_refused_before_anything_is_stored(line, given, root, po, backend):
    done = po(*line, f"--timeout={given}")
    assert done.exit_code == 2
    assert "min" in done.stderr  # the hint has the units
    assert po("session", "list", "--all").stdout == ""


# The setting


def test_the_setting_stands_beside_the_model(root, po, backend):
    assert po("config", "get", "model.idle_timeout").stdout == "10min\n"
    for args in ((), ("--environment",)):
        assert po("config", "set", *args, "model", "smollm2").exit_code == 0
        assert po("config", "set", *args, "model.idle_timeout", "90s").exit_code == 0
        assert po("config", "get", "model").stdout == "smollm2\n"
    assert 'model_idle_timeout = "90s"\n' in (root / "config.toml").read_text()
    assert po("config", "unset", "--environment", "model.idle_timeout").exit_code == 0
    assert po("config", "set", "model.idle_timeout", "0").exit_code == 0
    assert po("config", "get", "model.idle_timeout").stdout == "0\n"
    assert po("send", "greeter", "Hello").exit_code == 0


@pytest.mark.parametrize("value", ["5m", "soon", "-1", "0s"])
def test_a_value_that_it_cannot_have(value, root, po, backend, monkeypatch):
    done = po("config", "set", "model.idle_timeout", "--", value)
    assert done.exit_code == 2
    assert "With 0 there is no limit" in done.stderr
    monkeypatch.setenv("PO_MODEL_IDLE_TIMEOUT", value)
    assert po("send", "greeter", "Hello").exit_code == 2
    assert po("session", "list", "--all").stdout == ""


@pytest.mark.parametrize("value", ["0", "9s", "61min", "1y"])
def test_an_environment_can_neither_switch_it_off_nor_make_it_tiny(value, root, po, backend):
    done = po("config", "set", "--environment", "model.idle_timeout", value)
    assert done.exit_code == 2
    assert "from 10s to 1h" in done.stderr
    (root / "config.toml").write_text(f'model_idle_timeout = "{value}"\n')
    assert po("send", "greeter", "Hello").exit_code == 2
    for fine in ("10s", "1h"):
        assert po("config", "set", "--environment", "model.idle_timeout", fine).exit_code == 0
    assert po("send", "greeter", "Hello").exit_code == 0
