"""A tiny server that answers what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Wire:
    """What it was asked, in `asked` (bodies) and `headers`, and what it answers."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        self.answer_headers: dict[str, str] = {}
        self.body: Any = {}
        self.endless: bytes | None = None
        """Sent again and again until the other side is gone."""
        self.gone = threading.Event()
        self.url = ""

    def says(self, *deltas: dict[str, Any], finish: str | None = "stop") -> None:
        """Answer with a stream of OpenAI's, cut without a word if `finish` is None."""
        about = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "wire-1"}
        chunks = [{**about, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        if finish:
            usage = {
                "prompt_tokens": 7,
                "completion_tokens": 2,
                "total_tokens": 9,
                "prompt_tokens_details": {"cached_tokens": 3},
            }
            chunks.append({**about, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}], "usage": usage})
        self.body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n" * bool(finish)

    def says_as_anthropic(self, text: str) -> None:
        """Answer with a stream of Anthropic's."""
        message = {"id": "1", "type": "message", "role": "assistant", "model": "wire-1", "content": []}
        message |= {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 7, "output_tokens": 0}}
        events = [
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
            {"type": "message_stop"},
        ]
        self.body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)

    def fails(self, status: int, message: str = "The wire says no.", **headers: str) -> None:
        self.status, self.body = status, {"error": {"message": message, "type": "wire_error", "code": "wire"}}
        self.answer_headers = {name.replace("_", "-"): value for name, value in headers.items()}


@contextmanager
def wire() -> Iterator[Wire]:
    made = Wire()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            made.headers.append({name.lower(): value for name, value in self.headers.items()})
            body = made.body if isinstance(made.body, str) else json.dumps(made.body)
            self.send_response(made.status)
            for name, value in made.answer_headers.items():
                self.send_header(name, value)
            kind = "text/event-stream" if isinstance(made.body, str) else "application/json"
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body.encode())
            try:
                while made.endless is not None:
                    self.wfile.write(made.endless)
                    made.gone.wait(0.01)
            except OSError:
                made.gone.set()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = False  # so that the end waits for them, and the next test begins without
        made.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield made
        finally:
            made.endless = None
            server.shutdown()
            thread.join()


def nobody() -> str:
    """Return the address of a port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"
