"""Every kind of error as `--json` tells it, and as po-formats(5) describes it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.builders import ULID
from support.running import PO
from support.scripted import Script

from po_sessions import atomic, errors, folders
from po_sessions.cli.app.root import EXIT_BUG
from po_sessions.environment import Environment
from po_sessions.errors import Busy, PoError, Several
from po_sessions.session import Session
from po_sessions.storage.files.store import FileStore

KEYS = {"code", "kind", "message", "hint", "retryable", "session_id"}
SAID_BY_MODELS = [
    "model_error",
    "unreachable",
    "timed_out",
    "refused",
    "rate_limited",
    "context_too_long",
    "interrupted",
]
SAID_BEFORE = ["model_unavailable", "weights_missing"]
SIMPLE = {
    "invalid_input": ["session", "list", "-n", "0"],
    "not_found": ["send", "greeter", "--file", "nope"],
    "session_not_found": ["session", "show", "Nope"],
    "prompt_object_not_found": ["send", "nobody", "Hello"],
    "no_current": ["session", "switch", "-"],
    "conflict": ["session", "new", "Tea"],
    "unknown_model": ["send", "greeter", "Hello", "--model", "no-such-model"],
    "no_key": ["send", "greeter", "Hello", "--model", "gpt-4o"],
    "several": ["session", "delete", "Nope", "Neither"],
}
"""What fails without anybody's help."""


@pytest.fixture
def tea(root, po, backend) -> str:
    po("object", "switch", "greeter")
    return str(po("session", "ensure", "Tea").stdout.strip())


def kinds(of: type[PoError] = PoError) -> dict[str, type[PoError]]:
    """Return every kind of error, with its class; the root of the tree is what a bug is called."""
    name = re.sub(r"(?<!^)([A-Z])", r"_\1", of.__name__).lower()
    public = [sub for sub in of.__subclasses__() if not sub.__name__.startswith("_")]
    return {name: of} | {kind: one for sub in public for kind, one in kinds(sub).items()}


def code(kind: str) -> int:
    return {"po_error": EXIT_BUG, "several": 3}.get(kind) or kinds()[kind].exit_code


def told(result: Any, kind: str, session_id: str | None = None) -> dict[str, Any]:
    """Return the error that was told, which has the form that all have."""
    (line,) = result.stderr.splitlines()
    (about,) = json.loads(line).values()
    assert list(json.loads(line)) == ["error"]
    assert set(about) - {"reply"} == KEYS
    assert (about["kind"], about["code"], result.exit_code) == (kind, code(kind), code(kind))
    assert about["session_id"] == session_id
    assert about["retryable"] == (kind in ("busy", "unreachable", "timed_out", "rate_limited"))
    assert isinstance(about["message"], str)
    assert about["message"].strip()
    assert about["hint"] is None or about["hint"].strip()
    assert ("reply" in about) == (kind == "reply_not_stored")
    return dict(about)


@pytest.mark.parametrize("kind", SIMPLE)
def test_what_fails_of_itself(kind, tea, po):
    result = po("--json", *SIMPLE[kind])
    assert told(result, kind)["hint"]
    assert result.stdout == ""


@pytest.mark.parametrize("kind", SAID_BY_MODELS)
def test_what_models_fail_with(kind, tea, po, backend):
    backend.script = Script(error=kinds()[kind]("It failed."))
    told(po("send", "greeter", "Hello", "-s", "Tea", "--json"), kind, tea)


@pytest.mark.parametrize("kind", SAID_BEFORE)
def test_what_models_refuse_beforehand(kind, tea, po, backend):
    backend.script = Script(unavailable=kinds()[kind]("It is not there."))
    told(po("send", "greeter", "Hello", "-s", "Tea", "--json"), kind)


def test_an_ambiguous_selector(tea, root, po):
    store = Environment.open(str(root)).session_manager.storage
    for end in "AB":
        store.create(Session(ULID[:-1] + end, end, "greeter", "2025-01-03T10:00:00.000Z", "2025-01-03T10:00:00.000Z"))
    told(po("session", "show", ULID[:8], "--json"), "ambiguous_selector")


def test_busy(tea, root, po):
    with Environment.open(str(root)).session_manager.turn(tea, "send"):
        told(po("session", "undo", tea, "--no-wait", "--json"), "busy", tea)


@pytest.mark.parametrize(("kind", "text"), [("unreadable", "{"), ("newer_version", None)])
def test_data_that_cannot_be_used(kind, text, tea, root, po):
    path = root / "sessions" / f"{tea}.json"
    path.write_text(text or path.read_text().replace('"version":1', '"version":99'))
    told(po("session", "show" if text else "rename", tea, *([] if text else ["New"]), "--json"), kind)


def test_an_output_that_is_full(tea):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [PO, "session", "list", "--json"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    told(type("Result", (), {"stderr": done.stderr, "exit_code": done.returncode}), "write_failed")


def test_a_reply_that_is_not_stored(tea, po, monkeypatch):
    real = FileStore.append

    def busy(self, id, message, **more):
        if message.role == "assistant":
            raise Busy("The session is in use.")
        return real(self, id, message, **more)

    monkeypatch.setattr(FileStore, "append", busy)
    assert told(po("send", "greeter", "Hello", "-s", "Tea", "--json"), "reply_not_stored", tea)["reply"] == "Hello"


def test_a_change_that_is_not_finished(tea, root, po, monkeypatch):
    sync, unlink = atomic.sync_dir, folders.unlink

    def fail_behind_it(do, path):
        if (root / "objects" / "host.md").exists() and "/objects" in path:
            raise OSError(5, "The disk is gone")
        do(path)

    monkeypatch.setattr(atomic, "sync_dir", lambda path: fail_behind_it(sync, path))
    monkeypatch.setattr(folders, "unlink", lambda path: fail_behind_it(unlink, path))
    told(po("object", "rename", "greeter", "host", "--json"), "unfinished")


def test_a_bug(tea, po, monkeypatch):
    monkeypatch.setattr("po_sessions.cli.display.session_rows.show_list", lambda *args, **more: {}["x"])
    told(po("session", "list", "--json"), "po_error")


def test_every_kind_is_tried():
    source = Path(__file__).read_text()
    tried = {*SIMPLE, *SAID_BY_MODELS, *SAID_BEFORE, *re.findall(r'told\(.*"([a-z_]+)"(?:, tea)?\)', source)}
    elsewhere = {"unreadable", "newer_version", "out_of_memory", "foreign_directory", "timed_out"}
    assert set(kinds()) == tried | elsewhere


def test_every_kind_is_described():
    page = (Path(errors.__file__).parent.parent / "man" / "man5" / "po-formats.5").read_text()
    described = dict[str, int]()
    for number, names in re.findall(r"^(\d+) ([a-z_,\s]+)", page.partition("The kinds are, by code:")[2], re.MULTILINE):
        described |= dict.fromkeys(re.split(r",\s+", names.strip()), int(number))
    assert described == {kind: code(kind) for kind, one in kinds().items() if one is not Several}
