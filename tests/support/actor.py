"""Everything that can be done with an environment, each with its line in a log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from support.history import Log, said
from support.scripted import Script, ScriptedBackend

from po_sessions import models
from po_sessions.doctor import Store, examine
from po_sessions.environment import Environment
from po_sessions.errors import PoError, Unreachable
from po_sessions.message import Message
from po_sessions.models import ModelPaths
from po_sessions.prompt_objects.definition import Definition
from po_sessions.session import Session, SessionSummary
from po_sessions.sessions.backups import BackupPolicy
from po_sessions.sessions.pruning import Criteria
from po_sessions.storage.records import Backup, TrashEntry

DAMAGE = {"damaged", "unreadable", "torn", "not-a-file", "stranger", "copy", "wrong-id", "count", "temporary"}
"""What the doctor never finds while nobody was killed and nothing damaged."""


class Actor:
    """One process: its environment, its log, and what it knows of others' sessions, which may have gone since."""

    def __init__(self, root: Path, log: Log, *, timeout: float = 10.0, by_turns: bool = True) -> None:
        models.BACKENDS["embedded"] = "support.scripted:ScriptedBackend"
        ScriptedBackend.script = Script()
        self.root = root
        self.log = log
        self._timeout = timeout
        self._by_turns = by_turns
        self.reopen()

    def reopen(self) -> None:
        """Open the environment anew, as the next command does."""

        def open_() -> None:
            self.env = Environment.open(
                self.root,
                lock_timeout=self._timeout,
                notice=self.log.notice,
                model_paths=ModelPaths(cache="/nonexistent", runtime="/tmp"),
                backup_policy=BackupPolicy(timedelta(milliseconds=20), keep=3),
            )
            self.manager = self.env.session_manager

        self.log.act("open", open_)

    def _text(self) -> str:
        return f"{self.log.worker}.{self.log.number + 1} said"

    # What makes sessions

    def create(self, po_name: str, name: str | None) -> None:
        def do() -> dict[str, Any]:
            self.env.prompt_object(po_name)
            return {"made": [self.manager.create(po_name, name).id]}

        self.log.act("create", do, po=po_name, name=name)

    def ensure(self, po_name: str, name: str) -> None:
        def do() -> dict[str, Any]:
            self.env.prompt_object(po_name)
            one, made = self.manager.ensure(po_name, name)
            return {"made" if made else "found": [one.id]}

        self.log.act("ensure", do, po=po_name, name=name)

    def begin(self, po_name: str) -> None:
        def do() -> dict[str, Any]:
            self.env.prompt_object(po_name)
            return {"found": [self.manager.begin(po_name).id]}

        self.log.act("begin", do, po=po_name)

    def duplicate(self, one: SessionSummary, to: str | None) -> None:
        self.log.act(
            "duplicate", lambda: {"made": [self.manager.duplicate(one, to=to).id], "there": True}, ids=[one.id], to=to
        )

    def import_(self, session: Session) -> None:
        def do() -> dict[str, Any]:
            (found,) = self.manager.import_sessions([session], format_name="json")
            stored = [[found.session.id, *said(one)] for one in session.history]
            return {"made": [found.session.id], "stored": stored}

        self.log.act("import", do, ids=[session.id])

    # What adds to them

    def append(self, one: SessionSummary) -> None:
        message = Message("user", self._text(), self.manager.now())

        def do() -> dict[str, Any]:
            if self._by_turns:
                with self.manager.turn(one.id, "append"):
                    self.manager.append(one.id, message)
            else:
                self.manager.append(one.id, message)
            return {"stored": [[one.id, *said(message)]], "there": True}

        self.log.act("append", do, ids=[one.id])

    def send(self, one: SessionSummary, *, fails: bool = False) -> None:
        text = self._text()

        def do() -> dict[str, Any]:
            receiver = self.env.prompt_object(one.po_name)
            try:
                reply = receiver.receive(text, context=self.env.context(one)).reply
            except Unreachable:
                return {"stored": [[one.id, "user", text]], "there": True}
            return {"stored": [[one.id, "user", text], [one.id, *said(reply)]], "there": True}

        self._scripted("send", do, one, fails=fails)

    def retry(self, one: SessionSummary, *, fails: bool = False) -> None:
        def do() -> dict[str, Any]:
            reply = self.env.prompt_object(one.po_name).retry(context=self.env.context(one)).reply
            return {"stored": [[one.id, *said(reply)]], "there": True}

        self._scripted("retry", do, one, fails=fails)

    def compact(self, one: SessionSummary) -> None:
        def do() -> dict[str, Any]:
            _, message = self.env.prompt_object(one.po_name).compact(context=self.env.context(one))
            return {"stored": [[one.id, *said(message)]], "there": True}

        self._scripted("compact", do, one)

    def _scripted(
        self, verb: str, do: Callable[[], dict[str, Any]], one: SessionSummary, *, fails: bool = False
    ) -> None:
        error = Unreachable("The script says so.") if fails else None
        ScriptedBackend.script = Script(error=error, error_at=1)
        self.log.act(verb, do, ids=[one.id])

    # What changes them

    def rename(self, one: SessionSummary, name: str) -> None:
        self.log.act(
            "rename", lambda: {"found": [self.manager.rename(one, name).id], "there": True}, ids=[one.id], name=name
        )

    def adopt(self, one: SessionSummary, po_name: str) -> None:
        def do() -> dict[str, Any]:
            self.env.prompt_object(po_name)
            self.manager.adopt(one, po_name)
            return {"there": True}

        self.log.act("adopt", do, ids=[one.id], to=po_name)

    def switch(self, one: SessionSummary) -> None:
        self.log.act("switch", lambda: self.manager.switch(one), ids=[one.id])

    def undo(self, one: SessionSummary) -> None:
        self.log.act("undo", lambda: {"entries": [self.manager.undo(one)[1]], "there": True}, ids=[one.id])

    def forget_summary(self, one: SessionSummary) -> None:
        self.log.act(
            "forget summary", lambda: {"entries": [self.manager.forget_summary(one)[1]], "there": True}, ids=[one.id]
        )

    # What takes them away and brings them back

    def delete(self, one: SessionSummary) -> None:
        self.log.act("delete", lambda: {"entries": [self.manager.delete(one)]}, ids=[one.id])

    def purge(self, one: SessionSummary) -> None:
        self.log.act("purge", lambda: void(self.manager.delete(one, purge=True)), ids=[one.id])

    def prune(self, criteria: Criteria, *, for_good: bool = False) -> None:
        self.log.number += 1
        try:
            chosen = self.manager.prunable(criteria).chosen
        except PoError as error:
            self.log.line(wrong=f"prunable: {error!r}")
            return

        def do() -> dict[str, Any]:
            done = list(self.manager.prune(chosen, purge=for_good))
            for one in done:
                if one.failure is not None:
                    self.log.line(wrong=f"prune: {one.failure!r}")
            gone = [one for one in done if one.spared is None and one.failure is None]
            entries = [one.trash_id for one in gone if one.trash_id]
            return {"removed": [one.choice.session.id for one in gone], "entries": entries}

        ids = [one.session.id for one in chosen]
        self.log.act("prune for good" if for_good else "prune", do, ids=ids)

    def restore(self, entry: TrashEntry, name: str | None = None) -> None:
        def do() -> dict[str, Any]:
            return {"made": [self.manager.trash.restore(entry, name).id]}

        undone = entry.undone_at is not None
        verb = "restore" if name is None else "restore as"
        self.log.act(verb, do, ids=[entry.session.id], entry=entry.id, undone=undone, name=name)

    def empty(self, older_than: timedelta | None) -> None:
        age = None if older_than is None else older_than.total_seconds()
        self.log.act("empty", lambda: {"gone": list(self.manager.trash.empty(older_than))}, age=age)

    def back_up(self, one: SessionSummary) -> None:
        self.log.act("back up", lambda: {"backup": self.manager.backups.create(one.id).id, "there": True}, ids=[one.id])

    def put_back(self, backup: Backup, name: str | None = None) -> None:
        def do() -> dict[str, Any]:
            done = self.manager.backups.restore(backup, name)
            return {"made": [done.session.id], "entries": [done.trash_id] if done.trash_id else []}

        verb = "put back" if name is None else "put back as"
        self.log.act(verb, do, ids=[backup.session.id], backup=backup.id, name=name)

    # What reads, and what tidies up

    def read(self, one: SessionSummary) -> None:
        def do() -> None:
            with self.manager.reading(one.id) as opened:
                list(opened.encoded())
            list(self.manager.list())
            self.manager.pointers.read()

        self.log.act("read", do, ids=[one.id])

    def rescan(self) -> None:
        self.log.act("refresh", self.manager.storage.rescan)

    def close(self) -> None:
        self.log.act("settle", self.manager.storage.close)

    def doctor(self) -> None:
        def do() -> dict[str, Any]:
            found = list(examine(Store(str(self.root), datetime.now(UTC)), repair=True))
            for one in found:
                if one.kind in DAMAGE and one.fault:
                    self.log.line(wrong=f"doctor: {one.kind}: {one.message} {one.done or one.failed}")
            return {"found": [one.kind for one in found]}

        self.log.act("doctor", do)

    # Prompt objects

    def rename_object(self, old: str, new: str) -> None:
        self.log.act("rename object", lambda: self.env.rename_prompt_object(old, new), old=old, new=new)

    def delete_object(self, name: str) -> None:
        self.log.act("delete object", lambda: void(self.env.delete_prompt_object(name)), name=name)

    def create_object(self, name: str) -> None:
        self.log.act("create object", lambda: void(self.env.definitions.create(Definition(name))), name=name)


def void(_: object) -> None:
    """Do without what came of something."""
