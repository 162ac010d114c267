"""llama.cpp in this process, through `xllamacpp`, and what its server object needs to behave.

- It always opens a listener: so a Unix socket in a fresh private directory, and a random key. Once the socket is bound
  nobody needs its name, and the directory goes.
- Destroyed before it has answered anything, it can hang: so it is asked for one token at once.
- It blocks and calls back: so it lives in a thread of its own, and what it says goes through a queue. Between two
  callbacks lies a token or a piece of the prompt, which is how long stopping takes. Only loading cannot be stopped.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from queue import SimpleQueue
from types import ModuleType, TracebackType
from typing import Any

from po_sessions.errors import Advice, ContextTooLong, ModelError, ModelUnavailable
from po_sessions.models.time_limit import TimeLimit

_PROMPT_PIECE = 64  # tokens; smaller ones make long prompts slower, larger ones an interrupt
_SOCKET_LENGTH = 100  # bytes; the smallest limit of the systems that run this is 104
_SOCKET_DIR = "po-model-"
_SOCKET = "s.sock"  # llama.cpp takes a host for a socket's path if it ends so


class Run:
    """One request to one model, used as a context manager and iterated over for llama.cpp's chunks (dicts)."""

    def __init__(
        self,
        gguf: str,
        request: Mapping[str, Any],
        *,
        n_ctx: int,
        runtime: str,
        time_limit: TimeLimit | None = None,
    ) -> None:
        self._gguf = gguf
        self._request = {**request, "stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
        self._n_ctx = n_ctx
        self._runtime = runtime
        self._time_limit = time_limit or TimeLimit()
        self._said: SimpleQueue[dict[str, Any] | Exception | None] = SimpleQueue()
        self._stopped = False
        # Not a daemon: a thread that comes back from native code while Python shuts down aborts the process.
        self._thread = threading.Thread(target=self._work, name="po-model")

    def __enter__(self) -> Run:
        """Begin to load."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and wait until the model is gone."""
        self._stopped = True
        self._thread.join()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield each chunk when it arrives. Raises ModelError, TimedOut."""
        while (said := self._time_limit.next_of(self._said, "The embedded model")) is not None:
            if isinstance(said, Exception):
                raise said
            if "error" in said:
                raise _error(said["error"])
            yield said

    def _work(self) -> None:
        try:
            server = _load(self._gguf, self._n_ctx, self._runtime)
            server.handle_completions({"prompt": "a", "max_tokens": 1})
            if not self._stopped:
                server.handle_chat_completions(self._request, self._hear)
        except ModelError as error:
            self._said.put(error)
        except Exception as error:
            self._said.put(ModelError(f"The embedded model failed: {error}"))
        finally:
            self._said.put(None)

    def _hear(self, chunk: dict[str, Any]) -> bool:
        """Take a chunk and tell whether to stop, as also when the program ends without having closed us."""
        self._said.put(chunk)
        return self._stopped or not threading.main_thread().is_alive()


def require() -> None:
    """Look for xllamacpp without importing it. Raises ModelUnavailable if it is not installed."""
    if find_spec("xllamacpp") is None:
        raise ModelUnavailable(
            "The embedded model needs xllamacpp, which is not installed.", advice=Advice("install_engine")
        )


def _library() -> ModuleType:
    # Read once, when the OpenMP library is loaded. By default its threads spin while they wait for each other: twelve
    # models at once on two cores take 25 s instead of 6, and one alone is no faster.
    os.putenv("GOMP_SPINCOUNT", "1000")
    try:
        return import_module("xllamacpp")
    except ImportError as error:
        raise ModelUnavailable(
            f"The embedded model needs xllamacpp, which cannot be imported: {error}.", advice=Advice("install_engine")
        ) from error
    finally:
        os.unsetenv("GOMP_SPINCOUNT")


def _load(gguf: str, n_ctx: int, runtime: str) -> Any:
    """Return a server with this model and room for `n_ctx` tokens."""
    xllamacpp = _library()
    params = xllamacpp.CommonParams()
    params.model.path = gguf
    params.n_ctx = n_ctx
    params.n_batch = params.n_ubatch = _PROMPT_PIECE
    params.cpuparams.n_threads = 1  # two spin against whatever else runs
    params.cpuparams_batch.n_threads = _cores()
    params.prefill_assistant = False
    params.verbosity = -1
    params.fit_params = params.warmup = False
    params.api_keys = [os.urandom(16).hex()]
    with _socket(runtime) as path:
        params.hostnames = [path]
        try:
            return xllamacpp.Server(params)
        except RuntimeError as error:
            if not os.path.exists(path):
                raise _no_socket(runtime, "it could not be opened") from error
            raise ModelUnavailable(
                f"llama.cpp cannot load {gguf}.",
                advice=Advice("cannot_load"),
            ) from error


@contextmanager
def _socket(runtime: str) -> Iterator[str]:
    """Give a path for a socket in a fresh private directory, which goes at the end."""
    try:
        _sweep(runtime)
        folder = tempfile.mkdtemp(prefix=f"{_SOCKET_DIR}{os.getpid()}-", dir=runtime)
    except OSError as error:
        raise _no_socket(runtime, error.strerror or str(error)) from error
    try:
        path = os.path.join(folder, _SOCKET)
        if len(os.fsencode(path)) >= _SOCKET_LENGTH:
            raise _no_socket(runtime, "the path is too long")
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(runtime: str) -> None:
    """Remove the directories of processes that were killed while they loaded a model."""
    with os.scandir(runtime) as entries:
        for entry in entries:
            pid, _, _ = entry.name.removeprefix(_SOCKET_DIR).partition("-")
            if entry.name.startswith(_SOCKET_DIR) and pid.isdecimal() and not _lives(int(pid)):
                shutil.rmtree(entry.path, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _no_socket(runtime: str, reason: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"The embedded model cannot have the socket that it needs in {runtime}: {reason}.",
        advice=Advice("no_socket"),
    )


def _error(said: Mapping[str, Any]) -> ModelError:
    if said.get("type") == "exceed_context_size_error":
        return too_long(said["n_prompt_tokens"], said["n_ctx"])
    return ModelError(f"The embedded model failed: {said.get('message', said)}")


def too_long(tokens: int | str, room: int) -> ContextTooLong:
    """Return the error for a conversation that does not fit."""
    return ContextTooLong(
        f"The conversation has {tokens} tokens, and the model has room for {room}.",
        advice=Advice("more_room"),
    )
