"""A real model behind real wires: llama.cpp's server on 127.0.0.1, with OpenAI's interface and Anthropic's."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

KEY = "sk-right"
OPENAI = "local"
"""The model's name in `llm`, over OpenAI's wire."""
ANTHROPIC = "claude-3-haiku"
"""The same over Anthropic's."""
N_CTX = 2048


class ModelServer:
    """The server as a process of its own, which ends with this one. It keeps its port when it is started again."""

    def __init__(self, weights: str) -> None:
        self._weights = weights
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        command = [sys.executable, __file__, self._weights, str(self.port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()


def set_up_llm(home: Path, url: str, **keys: str) -> None:
    """Write the settings of `llm` as somebody does who has a server of their own."""
    home.mkdir(parents=True, exist_ok=True)
    about = {"model_name": "smollm2", "api_base": f"{url}/v1", "api_key_name": "mine", "supports_tools": True}
    models = [
        {"model_id": OPENAI, "aliases": ["here"], **about},
        {"model_id": "slow", "can_stream": False, **about},
        {"model_id": "open", "model_name": "smollm2", "api_base": f"{url}/v1"},
    ]
    (home / "extra-openai-models.yaml").write_text(json.dumps(models))
    (home / "keys.json").write_text(json.dumps({"mine": KEY, "anthropic": KEY, **keys}))


def serve(weights: str, port: int) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.n_ctx = N_CTX
    params.n_parallel = 1
    params.cpuparams.n_threads = 1
    params.cache_prompt = params.fit_params = params.warmup = False
    params.sampling.temp = 0  # the same question gets the same answer
    params.verbosity = -1
    params.hostnames, params.port, params.api_keys = ["127.0.0.1"], port, [KEY]
    server = xllamacpp.Server(params)
    server.handle_completions({"prompt": "a", "max_tokens": 1})
    os.write(1, b"ready\n")
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
