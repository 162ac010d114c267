"""What all tests share. No test reaches the real home directory, the user's settings or the network."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from support.model_server import ModelServer, set_up_llm
from support.processes import children_ended, in_memory, outliving
from support.running import REAL_CACHE, Clock, command
from support.scripted import ScriptedBackend
from support.wire import Wire, wire
from typer.testing import CliRunner

from po_sessions import models
from po_sessions.environment import Environment
from po_sessions.models import ModelPaths
from po_sessions.storage import open_storage

hypothesis.settings.register_profile("po", deadline=None)  # speed is no matter for tests
hypothesis.settings.load_profile("po")

BACKENDS = dict(models.BACKENDS)
_SETTINGS = ("PO_", "XDG_", "LLM_", "OPENAI_", "ANTHROPIC_", "PYTHONUNBUFFERED", "NO_COLOR", "FORCE_COLOR", "COLUMNS")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test as somebody with an empty home and no settings, in an empty directory."""
    for name in list(os.environ):
        if name.startswith(_SETTINGS):
            monkeypatch.delenv(name)
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("PAGER", "")  # which would wait for a key
    monkeypatch.chdir(work)
    # What a test, or what it shares with others, puts into these goes with it.
    monkeypatch.setattr(models, "BACKENDS", dict(BACKENDS))
    monkeypatch.setattr(ScriptedBackend, "script", None)


@pytest.fixture(autouse=True)
def _children() -> Iterator[None]:
    """End the processes that a test has started and left, whatever came of it."""
    with children_ended():
        yield


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory, where the machine has one: for tests that look for an order, and not at a disk."""
    with in_memory(tmp_path) as made:
        yield made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An environment with the starter prompt objects, found from the working directory."""
    path = tmp_path / "work" / ".prompt_objects"
    Environment.create(path)
    return path


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[], Any]], Any]:
    """Return what a function returns that fills the working directory; of each name it is run once, and then copied.

    The index takes a copy for a directory that somebody changed, until a command has listed the sessions.
    """
    made: dict[str, tuple[Path, Any]] = {}

    def fill(name: str, function: Callable[[], Any]) -> Any:
        if name in made:
            shutil.copytree(made[name][0], Path.cwd(), symlinks=True, dirs_exist_ok=True)
        else:
            told = function()
            made[name] = Path(shutil.copytree(Path.cwd(), tmp_path_factory.mktemp(name) / "x", symlinks=True)), told
        return made[name][1]

    return fill


@pytest.fixture
def env(root: Path, clock: Clock) -> Environment:
    return Environment.open(root, clock=clock, lock_timeout=5)


@pytest.fixture(params=["files", "memory"])
def open_store(request, tmp_path):
    """Open a store; for one kind, always the same sessions."""
    memory = None

    def open_(**arguments):
        nonlocal memory
        if request.param == "files":
            return open_storage("files", root=str(tmp_path / "store"), **arguments)
        memory = memory or open_storage("memory", **arguments)
        return memory

    return open_


@pytest.fixture
def store(open_store):
    return open_store(lock_timeout=0.2)


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> type[ScriptedBackend]:
    """The scripted back end in the place of the embedded one; set its `script` to have it do something."""
    monkeypatch.setattr(ScriptedBackend, "script", None)
    monkeypatch.setattr(ScriptedBackend, "asked", [])
    monkeypatch.setattr(ScriptedBackend, "checked", 0)
    monkeypatch.setitem(models.BACKENDS, "embedded", "support.scripted:ScriptedBackend")
    return ScriptedBackend


@pytest.fixture
def po() -> Callable[..., Any]:
    """Run `po` in this process; the result has exit_code, stdout, stderr."""
    from po_sessions.cli.app.root import app

    def run(*args: str, input: str | bytes | None = None) -> Any:
        result = CliRunner().invoke(app, list(args), input=input, prog_name="po")
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture
def po_process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `po` as a process of its own, on the scripted back end unless `real`."""

    def run(*args: str, real: bool = False, **settings: Any) -> subprocess.CompletedProcess[str]:
        settings = {"capture_output": True, "text": True, "timeout": 120, "stdin": subprocess.DEVNULL, **settings}
        done = subprocess.run([*command(real=real), *args], check=False, **settings)
        assert "Traceback" not in (done.stderr or "")
        return done

    return run


@pytest.fixture(scope="session")
def weights() -> str:
    """The embedded model's weights, in the cache of whoever runs the tests."""
    from po_sessions.models import weights as module

    paths = ModelPaths(cache=str(REAL_CACHE), runtime="/tmp")
    if not module.is_ready(paths):
        pytest.fail("The embedded model is not on this machine; run 'po model pull' first.")
    return module.path(paths)


@pytest.fixture
def model(weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `po` answer with the real embedded model."""
    monkeypatch.setenv("PO_GGUF", weights)


@pytest.fixture(scope="session")
def shared_server(weights: str) -> Iterator[ModelServer]:
    """A real model over HTTP, which no test stops."""
    with outliving():
        server = ModelServer(weights)
    yield server
    server.kill()


@pytest.fixture
def own_server(weights: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModelServer]:
    """A real model over HTTP for one test, which may kill it; `llm` is set up for it."""
    server = ModelServer(weights)
    _use(server.url, tmp_path, monkeypatch)
    yield server
    server.kill()


@pytest.fixture
def model_server(shared_server: ModelServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModelServer:
    """A real model over HTTP, with `llm` set up for it."""
    _use(shared_server.url, tmp_path, monkeypatch)
    return shared_server


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Wire]:
    """A server that answers what it is told to, with `llm` set up for it."""
    with wire() as made:
        _use(made.url, tmp_path, monkeypatch)
        yield made


def _use(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up_llm(tmp_path / "llm", url)
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "llm"))
    monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
