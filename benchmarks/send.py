"""What `po send` adds to a call of the embedded model. Prints the ratio beside its goal."""

from __future__ import annotations

import sys
from pathlib import Path

from measure import PO, compile_all, interleaved, process, ratio, row, scratch
from platformdirs import user_cache_path

from po_sessions.environment import Environment

SAME_CALL = """
import sys
from po_sessions.models import ModelPaths, resolve
backend = resolve("smollm2", ModelPaths(cache=sys.argv[1], runtime="/tmp"))
messages = [{"role": "system", "content": sys.argv[2]}, {"role": "user", "content": "Hello"}]
for event in backend.complete(messages, model="smollm2", options={"max_tokens": 40}):
    sys.stdout.write(getattr(event, "text", "\\n"))
    sys.stdout.flush()
"""


def main() -> None:
    compile_all()
    with scratch() as directory:
        root = Path(directory) / "store"
        Environment.create(root)
        body = Environment.open(root).prompt_object("greeter").definition.body
        send = [PO, "--root", str(root), "send", "greeter", "Hello", "--new", "-o", "max_tokens=40"]
        same = [sys.executable, "-c", SAME_CALL, str(user_cache_path("po")), body]
        times = interleaved({"send": process(send), "same": process(same)})
    row("`po send` on the embedded model / the same call without `po`", f"{ratio(times, 'send', 'same'):.2f}", "≤ 1.15")


if __name__ == "__main__":
    main()
