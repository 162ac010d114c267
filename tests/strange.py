"""An environment in which something strange lies in one place, and what must be as it was after a verb has met it.

`World` is the environment and what surrounds it; `PLACES` are the places of an environment; `KINDS` is what can lie in
them; `VERBS` is everything that `po` can be asked. `World.meet` asks one thing and returns what was wrong with it.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import socket
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from typer.testing import CliRunner

from po_sessions.cli import completing, fast, listing
from po_sessions.cli.root import app
from po_sessions.definition import Definition
from po_sessions.environment import Environment
from po_sessions.errors import PoError
from po_sessions.session import STANDS_FOR, Message, Session

NAMES = ("alpha", "beta", "gamma", "failed", "torn", "empty", "gone", "notes", "lost", "summed")
ALPHA, BETA, GAMMA, FAILED, TORN, EMPTY, GONE, NOTES, LOST, SUMMED = IDS = [
    f"01ARZ3NDEKTSV4RRFFQ6900{number:03}" for number in range(len(NAMES))
]
PO = {"notes": "reader", "lost": "ghost"}
BYSTANDERS = {GAMMA: "gamma", NOTES: "notes"}
"""Sessions that no verb is about, and no place belongs to."""
NOW = "2025-01-03T10:00:00.000Z"
STAMP = "20250104T100000.000Z"
ENTRY, UNDONE = f"{GONE}.{STAMP}", f"{BETA}.20250105T100000.000Z"
BACKUP = f"{ALPHA}.{STAMP}"
TEMPORARY = "4711.0a1b2c3d.tmp"
PRIVATE = "PRIVATE-TEXT"
"""Stands in files outside that no verb may show."""
SECONDS = 10
"""How long a verb may take; none waits for another process here."""
MEMORY = 1 << 30
"""How many bytes of memory more a verb may take."""


class Verb(NamedTuple):
    """One thing that `po` is asked."""

    args: tuple[str, ...]
    input: str | None = None
    says: str = ""
    """What it must have stored inside of the environment if it ends with 0."""
    takes: tuple[str, ...] = ()
    """The sessions of which messages may go for good."""


def verb(line: str, *more: str, **about: Any) -> Verb:
    return Verb((*line.split(), *more), **about)


VERBS: dict[str, Verb] = {
    "send": verb("send greeter -s alpha sent-to-alpha", says="sent-to-alpha"),
    "send, torn": verb("send greeter -s torn sent-to-torn", says="sent-to-torn"),
    "send, new": verb("send greeter --new -s fresh sent-to-fresh", says="sent-to-fresh"),
    "send, create": verb("send reader --create -s made sent-to-made --switch", says="sent-to-made"),
    "send, stdin": verb("send . -", input="sent-through-a-pipe", says="sent-through-a-pipe"),
    "send, key": verb("send greeter --idempotency-key k sent-with-a-key", says="sent-with-a-key"),
    "send, no save": verb("send reader --no-save Hello"),
    "send, dry run": verb("send greeter --dry-run Hello"),
    "/sessions": verb("send greeter", "/sessions"),
    "/session new": verb("send greeter", "/session new slashed", says="slashed"),
    "/session rename": verb("send greeter", "/session rename slashed", says="slashed"),
    "/session switch": verb("send greeter", "/session switch beta"),
    "/session delete": verb("send greeter --yes", "/session delete"),
    "/session export": verb("send greeter", "/session export"),
    "/session info": verb("send greeter", "/session info"),
    "new": verb("session new made", says='"made"'),
    "new, switch": verb("session new --po reader --switch"),
    "ensure": verb("session ensure made", says='"made"'),
    "ensure, there": verb("session ensure alpha"),
    "list": verb("session list"),
    "list, all": verb("session list --all --json"),
    "list, orphaned": verb("session list --orphaned --ids"),
    "list, fast": verb("fast session list --all"),
    "show": verb("session show alpha"),
    "show, json": verb("session show @last --json"),
    "show, id": verb(f"session show {BETA}"),
    "current": verb("session current"),
    "current, all": verb("session current --all"),
    "switch": verb("session switch beta"),
    "switch, back": verb("session switch -"),
    "rename": verb("session rename beta renamed", says='"renamed"'),
    "delete": verb("session delete beta"),
    "delete, several": verb(f"session delete alpha {TORN}"),
    "delete, purge": verb("session delete beta --purge --yes", takes=("beta",)),
    "duplicate": verb("session duplicate beta copied", says='"copied"'),
    "duplicate, to": verb("session duplicate beta copied --to reader --switch", says='"copied"'),
    "adopt": verb(f"session adopt {LOST} --po reader"),
    "undo": verb("session undo beta -n 1"),
    "retry": verb("session retry failed"),
    "path": verb("session path alpha"),
    "export": verb("session export alpha"),
    "export, all": verb("session export --all --format jsonl -o ../out/all.jsonl"),
    "export, each": verb("session export --all --format json -o ../out/each/"),
    "import": verb("session import ../in/come.jsonl", says="come-says-0"),
    "prune": verb("session prune --older-than 30d --all"),
    "prune, yes": verb("session prune --older-than 30d --keep-last 2 --all --yes"),
    "prune, empty": verb("session prune --empty --all --yes"),
    "prune, size": verb("session prune --max-size 1kB --all --yes"),
    "prune, purge": verb("session prune --older-than 30d --all --purge --yes", takes=NAMES),
    "compact": verb("session compact beta"),
    "compact, undo": verb("session compact summed --undo"),
    "trash list": verb("trash list"),
    "trash restore": verb(f"trash restore {ENTRY}"),
    "trash restore, as": verb(f"trash restore {ENTRY} --as back", says='"back"'),
    "trash restore, undone": verb(f"trash restore {UNDONE}"),
    "trash empty": verb("trash empty --yes", takes=("gone", "beta")),
    "trash empty, old": verb("trash empty --older-than 1d --yes", takes=("gone", "beta")),
    "backup create": verb("backup create beta"),
    "backup create, all": verb("backup create --all"),
    "backup list": verb("backup list alpha"),
    "backup list, all": verb("backup list --all --json"),
    "backup restore": verb(f"backup restore {BACKUP}"),
    "backup restore, as": verb(f"backup restore {BACKUP} --as earlier", says='"earlier"'),
    "object list": verb("object list --json"),
    "object show": verb("object show greeter"),
    "object new": verb("object new made --body kind-words", says="kind-words"),
    "object path": verb("object path greeter"),
    "object switch": verb("object switch reader"),
    "object rename": verb("object rename greeter host"),
    "object delete": verb("object delete greeter"),
    "model list": verb("model list"),
    "model default": verb("model default smollm2"),
    "config list": verb("config list"),
    "config get": verb("config get backup.keep"),
    "config set": verb("config set backup.keep 3"),
    "config set, environment": verb("config set --environment backup.keep 3"),
    "config unset, environment": verb("config unset --environment backup.keep"),
    "config path": verb("config path --environment"),
    "doctor": verb("doctor --json"),
    "doctor --repair": verb("doctor --repair --json"),
    "init": verb("init"),
    "init, other": verb("init ../out/other"),
    "status": verb("status"),
    "status, json": verb("status --json"),
    "status, fast": verb("fast status"),
    "completion": verb("completion bash"),
    "complete sessions": verb("fast __complete fish session show", ""),
    "complete objects": verb("fast __complete zsh send", ""),
    "complete trash": verb("fast __complete fish trash restore", ""),
    "complete backups": verb("fast __complete fish backup restore", ""),
}
READS = {
    *("send, no save", "send, dry run", "/sessions", "/session export", "/session info", "ensure, there"),
    *(name for name in VERBS if name.startswith(("list", "show", "current", "export", "status", "complet", "model"))),
    *("path", "prune", "trash list", "backup list", "backup list, all", "object list", "object show", "object path"),
    *(name for name in VERBS if name.startswith("config ")),
}
"""Verbs that change no session."""


def trashed_names() -> Iterator[str]:
    yield from (f"{ENTRY}.json", f"{UNDONE}.json", f"{TORN}.0123456789abcdef.torn", "old.0a1b2c3d.md")


DIRECTORIES = (
    *("sessions", "sessions/.locks", "trash", "backups", f"backups/{ALPHA}", "quarantine", "objects", "templates"),
)
FILES = (
    *(f"sessions/{ALPHA}.json", "sessions/index.json", "sessions/index.log", "sessions/index.log.1"),
    *("sessions/.rename", f"sessions/.locks/{ALPHA}"),
    *(f"sessions/.locks/{name}" for name in ("seen", "entries", "names", "index", "state", "rename")),
    *("state.toml", "config.toml", "deletions.log", ".gitignore"),
    *(f"trash/{name}" for name in trashed_names()),
    *(f"backups/{ALPHA}/{STAMP}.json", "objects/greeter.md"),
    *(f"sessions/.{ALPHA}.json.{TEMPORARY}", f"sessions/.locks/.{ALPHA}.json.{TEMPORARY}", f".state.toml.{TEMPORARY}"),
    *(f"trash/.{ENTRY}.json.{TEMPORARY}", f"backups/{ALPHA}/.{STAMP}.json.{TEMPORARY}"),
    *(f"objects/.greeter.md.{TEMPORARY}", ".po-0a1b2c3d"),
    # What is named like nothing of po's, where po moves such things away.
    *("sessions/stray.json", "sessions/index.log.bak", "sessions/.locks/stray", "trash/stray.txt", "state (1).toml"),
)
PLACES = (*DIRECTORIES, *FILES)
MADE = {
    "sessions/index.log.1": b"\n{}\n",
    "sessions/.rename": b'{"version":1,"old":"greeter","new":"host"}\n',
    ".gitignore": b"*\n",
}
"""What lies outside where there is nothing in the place itself as a rule."""


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
        storage.refresh()
        storage.settle()
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
            return str(fast._status(named, []) or b"")
        if args[0] == "session":
            return str(listing.answer(named, list(args[2:])) or b"")
        return str(completing.answer(list(args[1:])))

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

    def _bystanders(self, place: str) -> Iterable[str]:
        """Return what is wrong with the sessions that nothing here is about."""
        try:
            with bounded():
                manager = Environment.open(self.root, lock_timeout=1).session_manager
                listed = {one.id for one in manager.list()}
                if missing := {*BYSTANDERS} - listed:
                    yield f"not listed afterwards: {missing}"
                for id, name in BYSTANDERS.items():
                    if f"{name}-says-0" not in str([one.content for one in manager.load(id).history]):
                        yield f"{name} cannot be read afterwards"
        except Hung:
            yield "listing hangs afterwards"
        except PoError as error:
            if not (place == "sessions/.locks" and error.exit_code == 7):
                yield f"cannot be listed afterwards: {error}"
        except Exception as error:
            yield f"listing fails afterwards: {error!r}"


# What can lie in a place


def link(world: World, path: Path) -> None:
    """A link to what was there, outside: relative, as a repository has it."""
    there = world.away(path)
    path.symlink_to(os.path.relpath(there, path.parent.resolve()))


def dangling(world: World, path: Path) -> None:
    clear(path)
    path.symlink_to(world.outside / "there" / "made")


def to_itself(world: World, path: Path) -> None:
    clear(path)
    path.symlink_to(path.name)


def inside(world: World, path: Path) -> None:
    """A link to another place of the environment."""
    was_directory = path.is_dir()
    target = world.root / ("objects" if was_directory else "state.toml")
    if target == path:
        target = world.root / ("sessions" if was_directory else "config.toml")
    elif path.name == f"{ALPHA}.json":
        target = path.with_name(f"{GAMMA}.json")
    elif path.parent.name == "trash" and path.suffix == ".json":
        target = world.root / "sessions" / f"{NOTES}.json"
    clear(path)
    path.symlink_to(target)


def inside_sessions(world: World, path: Path) -> None:
    clear(path)
    path.symlink_to(world.root / "sessions")


def to_a_directory(world: World, path: Path) -> None:
    there = world.away(world.root / "quarantine")
    clear(path)
    path.symlink_to(there)


def to_a_private_file(world: World, path: Path) -> None:
    clear(path)
    path.symlink_to(world.outside / "id_rsa")


def hard_link(world: World, path: Path) -> None:
    """The file that was there has another name, outside."""
    os.link(world.away(path), path)


def hard_link_to_a_private_file(world: World, path: Path) -> None:
    clear(path)
    os.link(world.outside / "id_rsa", path)


def fifo(world: World, path: Path) -> None:
    clear(path)
    os.mkfifo(path)


def a_socket(world: World, path: Path) -> None:
    clear(path)
    before = os.getcwd()
    os.chdir(path.parent)  # the names of sockets are short
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path.name)
    os.chdir(before)


def zero(world: World, path: Path) -> None:
    clear(path)
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))


def null(world: World, path: Path) -> None:
    clear(path)
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))


def directory(world: World, path: Path) -> None:
    clear(path)
    path.mkdir()


def full_directory(world: World, path: Path) -> None:
    clear(path)
    path.mkdir()
    for name in (f"{EMPTY}.json", "greeter.md", f".x.{TEMPORARY}"):
        (path / name).write_text("Something.\n")


def file(world: World, path: Path) -> None:
    clear(path)
    path.write_text("Something.\n")


def of_another(world: World, path: Path) -> None:
    """What was there, and everything in it, belongs to somebody else."""
    path.mkdir(exist_ok=True)
    for one in (path, *path.rglob("*")):
        os.chown(one, 4242, 4242)


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


LINKS: dict[str, Kind] = {
    "a link to a directory outside": link,
    "a dangling link": dangling,
    "a link to itself": to_itself,
    "a link to another place": inside,
    "a link to the sessions": inside_sessions,
    "a link to a file outside": to_a_private_file,
}
"""In the place of a directory."""
NO_DIRECTORY: dict[str, Kind] = {
    "a file": file,
    "a fifo": fifo,
    "a socket": a_socket,
    "/dev/zero": zero,
    "/dev/null": null,
}
OF_ANOTHER: dict[str, Kind] = {"of another user": of_another}
DIRECTORY_KINDS = {**LINKS, **NO_DIRECTORY, **OF_ANOTHER}
FILE_KINDS: dict[str, Kind] = {
    "a link to a file outside": link,
    "a link to a private file": to_a_private_file,
    "a dangling link": dangling,
    "a link to itself": to_itself,
    "a link to another place": inside,
    "a link to a directory outside": to_a_directory,
    "a hard link": hard_link,
    "a hard link to a private file": hard_link_to_a_private_file,
    "a fifo": fifo,
    "a socket": a_socket,
    "/dev/zero": zero,
    "/dev/null": null,
    "a directory": directory,
    "a directory with files": full_directory,
}
ROOT_ONLY = {"/dev/zero", "/dev/null", "of another user"}


def kinds(place: str) -> dict[str, Kind]:
    """Return what can lie in a place, as far as this user can put it there."""
    of = DIRECTORY_KINDS if place in DIRECTORIES else FILE_KINDS
    return {name: kind for name, kind in of.items() if os.geteuid() == 0 or name not in ROOT_ONLY}
