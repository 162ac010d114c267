"""Everything that can be done with an environment, done at random."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from support.actor import Actor, void
from support.history import Log

from po_sessions.environment import Environment
from po_sessions.errors import PoError
from po_sessions.session import Session, SessionSummary
from po_sessions.sessions.pruning import Criteria
from po_sessions.storage import load
from po_sessions.storage.records import Backup, TrashEntry

NAMES = ["alpha", "beta", "gamma", "delta", "Default"]


def begin(root: Path, logs: Path) -> None:
    """Make an environment with sessions, and a log that tells of them."""
    logs.mkdir()
    Environment.create(root)
    log = Log(logs, "w0")
    actor = Actor(root, log)
    for po_name in ("greeter", "reader", "coordinator"):
        for name in ("alpha", "beta"):
            actor.create(po_name, name)
    for one in list(actor.manager.list()):
        for _ in range(2):
            actor.send(one)
        actor.back_up(one)
    actor.close()


class Crowd:
    """What one process of many does at random."""

    def __init__(self, actor: Actor, rng: random.Random, *, for_good: bool, objects: bool) -> None:
        """With `for_good` it also removes for good; with `objects` it also works on prompt objects."""
        self._actor = actor
        self._rng = rng
        self._known: list[SessionSummary] = []
        self._exported: list[Session] = []
        self._weights: dict[Callable[[], None], int] = {
            self._create: 4, self._append: 12, self._send: 12, self._retry: 4, self._compact: 3, self._rename: 5,
            self._switch: 3, self._duplicate: 3, self._adopt: 4, self._delete: 14, self._undo: 8, self._restore: 22,
            self._back_up: 4, self._put_back: 7, self._export: 4, self._import: 4, self._read: 6, self._close: 4,
            self._prune: 3, self._doctor: 1, self._reopen: 6,
        }  # fmt: skip
        if for_good:
            self._weights |= {self._purge: 3, self._empty: 2, self._prune_for_good: 1}
        if objects:
            self._weights |= {self._rename_object: 3, self._own_object: 3}

    def run(self, steps: int) -> None:
        """Do so many things."""
        verbs, weights = list(self._weights), list(self._weights.values())
        for verb in self._rng.choices(verbs, weights, k=steps):
            verb()
        self._actor.close()

    def _some(self) -> SessionSummary | None:
        """Return a session that is there, or was a while ago."""
        if not self._known or self._rng.random() < 0.5:
            self._actor.log.act("list", lambda: self._known.__setitem__(slice(None), self._actor.manager.list()))
        return self._rng.choice(self._known) if self._known else None

    def _po(self) -> str:
        names = [one.name for one in self._actor.env.definitions if not isinstance(one, PoError)]
        return self._rng.choice([name for name in names if not name.startswith("own")] or ["greeter"])

    def _with_some(self, do: Callable[[SessionSummary], None]) -> None:
        if one := self._some():
            do(one)

    def _create(self) -> None:
        how = self._rng.randrange(3)
        if how == 0:
            self._actor.create(self._po(), self._rng.choice([None, *NAMES]))
        elif how == 1:
            self._actor.ensure(self._po(), self._rng.choice(NAMES))
        else:
            self._actor.begin(self._po())

    def _append(self) -> None:
        self._with_some(self._actor.append)

    def _send(self) -> None:
        self._with_some(lambda one: self._actor.send(one, fails=self._rng.random() < 0.2))

    def _retry(self) -> None:
        self._with_some(lambda one: self._actor.retry(one, fails=self._rng.random() < 0.2))

    def _compact(self) -> None:
        self._with_some(self._rng.choice([self._actor.compact, self._actor.compact, self._actor.forget_summary]))

    def _rename(self) -> None:
        self._with_some(lambda one: self._actor.rename(one, self._rng.choice(NAMES)))

    def _switch(self) -> None:
        self._with_some(self._actor.switch)

    def _duplicate(self) -> None:
        self._with_some(lambda one: self._actor.duplicate(one, self._rng.choice([None, self._po()])))

    def _adopt(self) -> None:
        self._with_some(lambda one: self._actor.adopt(one, self._po()))

    def _delete(self) -> None:
        self._with_some(self._actor.delete)

    def _purge(self) -> None:
        self._with_some(self._actor.purge)

    def _prune(self) -> None:
        self._actor.prune(Criteria(keep_last=self._rng.randint(2, 4)))

    def _prune_for_good(self) -> None:
        self._actor.prune(Criteria(keep_last=4), for_good=True)

    def _undo(self) -> None:
        self._with_some(self._actor.undo)

    def _restore(self) -> None:
        entries: list[TrashEntry] = []
        self._actor.log.act("trash", lambda: entries.extend(self._actor.manager.trash.list()))
        if entries:
            entry = self._rng.choice(entries[:4])
            self._actor.restore(entry, self._rng.choice([None, None, None, f"as {self._rng.randrange(1000)}"]))

    def _empty(self) -> None:
        self._actor.empty(self._rng.choice([None, timedelta(milliseconds=30), timedelta(milliseconds=200)]))

    def _back_up(self) -> None:
        self._with_some(self._actor.back_up)

    def _put_back(self) -> None:
        backups: list[Backup] = []
        self._actor.log.act("backups", lambda: backups.extend(self._actor.manager.backups.list()))
        if backups:
            as_ = self._rng.choice([None, None, f"put {self._rng.randrange(1000)}"])
            self._actor.put_back(self._rng.choice(backups), as_)

    def _export(self) -> None:
        self._with_some(
            lambda one: void(
                self._actor.log.act(
                    "export", lambda: self._exported.append(load(self._actor.manager.storage, one.id)), ids=[one.id]
                )
            )
        )

    def _import(self) -> None:
        if self._exported:
            self._actor.import_(self._rng.choice(self._exported[-4:]))

    def _read(self) -> None:
        self._with_some(self._actor.read)

    def _close(self) -> None:
        self._rng.choice([self._actor.close, self._actor.close, self._actor.rescan])()

    def _reopen(self) -> None:
        self._actor.reopen()

    def _doctor(self) -> None:
        self._actor.doctor()

    def _rename_object(self) -> None:
        old, new = self._rng.choice([("greeter", "host"), ("host", "greeter")])
        self._actor.rename_object(old, new)

    def _own_object(self) -> None:
        name = f"own{self._rng.randrange(2)}"
        self._rng.choice([self._actor.create_object, self._actor.delete_object])(name)
