"""Random sequences of everything that a store can do, against both stores: they agree on all that can be seen.

In between, other programs touch the directory of files and processes die in the middle of a write. The second machine
drives the session manager: names stay unique, every selector means what it should, nothing that was said is lost.

`PO_TEST_ALL_FAULTS=1` runs many more and longer sequences, and others each time.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from po_sessions import atomic
from po_sessions.cli.fast import session_list
from po_sessions.errors import AmbiguousSelector, Conflict, InvalidInput, NotFound, PoError, SessionNotFound, Unreadable
from po_sessions.layout.index import Damaged
from po_sessions.message import Message
from po_sessions.pointers import MemoryPointers, PointerFile
from po_sessions.session import Session, SessionSummary
from po_sessions.sessions import selector
from po_sessions.sessions.backups import BackupPolicy
from po_sessions.sessions.manager import SessionManager
from po_sessions.sessions.pruning import Criteria
from po_sessions.storage import SessionStore, load, open_storage
from po_sessions.storage.files import appending, parsing
from po_sessions.storage.files.index import Index
from po_sessions.storage.files.publish import SUMMARY_FIELDS
from po_sessions.storage.records import SessionStat
from po_sessions.text.strict_json import loads
from po_sessions.text.times import UNKNOWN_TIME, timestamp

ALL = bool(os.environ.get("PO_TEST_ALL_FAULTS"))
STORES = settings(max_examples=300, stateful_step_count=60) if ALL else settings(max_examples=25, derandomize=True)
MANAGERS = settings(max_examples=60, stateful_step_count=60) if ALL else settings(max_examples=12, derandomize=True)
BRIEFLY = settings(max_examples=4, derandomize=True)
"""For the tests that are not slow."""

ULIDS = [f"01ARZ3NDEKTSV4RRFFQ69G5FA{end}" for end in "VWXYZ"]  # the same moment, so only the ends differ
IDS = [*ULIDS, "123e4567-e89b-12d3-a456-426614174000"]
POS = ["greeter", "reader", "a-_Z9"]
NAMES = ["Default", "Tea", "../x", "G5FAV", "a\tb", 'say "Tea"', "Ünï\u200dcode", ULIDS[0]]
TIMES = [f"2025-0{month}-03T10:00:00.{ms:03}Z" for month in (1, 2, 3) for ms in (0, 1)]
TEXTS = ["", "Hello", "a\nb", "x" * 5000, "ü\ud800\0", '"}\n],"updated_at":"x"\n}\n']

ids, pos, names, times = map(st.sampled_from, (IDS, POS, NAMES, TIMES))
numbers = st.integers(0, 7)
messages = st.builds(
    Message,
    st.sampled_from(["user", "assistant", "system", "tool"]),
    st.sampled_from(TEXTS),
    st.sampled_from([None, "yesterday", *TIMES]),
    st.sampled_from([{}, {"error": {"kind": "x"}}, {"tool_calls": [1]}, {"n": 1.5, "deep": [{"a": None}]}]),
)
sessions = st.builds(
    Session,
    ids,
    names,
    pos,
    times,
    times,
    st.lists(messages, max_size=4).map(tuple),
    st.sampled_from([{}, {"tags": ["a"]}]),
    st.sampled_from([1, 1, 1, 1, 99]),
    st.sampled_from([{}, {"mood": True}, {"colour": None}]),
    pinned=st.booleans(),
)


class Killed(BaseException):
    """The process ends here."""


def outcome(act: Callable[[], Any]) -> Any:
    """Return what came of an act, also if that is an error."""
    try:
        return act()
    except (PoError, ValueError) as error:
        return type(error), str(error)


class Stores(RuleBasedStateMachine):
    """The memory store, and two openings of one directory that are used by turns."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="po-machine-"))
        self.sessions = self.root / "sessions"
        self.said: list[str] = []
        self.snapshots: dict[Path, bytes] = {}
        self.memory: Any = open_storage("memory")
        self.pointers: Any = MemoryPointers()
        (self.root / "objects").mkdir()
        for po in POS:
            (self.root / "objects" / f"{po}.md").write_text(f"---\nname: {po}\n---\nYou are {po}.\n")
        self.files = [self.opened(), self.opened()]

    @initialize(some=st.lists(sessions, min_size=2, max_size=4))
    def begin(self, some: list[Session]) -> None:
        for one in some:
            self.create_one(one)

    def id(self, number: int) -> str:
        """Return the id of a session that is there, or for a high number of any."""
        there = [one.id for one in self.memory.list()]
        return there[number] if number < len(there) else IDS[number % len(IDS)]

    def pointer_file(self) -> PointerFile:
        return PointerFile(str(self.root), current_name=self.files[0].po_name)

    def opened(self) -> SessionStore:
        return open_storage("files", root=str(self.root), lock_timeout=0.2, notice=self.said.append)

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    def both(self, act: Callable[[SessionStore], Any], pick: Callable[[Any], Any] = lambda made: made) -> Any:
        """Do the same to both; see that the same comes of it."""
        self.files.reverse()
        expected, found = outcome(lambda: pick(act(self.memory))), outcome(lambda: pick(act(self.files[0])))
        assert found == expected
        return found

    # What the protocol offers

    @rule(one=sessions)
    def create(self, one: Session) -> None:
        self.create_one(one)

    def create_one(self, one: Session) -> None:
        self.both(lambda store: store.create(one))

    @rule(number=numbers, message=messages)
    def append(self, number: int, message: Message) -> None:
        id = self.id(number)
        self.both(lambda store: store.append(id, message))

    @rule(number=numbers, name=names, po=pos, more=st.lists(messages, max_size=2))
    def update(self, number: int, name: str, po: str, more: list[Message]) -> None:
        id = self.id(number)
        self.both(
            lambda store: store.update(
                id, lambda one: replace(one, name=name, po_name=po, history=(*one.history, *more))
            )
        )

    @rule(number=numbers)
    def update_that_would_lose_a_message(self, number: int) -> None:
        id = self.id(number)
        self.both(lambda store: store.update(id, lambda one: replace(one, history=one.history[1:])))

    @rule(number=numbers, now=times)
    def delete(self, number: int, now: str) -> None:
        id = self.id(number)
        self.both(lambda store: store.delete(id, now))

    @rule(number=numbers, now=times)
    def purge(self, number: int, now: str) -> None:
        id = self.id(number)
        self.both(lambda store: store.purge(id, now))

    @rule(number=numbers, start=st.integers(0, 4), count=st.integers(0, 9), now=times)
    def cut(self, number: int, start: int, count: int, now: str) -> None:
        id = self.id(number)
        self.both(lambda store: store.cut(id, start, start + count, now))

    @rule(number=numbers)
    def read(self, number: int) -> None:
        id = self.id(number)

        def look(store: SessionStore) -> object:
            with store.reading(id) as opened:
                return (
                    opened.to_dict(),
                    tuple(reversed(opened.history)),
                    opened.summary(),
                    loads(b"".join(opened.encoded())),
                )

        self.both(look)

    @rule(old=pos, new=pos)
    def rename_po(self, old: str, new: str) -> None:
        # What may only be read keeps its name in files, which no store in memory has to care for.
        held = [*(self.memory.load(one.id) for one in self.memory.list())]
        held += [self.memory.trashed(one.id) for one in self.memory.trash()]
        if old != new and not any(one.version > 1 and one.po_name == old for one in held):
            for store in (self.memory, self.files[0]):
                store.rename_po(old, new, lambda *_: None)
            for pointers in (self.pointers, self.pointer_file()):
                pointers.change(lambda now: now.with_po_renamed(old, new))
            self.adopt_torn_names()
            assert self.files[1].po_name(old) == old

    def adopt_torn_names(self) -> None:
        """Nor is what was cut and lies in the trash made anew to get another name there."""
        for one in self.files[0].trash():
            if parsing.parse((self.root / "trash" / f"{one.id}.json").read_bytes(), "").torn is not None:
                self.memory._trash[one.id] = replace(self.memory._trash[one.id], po_name=one.session.po_name)

    @rule(number=st.integers(0, 5), name=st.none() | names)
    def restore(self, number: int, name: str | None) -> None:
        if entry := self.nth(self.memory.trash(), number):
            change = None if name is None else lambda one: replace(one, name=name)
            self.both(lambda store: store.restore(entry.id, change))

    @rule(number=st.integers(0, 5))
    def discard(self, number: int) -> None:
        if entry := self.nth(self.memory.trash(), number):
            self.both(lambda store: store.discard(entry.id))

    @rule(before=st.none() | times)
    def empty_trash(self, before: str | None) -> None:
        self.both(lambda store: store.empty_trash(TIMES[-1], before), self.bare)

    @rule(number=numbers, now=times)
    def back_up(self, number: int, now: str) -> None:
        id = self.id(number)
        self.both(lambda store: store.back_up(id, now), lambda made: replace(made, size=0))

    @rule(number=st.integers(0, 5), po=pos, now=times)
    def put_back(self, number: int, po: str, now: str) -> None:
        if backup := self.nth(self.memory.backups(), number):
            self.both(lambda store: store.put_back(backup.id, po, now))

    @rule(number=st.integers(0, 5))
    def discard_backup(self, number: int) -> None:
        if backup := self.nth(self.memory.backups(), number):
            self.both(lambda store: store.discard_backup(backup.id))

    @staticmethod
    def nth(things: list[Any], number: int) -> Any:
        return things[number % len(things)] if things else None

    @rule(number=numbers, message=messages)
    def turn(self, number: int, message: Message) -> None:
        id = self.id(number)

        def act(store: SessionStore) -> Any:
            with store.turn(id, "send"):
                store.append(id, message)
                return store.turn_owner(id) is not None, store.append(id, message)

        self.both(act)
        assert self.files[1].turn_owner(id) is None

    @rule(number=numbers, name=names, po=pos)
    def name_if_free(self, number: int, name: str, po: str) -> None:
        id = self.id(number)

        def act(store: SessionStore) -> Any:
            with store.claim_name(po, name):
                if not list(store.list(po_name=po, name=name)):
                    return store.update(id, lambda one: replace(one, name=name, po_name=po))
            return None

        self.both(act)

    @rule(number=numbers, po=pos, how=st.sampled_from(["session", "no session", "po", "no po"]))
    def change_pointers(self, number: int, po: str, how: str) -> None:
        id = self.id(number)
        change = {
            "session": lambda state: state.with_session(po, id),
            "no session": lambda state: state.without_session(id),
            "po": lambda state: state.with_po(po),
            "no po": lambda state: state.without_po(po),
        }
        assert self.pointer_file().change(change[how]) == self.pointers.change(change[how])

    @rule()
    def settle(self) -> None:
        self.both(lambda store: store.close())

    @rule()
    def refresh(self) -> None:
        self.files[0].rescan()

    @rule()
    def another_process(self) -> None:
        self.files = [self.opened(), self.files[0]]

    # What others do to the files

    @rule(how=st.sampled_from(["missing", "empty", "cut", "junk"]))
    def index_harmed(self, how: str) -> None:
        path = self.sessions / "index.json"
        if path.exists():
            data = path.read_bytes()
            path.unlink()
            if how != "missing":
                path.write_bytes({"empty": b"", "cut": data[: len(data) // 2], "junk": b'{"sessions":[]}'}[how])

    @rule(at=st.integers(1, 400))
    def log_cut_and_machine_restarted(self, at: int) -> None:
        log, seen = self.sessions / "index.log", self.sessions / ".locks" / "seen"
        if log.exists():
            whole = log.read_bytes()
            log.write_bytes(whole[:-at])
            with suppress(Damaged):
                if any(map(self.row_passes_for_another, Index(str(self.sessions)).rows())):
                    log.write_bytes(whole)
        if seen.exists():
            seen.write_text(json.dumps({**json.loads(seen.read_text()), "boot": "the one before"}))

    def row_passes_for_another(self, row: dict[str, Any]) -> bool:
        """Tell whether a row is of an earlier file of the same size, whose inode was used again: nothing can tell."""
        path = self.sessions / f"{row['id']}.json"
        if not path.exists() or (path.stat().st_size, path.stat().st_ino) != (row["size"], row["inode"]):
            return False
        said = outcome(lambda: self.files[0].summary(row["id"]))
        return isinstance(said, SessionSummary) and any(getattr(said, key) != row[key] for key in SUMMARY_FIELDS)

    @rule()
    def torn_line_in_the_log(self) -> None:
        if self.sessions.exists():
            with (self.sessions / "index.log").open("ab") as log:
                log.write(b'\n{"id":"01A')

    @rule()
    def fold_cut(self) -> None:
        log = self.sessions / "index.log"
        if log.exists() and not log.with_name("index.log.1").exists():
            log.rename(log.with_name("index.log.1"))

    @rule()
    def time_passes(self) -> None:
        """The directory has last changed long ago, and was looked at since."""
        then, seen = 1_700_000_000, self.sessions / ".locks" / "seen"
        list(self.files[0].list())
        if seen.exists():
            os.utime(self.sessions, (then, then))
            seen.write_text(json.dumps({**json.loads(seen.read_text()), "mtime": then * 10**9}))

    @rule(
        number=numbers, how=st.sampled_from(["touched", "laid out anew", "copied over itself", "given a second name"])
    )
    def file_touched(self, number: int, how: str) -> None:
        id = self.id(number)
        path = self.sessions / f"{id}.json"
        if not path.exists() or parsing.parse(path.read_bytes(), "").torn is not None:
            return
        if how == "touched":
            os.utime(path, (1_600_000_000, 1_600_000_000))
        elif how in ("laid out anew", "copied over itself"):
            data, aside = path.read_bytes(), self.sessions / "aside.tmp"
            aside.write_bytes(data if how == "copied over itself" else json.dumps(json.loads(data), indent=2).encode())
            os.replace(aside, path)
        else:
            snapshot = self.root / f"{len(self.snapshots)}.snapshot"
            os.link(path, snapshot)
            self.snapshots[snapshot] = path.read_bytes()

    @rule(number=numbers)
    def file_removed(self, number: int) -> None:
        id = self.id(number)
        path = self.sessions / f"{id}.json"
        if path.exists():
            path.unlink()
            del self.memory._sessions[id]

    @rule(one=sessions, in_step=st.booleans())
    def file_brought(self, one: Session, in_step: bool) -> None:
        path = self.sessions / f"{one.id}.json"
        if self.sessions.exists() and not path.exists():
            if in_step:
                self.brought_in_step()
            path.write_text(json.dumps(one.to_dict(), indent=1))
            self.memory.create(one)

    @rule(number=numbers, other=ids)
    def file_copied_under_another_id(self, number: int, other: str) -> None:
        """It is told, and hides nothing; then it goes again."""
        id = self.id(number)
        source, target = self.sessions / f"{id}.json", self.sessions / f"{other}.json"
        if not source.exists() or target.exists():
            return
        shutil.copyfile(source, target)
        self.said.clear()
        assert list(self.opened().list()) == list(self.memory.list())
        assert [one for one in self.said if str(target) in one and "not its name" in one]
        assert outcome(lambda: self.files[0].load(other))[0] is Unreadable
        assert outcome(lambda: self.files[0].append(other, Message("user", "x")))[0] is Unreadable
        assert target.read_bytes() == source.read_bytes()
        target.unlink()

    @rule(where=st.sampled_from(["sessions", "trash", "backups", "."]), id=ids)
    def temporary_file_left_over(self, where: str, id: str) -> None:
        with suppress(FileNotFoundError):
            (self.root / where / f".{id}.json.4711.0123abcd.tmp").write_text('{"half":')

    # What a process that dies leaves

    @rule(number=numbers, message=messages, part=st.floats(0, 1))
    def killed_while_appending(self, number: int, message: Message, part: float) -> None:
        id = self.id(number)

        def cut(fd: int, path: str, append: appending.Append) -> None:
            written = append.data[: round(len(append.data) * part)]
            if len(written) > len(append.old):  # else the size stays, by which listing goes; `test_cuts` has those
                atomic.write_at(fd, written, append.offset)
            raise Killed

        real, appending.write_append = appending.write_append, cut
        try:
            before = outcome(lambda: self.memory.load(id))
            refused = outcome(lambda: self.files[0].append(id, message))
        except Killed:
            # The message was not acknowledged; it may be there or not, and with it the time.
            after = self.files[0].load(id)
            assert after.history in (before.history, (*before.history, message))
            assert replace(after, history=(), updated_at=UNKNOWN_TIME) == replace(
                before, history=(), updated_at=UNKNOWN_TIME
            )
            self.memory._sessions[id] = after
            if after.updated_at > before.updated_at:  # its messages are newer than it said: the next listing finds out
                list(self.files[0].list())
        else:
            assert refused == outcome(lambda: self.memory.append(id, message))
        finally:
            appending.write_append = real

    @rule(number=st.integers(0, 5))
    def killed_while_deleting(self, number: int) -> None:
        """The file has its second name in the trash, and still its first."""
        if one := self.nth(list(self.memory.list()), number):
            self.both(lambda store: store.restore(store.delete(one.id, TIMES[0])))

    # What is seen

    @rule()
    def brought_in_step(self) -> None:
        """What is in step is listed before Typer is imported."""
        for _ in range(2):
            self.files[0].rescan()
            self.files[0].close()
        ids = "".join(f"{one.id}\n" for one in self.memory.list()).encode()
        assert session_list.answer(str(self.root), ["--all", "--ids"]) == (ids or None)

    def nothing_else_is_listed_early(self) -> None:
        """It has to come before anything that brings the index in step."""
        ids = "".join(f"{one.id}\n" for one in self.memory.list()).encode()
        assert session_list.answer(str(self.root), ["--all", "--ids"]) in (None, ids)
        state = self.pointers.read()
        current = {pointer.current for pointer in state.pointers.values()}
        for args, po in ([], state.po_name), (["--all"], None), *((["--po", po], po) for po in POS):
            said = session_list.answer(str(self.root), args)
            if said is not None:
                marked = [("*" if one.id in current else "-", one) for one in self.memory.list(po_name=po)]
                rows = [(mark, one.id, one.po_name, one.name, str(one.message_count)) for mark, one in marked]
                shown = [tuple(line.split("\t")[:5]) for line in said.decode().splitlines()]
                assert shown == [tuple(cell.replace("\t", " ") for cell in row) for row in rows]

    @invariant()
    def the_same_is_seen(self) -> None:
        self.nothing_else_is_listed_early()
        self.files.reverse()
        found, expected = self.files[0], self.memory
        listed = list(expected.list())
        assert list(found.list()) == listed
        for po in POS:
            assert list(found.list(po_name=po)) == list(expected.list(po_name=po))
            assert [one for one, _ in found.with_sizes(po)] == list(expected.list(po_name=po))
        for name in NAMES:
            assert list(found.list(name=name)) == list(expected.list(name=name))
        for fragment in ("", "01AR", "5FAV", "4000", "123e"):
            assert found.find(fragment) == expected.find(fragment)
        for id in IDS:
            self.the_same_is_seen_of(id)
        self.both(lambda store: store.trash())
        self.both(lambda store: [store.trashed(one.id) for one in store.trash()])
        self.both(lambda store: store.trash_names(), self.bare)
        self.both(lambda store: [replace(one, size=0) for one in store.backups()])
        self.both(lambda store: [store.backed_up(id) for id in store.backup_ids()])
        assert self.pointer_file().read() == self.pointers.read()
        assert {path: path.read_bytes() for path in self.snapshots} == self.snapshots
        assert [one for one in self.said if "Repaired" not in one and "not its name" not in one] == []

    def the_same_is_seen_of(self, id: str) -> None:
        self.both(lambda store: store.load(id))
        self.both(lambda store: store.summary(id))
        self.both(lambda store: store.head(id), self.bare_about)
        assert outcome(lambda: bool(self.files[0].path(id))) == outcome(lambda: bool(self.memory.summary(id)))
        self.both(lambda store: store.backup_ids(id))

    @staticmethod
    def bare_about(about: SessionStat) -> SessionStat:
        assert about.active_at >= max(about.summary.updated_at, about.summary.created_at)
        return about._replace(size=0, whole=True, active_at="")

    @staticmethod
    def bare(names: Iterable[str]) -> list[str]:
        """Only files have an ending, and more beside them: what a repair cut off, what a killed process left."""
        return sorted(name.removesuffix(".json") for name in names if name[0] != "." and not name.endswith(".torn"))


class TestStoresBriefly(Stores.TestCase):
    settings = BRIEFLY


@pytest.mark.slow
class TestStores(Stores.TestCase):
    settings = STORES


class Managed(RuleBasedStateMachine):
    """A session manager, and all messages that were ever acknowledged."""

    kind = "files"

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="po-machine-"))
        self.now = datetime(2025, 1, 3, 10, tzinfo=UTC)
        self.said: list[str] = []
        self.storage = open_storage("memory")
        self.pointers: Any = MemoryPointers()
        self.open()
        self.count = 0
        self.kept: set[str] = set()

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    @rule()
    def open(self) -> None:
        """Go on as another process does."""
        if self.kind == "files":
            self.storage = open_storage("files", root=str(self.root), lock_timeout=0.2, notice=self.said.append)
            self.pointers = PointerFile(str(self.root), current_name=self.storage.po_name)
        self.manager = SessionManager(
            self.storage,
            pointers=self.pointers,
            clock=self.clock,
            backup_policy=BackupPolicy(timedelta(hours=2), keep=2),
            notice=self.said.append,
        )

    def clock(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    @rule(hours=st.sampled_from([-3, 1, 50]))
    def time_goes_on_or_back(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    def one(self, number: int) -> Any:
        listed = list(self.manager.list())
        return listed[number % len(listed)] if listed else None

    # What there is

    def present(self) -> set[str]:
        """Return all messages that are anywhere."""
        return self.in_sessions() | self.in_trash() | self.in_backups()

    def in_sessions(self) -> set[str]:
        return self.texts(self.storage.load(one.id) for one in self.manager.list())

    def in_trash(self) -> set[str]:
        return self.texts(self.storage.trashed(one.id) for one in self.manager.trash.list())

    def in_backups(self, session_id: str | None = None) -> set[str]:
        return self.texts(self.storage.backed_up(id) for id in self.storage.backup_ids(session_id))

    @staticmethod
    def texts(held: Iterable[Session]) -> set[str]:
        return {str(message.content) for session in held for message in session.history}

    def refused(self, *allowed: type[PoError], by: Callable[[], Any]) -> bool:
        """Do something that may be refused, for these reasons only; nothing changes then."""
        before = (list(self.manager.list()), self.present(), self.pointers.read())
        try:
            by()
        except allowed:
            assert before == (list(self.manager.list()), self.present(), self.pointers.read())
            return True
        return False

    def purging(self, victims: set[str], by: Callable[[], Any]) -> None:
        """Do something that removes these for good, unless they are elsewhere too, and nothing else."""
        by()
        gone = self.kept - self.present()
        assert gone <= victims
        self.kept -= gone

    # Use

    @rule(po=pos, name=st.none() | names)
    def create(self, po: str, name: str | None) -> None:
        taken = {one.name for one in self.manager.list(po)}
        was_refused = self.refused(Conflict, InvalidInput, by=lambda: self.manager.create(po, name))
        assert was_refused == (name in taken or name in (ULIDS[0], "a\tb"))

    @rule(po=pos, name=st.sampled_from(["Default", "Tea", "Ünï\u200dcode"]))
    def ensure(self, po: str, name: str) -> None:
        there = next(self.storage.list(po_name=po, name=name), None)
        found, made = self.manager.ensure(po, name)
        assert (made, self.manager.ensure(po, name)) == (there is None, (found, False))
        assert there in (None, found)

    @rule(po=pos, turns=st.integers(1, 3))
    def plain_use(self, po: str, turns: int) -> None:
        with suppress(NotFound):  # the pointer leads to what went
            session = self.manager.begin(po)
            for _ in range(turns):
                self.say(session.id)

    @rule(number=st.integers(0, 9), answered=st.booleans())
    def turn(self, number: int, answered: bool) -> None:
        if one := self.one(number):
            self.say(one.id, answered=answered)

    def say(self, id: str, *, answered: bool = True) -> None:
        with self.manager.turn(id, "send"):
            discarded = self.in_backups()
            self.purging(discarded, lambda: self.manager.backups.before_turn(load(self.manager.storage, id)))
            for role in ("user", "assistant")[: 1 + answered]:
                self.count += 1
                text = f"{role} {self.count}"
                self.manager.append(id, Message(role, text, self.manager.now()))
                self.kept.add(text)

    @rule(number=st.integers(0, 9), name=names)
    def rename(self, number: int, name: str) -> None:
        if one := self.one(number):
            self.refused(Conflict, InvalidInput, by=lambda: self.manager.rename(one, name))

    @rule(number=st.integers(0, 9), name=st.none() | names, to=st.none() | pos)
    def duplicate(self, number: int, name: str | None, to: str | None) -> None:
        if one := self.one(number):
            self.refused(Conflict, InvalidInput, by=lambda: self.manager.duplicate(one, name, to=to))

    @rule(number=st.integers(0, 9), to=pos)
    def adopt(self, number: int, to: str) -> None:
        if one := self.one(number):
            adopted = self.manager.adopt(one, to)
            assert (adopted.id, adopted.po_name) == (one.id, to)

    @rule(old=pos, new=pos)
    def rename_prompt_object(self, old: str, new: str) -> None:
        if old != new and not list(self.manager.list(new)):  # the environment sees to that
            self.storage.rename_po(old, new, lambda *_: None)
            self.pointers.change(lambda now: now.with_po_renamed(old, new))
            assert list(self.manager.list(old)) == []

    @rule(number=st.integers(0, 9))
    def switch(self, number: int) -> None:
        if one := self.one(number):
            self.manager.switch(one)
            assert self.manager.current(one.po_name) == one

    @rule(number=st.integers(0, 9), twice=st.booleans())
    def import_again(self, number: int, twice: bool) -> None:
        if one := self.one(number):
            exported = self.storage.load(one.id)
            made = list(self.manager.import_sessions([exported] * (1 + twice), format_name="json"))
            assert [new.made for new in made] == [False] * (1 + twice)

    @rule(one=sessions)
    def import_(self, one: Session) -> None:
        one = replace(one, history=(Message("user", f"imported {self.count}", one.updated_at),), version=1)
        self.count += 1
        for made in self.manager.import_sessions([one], format_name="json"):
            self.kept |= self.texts([self.storage.load(made.session.id)])

    # Taking away and bringing back

    @rule(number=st.integers(0, 9))
    def delete(self, number: int) -> None:
        if one := self.one(number):
            self.manager.delete(one)

    @rule(number=st.integers(0, 9))
    def purge(self, number: int) -> None:
        if one := self.one(number):
            victims = self.texts([self.storage.load(one.id)]) | self.in_backups(one.id)
            self.purging(victims, lambda: self.manager.delete(one, purge=True))

    @rule(number=st.integers(0, 9), turns=st.integers(1, 2))
    def undo(self, number: int, turns: int) -> None:
        if one := self.one(number):
            self.refused(InvalidInput, by=lambda: self.manager.undo(one, turns))

    @rule(number=st.integers(0, 9), name=st.none() | names)
    def restore(self, number: int, name: str | None) -> None:
        trash = self.manager.trash.list()
        if trash:
            self.refused(
                Conflict,
                InvalidInput,
                by=lambda: self.manager.trash.restore(trash[number % len(trash)], name),
            )

    @rule(hours=st.sampled_from([None, 1, 40]))
    def empty_trash(self, hours: int | None) -> None:
        age = None if hours is None else timedelta(hours=hours)
        deleted = {one.session.id for one in self.manager.trash.list()} - {one.id for one in self.manager.list()}
        victims = self.in_trash().union(*map(self.in_backups, deleted))
        self.purging(victims, lambda: self.manager.trash.empty(age))

    @rule(number=st.integers(0, 9))
    def back_up(self, number: int) -> None:
        if one := self.one(number):
            self.purging(self.in_backups(one.id), lambda: self.manager.backups.create(one.id))

    @rule(number=st.integers(0, 9), name=st.none() | names)
    def restore_backup(self, number: int, name: str | None) -> None:
        backups = self.manager.backups.list()
        if backups:
            self.refused(
                Conflict, InvalidInput, by=lambda: self.manager.backups.restore(backups[number % len(backups)], name)
            )

    @rule(po=st.none() | pos, hours=st.sampled_from([1, 40]), keep=st.none() | st.integers(1, 2))
    def prune(self, po: str | None, hours: int, keep: int | None) -> None:
        chosen = self.manager.prunable(Criteria(older_than=timedelta(hours=hours), keep_last=keep), po)
        before = {one.id: one for one in self.manager.list()}
        current = {pointer.current for pointer in self.pointers.read().pointers.values()}
        list(self.manager.prune(chosen.chosen))
        for id in before.keys() - {one.id for one in self.manager.list()}:
            assert id not in current
            assert before[id].updated_at < timestamp(self.now - timedelta(hours=hours))

    # What always holds

    @invariant()
    def nothing_is_lost(self) -> None:
        assert self.kept <= self.present()
        assert self.said == []

    @invariant()
    def names_are_unique(self) -> None:
        for po in {one.po_name for one in self.manager.list()}:
            listed = [one.name for one in self.manager.list(po)]
            assert len(set(listed)) == len(listed)

    @invariant()
    def selectors_mean_what_they_should(self) -> None:
        listed = list(self.manager.list())
        shown = selector.short_ids(one.id for one in listed)
        for one in listed:
            assert self.manager.find(one.id, None) == one
            assert self.manager.find(one.name, one.po_name) == one
            found = self.manager.find(shown[one.id], None)
            assert found == one
        for ref in ("nope", "G5FAV", "123e"):
            for po in POS:
                try:
                    one = self.manager.find(ref, po)
                except (SessionNotFound, AmbiguousSelector):
                    continue
                assert (one.name == ref and one.po_name == po) or one.id.startswith(ref) or one.id.endswith(ref)
        for po in POS:
            with suppress(NotFound):
                last = self.manager.find("@last", po)
                assert last == next(one for one in self.manager.list(po) if one.turn_count)


class ManagedInMemory(Managed):
    """The same without files."""

    kind = "memory"


class TestManagerBriefly(Managed.TestCase):
    settings = BRIEFLY


@pytest.mark.slow
class TestManager(Managed.TestCase):
    settings = MANAGERS


class TestManagerInMemory(ManagedInMemory.TestCase):
    settings = MANAGERS
