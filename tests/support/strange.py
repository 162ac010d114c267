"""An environment in which something strange lies in one place, and what must be as it was after a verb has met it.

`World` is the environment and what surrounds it; `strange_verbs` has its places and everything that `po` can be asked;
`strange_kinds` has what can lie in a place. `World.meet` asks one thing and returns what was wrong with it.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from support.strange_verbs import (
    ALPHA,
    BETA,
    BYSTANDERS,
    DIRECTORIES,
    EMPTY,
    FAILED,
    GONE,
    IDS,
    LOST,
    MADE,
    NAMES,
    NOW,
    PO,
    PRIVATE,
    STAMP,
    SUMMED,
    TEMPORARY,
    TORN,
    VERBS,
)
from typer.testing import CliRunner

from po_sessions.cli.app.root import app
from po_sessions.cli.fast import complete, dispatch, session_list
from po_sessions.environment import Environment
from po_sessions.errors import PoError
from po_sessions.message import STANDS_FOR, Message
from po_sessions.prompt_objects.definition import Definition
from po_sessions.session import Session
from po_sessions.storage import load

SECONDS = 10
"""How long a verb may take; none waits for another process here."""
MEMORY = 1 << 30
"""How many bytes of memory more a verb may take."""


class Snapshot(dict[str, tuple[object, ...]]):
    """What can be told of everything below a directory, by its path; of directories also how many names they have."""

    @classmethod
    def of(cls, *tops: Path, but: str = "") -> Snapshot:
        found = cls()
        for top in tops:
            for directory, directories, names in os.walk(top):
                if but in directories:
                    directories.remove(but)
                for path in (directory, *(os.path.join(directory, name) for name in [*directories, *names])):
                    found[path] = _told(path)
        return found

    def changes(self, after: Snapshot) -> list[str]:
        """Return what is another now, as words."""
        return [
            f"{path}: {_but_content(self.get(path))} -> {_but_content(after.get(path))}"
            for path in sorted({*self, *after})
            if self.get(path) != after.get(path)
        ]


def _told(path: str) -> tuple[object, ...]:
    about = os.lstat(path)
    content: object = None
    if stat.S_ISREG(about.st_mode):
        content = Path(path).read_bytes()
    elif stat.S_ISLNK(about.st_mode):
        content = os.readlink(path)
    links = about.st_nlink if stat.S_ISDIR(about.st_mode) else 0
    return oct(about.st_mode), about.st_uid, about.st_gid, about.st_mtime_ns, links, content


def _but_content(told: tuple[object, ...] | None) -> object:
    return told and (*told[:-1], len(str(told[-1])))


def _content(top: Path) -> Iterator[tuple[str, int, bytes | None]]:
    """Yield the path, the mode and the bytes of what lies below a directory; a directory before what lies in it."""
    for path in sorted(top.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        yield str(path.relative_to(top)), mode, None if path.is_dir() else path.read_bytes()


Kind = Callable[["World", Path], None]
"""Puts something into a place."""


class Hung(BaseException):
    """A verb takes too long."""


@contextmanager
def bounded() -> Iterator[None]:
    """Let the block take no more than `SECONDS` and `MEMORY`."""

    def hung(*_: object) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, hung)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, limits[1]))
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, limits)


class Result(NamedTuple):
    """How a verb ended."""

    code: int | None
    """None if it did not."""
    stdout: str
    stderr: str


class World:
    """An environment, made anew for each verb, and what surrounds it.

    `clone` is the working directory that the environment lies in, as one that a repository brought; `outside` is what
    nothing may touch; verbs read from `in` and write to `out`.
    """

    def __init__(self, top: Path) -> None:
        self.top = top
        self.clone, self.outside, self.home = top / "clone", top / "outside", top / "home"
        self.root = self.clone / ".prompt_objects"
        self.options: tuple[str, ...] = ()
        """What stands before each verb."""
        self.cwd = self.clone
        self.moved = top / "moved"
        """Where a part of the environment is, or all of it, while a link leads there or somewhere else."""
        for path in (self.clone, top / "in"):
            path.mkdir(parents=True)
        self._build()
        self._model = [("", 0o700, None), *_content(self.root)]
        self.fresh()

    def _build(self) -> None:
        Environment.create(self.root)
        moments = (datetime(2025, 1, 3, 11, tzinfo=UTC) + timedelta(seconds=n) for n in range(10_000))
        env = Environment.open(self.root, clock=lambda: next(moments), lock_timeout=1)
        manager, storage = env.session_manager, env.session_manager.storage
        env.definitions.create(Definition("tutor", body="You ask."))
        for name, id in zip(NAMES, IDS, strict=True):
            turns = 0 if name == "empty" else 3
            said = [Message(role, f"{name}-says-{n}", NOW) for n in range(turns) for role in ("user", "assistant")]
            storage.create(Session(id, name, PO.get(name, "greeter"), NOW, NOW, tuple(said)))
        manager.append(FAILED, Message("user", "failed-says-3", NOW))
        manager.append(
            FAILED, Message("assistant", "", NOW, extra={"error": {"kind": "unreachable", "message": "No."}})
        )
        manager.append(SUMMED, Message("system", "summed-says-3", NOW, extra={STANDS_FOR: 6}))
        for id in (ALPHA, GONE):
            storage.back_up(id, "2025-01-04T10:00:00.000Z")
        manager.append(ALPHA, Message("user", "alpha-says-3", NOW))
        manager.append(ALPHA, Message("assistant", "alpha-says-4", NOW))
        storage.delete(GONE, "2025-01-04T10:00:00.000Z")
        storage.cut(BETA, 4, 6, "2025-01-05T10:00:00.000Z")
        manager.switch(manager.find(BETA, None))
        manager.switch(manager.find(ALPHA, None))
        torn = self.root / "sessions" / f"{TORN}.json"
        torn.write_bytes(torn.read_bytes()[:-20])
        (self.root / "trash" / f"{TORN}.0123456789abcdef.torn").write_bytes(b'{"role":"user","con')
        (self.root / "trash" / "old.0a1b2c3d.md").write_bytes(b"You were kind.\n")
        (self.root / "quarantine" / STAMP).mkdir(parents=True)
        (self.root / "quarantine" / STAMP / "kept.json").write_bytes(b"{}")
        (self.root / "config.toml").write_bytes(b"[backup]\nkeep = 4\n")
        (self.root / ".gitignore").write_bytes(b"/*\n!/objects/\n")
        for path in self.root.rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)
        storage.rescan()
        storage.close()
        manager.rename(manager.find(BETA, None), "beta")  # for a line in the log
        assert {one.id for one in manager.list()} == {*IDS} - {GONE}
        come = Session("01ARZ3NDEKTSV4RRFFQ6901000", "come", "reader", NOW, NOW, (Message("user", "come-says-0", NOW),))
        (self.top / "in" / "come.jsonl").write_text(json.dumps({"version": 1, **come.to_dict()}) + "\n")

    def fresh(self) -> None:
        """Make all anew; directories that are there stay, since to remove one takes longer than a verb."""
        os.chdir(self.top)
        for path in (self.home, self.moved, self.outside, self.top / "out"):
            clear(path)
        keep = {str(self.root / place) for place, _, data in self._model if data is None}
        _empty(os.fspath(self.clone), keep)
        for place, mode, data in self._model:
            path = str(self.root / place)
            if data is None:
                with suppress(FileExistsError):
                    os.mkdir(path)
                os.chown(path, os.geteuid(), os.getegid())
                os.chmod(path, mode)
            else:
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
                os.write(fd, data)
                os.close(fd)
        for made in (self.moved, self.outside / "there", self.top / "out" / "other", self.home):
            made.mkdir(parents=True, exist_ok=True)
            made.chmod(0o755)
        (self.outside / "id_rsa").write_text(PRIVATE)
        (self.outside / "id_rsa").chmod(0o644)

    def decoy(self, path: Path) -> Path:
        """Put a copy of a directory outside, readable by all, among other files; return where it is."""
        shutil.copytree(path, self.moved / path.name)
        there = self.away(path)
        (self.moved / path.name).rename(path)
        return there

    def away(self, path: Path) -> Path:
        """Move what is in a place to the outside, readable by all, among other files; return where it is."""
        there = self.outside / "there" / path.name
        relative = str(path.relative_to(self.root))
        if os.path.lexists(path):
            path.rename(there)
        elif relative in DIRECTORIES:
            there.mkdir()
        else:
            there.write_bytes(MADE.get(relative, b"Something else.\n"))
        if there.is_dir():
            victims = ("id_rsa", "package.json", "thesis.txt", "notes.md", f".x.{TEMPORARY}", f"{EMPTY}.json")
            for name in (*victims, f"{LOST}.{STAMP}.json"):
                (there / f"{name}").write_text(PRIVATE) if not (there / name).exists() else None
            (there / "deeper").mkdir()
            (there / "deeper" / "greeter.md").write_text(PRIVATE)
        for one in (there, *(there.rglob("*") if there.is_dir() else ())):
            one.chmod(0o755 if one.is_dir() else 0o644)
        return there

    def put(self, place: str, kind: Kind) -> None:
        """Make all anew, with something strange in a place."""
        self.fresh()
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        kind(self, path)

    def ask(self, name: str) -> Result:
        """Ask one thing, as `po` itself does, or what answers before it."""
        os.chdir(self.cwd)
        args = VERBS[name].args
        stdout = stderr = ""
        code: int | None
        try:
            with bounded():
                if args[0] == "fast":
                    stdout, code = self._fast(args[1:]), 0
                else:
                    given = [*self.options, "--lock-timeout", "1", *args]
                    done = CliRunner().invoke(app, given, input=VERBS[name].input, prog_name="po")
                    code, stdout, stderr = done.exit_code, done.stdout, done.stderr
        except Hung:
            code = None
        return Result(code, stdout, stderr)

    def _fast(self, args: tuple[str, ...]) -> str:
        named = self.options[1] if self.options else None
        if args[0] == "status":
            return str(dispatch._status(named, []) or b"")
        if args[0] == "session":
            return str(session_list.answer(named, list(args[2:])) or b"")
        return str(complete.answer(list(args[1:])))

    def said(self) -> set[str]:
        """Return all messages that are in a file of the environment itself."""
        return {one for text in self._texts() for one in re.findall(r"[a-z]+-says-[0-9]", text)}

    def _texts(self) -> Iterator[str]:
        for top in (self.root, self.moved):
            for directory, _, names in os.walk(top):
                for path in (os.path.join(directory, name) for name in names):
                    if stat.S_ISREG(os.lstat(path).st_mode):
                        with open(path, encoding="utf-8", errors="replace") as file:
                            yield file.read()

    def around(self) -> Snapshot:
        """Return what is outside of the environment now."""
        return Snapshot.of(self.outside, self.clone, self.top / "in", but=self.root.name)

    def meet(
        self, name: str, place: str, during: AbstractContextManager[object] | None = None
    ) -> tuple[Result, list[str]]:
        """Ask one thing of what is there now, in a context; return how it ended and what is wrong, as sentences."""
        asked, around, said = VERBS[name], self.around(), self.said()
        own = any(PRIVATE in text for text in self._texts())  # which a second name makes it
        with during or nullcontext():
            result = self.ask(name)
        wrong = [f"outside: {one}" for one in around.changes(self.around())]
        documented = {0, *range(2, 11), *({1} if asked.args[0] == "doctor" else ())}
        if result.code not in documented:
            last = result.stderr.strip().rpartition("\n")[2]
            wrong.append("it hangs" if result.code is None else f"exit {result.code}: {last}")
        if "Traceback" in result.stdout + result.stderr:
            wrong.append("a traceback")
        if PRIVATE in result.stdout + result.stderr and not own:
            wrong.append("it shows what is in a file outside")
        lost = {one for one in said - self.said() if one.partition("-")[0] not in asked.takes}
        if lost:
            wrong.append(f"lost for good: {', '.join(sorted(lost))}")
        if result.code == 0 and asked.says and not any(asked.says in text for text in self._texts()):
            wrong.append(f"exit 0, and {asked.says} is not in the environment")
        if not name.startswith("prune") and place not in ("sessions", "sessions/.rename"):
            wrong += self._bystanders(place)
        return result, wrong

    def refusal(self, place: str, result: Result, *, is_link: bool) -> list[str]:
        """Return what is wrong with how a verb refused a directory that is none of ours."""
        said = result.stderr.replace("\n", " ")
        if result.code != 7:
            return [f"exit {result.code} in the place of 7: {said[:200]}"]
        wanted = [str(self.root / place), *(["links.allow"] if is_link else [])]
        return [f"{one} is not named: {said[:200]}" for one in wanted if one not in said]

    def _bystanders(self, place: str) -> Iterable[str]:
        """Return what is wrong with the sessions that nothing here is about."""
        try:
            with bounded():
                manager = Environment.open(self.root, lock_timeout=1).session_manager
                listed = {one.id for one in manager.list()}
                if missing := {*BYSTANDERS} - listed:
                    yield f"not listed afterwards: {missing}"
                for id, name in BYSTANDERS.items():
                    if f"{name}-says-0" not in str([one.content for one in load(manager.storage, id).history]):
                        yield f"{name} cannot be read afterwards"
        except Hung:
            yield "listing hangs afterwards"
        except PoError as error:
            if not (place == "sessions/.locks" and error.exit_code == 7):
                yield f"cannot be listed afterwards: {error}"
        except Exception as error:
            yield f"listing fails afterwards: {error!r}"


def _empty(directory: str, keep: set[str]) -> None:
    """Remove what lies in a directory, but for the directories to `keep`."""
    with os.scandir(directory) as found:
        entries = list(found)
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.path)
        else:
            _empty(entry.path, keep)
            if entry.path not in keep:
                os.rmdir(entry.path)


def clear(path: Path) -> None:
    """Remove whatever is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with suppress(FileNotFoundError):
            path.unlink()
