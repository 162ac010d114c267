"""The verbs of po, each as a command does it, and what there is before them: the scenarios of power cuts."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from support.power_disk import Disk

from po_sessions.cli.config.files import SettingsFile, environments_file
from po_sessions.cli.config.settings import setting
from po_sessions.doctor import Store, examine
from po_sessions.environment import Environment
from po_sessions.message import Message
from po_sessions.models import ModelPaths
from po_sessions.prompt_objects.definition import Definition
from po_sessions.session import Session
from po_sessions.sessions.backups import BackupPolicy
from po_sessions.sessions.pruning import Criteria

IDS = [f"01ARZ3NDEKTSV4RRFFQ6900{number:03}" for number in range(6)]
ALPHA, BETA, TORN, GONE, LONG, OTHER = IDS
NOW = "2025-01-03T10:00:00.000Z"
START = datetime(2025, 2, 1, tzinfo=UTC)


class World:
    """A directory with an environment in it, in which a scenario happens, and the disk that it lies on."""

    def __init__(self, base: str, po: Callable[..., Any]) -> None:
        self.base, self.root = base, f"{base}/work/.prompt_objects"
        self.disk: Disk | None = None
        self._po = po
        self._moments = (START + timedelta(seconds=n) for n in range(100_000))

    def env(self) -> Environment:
        return Environment.open(
            self.root,
            clock=lambda: next(self._moments),
            lock_timeout=1,
            model_paths=ModelPaths(cache=f"{self.base}/cache", runtime="/tmp"),
            backup_policy=BackupPolicy(keep=2),
        )

    def mark(self, *_: object) -> None:
        """Note that what has been done is acknowledged."""
        if self.disk is not None:
            self.disk.mark()

    def po(self, *args: str) -> None:
        done = self._po(*args)
        assert done.exit_code == 0, done.output


# What there is in the beginning


def nothing(world: World) -> None:
    for name in ("work", "home", "out"):
        os.mkdir(f"{world.base}/{name}")


def made(world: World) -> None:
    nothing(world)
    Environment.create(world.root)


def fresh(world: World) -> None:
    """Sessions, one with a torn end, and nothing set aside yet."""
    made(world)
    storage = world.env().session_manager.storage
    for number, id in enumerate(IDS):
        roles = ("user", "assistant") * (3 - number % 3)
        turns = [Message(role, f"{role} {turn} of {number}", NOW) for turn, role in enumerate(roles)]
        if id == LONG:
            turns += [Message("user", "long " * 900, NOW), Message("assistant", "longer " * 700, NOW)]
        storage.create(Session(id, f"n{number}", "reader" if id == OTHER else "greeter", NOW, NOW, tuple(turns)))
    manager = world.env().session_manager
    manager.switch(manager.find(ALPHA, None))
    torn = Path(world.root, "sessions", f"{TORN}.json")
    torn.write_bytes(torn.read_bytes()[:-20])
    manager.storage.close()


def used(world: World) -> None:
    """The same, after some things were deleted, undone and backed up."""
    fresh(world)
    manager = world.env().session_manager
    manager.delete(manager.find(GONE, None))
    manager.undo(manager.find(BETA, None))
    for number in range(2):
        manager.backups.create(ALPHA)
        append(world, world.env(), text=f"Since backup {number}")
    manager.backups.create(LONG)
    manager.storage.close()


def broken(world: World) -> None:
    """The same, with a session whose first message is damaged."""
    used(world)
    file = Path(world.root, "sessions", f"{OTHER}.json")
    file.write_bytes(file.read_bytes().replace(b'{"role"', b'{"ro', 1))


def damaged(world: World) -> None:
    """Files of all kinds that the doctor moves to the quarantine or mends."""
    broken(world)
    sessions = Path(world.root, "sessions")
    (sessions / f"{ALPHA} (conflict).json").write_bytes((sessions / f"{ALPHA}.json").read_bytes())
    (sessions / "notes.json").write_text("[1, 2]")
    (sessions / f".{GONE}.json.4711.0a1b2c3d.tmp").write_text("half")
    os.utime(sessions / f".{GONE}.json.4711.0a1b2c3d.tmp", (0, 0))
    os.link(sessions / f"{LONG}.json", Path(world.root, "second-name"))
    Path(world.root, "trash", f"{OTHER}.20250101T100000.000Z.json").write_text("no session")
    Path(world.root, "state.toml").write_text("current = [")
    (sessions / f"{IDS[0][:-3]}099.json").write_bytes((sessions / f"{BETA}.json").read_bytes())


# What is done


def summary(env: Environment, id: str) -> Any:
    return env.session_manager.find(id, None)


def entry(env: Environment, kind: str) -> Any:
    return next(one for one in env.session_manager.trash.list() if one.kind == kind)


def append(world: World, env: Environment, id: str = ALPHA, text: str = "More") -> None:
    message = Message("user", f"{text}, after {summary(env, id).message_count}", NOW)
    env.session_manager.append(id, message)


def receive(world: World, env: Environment) -> None:
    """Send a message; once there is something of an answer, the message is acknowledged."""
    context = replace(env.context(env.session_manager.begin("greeter")), on_chunk=world.mark)
    env.prompt_object("greeter").receive("What is it? " * 60, context=context)


def retry(world: World, env: Environment) -> None:
    append(world, env, text="Again?")
    world.mark()
    env.prompt_object("greeter").retry(context=env.context(summary(env, ALPHA)))


def compact(world: World, env: Environment) -> None:
    env.prompt_object("greeter").compact(context=env.context(summary(env, BETA)))


def import_(world: World, env: Environment) -> None:
    sessions = [
        Session(f"01ARZ3NDEKTSV4RRFFQ6901{n:03}", "i", "reader", NOW, NOW, (Message("user", f"Hi {n}"),))
        for n in range(3)
    ]
    for _ in env.session_manager.import_sessions(sessions, format_name="json"):
        world.mark()


def prune(world: World, env: Environment, *, purge: bool = False) -> None:
    manager = env.session_manager
    for one in manager.prune(manager.prunable(Criteria(before=START)).chosen, purge=purge):
        assert one.failure is None, one
        world.mark()


def repair(world: World, env: Environment) -> None:
    for one in examine(Store(world.root, START + timedelta(days=1)), repair=True):
        assert one.failed is None, one
        world.mark()


def restore_backup(world: World, env: Environment) -> None:
    backups = env.session_manager.backups
    assert backups.restore(backups.list(ALPHA)[-1]).changed


def configure_user(world: World, env: Environment) -> None:
    SettingsFile(f"{world.base}/home/.config/po/config.toml").store(setting("backup.keep"), "7")


def export(world: World, *args: str) -> None:
    world.po("--root", world.root, "session", "export", *args)


Step = Callable[[World, Environment], object]

VERBS: dict[str, Step] = {
    "create": lambda world, env: env.session_manager.create("greeter", "New"),
    "ensure": lambda world, env: env.session_manager.ensure("reader", "Default"),
    "append": append,
    "append much": lambda world, env: append(world, env, LONG, "much " * 1200),
    "append to a torn end": lambda world, env: append(world, env, TORN),
    "rename": lambda world, env: env.session_manager.rename(summary(env, ALPHA), "Other"),
    "delete": lambda world, env: env.session_manager.delete(summary(env, BETA)),
    "delete the current one": lambda world, env: env.session_manager.delete(summary(env, ALPHA)),
    "purge": lambda world, env: env.session_manager.delete(summary(env, ALPHA), purge=True),
    "delete a damaged one": lambda world, env: world.po("--root", world.root, "session", "delete", OTHER),
    "restore a damaged one": lambda world, env: world.po("--root", world.root, "trash", "restore", OTHER),
    "undo": lambda world, env: env.session_manager.undo(summary(env, ALPHA)),
    "cut from the middle": lambda world, env: env.session_manager.storage.cut(ALPHA, 1, 2, NOW),
    "restore": lambda world, env: env.session_manager.trash.restore(entry(env, "deleted")),
    "restore under another name": lambda world, env: env.session_manager.trash.restore(entry(env, "deleted"), "Back"),
    "restore messages": lambda world, env: env.session_manager.trash.restore(entry(env, "undone")),
    "restore messages as a session": lambda world, env: env.session_manager.trash.restore(entry(env, "undone"), "Back"),
    "duplicate": lambda world, env: env.session_manager.duplicate(summary(env, LONG), to="reader"),
    "adopt": lambda world, env: env.session_manager.adopt(summary(env, ALPHA), "reader"),
    "import": import_,
    "switch": lambda world, env: env.session_manager.switch(summary(env, BETA)),
    "rename a prompt object": lambda world, env: env.rename_prompt_object("greeter", "host"),
    "delete a prompt object": lambda world, env: env.delete_prompt_object("reader"),
    "create a prompt object": lambda world, env: env.definitions.create(Definition("new")),
    "empty the trash": lambda world, env: env.session_manager.trash.empty(),
    "prune": prune,
    "prune for good": lambda world, env: prune(world, env, purge=True),
    "back up": lambda world, env: env.session_manager.backups.create(ALPHA),
    "restore a backup": restore_backup,
    "receive": receive,
    "retry": retry,
    "compact": compact,
    "take back a summary": lambda world, env: env.session_manager.forget_summary(summary(env, BETA)),
    "configure": lambda world, env: environments_file(world.root).store(setting("backup.keep"), "7"),
    "configure no more": lambda world, env: environments_file(world.root).store(setting("backup.keep"), None),
    "configure for the user": configure_user,
    "export": lambda world, env: export(world, ALPHA, "-o", f"{world.base}/out/x.md"),
    "export again": lambda world, env: export(world, BETA, "-o", f"{world.base}/out/x.md", "--force"),
    "export into a new directory": lambda world, env: export(world, ALPHA, BETA, "-o", f"{world.base}/out/a/b/"),
    "list": lambda world, env: list(env.session_manager.list()),
    "init": lambda world, env: Environment.create(world.root),
    "first send of all": lambda world, env: world.po("send", "greeter", "Hello there."),
    "repair": repair,
}
LEFT = {
    **{name: "trash" for name in VERBS if name.startswith("restore") and name != "restore a backup"},
    "back up": "backup",
    "receive": "backup",
}
"""What a verb takes away last and may come back: an entry that was restored, a backup of which there are enough."""


@dataclass(frozen=True)
class Scenario:
    """Verbs that are done one after the other, each by a command of its own."""

    begins: Callable[[World], None]
    verbs: tuple[str, ...]

    @property
    def root(self) -> str:
        """The environment, below the base."""
        return "home/.prompt_objects" if self.verbs[0] == "first send of all" else "work/.prompt_objects"

    @property
    def may_come_back(self) -> set[str]:
        return {LEFT[verb] for verb in self.verbs if verb in LEFT}

    def run(self, world: World) -> None:
        for verb in self.verbs:
            env = world.env()
            VERBS[verb](world, env)
            world.mark()
            env.session_manager.storage.close()


_APART = {
    *("init", "first send of all", "repair", "take back a summary", "configure no more", "export again"),
    *("delete a damaged one", "restore a damaged one"),
}
_SET_ASIDE = {"empty the trash", *(name for name in VERBS if name.startswith("restore"))}
_FIRST = [name for name in VERBS if name not in _APART | _SET_ASIDE and not name.startswith(("export", "list", "conf"))]
_NEW = ["create", "ensure", "import", "receive", "create a prompt object", "delete a prompt object", "configure"]
SCENARIOS = {
    **{name: Scenario(used, (name,)) for name in VERBS if name not in _APART},
    **{f"first {name}": Scenario(fresh, (name,)) for name in _FIRST},
    **{f"{name}, in a new environment": Scenario(made, (name,)) for name in _NEW},
    **{name: Scenario(nothing, (name,)) for name in ("init", "first send of all")},
    "repair": Scenario(damaged, ("repair",)),
    "repair a torn end": Scenario(fresh, ("repair",)),
    **{
        ", ".join(verbs): Scenario(begins, tuple(verbs))
        for begins, *verbs in (
            (nothing, "init", "create"),
            (made, "ensure", "receive"),
            (made, "create", "delete a prompt object"),
            (fresh, "delete", "restore"),
            (fresh, "delete", "empty the trash"),
            (fresh, "delete", "create", "append to a torn end"),
            (broken, "delete a damaged one", "restore a damaged one"),
            (fresh, "undo", "restore messages"),
            (fresh, "undo", "undo"),
            (fresh, "back up", "append", "restore a backup"),
            (fresh, "prune", "restore"),
            (fresh, "prune", "empty the trash"),
            (fresh, "append", "append", "append"),
            (fresh, "append", "list", "append much"),
            (fresh, "import", "delete"),
            (fresh, "rename a prompt object", "append"),
            (fresh, "compact", "take back a summary"),
            (fresh, "configure", "configure no more"),
            (used, "export", "export again"),
            (used, "delete", "restore"),
            (used, "restore", "purge", "append much"),
        )
    },
}
