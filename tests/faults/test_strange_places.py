"""Something strange in each place of an environment, through every verb: nothing outside of the environment changes.

An environment may have come with a repository, so a link in it, or a second name of a file, may lead anywhere; and
what it is made of may be changed while a verb runs. `PO_TEST_ALL_FAULTS=1` tries everything that can lie in a place
with everything that `po` can be asked; else it is a sample, each time the same.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator

import pytest
from support.running import command
from support.selection import sampled, slow_but
from support.strange import PRIVATE, Result, Snapshot, World
from support.strange_kinds import LINKS, NO_DIRECTORY, OF_ANOTHER, Swap, kinds, link
from support.strange_verbs import ALPHA, DIRECTORIES, PLACES, READS, VERBS
from support.terminal import on_terminal

from po_sessions import models

ALL = bool(os.environ.get("PO_TEST_ALL_FAULTS"))


def named(*beginnings: str) -> set[str]:
    return {name for name in VERBS if name.startswith(beginnings)}


TURNS = {*("send", "send, torn", "send, new", "send, create", "send, stdin", "send, key", "retry", "compact")}
SLASHED = named("/")
MAKES = {*("/session new", "new", "new, switch", "ensure")}
TRASHES = {
    *("delete", "delete, several", "/session delete", "undo", "compact, undo", "object delete", "backup restore"),
    *("prune, yes", "prune, empty", "prune, size"),
    "send, torn",  # what is left of a write that was cut
}
CHANGES = (
    (named("delete", "duplicate", "trash restore", "backup restore") | TURNS | MAKES | TRASHES) - {"object delete"}
    | {*("/session rename", "/session switch", "switch", "switch, back", "rename", "adopt", "import", "prune, purge")}
    | {*("object switch", "object rename")}
)
ANYWHERE = named("config", "model", "completion", "complete ", "init") | {"status, fast", "list, fast"}
"""What needs no directory of an environment: settings, models, and what may always answer with nothing."""

REFUSED: dict[str, set[str]] = {
    # Each reads or changes a session, or the pointers, whose lock is there too.
    "sessions": set(VERBS)
    - ANYWHERE
    - named("object", "trash list", "trash empty", "backup list", "send, no save")
    - {"doctor", "doctor --repair"}
    | {"object switch", "object rename"},
    # Each holds a lock while it changes something. Reading takes none.
    "sessions/.locks": CHANGES,
    # Each puts something there or takes something out; the rest of an environment does not depend on it.
    "trash": TRASHES | named("trash"),
    # A turn makes a copy only where it can, and goes on without.
    "backups": named("backup"),
    # The copies of one session; those of the others are elsewhere.
    f"backups/{ALPHA}": {"backup list", "backup restore", "backup restore, as", "backup create, all"},
    # Only a repair puts something there.
    "quarantine": set(),
    # Each needs what a prompt object says, or that there is one; what has been said can be read and moved without.
    "objects": TURNS | MAKES | named("object") | {*("ensure, there", "duplicate, to", "adopt")} | named("send, "),
    "templates": set(),
}
"""Which verbs end with 7 where a directory is none of ours, since they need it."""

EITHER: dict[str, set[str]] = {
    # Half of a renaming may stand in it (`.rename`), so even a prompt object's name is not sure without;
    # what is in the trash or a backup can be told, but not whether its session is still there.
    "sessions": named("object", "trash list", "trash empty", "backup list", "send, no save", "init", "config")
    - {"object rename", "object switch"},
    # What was seen of the session files is kept there, so a look at them may have to be made anew each time, or not.
    "sessions/.locks": (READS | named("trash", "backup", "object delete", "object new", "ensure, there"))
    - ANYWHERE
    - CHANGES
    - named("trash list", "backup list, all", "object list", "object show", "object path"),
    # A prompt object's new name is also written into what lies in the trash.
    "trash": {"object rename"},
    # The copies of what goes for good go with it; leaving them, or both, are ways to be safe.
    "backups": {"delete, purge", "prune, purge", "trash empty", "trash empty, old"},
    f"backups/{ALPHA}": {"backup list, all", "delete, purge", "prune, purge"},
    "quarantine": set(),
    # Whether a session is orphaned is not known; what stands behind `send PO` belongs to the prompt object PO.
    "objects": named("list", "prune", "status", "init", "switch") | SLASHED - MAKES,
    "templates": set(),
}
"""Which verbs may do either: end with 7, or do what they always do. All others do not need the directory, and work."""
assert all(not REFUSED[place] & EITHER[place] for place in DIRECTORIES)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("strange"))


@pytest.fixture
def world(built: World, backend: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The environment in the working directory, found from there."""
    monkeypatch.setenv("HOME", str(built.home))
    monkeypatch.chdir(built.clone)
    monkeypatch.delitem(models.BACKENDS, "llm")  # whose plugins take longer to load than all the rest
    for name in ("fsync", "fdatasync"):  # no power is cut here
        monkeypatch.setattr(os, name, lambda _: None)
    monkeypatch.setattr("po_sessions.doctor.index.PATIENCE", 0.05, raising=False)  # there is nobody to wait for
    built.options, built.cwd = (), built.clone
    yield built
    built.fresh()


@pytest.fixture(scope="module")
def usual(built: World) -> dict[str, Result]:
    """How each verb ends where nothing is strange; filled by `ends`."""
    return {}


@pytest.fixture
def ends(world: World, usual: dict[str, Result]) -> Callable[[str], int | None]:
    """Tell how a verb ends where nothing is strange."""

    def tell(name: str) -> int | None:
        if name not in usual:
            world.fresh()
            usual[name], wrong = world.meet(name, "")
            assert wrong == [], name
            assert usual[name].code == (1 if name.startswith("doctor") else 0), (name, usual[name])
        return usual[name].code

    return tell


def sample(things: list[str], at: int, number: int) -> list[str]:
    """Return all of the things in the long form, else some; all of them come up for one `at` or another."""
    return things if ALL else [things[(at * number + n) * 37 % len(things)] for n in range(number)]


def test_every_verb_does_what_it_does_where_nothing_is_strange(world, ends):
    for name in sample(list(VERBS), 0, 10):
        ends(name)


@pytest.mark.parametrize("place", sampled(PLACES, every=8))
def test_nothing_outside_changes_whatever_lies_in(place: str, world: World) -> None:
    wrong, first = [], sum(len(kinds(one)) for one in PLACES[: PLACES.index(place)])
    for at, (what, kind) in enumerate(kinds(place).items(), first):
        if not ALL and place not in DIRECTORIES and at % 2 and what != "a hard link":
            continue
        verbs = sample(list(VERBS), at, 1)
        if what in ("a hard link", "a link to a directory outside") and "doctor --repair" not in verbs:
            verbs.append("doctor --repair")
        clean = False
        for name in sorted(verbs, key=lambda name: name in READS):
            if not clean:
                world.put(place, kind)
            clean = name in READS  # none of which is different for what another has looked at
            result, found = world.meet(name, place)
            wrong += [f"{what}, {name} (exit {result.code}): {one}" for one in found]
    assert wrong == []


@pytest.mark.parametrize("place", slow_but(DIRECTORIES, "trash"))
def test_only_the_verbs_that_need_it_refuse_to_work_without(place, world, ends):
    if not (world.root / place).exists():
        pytest.skip("There is no such directory yet.")
    every = {**LINKS, **NO_DIRECTORY, **OF_ANOTHER}
    if not ALL:
        every = {what: every[what] for what in ("a link to a directory outside", "a file")}
    wrong = []
    for what, kind in every.items():
        if what not in kinds(place):
            continue
        for name in sample(sorted(set(VERBS) - named("doctor")), DIRECTORIES.index(place), 8):
            usually = ends(name)
            world.put(place, kind)
            result, _ = world.meet(name, place)
            if name in REFUSED[place] or (name in EITHER[place] and result.code == 7):
                found = world.refusal(place, result, is_link=what in LINKS)
            else:
                found = [] if result.code == usually else [f"exit {result.code}: {result.stderr[:200]}"]
            wrong += [f"{what}, {name}: {one}" for one in found]
    assert wrong == []


@pytest.mark.parametrize("place", slow_but(DIRECTORIES, "trash"))
def test_doctor_names_a_linked_directory_and_looks_at_nothing_behind_it(place, world):
    if not (world.root / place).exists():
        pytest.skip("There is no such directory yet.")
    for what in LINKS if ALL else list(LINKS)[:2]:
        for name in ("doctor", "doctor --repair"):
            world.put(place, LINKS[what])
            result, wrong = world.meet(name, place)
            assert (result.code, wrong) == (1, []), (what, name)
            found = json.loads(result.stdout)
            assert [one["kind"] for one in found if one["path"] == str(world.root / place) and one["fault"]] == [
                "symlink"
            ], (what, name)
            assert [one["path"] for one in found if one["path"].startswith(f"{world.root / place}/")] == [], what


@pytest.mark.parametrize("place", slow_but(DIRECTORIES, "trash"))
def test_doctor_names_what_is_not_a_directory_or_belongs_to_another_user(place, world):
    if not (world.root / place).exists():
        pytest.skip("There is no such directory yet.")
    for what, kind in kinds(place).items():
        if what in LINKS or (not ALL and what not in ("a file", "of another user")):
            continue
        world.put(place, kind)
        result, wrong = world.meet("doctor", place)
        assert (result.code, wrong) == (1, []), what
        faults = {one["path"]: one["kind"] for one in json.loads(result.stdout) if one["fault"]}
        assert faults.get(str(world.root / place)) == ("owner" if what in OF_ANOTHER else "not-a-file"), what


# Where a link is allowed


def works(
    world: World,
    ends: Callable[[str], int | None],
    names: list[str],
    put: Callable[[], object],
    may_change: set[str] | None = None,
) -> list[str]:
    """Return which verbs do not end as they do where nothing is strange, or change what only `may_change` may."""
    wrong = []
    for name in names:
        usually = ends(name)
        put()
        before = Snapshot.of(world.outside)
        result = world.ask(name)
        if result.code != usually:
            wrong.append(f"{name}: exit {result.code}: {result.stderr[:200]}")
        if may_change is not None and name not in may_change:
            wrong += [f"{name}: {one}" for one in before.changes(Snapshot.of(world.outside))]
    return wrong


def linked_root(world: World) -> None:
    world.fresh()
    world.root.rename(world.moved / "real")
    world.root.symlink_to(world.moved / "real")


def test_the_root_of_an_environment_may_be_a_link(world, ends):
    assert works(world, ends, sample(list(VERBS), 3, 10), lambda: linked_root(world)) == []


@pytest.mark.parametrize("how", ["--root", "$PO_ROOT", "home", "home, from below"])
def test_objects_may_be_a_link_where_the_environment_was_named_or_is_in_the_home_directory(
    how, world, ends, monkeypatch
):
    names = sorted(set(VERBS) - named("doctor", "init"))
    if not ALL:
        names = ["send", "object new", "object rename", "object delete", "list, fast", *sample(names, 5, 5)]
    for name in names:
        ends(name)
    if how == "--root":
        world.options = ("--root", str(world.root))
        world.cwd = world.top / "out"
    elif how == "$PO_ROOT":
        monkeypatch.setenv("PO_ROOT", str(world.root))
    else:
        monkeypatch.setenv("HOME", str(world.clone))
        world.cwd = world.clone if how == "home" else world.top / "out"
    changing = {"object new", "object rename", "object delete"}
    assert works(world, ends, names, lambda: world.put("objects", link), changing) == []


def test_doctor_changes_no_modes_behind_objects_that_may_be_a_link(world):
    world.options = ("--root", str(world.root))
    world.put("objects", link)
    result, wrong = world.meet("doctor --repair", "objects")
    assert wrong == []
    assert [one["kind"] for one in json.loads(result.stdout) if one["path"] == str(world.root / "objects")] in (
        [],
        ["symlink"],
    )


def test_no_other_directory_may_be_a_link_where_the_environment_was_named(world):
    world.options = ("--root", str(world.root))
    for place, name in (("trash", "trash list"), ("backups", "backup list, all"), ("sessions", "list, all")):
        world.put(place, link)
        result, wrong = world.meet(name, place)
        assert wrong + world.refusal(place, result, is_link=True) == [], place


ALLOWED = [place for place in DIRECTORIES if place not in ("quarantine", "templates")]


@pytest.mark.parametrize("place", slow_but(ALLOWED, "trash"))
def test_a_link_that_the_users_settings_name_is_followed(place, world, ends, monkeypatch):
    names = sorted((REFUSED[place] if ALL else set(sample(sorted(REFUSED[place]), 0, 4))) - named("doctor"))
    for name in names:
        ends(name)
    monkeypatch.setenv("PO_LINKS_ALLOW", os.pathsep.join([str(world.clone / "other"), str(world.root / place)]))
    assert works(world, ends, names, lambda: world.put(place, link)) == []


def test_links_are_allowed_by_the_users_file_and_not_by_the_environments(world, po):
    for place, name in (("trash", "trash list"), ("sessions", "show")):
        world.put(place, link)
        setting = f'[links]\nallow = "{world.root / place}"\n'
        (world.root / "config.toml").write_text(setting)
        result, wrong = world.meet(name, place)
        assert result.code not in (0, None, 70)
        assert wrong == []
        (world.root / "config.toml").write_text("")
        assert po("config", "set", "links.allow", str(world.root / place)).exit_code == 0
        assert world.ask(name).code == 0


def test_a_link_is_allowed_by_its_own_path_and_no_other(world, monkeypatch):
    world.put("trash", link)
    for value in (world.outside, world.outside / "there" / "trash", world.root, world.root / "backups", "trash"):
        monkeypatch.setenv("PO_LINKS_ALLOW", str(value))
        result, wrong = world.meet("trash list", "trash")
        assert (result.code, wrong) == (7, []), value


# What lies in the trash


def test_emptying_the_trash_leaves_alone_what_is_not_named_like_an_entry(world):
    world.fresh()
    trash = world.root / "trash"
    others = {
        *("thesis.txt", "notes.md", "greeter.12345678.txt", ".hidden", f"{ALPHA}.json", f"{ALPHA}.torn", "x.torn"),
        *(f"{ALPHA}.20250104.json", "a b.0a1b2c3d.md", f"../{ALPHA}.json".replace("/", "_"), "package.json"),
    }
    entries = {path.name for path in trash.iterdir()}
    for name in others:
        (trash / name).write_text("Mine.\n")
    (trash / "folder").mkdir()
    result, wrong = world.meet("trash empty", "trash")
    assert (result.code, wrong) == (0, [])
    assert len(entries) == 4
    assert {path.name for path in trash.iterdir()} == {*others, "folder"}


def test_emptying_the_trash_names_what_it_leaves(world):
    (world.root / "trash" / "thesis.txt").write_text("Mine.\n")
    code, shown = on_terminal("trash", "empty", "--yes")
    assert code == 0
    assert "thesis.txt" in shown


# What changes while a verb runs

SWAPPED = {
    "sessions": ["send", "new", "rename", "delete", "import", "doctor --repair"],
    "sessions/.locks": ["send", "new", "object rename", "doctor --repair"],
    "trash": ["trash empty", "delete", "undo", "trash restore", "object delete", "trash list", "doctor --repair"],
    "backups": ["backup create", "delete, purge", "backup restore", "doctor --repair"],
    f"backups/{ALPHA}": ["backup create, all", "prune, purge", "backup list", "doctor --repair"],
    "quarantine": ["doctor --repair"],
    "objects": ["object new", "object rename", "object delete", "object show", "doctor --repair"],
}
MOMENTS = 40 if ALL else 2
"""How many moments of each verb are tried."""


@pytest.mark.parametrize("place", slow_but(SWAPPED, "trash"))
def test_a_directory_that_becomes_a_link_while_a_verb_runs_leads_nowhere(place, world):
    wrong = []
    for at, name in enumerate(sorted(set(VERBS) - READS) if ALL else SWAPPED[place]):

        def ready() -> None:
            world.fresh()
            world.decoy(world.root / place)

        ready()
        counted = Swap(world, place)
        world.meet(name, place, counted.active())
        step = max(1, counted.number // MOMENTS)
        for due in range(at % step, counted.number, step):
            ready()
            result, found = world.meet(name, place, Swap(world, place, due).active())
            wrong += [f"{name} (exit {result.code}), before call {due} of {counted.number}: {one}" for one in found]
    assert wrong == []


# As processes

EARLY = [("sessions", "a fifo"), ("sessions", "a link to a directory outside"), ("state.toml", "a fifo")]
EARLY += [(place, what) for place in PLACES for what in kinds(place)] if ALL else []


@pytest.mark.parametrize(("place", "what"), EARLY)
def test_what_answers_early_neither_waits_nor_changes_anything(place, what, world):
    world.put(place, kinds(place)[what])
    before = world.around()
    for args in (["status"], ["session", "list"], ["__complete", "fish", "trash", "restore", ""]):
        done = subprocess.run(
            [*command(), *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False
        )
        assert done.returncode in (0, *range(2, 11)), (args, done.stderr)
        assert "Traceback" not in done.stderr
        assert PRIVATE not in done.stdout + done.stderr
    assert before.changes(world.around()) == []
