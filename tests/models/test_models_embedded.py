"""The embedded model: facts about its replies, its limits, what it leaves behind, and how it ends."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from support.hints import hint_of
from support.selection import slow

from po_sessions.errors import ContextTooLong, InvalidInput, ModelError, ModelUnavailable, WeightsMissing
from po_sessions.models import ModelPaths, Reply, engine, known, resolve
from po_sessions.models import weights as weights_module
from po_sessions.models.embedded import EmbeddedBackend

HELLO = [{"role": "user", "content": "Tell me a story about a lighthouse."}]


@pytest.fixture
def runtime():
    with tempfile.TemporaryDirectory(prefix="po-") as made:
        yield made


@pytest.fixture
def paths(weights, runtime):
    return ModelPaths(cache=os.path.dirname(weights), runtime=runtime)


@pytest.fixture
def own(weights, runtime):
    """A copy of the weights that a test may damage."""
    with tempfile.TemporaryDirectory(prefix="po-") as cache:
        shutil.copy(weights, cache)
        yield ModelPaths(cache=cache, runtime=runtime)


def ask(paths, messages=HELLO, model="smollm2", **options):
    return list(EmbeddedBackend(paths).complete(messages, model=model, options={"max_tokens": 12, **options}))


def text(paths, **options):
    return ask(paths, **options)[-1].message["content"]


def script(paths, body):
    """Return the arguments of a Python process that has `reply`, an iterator over a long reply, and does `body`."""
    return [
        sys.executable,
        "-c",
        f"""
import os, sys, time
from po_sessions.models import Chunk, ModelPaths, Reply, resolve
paths = ModelPaths({paths.cache!r}, {paths.runtime!r})
LONG = "Tell me a story about a lighthouse."
def ask(content, most=400):
    messages = [{{"role": "user", "content": content}}]
    return resolve("smollm2", paths).complete(messages, model="smollm2", options={{"max_tokens": most}})
{body}
""",
    ]


def damage(paths, at, length=1):
    with open(weights_module.path(paths), "r+b") as file:
        file.seek(at)
        old = file.read(length)
        file.seek(at)
        file.write(bytes(byte ^ 0xFF for byte in old))


@pytest.mark.slow
def test_two_processes_give_the_same_reply(paths):
    body = "print(list(ask('Name a colour.', 20))[-1].message['content'])"
    said = {subprocess.run(script(paths, body), capture_output=True, check=True).stdout for _ in range(3)}
    assert len(said) == 1
    assert len(said.pop()) > 10


@pytest.mark.slow
def test_what_was_asked_before_changes_nothing(paths):
    alone = text(paths)
    ask(paths, [{"role": "user", "content": "Something else altogether."}])
    assert text(paths) == alone


@pytest.mark.slow
def test_temperature_and_seed_are_used(paths):
    assert text(paths, seed=5) == text(paths)
    warm = text(paths, temperature="1.5", seed="1")
    assert warm == text(paths, temperature=1.5, seed=1)
    assert len({warm, text(paths), text(paths, temperature=1.5, seed=2)}) == 3


def test_the_system_prompt_is_used(paths):
    system = [{"role": "system", "content": "You only ever speak French."}, *HELLO]
    assert ask(paths, system)[-1].message != ask(paths)[-1].message


def test_stop_ends_the_reply(paths):
    whole = text(paths, max_tokens=30)
    word = whole.split()[4]
    short = ask(paths, max_tokens=30, stop=word)[-1]
    assert short.finish_reason == "stop"
    assert word not in short.message["content"]
    assert whole.startswith(short.message["content"])


def test_the_reply_names_the_model_in_full(paths):
    assert ask(paths)[-1].model == "SmolLM2-135M-Instruct.Q4_1"


def test_characters_of_several_tokens_arrive_whole(paths):
    *chunks, reply = ask(paths, [{"role": "user", "content": "Print 🎉🦄 and 日本語"}], max_tokens=30)
    assert reply.usage["output"] == 30
    assert 5 < len(chunks) < 25
    assert any(ord(c) > 0x1F000 for c in reply.message["content"])
    assert "\ufffd" not in reply.message["content"]


def test_half_a_character_is_no_reason_to_fail(paths):
    assert isinstance(ask(paths, [{"role": "user", "content": "Hello \udce9!"}])[-1], Reply)


def test_a_conversation_that_does_not_fit(paths):
    with pytest.raises(ContextTooLong) as caught:
        ask(paths, [{"role": "user", "content": "word " * 400}], n_ctx=256)
    assert "431 tokens" in str(caught.value)
    assert "256" in str(caught.value)
    assert hint_of(caught.value)


@pytest.mark.slow
def test_a_conversation_that_needs_more_than_the_usual_room(paths):
    reply = ask(paths, [{"role": "user", "content": "word " * 1400}], max_tokens=1)[-1]
    assert reply.usage["input"] > 1400


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("temperature", "hot"),
        ("temperature", -0.1),
        ("temperature", "nan"),
        ("temperature", True),
        ("temperature", None),
        ("top_p", 1.01),
        ("top_k", 1.5),
        ("seed", 2**32 - 1),
        ("seed", 10**400),
        ("max_tokens", 0),
        ("n_ctx", "255"),
        ("repeat_penalty", 0),
        ("stop", ""),
        ("stop", 3),
        ("stop", ["a", None]),
    ],
)
def test_a_value_out_of_range_names_the_range(paths, option, value):
    with pytest.raises(InvalidInput) as caught:
        EmbeddedBackend(paths).complete(HELLO, model="smollm2", options={option: value})
    assert repr(option) in str(caught.value)
    assert hint_of(caught.value).startswith("It is a ")


def test_an_unknown_option_names_the_known_ones(paths):
    with pytest.raises(InvalidInput) as caught:
        EmbeddedBackend(paths).check("smollm2", {"temprature": 1})
    assert "temperature" in hint_of(caught.value)
    assert "n_ctx" in hint_of(caught.value)


def test_tools_are_refused(paths):
    with pytest.raises(InvalidInput, match="cannot call tools"):
        EmbeddedBackend(paths).complete(HELLO, model="smollm2", tools=[{"name": "clock"}], options={})


@pytest.mark.slow
def test_any_gguf_file_runs_by_its_path(paths, weights, own):
    other = os.path.join(own.cache, "other.gguf")
    os.rename(weights_module.path(own), other)
    assert ask(own, model=f"gguf:{other}")[-1].model == "other"
    stand_in = ModelPaths(cache="/nowhere", runtime=own.runtime, gguf=other)
    assert ask(stand_in)[-1].message == ask(paths)[-1].message
    info = known(stand_in)[0]
    assert info.ready
    assert info.path == other
    assert "other.gguf" in info.description


@pytest.mark.parametrize("content", [None, b"", b"GGU", b"not a model at all"])
def test_a_path_that_is_no_gguf_file(tmp_path, runtime, content):
    path = tmp_path / "x.gguf"
    if content is not None:
        path.write_bytes(content)
    paths = ModelPaths(cache=str(tmp_path), runtime=runtime)
    with pytest.raises(ModelUnavailable, match=r"x\.gguf") as caught:
        resolve(f"gguf:{path}", paths).complete(HELLO, model=f"gguf:{path}", options={})
    assert hint_of(caught.value)


def test_a_gguf_file_cut_short(tmp_path, runtime, weights):
    path = tmp_path / "x.gguf"
    with open(weights, "rb") as file:
        path.write_bytes(file.read(5_000_000))
    with pytest.raises(ModelUnavailable, match=r"cannot load .*x\.gguf"):
        ask(ModelPaths(cache="", runtime=runtime), model=f"gguf:{path}")
    assert os.listdir(runtime) == []


def test_missing_weights(tmp_path, runtime):
    paths = ModelPaths(cache=str(tmp_path / "none"), runtime=runtime)
    with pytest.raises(WeightsMissing) as caught:
        EmbeddedBackend(paths).complete(HELLO, model="smollm2", options={})
    assert str(caught.value) == "The embedded model's weights are not on this machine."
    assert hint_of(caught.value) == "Run 'po model pull' (93 MB)."
    assert not known(paths)[0].ready
    assert not os.path.exists(paths.cache)


@pytest.mark.parametrize("at", [0, 100, 600_000, weights_module.HEADER_SIZE - 1])
def test_damage_in_the_header_is_seen_before_anything_is_loaded(own, at):
    damage(own, at)
    with pytest.raises(ModelUnavailable, match="damaged") as caught:
        EmbeddedBackend(own).check("smollm2", {})
    assert "po model pull" in hint_of(caught.value)
    assert not known(own)[0].ready


def test_weights_cut_short_are_seen_before_anything_is_loaded(own):
    os.truncate(weights_module.path(own), weights_module.SIZE - 1)
    with pytest.raises(ModelUnavailable, match="damaged"):
        EmbeddedBackend(own).check("smollm2", {})


@pytest.mark.parametrize("at", [weights_module.HEADER_SIZE, 50_000_000, weights_module.SIZE - 1])
def test_damage_in_the_tensors_never_becomes_a_reply(own, at):
    damage(own, at)
    reply = EmbeddedBackend(own).complete(HELLO, model="smollm2", options={})
    with pytest.raises(ModelUnavailable, match="damaged"):
        next(reply)
    assert os.listdir(own.runtime) == []


def test_without_xllamacpp(paths, monkeypatch):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ModelUnavailable) as caught:
        EmbeddedBackend(paths).check("smollm2", {})
    assert "pip install 'po-sessions[local]'" in hint_of(caught.value)
    assert not known(paths)[0].ready


def test_xllamacpp_that_cannot_be_imported(paths, monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "xllamacpp", raising=False)
    (tmp_path / "xllamacpp.py").write_text("raise ImportError('libgomp.so.1 is missing')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelUnavailable, match="libgomp"):
        ask(paths)


def test_the_socket_is_private_while_it_has_a_name_and_then_has_none(paths, monkeypatch):
    seen = []
    load = engine._library

    class Watched:
        CommonParams = staticmethod(load().CommonParams)

        @staticmethod
        def Server(params):  # noqa: N802
            path = Path(params.hostnames[0])
            server = load().Server(params)
            seen.append((path, stat.S_IMODE(path.parent.stat().st_mode), path.is_socket(), params.api_keys))
            return server

    monkeypatch.setattr(engine, "_library", lambda: Watched)
    reply = EmbeddedBackend(paths).complete(HELLO, model="smollm2", options={})
    next(reply)
    assert os.listdir(paths.runtime) == []
    reply.close()
    ask(paths)
    (path, mode, is_socket, (key,)), (other, _, _, (other_key,)) = seen
    assert str(path.parent.parent) == paths.runtime
    assert mode == 0o700
    assert is_socket
    assert len(key) == 32
    assert path != other
    assert key != other_key


@pytest.mark.skipif(not os.path.exists("/proc/self/net/tcp"), reason="only Linux tells which ports a process has")
def test_no_port_is_open_while_the_model_runs(paths):
    reply = EmbeddedBackend(paths).complete(HELLO, model="smollm2", options={})
    next(reply)
    sockets = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_socket(fd)]
    inodes = {name.removeprefix("socket:[").removesuffix("]") for name in sockets}
    tcp = Path("/proc/self/net/tcp").read_text() + Path("/proc/self/net/tcp6").read_text()
    listening = {line.split()[9] for line in tcp.splitlines() if len(line.split()) > 9 and line.split()[3] == "0A"}
    reply.close()
    assert sockets
    assert not inodes & listening


def _is_socket(fd):
    try:
        return stat.S_ISSOCK(os.fstat(int(fd)).st_mode)
    except OSError:
        return False


def test_directories_of_dead_processes_are_swept_and_no_others(paths):
    dead = subprocess.Popen(["true"])
    dead.wait()
    names = [f"po-model-{dead.pid}-abc", f"po-model-{os.getpid()}-abc", "po-model-", "po-model-x-y", f"po-{dead.pid}-a"]
    for name in names:
        os.makedirs(os.path.join(paths.runtime, name, "s.sock"))
    ask(paths)
    assert set(os.listdir(paths.runtime)) == set(names[1:])


@pytest.mark.parametrize("name", ["missing", "x" * 80])
def test_a_runtime_directory_that_will_not_do(paths, name):
    runtime = os.path.join(paths.runtime, name)
    if name != "missing":
        os.mkdir(runtime)
    with pytest.raises(ModelUnavailable, match="socket") as caught:
        ask(ModelPaths(cache=paths.cache, runtime=runtime))
    assert "TMPDIR" in hint_of(caught.value)


def test_it_writes_nothing_of_its_own(paths):
    body = (
        "list(ask('Hello', 5)); r = ask('word ' * 9000)\ntry: next(r)\nexcept Exception as e: print(type(e).__name__)"
    )
    done = subprocess.run(script(paths, body), capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("ContextTooLong\n", "")


@pytest.mark.slow
def test_an_interrupt_stops_the_reply_at_once(paths):
    whole = to_its_end(paths, "list(ask('Tell me a story.'))")
    assert interrupted(paths, "r = ask('Tell me a story.'); next(r); say_so(0.2); list(r)") < whole / 3


@pytest.mark.slow
def test_an_interrupt_stops_the_reading_of_a_long_prompt(paths):
    whole = to_its_end(paths, "next(ask('word ' * 1500))")
    assert interrupted(paths, "say_so(0.8); next(ask('word ' * 1500))") < whole / 3


def to_its_end(paths, body):
    """Let a process do something to its end, and return how many seconds it took."""
    began = time.monotonic()
    subprocess.run(script(paths, body), check=True)
    return time.monotonic() - began


def interrupted(paths, body):
    """Interrupt a process when it says so, see that it left nothing, and return how many seconds it took to end."""
    body = f"""
import threading
def say_so(after):
    threading.Timer(after, print, ["now"], {{"flush": True}}).start()
try:
    {body}
except KeyboardInterrupt:
    print(threading.active_count(), os.listdir(paths.runtime))
"""
    process = subprocess.Popen(script(paths, body), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    said, complaints = process.communicate(timeout=30)
    assert (said, complaints, process.returncode) == ("1 []\n", "", 0)
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("body", "code"),
    [
        slow(("list(ask('Hello', 3))", 0)),
        ("r = ask(LONG); next(r)", 0),
        ("r = ask(LONG); next(r); os._exit(4)", 4),
        slow(("for said in ask('Hello', 3):\n    if isinstance(said, Reply): os._exit(5)", 5)),
        slow(("r = ask(LONG); next(r); sys.exit(6)", 6)),
        slow(("for said in ask(LONG): raise ValueError", 1)),
        slow(("a, b = ask(LONG), ask(LONG); next(a), next(b)", 0)),
    ],
)
def test_a_process_ends_promptly_however_it_ends(paths, body, code):
    for _ in range(2):
        began = time.monotonic()
        done = subprocess.run(script(paths, body), capture_output=True, text=True, timeout=30, check=False)
        assert time.monotonic() - began < 15  # where something hangs, it does so for ever
        assert done.returncode == code, done.stderr
        assert os.listdir(paths.runtime) == []


@pytest.mark.slow
def test_a_model_that_was_never_asked_goes_without_hanging(paths):
    body = """
from po_sessions.models import engine, weights
for _ in range(5):
    with engine.Run(weights.path(paths), {}, n_ctx=512, runtime=paths.runtime): pass
"""
    processes = [subprocess.Popen(script(paths, body)) for _ in range(4)]
    try:
        assert [process.wait(timeout=20) for process in processes] == [0] * 4
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_a_model_that_breaks_off_is_an_error(paths, monkeypatch):
    monkeypatch.setattr(engine.Run, "_hear", lambda run, chunk: run._said.put(chunk) or True)
    with pytest.raises(ModelError, match="before the end"):
        ask(paths)
