"""Files of the package that a command passes through, and files that a listing opens for each row.

Prints counts beside those of 0ee0937. A command runs as a process that watches itself: `sys.setprofile` sees each call
of a function, an audit hook sees each file that Python opens. A change of file is a call that leads from one file of
the package to another, whatever lies between them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from measure import row, scratch

import po_sessions
from po_sessions import models
from po_sessions.environment import Environment
from po_sessions.models import Reply

PACKAGE = os.path.dirname(po_sessions.__file__) + os.sep
COMMANDS = {
    "`po send greeter Hi`": (["send", "greeter", "Hi"], "55 files, 651 changes"),
    "`po session list -q`": (["session", "list", "-q"], "34 files, 193 changes"),
    "`po session rename Default Tea`": (["session", "rename", "Default", "Tea"], "35 files, 361 changes"),
    "`po status -q`": (["status", "-q"], "31 files, 111 changes"),
}
"""Commands, and what was counted at 0ee0937; `-q` keeps the fast commands from answering."""
FEW, MANY = 10, 110
"""Sessions of two listings; what the second one opens more is for its rows."""


class Answer:
    """A back end that answers without a model."""

    def __init__(self, *_: object) -> None: ...

    def check(self, *_: object) -> None: ...

    def complete(self, *_: object, **__: object) -> Generator[Reply]:
        yield Reply({"role": "assistant", "content": "Hello!"}, "smollm2")


def count(told: str, args: list[str]) -> NoReturn:
    """Run `po` in this process and write what was counted to the file `told`."""
    import po_sessions.cli

    files: set[str] = set()
    opened: list[str] = []
    changes, stack = 0, [""]

    def profile(frame: FrameType, event: str, _: Any) -> None:
        nonlocal changes
        file = frame.f_code.co_filename
        if not file.startswith(PACKAGE) or frame.f_code.co_name == "<module>":
            return
        if event == "call":
            files.add(file)
            if stack[-1] != file:
                changes += 1
            stack.append(file)
        elif event == "return":
            stack.pop()

    def audit(event: str, given: tuple[Any, ...]) -> None:
        if event == "open":
            opened.append(str(given[0]))

    def end(code: int) -> NoReturn:
        sys.setprofile(None)
        found = {"files": len(files), "changes": changes, "opened": list(opened)}
        Path(told).write_text(json.dumps(found))
        leave(code)

    leave, os._exit = os._exit, end  # type: ignore[assignment]
    models.BACKENDS["embedded"] = "__main__:Answer"
    sys.argv = ["po", *args]
    sys.addaudithook(audit)
    sys.setprofile(profile)
    po_sessions.cli.main()


def counted(root: Path, *args: str) -> dict[str, Any]:
    """Run `po` in a process of its own and return what was counted."""
    told = root.with_name("told")
    line = [sys.executable, __file__, "count", str(told), "--root", str(root), *args]
    subprocess.run(line, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads(told.read_text())
    return found


def opened(root: Path, count: int) -> int:
    """Return how many files a listing of so many sessions opens, once the index is up to date."""
    env = Environment.open(root)
    while sum(1 for _ in env.session_manager.list()) < count:
        env.session_manager.create("greeter")
    return [len(counted(root, "session", "list", "--all", "-q")["opened"]) for _ in range(2)][1]


def main() -> None:
    with scratch() as directory:
        root = Path(directory) / "store"
        Environment.create(root)
        for what, (args, before) in COMMANDS.items():
            found = counted(root, *args)
            row(what, f"{found['files']} files, {found['changes']} changes", before)
        few = opened(root, FEW)
        more = opened(root, MANY) - few
        row("files opened for each row of a listing", f"{more / (MANY - FEW):.2f}", "1.00")


if __name__ == "__main__":
    if sys.argv[1:2] == ["count"]:
        count(sys.argv[2], sys.argv[3:])
    main()
