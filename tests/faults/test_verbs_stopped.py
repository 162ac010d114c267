"""Two verbs, of which the first stops before one of its system calls, while the second does all that it can.

What looks like a step that a dead process left may be in the hands of a live one. `PO_TEST_ALL_FAULTS=1` stops each
verb before each of its calls while each other verb runs.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from support.actor import Actor
from support.history import Log
from support.processes import ORDERED, ended, forked, wrapped
from support.selection import slow_but
from support.verdict import judged

from po_sessions.environment import Environment
from po_sessions.session import Session, SessionSummary
from po_sessions.sessions.pruning import Criteria
from po_sessions.storage import load
from po_sessions.storage.files import codec, parsing
from po_sessions.storage.records import Backup, TrashEntry

ALL = bool(os.environ.get("PO_TEST_ALL_FAULTS"))


class Subject(NamedTuple):
    """What the verbs of a pair are about: one session, and what is set aside of it."""

    one: SessionSummary
    exported: Session
    backup: Backup
    directory: Path
    """Holds the environment and the logs, to be copied."""


def entry_of(actor: Actor, subject: Subject, kind: str) -> TrashEntry | None:
    """Return the newest thing of this kind in the trash."""
    found: list[TrashEntry] = []
    actor.log.act("trash", lambda: found.extend(actor.manager.trash.list()))
    return next((one for one in found if (one.session.id, one.kind) == (subject.one.id, kind)), None)


def restore(actor: Actor, subject: Subject, kind: str, name: str | None = None) -> None:
    if entry := entry_of(actor, subject, kind):
        actor.restore(entry, name)


LIVE, OPEN, GONE = "live", "open", "gone"
"""A session whose last turn was answered, one whose last turn failed, one that lies in the trash."""
HERE = (LIVE, OPEN)

VERBS: dict[str, tuple[tuple[str, ...], Callable[[Actor, Subject], None]]] = {
    "create": (HERE, lambda actor, subject: actor.create("greeter", "alpha")),
    "ensure": ((GONE, LIVE), lambda actor, subject: actor.ensure("greeter", "alpha")),
    "begin": ((GONE,), lambda actor, subject: actor.begin("greeter")),
    "append": (HERE, lambda actor, subject: actor.append(subject.one)),
    "send": (HERE, lambda actor, subject: actor.send(subject.one)),
    "retry": ((OPEN,), lambda actor, subject: actor.retry(subject.one)),
    "compact": ((LIVE,), lambda actor, subject: actor.compact(subject.one)),
    "rename": (HERE, lambda actor, subject: actor.rename(subject.one, "gamma")),
    "switch": (HERE, lambda actor, subject: actor.switch(subject.one)),
    "duplicate": (HERE, lambda actor, subject: actor.duplicate(subject.one, None)),
    "duplicate to another": (HERE, lambda actor, subject: actor.duplicate(subject.one, "reader")),
    "adopt": (HERE, lambda actor, subject: actor.adopt(subject.one, "reader")),
    "delete": (HERE, lambda actor, subject: actor.delete(subject.one)),
    "purge": (HERE, lambda actor, subject: actor.purge(subject.one)),
    "undo": (HERE, lambda actor, subject: actor.undo(subject.one)),
    "restore": ((GONE,), lambda actor, subject: restore(actor, subject, "deleted")),
    "restore as": ((GONE,), lambda actor, subject: restore(actor, subject, "deleted", "back")),
    "restore messages": (HERE, lambda actor, subject: restore(actor, subject, "undone")),
    "restore messages as": ((*HERE, GONE), lambda actor, subject: restore(actor, subject, "undone", "back")),
    "empty": ((GONE, LIVE), lambda actor, subject: actor.empty(None)),
    "prune": (HERE, lambda actor, subject: actor.prune(Criteria(keep_last=1))),
    "prune for good": (HERE, lambda actor, subject: actor.prune(Criteria(keep_last=1), for_good=True)),
    "back up": (HERE, lambda actor, subject: actor.back_up(subject.one)),
    "put back": ((LIVE, GONE), lambda actor, subject: actor.put_back(subject.backup)),
    "put back as": ((LIVE, GONE), lambda actor, subject: actor.put_back(subject.backup, "back")),
    "import": ((GONE, LIVE), lambda actor, subject: actor.import_(subject.exported)),
    "read": (HERE, lambda actor, subject: actor.read(subject.one)),
    "rename object": ((LIVE, GONE), lambda actor, subject: actor.rename_object("greeter", "host")),
    "delete object": (HERE, lambda actor, subject: actor.delete_object("greeter")),
    "doctor": ((LIVE, GONE), lambda actor, subject: actor.doctor()),
    "settle": (HERE, lambda actor, subject: actor.close()),
    "refresh": (HERE, lambda actor, subject: actor.rescan()),
}


def world_of(first: str, second: str) -> str:
    """Return in which world a pair is tried: one in which both can do something, if there is one."""
    return next((world for world in VERBS[second][0] if world in VERBS[first][0]), VERBS[first][0][0])


@pytest.fixture(scope="module")
def worlds() -> Iterator[dict[str, Subject]]:
    """An environment of each kind."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="po-", dir=memory) as made:
        yield {name: world(Path(made) / name, name) for name in (LIVE, OPEN, GONE)}


def world(directory: Path, name: str) -> Subject:
    root, logs = directory / ".prompt_objects", directory / "logs"
    logs.mkdir(parents=True)
    Environment.create(root)
    actor = Actor(root, Log(logs, "w0"))
    manager = actor.manager
    for po_name, title in (("reader", "alpha"), ("greeter", "alpha"), ("greeter", "beta"), ("greeter", "current")):
        actor.create(po_name, title)
        actor.send(manager.find(title, po_name))
    manager.switch(manager.find("current", "greeter"))
    one = manager.find("alpha", "greeter")
    actor.back_up(one)
    backup = manager.backups.list(one.id)[0]
    exported = load(manager.storage, one.id)
    actor.send(one)
    actor.send(one)
    actor.undo(one)
    if name == OPEN:
        actor.send(one, fails=True)
    one = manager.find("alpha", "greeter")
    for title in ("beta", "current"):
        actor.send(manager.find(title, "greeter"))  # so that pruning takes the other one
    if name == GONE:
        actor.delete(one)
    actor.close()
    return Subject(one, exported, backup, directory)


class Pair:
    """Two verbs: the first stops before one of its system calls, the second does all that it can, the first goes on."""

    def __init__(self, first: str, second: str, subject: Subject, directory: Path) -> None:
        self.first, self.second, self.subject = first, second, subject
        self.root, self.logs = directory / ".prompt_objects", directory / "logs"
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(subject.directory, directory)
        manager = Environment.open(self.root).session_manager
        list(manager.list())  # since copies are other files than those that the index tells of
        manager.storage.close()
        self.by_turns = "append" not in (first, second)

    def _do(self, verb: str, worker: str, timeout: float) -> None:
        actor = Actor(self.root, Log(self.logs, worker), timeout=timeout, by_turns=False)
        VERBS[verb][1](actor, self.subject)
        actor.close()

    def run(self, at: int, *, waits: bool) -> tuple[str, bool, list[str]]:
        """Stop the first before call number `at`; return that call, or how many there are, and what is wrong.

        With `waits` the second waits for what the first holds, and the first goes on then; return too if it did.
        """
        (told, tells), (hears, tell), (asked, asks) = os.pipe(), os.pipe(), os.pipe()
        write, read, sleep = os.write, os.read, time.sleep

        def first() -> None:
            count = itertools.count()

            def stop(name: str) -> None:
                if next(count) == at:
                    write(tells, name.encode())
                    read(hears, 1)

            os.close(asks)  # whose end is the end of the second
            wrapped(ORDERED, stop)
            self._do(self.first, "w1", 10)
            write(tells, str(next(count)).encode())

        def waiting(seconds: float) -> None:
            write(asks, b"w")
            sleep(seconds)

        def second() -> None:
            if waits:
                time.sleep = waiting
            self._do(self.second, "w2", 10 if waits else 0)

        stacks = [self.logs / "w1.stacks", self.logs / "w2.stacks"]
        pids = [forked(first, stacks[0])]
        os.close(tells)
        call = os.read(told, 100).decode()
        if not call.isdigit():
            pids.append(forked(second, stacks[1]))
        os.close(asks)
        waited = bool(os.read(asked, 1))  # which is when the second waits or has ended
        os.write(tell, b"g")
        found = [wrong for pid, file in zip(pids, stacks, strict=False) for wrong in ended(pid, file)]
        for fd in (told, hears, tell, asked):
            os.close(fd)
        if not call.isdigit():
            found += judged(self.root, self.logs, by_turns=self.by_turns, repair=False)
        return call, waited, found


def stopped(first: str, second: str, subject: Subject, directory: Path, at: int) -> tuple[int | None, list[str]]:
    """Try a pair at one call, also with a second that gives up where it would wait.

    Return how many calls there are if there are not as many, and the faults.
    """
    wrong: list[str] = []
    for waits in (True, False):
        pair = Pair(first, second, subject, directory)
        call, waited, found = pair.run(at, waits=waits)
        if call.isdigit():
            return int(call), found
        wrong += [f"{first} stopped before call {at}, {call}; {second}, {waits=}:\n  {one}" for one in found]
        if not waited:
            break
    return None, wrong


def sample(first: str, calls: int) -> list[tuple[str, int]]:
    """Return which pairs are tried at which call of the first."""
    if ALL:
        return [(second, at) for second in VERBS for at in range(calls)]
    rng = random.Random(first)
    some = [(second, rng.randrange(calls)) for second in rng.sample(list(VERBS), 3)]
    step = max(2, calls // 24)
    return some + [(second, at) for second in MUST.get(first, ()) for at in range(2, calls, step)]


MUST = {
    "delete": ["restore"],
    "restore": ["empty", "prune"],
    "undo": ["empty"],
    "rename object": ["restore"],
}
"""Pairs that lost something, or failed, once; each run of the tests tries them at some two dozen of the calls."""


@pytest.mark.parametrize("first", slow_but(VERBS, "append", "rename"))
def test_nothing_is_lost_when_a_verb_stops_at_any_call_while_another_runs(
    first: str, worlds: dict[str, Subject], fast: Path
) -> None:
    calls, wrong = stopped(first, "read", worlds[VERBS[first][0][0]], fast / "pair", 1_000_000)
    assert calls, wrong
    for second, at in sample(first, calls):
        wrong += stopped(first, second, worlds[world_of(first, second)], fast / "pair", at)[1]
    assert not wrong, "\n".join(wrong)


def without_last_turn(path: Path) -> None:
    one = parsing.parse(path.read_bytes(), str(path)).session
    path.write_bytes(codec.encode(replace(one, history=one.history[:-2])))


def with_turns(path: Path, *numbers: int) -> None:
    """Put the turns of a session into this order."""
    one = parsing.parse(path.read_bytes(), str(path)).session
    turns = [one.history[at : at + 2] for at in range(0, len(one.history), 2)]
    history = tuple(message for number in numbers for message in turns[number])
    path.write_bytes(codec.encode(replace(one, history=history)))


def with_reply_first(path: Path) -> None:
    one = parsing.parse(path.read_bytes(), str(path)).session
    path.write_bytes(codec.encode(replace(one, history=one.history[::-1])))


def copied(source: Path, target: Path, **changed: str) -> None:
    one = parsing.parse(source.read_bytes(), str(source)).session
    target.write_bytes(codec.encode(replace(one, **changed)))


OTHER = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
CONTRADICTIONS: dict[str, tuple[str, Callable[[Path, Path], object]]] = {
    "GONE": (LIVE, lambda session, trash: session.unlink()),
    "LOST: 2 messages": (LIVE, lambda session, trash: without_last_turn(session)),
    "LOST: 01": (GONE, lambda session, trash: [path.unlink() for path in trash.glob("*.json")]),
    "BACK": (GONE, lambda session, trash: copied(max(trash.glob("*.json")), session)),
    "LEFT": (LIVE, lambda session, trash: copied(session, trash / f"{session.stem}.20250103T100000.000Z.json")),
    "TWICE": (LIVE, lambda session, trash: with_turns(session, 0, 1, 1)),
    "ORDER": (LIVE, lambda session, trash: with_turns(session, 1, 0)),
    "TURN": (LIVE, lambda session, trash: with_reply_first(session)),
    "NAMES": (LIVE, lambda session, trash: copied(session, session.with_stem(OTHER), id=OTHER)),
    "LINK": (LIVE, lambda session, trash: os.link(session, trash / "other")),
    "INDEX": (LIVE, lambda session, trash: session.with_stem(OTHER).write_bytes(b"")),
    "POINTER": (LIVE, lambda session, trash: session.unlink()),
    "DOCTOR": (LIVE, lambda session, trash: session.write_bytes(session.read_bytes()[:-20])),
}
"""What is done to a sound environment, and how the judgement of that begins."""


@pytest.mark.parametrize("sentence", CONTRADICTIONS)
def test_a_history_that_does_not_agree_with_the_files_is_found(
    sentence: str, worlds: dict[str, Subject], fast: Path
) -> None:
    name, spoil = CONTRADICTIONS[sentence]
    pair = Pair("read", "switch", worlds[name], fast / "pair")
    assert pair.run(1_000_000, waits=False)[2] == []
    pair._do("switch", "w3", 1)
    assert judged(pair.root, pair.logs, by_turns=True) == []
    spoil(pair.root / f"sessions/{worlds[name].one.id}.json", pair.root / "trash")
    found = judged(pair.root, pair.logs, by_turns=True)
    assert any(one.startswith(sentence) for one in found), found
