"""The same as `crowd`, done with the command line: each operation is a process `po`."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.history import Log

from po_sessions import errors
from po_sessions.errors import PoError

PO = [sys.executable, str(Path(__file__).with_name("po_scripted.py"))]
_KINDS = {2: "InvalidInput", 3: "NotFound", 5: "Conflict", 6: "Busy", 8: "ModelError"}


def _failure(done: subprocess.CompletedProcess[str]) -> Exception:
    """Return the error that a command met, as the library would raise it."""
    if done.returncode == 4:
        return errors.AmbiguousSelector("", [])
    if done.returncode in _KINDS and "Traceback" not in done.stderr:
        made: PoError = getattr(errors, _KINDS[done.returncode])(done.stdout + done.stderr)
        return made
    return RuntimeError(f"{done.args} ended with {done.returncode}: {done.stdout}{done.stderr}")


class Commands:
    """What one process of many does at random with the command line."""

    def __init__(self, root: Path, log: Log, rng: random.Random, *, for_good: bool) -> None:
        """With `for_good` it also removes for good."""
        self._root, self._log, self._rng = root, log, rng
        verbs = [self._delete, self._restore] * 4 + [self._send, self._undo] * 3 + [self._rename, self._put_back] * 2
        verbs += [self._create, self._adopt, self._duplicate, self._back_up, self._doctor, self._prune, self._retry]
        self._verbs: list[Callable[[], None]] = verbs + [self._purge, self._empty] * for_good

    def run(self, steps: int) -> None:
        """Do so many things."""
        for _ in range(steps):
            self._rng.choice(self._verbs)()

    def _po(self, *args: str) -> Any:
        command = [*PO, *args, "--root", str(self._root), "--json"]
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=80
        )
        # A command's own error is judged by its exit code; what it reports besides is what counts here.
        if told := [line for line in done.stderr.splitlines() if not line.startswith('{"error"')]:
            self._log.notice("\n".join(told))
        if done.returncode:
            raise _failure(done)
        return json.loads(done.stdout)

    def _listed(self, verb: str, *args: str) -> list[dict[str, Any]]:
        found = self._log.act(verb, lambda: {"found": self._po(*args)}) or {"found": []}
        return list(found["found"])

    def _some(self) -> dict[str, Any] | None:
        found = self._listed("list", "session", "list", "--all")
        return self._rng.choice(found) if found else None

    def _on_one(self, verb: str, args: Callable[[str], list[str]], read: Callable[[Any], dict[str, Any]]) -> None:
        if one := self._some():
            self._log.act(verb, lambda: read(self._po(*args(one["id"]))), ids=[one["id"]])

    def _create(self) -> None:
        name = f"{self._log.worker} {self._log.number}"
        self._log.act("create", lambda: {"made": [self._po("session", "new", name, "--po", "greeter")["id"]]})

    def _send(self) -> None:
        if one := self._some():
            id, text = one["id"], f"{self._log.worker}.{self._log.number + 1} said"

            def do() -> dict[str, Any]:
                reply = self._po("send", one["po_name"], text, "--session", id)["reply"]
                return {"stored": [[id, "user", text], [id, "assistant", reply]], "there": True}

            self._log.act("send", do, ids=[id])

    def _retry(self) -> None:
        self._on_one("retry", lambda id: ["session", "retry", id], lambda _: {"there": True})

    def _undo(self) -> None:
        self._on_one(
            "undo", lambda id: ["session", "undo", id], lambda one: {"entries": [one["trash_id"]], "there": True}
        )

    def _rename(self) -> None:
        name = self._rng.choice(["alpha", "beta", "gamma"])
        self._on_one("rename", lambda id: ["session", "rename", id, name], lambda _: {"there": True})

    def _adopt(self) -> None:
        po_name = self._rng.choice(["greeter", "reader"])
        self._on_one("adopt", lambda id: ["session", "adopt", id, "--po", po_name], lambda _: {"there": True})

    def _duplicate(self) -> None:
        self._on_one("duplicate", lambda id: ["session", "duplicate", id], lambda one: {"made": [one["id"]]})

    def _delete(self) -> None:
        self._on_one(
            "delete", lambda id: ["session", "delete", id], lambda gone: {"entries": [one["trash_id"] for one in gone]}
        )

    def _purge(self) -> None:
        self._on_one("purge", lambda id: ["session", "delete", id, "--purge", "--yes"], lambda _: {})

    def _restore(self) -> None:
        if found := self._listed("trash", "trash", "list"):
            one = self._rng.choice(found[:3])
            as_ = self._rng.choice([[], [], ["--as", f"{self._log.worker} {self._log.number}"]])
            self._log.act(
                "restore as" if as_ else "restore",
                lambda: {"made": [self._po("trash", "restore", one["id"], *as_)["id"]]},
                ids=[one["session_id"]],
                entry=one["id"],
                undone=one["kind"] == "undone",
            )

    def _empty(self) -> None:
        self._log.act("empty", lambda: {"gone": [one["name"] for one in self._po("trash", "empty", "--yes")]})

    def _back_up(self) -> None:
        self._on_one("back up", lambda id: ["backup", "create", id], lambda _: {"there": True})

    def _put_back(self) -> None:
        if found := self._listed("backups", "backup", "list", "--all"):
            one = self._rng.choice(found)

            def do() -> dict[str, Any]:
                done = self._po("backup", "restore", one["id"])
                return {"made": [one["session_id"]], "entries": [done["trash_id"]] if done.get("trash_id") else []}

            self._log.act("put back", do, ids=[one["session_id"]])

    def _prune(self) -> None:
        found = self._listed("list", "session", "list", "--all")

        def do() -> dict[str, Any]:
            gone = self._po("session", "prune", "--all", "--keep-last", "2", "--yes")["sessions"]
            return {"removed": [one["id"] for one in gone], "entries": [one["trash_id"] for one in gone]}

        self._log.act("prune", do, ids=[one["id"] for one in found])

    def _doctor(self) -> None:
        def do() -> dict[str, Any]:
            done = subprocess.run(
                [*PO, "doctor", "--repair", "--root", str(self._root), "--json"],
                capture_output=True,
                text=True,
                check=False,
                timeout=80,
            )
            if done.returncode not in (0, 7) or "Traceback" in done.stderr:
                raise _failure(done)
            return {}

        self._log.act("doctor", do)
