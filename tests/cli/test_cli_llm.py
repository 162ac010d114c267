"""`po` with the models of `llm`: whole processes, a real model over real wires, and all that can go wrong."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.model_server import ANTHROPIC, KEY, N_CTX, OPENAI, ModelServer
from support.running import PO
from support.selection import slow, slow_but
from support.terminal import on_terminal, plain

WIRES = pytest.mark.parametrize("model", slow_but([OPENAI, ANTHROPIC], OPENAI))
LLM = str(Path(sys.executable).with_name("llm"))


def run(*args: str, code: int = 0, **settings: Any) -> str:
    """Run `po` and return what it printed to standard output, or to standard error if it is to fail."""
    done = subprocess.run(
        [PO, *args], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, check=False, **settings
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr if code else done.stdout


def history() -> list[dict[str, Any]]:
    return json.loads(run("session", "show", "--json"))["history"]


def keys(**given: str) -> None:
    (Path(os.environ["LLM_USER_PATH"]) / "keys.json").write_text(json.dumps(given))


def define(front_matter: str) -> None:
    """Make an environment with a prompt object of one's own in the place of greeter."""
    run("init")
    Path(run("object", "path", "greeter").strip()).write_text(f"---\n{front_matter}\n---\nYou are a gardener.\n")


def check_failed(error: str, *said: str) -> list[str]:
    """See that an error is a sentence and a hint, and that the turn is kept as failed; return the hint's commands."""
    sentence, *hint = error.splitlines()
    assert sentence.startswith("po: ")
    assert sentence.endswith((".", ")", "…")) or ": " in sentence
    assert all(word in error for word in said), error
    *_, question, answer = history()
    assert question["role"] == "user"
    assert answer["error"]["message"] in sentence
    assert run("session", "list").split("\t")[6] == "failed"
    return [line.removeprefix("To ask again: ") for line in hint if line.startswith("To ask again: po session retry")]


def retry(command: str) -> None:
    """Run the command line that a hint gave; the turn is answered then."""
    words = shlex.split(command)
    assert words.pop(0) == "po"
    reply = run(*words)
    assert reply.strip()
    assert history()[-1]["content"] + "\n" == reply
    assert run("session", "list").split("\t")[6] == "done"


@WIRES
def test_a_conversation(model_server, model):
    reply = run("send", "greeter", "Hello, my name is Ada.", "--model", model, "-o", "max_tokens=8")
    assert history()[1]["content"] + "\n" == reply
    first = history()[1]["usage"]
    answer = json.loads(
        run("send", "greeter", "Tell me a long story.", "--model", model, "-o", "max_tokens=8", "--json")
    )
    assert answer["turn"] == 2
    assert answer["usage"]["output"] == 8
    assert answer["usage"]["input"] >= first["input"] + first["output"]  # the first turn was sent too
    assert answer["finish_reason"] == "length"
    assert "SmolLM2" in answer["model"]
    assert answer["duration_ms"] > 0


@pytest.mark.slow
def test_the_model_of_a_prompt_object_or_of_the_environment(model_server, monkeypatch):
    define(f"model: {OPENAI}\noptions: {{max_tokens: 4}}")
    assert json.loads(run("send", "greeter", "Hi", "--json"))["usage"]["output"] == 4
    monkeypatch.setenv("PO_MODEL", "here")  # an alias
    assert json.loads(run("send", "reader", "Hi", "-o", "max_tokens=3", "--json"))["usage"]["output"] == 3


@WIRES
@pytest.mark.slow
def test_pieces_are_printed_as_they_come(model_server, model):
    command = [PO, "send", "greeter", "Tell me a long story.", "--model", model, "-o", "max_tokens=120"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        times, text = [], b""
        while piece := os.read(process.stdout.fileno(), 4096):
            times.append(time.monotonic())
            text += piece
    assert process.returncode == 0
    assert len(times) > 1  # how many depends on how busy the machine is
    assert history()[1]["content"] + "\n" == text.decode()


@WIRES
@pytest.mark.slow
def test_an_interrupt_ends_the_command_and_keeps_what_came(model_server, model):
    command = [PO, "send", "greeter", "Tell me a long story.", "--model", model, "-o", "max_tokens=1500"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        os.read(process.stdout.fileno(), 4096)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in error
    assert time.monotonic() - began < 5  # the whole reply would take twice that
    assert history()[1]["error"]["kind"] == "interrupted"
    run("send", "greeter", "Hi", "--model", model, "-o", "max_tokens=2")


@WIRES
def test_a_wrong_key(model_server, model):
    keys(mine="sk-wrong", anthropic="sk-wrong")
    error = run("send", "greeter", "Hello", "--model", model, "-o", "max_tokens=5", code=8)
    (again,) = check_failed(error, "refused the key (401)", "llm keys set")
    assert "sk-wrong" not in error
    keys(mine=KEY, anthropic=KEY)
    retry(again)


@pytest.mark.parametrize(("model", "name"), [slow((OPENAI, "mine")), slow((ANTHROPIC, "anthropic"))])
def test_a_missing_key(model_server, model, name):
    keys()
    error = run("send", "greeter", "Hello", "--model", model, code=8)
    assert f"needs a key, and none named '{name}' is set." in error
    assert run("session", "list", "--all") == ""
    command = error.splitlines()[1].split("'")[1]
    subprocess.run(command, shell=True, input=f"{KEY}\n", text=True, check=True, capture_output=True)
    run("send", "greeter", "Hello", "--model", model, "-o", "max_tokens=2")


def test_an_unknown_model(model_server):
    error = run("send", "greeter", "Hello", "--model", "lokal", code=8)
    assert error.startswith("po: There is no model named 'lokal'.\nDid you mean 'local'?")
    assert run("session", "list", "--all") == ""
    about = json.loads(run("send", "greeter", "Hello", "--model", "lokal", "--json", code=8))["error"]
    assert (about["code"], about["kind"], about["retryable"]) == (8, "unknown_model", False)


@WIRES
@pytest.mark.slow
def test_a_server_that_is_down(own_server: ModelServer, model):
    own_server.kill()
    error = run("send", "greeter", "Hello", "--model", model, "-o", "max_tokens=5", code=8)
    (again,) = check_failed(error, "did not answer", own_server.url)
    own_server.start()
    retry(again)


@WIRES
@pytest.mark.slow
def test_a_server_that_is_killed_in_mid_reply(own_server: ModelServer, model):
    command = [PO, "send", "greeter", "Tell me a long story.", "--model", model, "-o", "max_tokens=1500"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        came = os.read(process.stdout.fileno(), 4096)
        own_server.kill()
        rest, error = process.communicate()
    assert process.returncode == 8
    (again,) = check_failed(error.decode(), "did not answer")
    assert history()[1]["content"] == (came + rest).decode().removesuffix("\n")
    own_server.start()
    retry(again.replace("1500", "5"))


@WIRES
@pytest.mark.slow
def test_a_conversation_that_is_too_long(model_server, model):
    error = run("send", "greeter", "word " * 2 * N_CTX, "--model", model, code=8)
    assert check_failed(error, "longer than", "--new") == []
    run("send", "greeter", "Hello", "--new", "--model", model, "-o", "max_tokens=2")


def test_a_dry_run_needs_no_key_and_no_server(model_server):
    run("init")
    keys()
    about = json.loads(run("send", "greeter", "Hello", "--model", OPENAI, "--dry-run", "--json"))
    assert (about["model"], about["messages"][-1]["content"]) == (OPENAI, "Hello")


@pytest.mark.slow
def test_an_address_in_front_matter_is_refused(model_server):
    define("options: {api_base: http://evil.example}")
    error = run("send", "greeter", "Hello", "--model", OPENAI, code=2)
    assert error.startswith("po: In the front matter of greeter: The option 'api_base' is refused")


def test_all_models_are_listed(model_server, model):
    rows = [line.split("\t") for line in run("model", "list").splitlines()]
    states = {row[0]: row[1] for row in rows}
    assert all(len(row) == 3 for row in rows)
    assert rows[0][:2] == ["smollm2", "ready"]
    assert [row[0] for row in rows].count("smollm2") == 1
    assert (states[OPENAI], states["open"], states["gpt-4o"]) == ("ready", "ready", "not ready")
    found = {one["name"]: one for one in json.loads(run("model", "list", "--json"))}
    assert found[OPENAI]["ready"] is True
    assert found[OPENAI]["description"] == "OpenAI Chat, also here"
    assert set(found) == set(states)


@pytest.mark.parametrize("columns", slow_but([200, 80, 60, 40], 60))
def test_the_name_of_a_model_is_whole_however_narrow_the_terminal(columns, model_server, monkeypatch):
    monkeypatch.setenv("PAGER", "")
    names = run("model", "list").split("\n")[:-1]
    code, shown = on_terminal("model", "list", columns=columns)
    head, *rows = plain(shown).splitlines()
    assert (code, head.split()[0]) == (0, "Name")
    assert [row.split("  ")[0] for row in rows] == [line.split("\t")[0] for line in names]
    assert max(map(len, [head, *rows])) <= max(columns, 47)
    assert ("Description" in head) == (columns > 60)


@pytest.mark.slow
def test_a_broken_plugin_is_a_warning(model_server, tmp_path, monkeypatch):
    site = tmp_path / "site"
    about = site / "llm_bad-1.0.dist-info"
    about.mkdir(parents=True)
    (site / "llm_bad.py").write_text("raise ImportError('it needs what is not there')")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: llm-bad\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[llm]\nllm_bad = llm_bad\n")
    monkeypatch.setenv("PYTHONPATH", str(site))
    command = [PO, "send", "greeter", "Hello", "--model", OPENAI, "-o", "max_tokens=2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    warning = "The plugin llm-bad of llm could not be loaded: ImportError: it needs what is not there"
    assert done.stderr == f"po: warning: {warning}\n"
    done = subprocess.run([PO, "send", "greeter", "Hello", "-o", "max_tokens=2"], capture_output=True, text=True)
    assert "llm-bad" not in done.stderr
    done = subprocess.run([PO, "model", "list"], capture_output=True, text=True, check=True)
    assert done.stderr == f"po: warning: {warning}\n"


# The other way round: our model in `llm`


def llm(*args: str, code: int = 0) -> str:
    done = subprocess.run(
        [LLM, *args], capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL
    )
    assert done.returncode == code, done.stderr
    return done.stderr if code else done.stdout


@pytest.fixture
def llm_home(tmp_path, monkeypatch):
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "llm"))


@pytest.mark.slow
def test_the_embedded_model_answers_in_llm(model, llm_home):
    reply = llm("-m", "smollm2", "Hello", "-s", "You are a gardener.", "-o", "max_tokens", "6")
    define("name: greeter")
    answer = json.loads(run("send", "greeter", "Hello", "-o", "max_tokens=6", "--json"))
    assert answer["reply"] + "\n" == reply
    logged = json.loads(llm("logs", "--json"))[0]
    usage = {"input": logged["input_tokens"], "output": logged["output_tokens"]}
    assert usage == answer["usage"]
    assert logged["resolved_model"] == answer["model"]
    llm("-c", "And you?", "-o", "max_tokens", "6")
    again = json.loads(run("send", "greeter", "And you?", "-o", "max_tokens=6", "--json"))
    assert json.loads(llm("logs", "--json"))[-1]["input_tokens"] == again["usage"]["input"]


@pytest.mark.slow
def test_the_embedded_model_fails_in_llm_with_a_sentence(llm_home, tmp_path, monkeypatch):
    assert "Error: The option 'n_ctx' cannot be 'x'." in llm("-m", "smollm2", "Hello", "-o", "n_ctx", "x", code=1)
    assert "po model pull" in llm("-m", "smollm2", "Hello", code=1)
    assert "smollm2" in llm("models", "list")


@pytest.mark.slow
def test_the_embedded_model_streams_in_llm(model, llm_home):
    command = [LLM, "-m", "smollm2", "Tell me a long story.", "-o", "max_tokens", "100"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        pieces = 0
        while os.read(process.stdout.fileno(), 4096):
            pieces += 1
    assert process.returncode == 0
    assert pieces > 20
