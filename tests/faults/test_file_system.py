"""What file systems, other programs and clocks do to a store, through the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.builders import assistant, user
from support.running import command
from support.selection import sampled

from po_sessions import folders
from po_sessions.environment import Environment
from po_sessions.message import Message
from po_sessions.pointers import PointerFile
from po_sessions.session import Session
from po_sessions.storage import load, open_storage

IDS = [f"01ARZ3NDEKTSV4RRFFQ6900{number:03}" for number in range(6)]
TEA, COFFEE, EMPTY, GONE, UNANSWERED, ORPHAN = IDS
NOW = "2025-01-03T10:00:00.000Z"
READING = [
    ["session", "list"],
    ["session", "list", "--all", "--json"],
    ["session", "show"],
    ["session", "show", COFFEE, "--last"],
    ["session", "current"],
    ["session", "path"],
    ["session", "export"],
    ["session", "export", "--all"],
    ["session", "prune", "--older-than", "1d", "--all"],
    ["send", "greeter", "Hello", "--dry-run"],
    ["send", "greeter", "Hello", "--no-save"],
    ["trash", "list"],
    ["backup", "list", "--all"],
    ["object", "list"],
    ["object", "show", "greeter"],
    ["status"],
    ["config", "list"],
]
WRITING = [
    ["send", "greeter", "Hello"],
    ["send", "greeter", "Hello", "--new"],
    ["session", "new", "New", "--po", "greeter"],
    ["session", "ensure", "Sure", "--po", "greeter"],
    ["session", "switch", COFFEE],
    ["session", "rename", TEA, "Green tea"],
    ["session", "duplicate", TEA],
    ["session", "undo", TEA],
    ["session", "retry", UNANSWERED],
    ["session", "import", "one.json"],
    ["session", "adopt", ORPHAN, "--po", "reader"],
    ["session", "delete", COFFEE],
    ["session", "delete", COFFEE, "--purge", "--yes"],
    ["session", "prune", "--before", "2999-01-01", "--all", "--yes"],
    ["backup", "create", TEA],
    ["backup", "restore", TEA],
    ["trash", "restore", GONE],
    ["trash", "empty", "--yes"],
    ["object", "new", "tutor"],
    ["object", "rename", "greeter", "host"],
    ["object", "delete", "reader"],
    ["object", "switch", "reader"],
]


def fill(root: Path) -> None:
    """Make an environment with something for each verb to do."""
    Environment.create(root)
    store = open_storage("files", root=str(root))
    for id, name in zip(IDS, ("Tea", "Coffee", "Empty", "Gone", "Unanswered", "Orphan"), strict=True):
        history = () if id == EMPTY else (user("one"), assistant("two"), user("three"), assistant("four"))
        owner = "nobody" if id == ORPHAN else "greeter"
        store.create(Session(id, name, owner, NOW, NOW, history[:3] if id == UNANSWERED else history))
    store.back_up(TEA, NOW)
    store.append(TEA, Message("user", "after the backup", NOW))
    store.append(TEA, Message("assistant", "yes", NOW))
    store.delete(GONE, NOW)
    PointerFile(str(root)).change(lambda state: state.with_po("greeter").with_session("greeter", TEA))
    store.close()
    Path("one.json").write_text(json.dumps(Session(GONE[:-1] + "9", "In", "reader", NOW, NOW, (user("x"),)).to_dict()))


def said(root: Path) -> set[str]:
    """Return all messages that are anywhere in an environment."""
    store = open_storage("files", root=str(root))
    held = [store.load(one.id) for one in store.list()]
    held += [store.trashed(one.id) for one in store.trash()]
    held += [store.backed_up(id) for id in store.backup_ids()]
    return {f"{one.id} {message.content}" for one in held for message in one.history}


def tree(root: Path) -> dict[str, bytes]:
    """Return what all files hold, but the locks."""
    files = [path for path in root.rglob("*") if path.is_file() and ".locks" not in path.parts]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small memory disk with an environment, which is `$PO_ROOT`."""
    path = tmp_path / "disk"
    path.mkdir()
    if os.geteuid() or mount(path, "-t", "tmpfs", "-o", "size=600k", "tmpfs").returncode:
        pytest.skip("this machine mounts no memory disk for us")
    try:
        root = path / ".prompt_objects"
        fill(root)
        monkeypatch.setenv("PO_ROOT", str(root))
        yield root
    finally:
        folders.let_go(str(path))
        subprocess.run(["umount", str(path)], check=True)


def mount(path: Path, *args: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["mount", *args, str(path)], capture_output=True, check=False)


def refused(code: int, stderr: str) -> None:
    """See that a command could not write, and said so in a sentence with a hint."""
    assert code == 9, stderr
    sentence, hint = stderr.splitlines()[-2:]
    assert sentence.startswith("po: "), stderr
    assert hint, stderr


def test_a_read_only_store(disk, po, backend):
    before = tree(disk)
    assert mount(disk.parent, "-o", "remount,ro").returncode == 0
    for args in READING:
        result = po(*args)
        assert (result.exit_code, result.stderr) == (0, ""), args
    for args in WRITING:
        result = po(*args)
        refused(result.exit_code, result.stderr)
        assert "Read-only file system" in result.stderr, args
    assert tree(disk) == before


@pytest.mark.slow
def test_a_store_without_permission(root, po, po_process, tmp_path):
    """Not even root may do what `setpriv` takes from it."""
    fill(root)
    found = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"]
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("there is no setpriv")
    before, prefix = tree(root), found if os.geteuid() == 0 else []
    directories = [root, *(path for path in root.rglob("*") if path.is_dir())]
    files = [path for path in root.rglob("*") if path.is_file()]

    def run(*args: str) -> Any:
        return subprocess.run([*prefix, *command(), *args], capture_output=True, text=True, check=False)

    for path in [*directories, *files]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        for args in READING:
            done = run(*args)
            assert (done.returncode, done.stderr) == (0, ""), args
        for args in WRITING:
            done = run(*args)
            refused(done.returncode, done.stderr)
            assert "Permission denied" in done.stderr, args
        for path in files:
            path.chmod(0)
        for args in (["session", "show", TEA], ["session", "export", TEA], ["status"], ["object", "show", "greeter"]):
            done = run(*args)
            assert (done.returncode, done.stdout) == (7, ""), args
            assert "Permission denied" in done.stderr
        done = run("session", "list", "--all", "--json")
        assert (done.returncode, done.stdout) == (0, "[]\n")  # each is named instead
        assert all(id in done.stderr for id in IDS if id != GONE)
    finally:
        for path in [*directories, *files]:
            path.chmod(0o700 if path.is_dir() else 0o600)
    assert tree(root) == before


@pytest.mark.parametrize("args", sampled(WRITING, every=6), ids=" ".join)
def test_a_full_disk(args, disk, po, backend):
    """Nothing that makes room is refused; the rest is, loses nothing, and works when there is room again."""
    before = said(disk)
    state = PointerFile(str(disk)).read()
    ballast = disk.parent / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(b"\0" * 4096):
            pass
    result = po(*args)
    makes_room = args[1:2] == ["empty"] or "--purge" in args
    if result.exit_code:
        refused(result.exit_code, result.stderr)
        assert "No space left on device" in result.stderr
        assert not makes_room
    elif not makes_room:  # it needed none
        assert args[:2] in (["session", "delete"], ["session", "prune"], ["trash", "restore"], ["object", "delete"])
    if not makes_room:
        assert said(disk) >= before
    reading = [po("session", "show", TEA, "--po", "greeter"), po("session", "list", "--all"), po("status")]
    assert [one.exit_code for one in reading] == [0, 0, 0]
    if result.exit_code:
        assert PointerFile(str(disk)).read() == state
    ballast.unlink()
    if result.exit_code:
        again = po(*args)
        assert (again.exit_code, again.stderr) == (0, "")
        assert said(disk) >= before
    assert [path for path in disk.rglob("*.tmp") if path.is_file()] == []


def test_a_root_behind_symbolic_links(tmp_path, po, backend, monkeypatch):
    real = tmp_path / "real" / ".prompt_objects"
    fill(real)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / ".prompt_objects").symlink_to(real)
    (tmp_path / "link").symlink_to(tmp_path / "project")
    for root in (tmp_path / "link", tmp_path / "link" / ".prompt_objects"):
        assert po("--root", str(root), "send", "greeter", "Hello").stdout == "Hello\n"
        assert po("--root", str(root), "session", "show", "--last").stdout == "Hello\n"
    monkeypatch.chdir(tmp_path / "project")
    for args in [*READING, *WRITING]:
        args = [arg.replace("one.json", str(tmp_path / "work" / "one.json")) for arg in args]
        result = po(*args)
        assert result.exit_code in (0, 3, 4, 5), (args, result.stderr)  # what an earlier verb took away is gone
    assert (tmp_path / "project" / ".prompt_objects").is_symlink()
    assert (real / "deletions.log").exists()


@pytest.mark.parametrize("args", sampled(WRITING, every=6), ids=" ".join)
def test_a_hard_linked_snapshot_stays_as_it_is(args, root, po, backend, tmp_path):
    """As `cp -al` and `rsync --link-dest` make them: what is written in place would change both."""
    fill(root)
    torn = root / "sessions" / f"{EMPTY}.json"
    torn.write_bytes(torn.read_bytes()[:-10])
    snapshot = tmp_path / "snapshot"
    shutil.copytree(root, snapshot, copy_function=os.link)
    before = tree(snapshot)
    for verb in (args, ["session", "rename", EMPTY, "Mended"], ["session", "list", "--all"]):
        result = po(*verb)
        assert result.exit_code in (0, 3), result.stderr
    assert tree(snapshot) == before
    assert tree(root) != before


SLOW = '{"says": "a b c d", "delay": 0.3}'


@pytest.fixture
def asking(root, monkeypatch) -> Iterator[subprocess.Popen[str]]:
    """A `po` that has stored a message in TEA and waits for a slow reply."""
    fill(root)
    monkeypatch.setenv("PO_TEST_SCRIPT", SLOW)
    child = subprocess.Popen(
        [*command(), "send", "greeter", "Held"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    store, end = open_storage("files", root=str(root)), time.monotonic() + 20
    while store.summary(TEA).message_count < 7:
        assert time.monotonic() < end
        time.sleep(0.01)
    yield child
    child.kill()
    child.communicate()


@pytest.mark.parametrize("layout", ["lines", "indented"])
def test_an_editor_replaces_a_session_that_is_in_a_turn(layout, asking, root, po):
    path = root / "sessions" / f"{TEA}.json"
    data = json.loads(path.read_bytes())
    data["history"][0]["content"] = "edited by hand"
    new = path.with_name(f".{path.name}.swp")
    if layout == "lines":
        new.write_bytes(path.read_bytes().replace(b'"one"', b'"edited by hand"'))
    else:
        new.write_text(json.dumps(data, indent=2))
    new.rename(path)
    out, err = asking.communicate()
    assert (asking.returncode, out, err) == (0, "a b c d\n", "")
    stored = [message["content"] for message in json.loads(path.read_bytes())["history"]]
    assert stored == ["edited by hand", "two", "three", "four", "after the backup", "yes", "Held", "a b c d"]
    assert po("session", "list", "--json").exit_code == 0


def test_an_editor_takes_a_session_away_that_is_in_a_turn(asking, root, po):
    """The reply has nowhere to go, so it is shown, and told."""
    path = root / "sessions" / f"{TEA}.json"
    path.rename(root / "aside.json")
    out, err = asking.communicate()
    assert (asking.returncode, out) == (9, "a b c d\n")
    assert "The reply could not be stored" in err
    (root / "aside.json").rename(path)
    shown = po("session", "show", TEA).stdout
    assert "Held" in shown
    assert "Interrupted" in shown


def test_a_sync_client_brings_back_older_files_meanwhile(asking, root, po):
    index, state = root / "sessions" / "index.json", root / "state.toml"
    old = index.read_bytes(), state.read_bytes()
    assert po("session", "new", "Between", "--po", "greeter", "--switch").exit_code == 0
    for path, data in zip((index, state), old, strict=True):
        path.with_suffix(".part").write_bytes(data)
        path.with_suffix(".part").rename(path)
    assert asking.communicate() == ("a b c d\n", "")
    listed = json.loads(po("session", "list", "--json").stdout)
    assert {one["name"]: one["message_count"] for one in listed} == {
        "Between": 0,
        "Tea": 8,
        "Coffee": 4,
        "Empty": 0,
        "Unanswered": 3,
    }
    assert [one["updated_at"] for one in listed] == sorted((one["updated_at"] for one in listed), reverse=True)
    assert po("status").stdout == "greeter: Tea (8 msgs)\n"  # the pointers are what the other machine says


def test_a_conflict_copy_of_a_sync_client_is_told_and_left_alone(root, po):
    fill(root)
    copy = root / "sessions" / f"{TEA} (conflicted copy).json"
    shutil.copy(root / "sessions" / f"{TEA}.json", copy)
    twin = root / "sessions" / f"{GONE}.json"
    shutil.copy(root / "sessions" / f"{TEA}.json", twin)
    result = po("session", "list", "--ids")
    assert (result.exit_code, sorted(result.stdout.split())) == (0, sorted([TEA, COFFEE, EMPTY, UNANSWERED]))
    assert len(result.stderr.splitlines()) == 2
    assert str(copy) in result.stderr
    assert str(twin) in result.stderr
    assert copy.read_bytes() == twin.read_bytes()


def test_a_clock_that_goes_back(root):
    now = datetime(2025, 6, 1, 12, tzinfo=UTC)
    env = Environment.open(root, clock=lambda: now)
    manager = env.session_manager
    first = manager.create("greeter", "first")
    manager.append(first.id, Message("user", "a", manager.now()))
    late = manager.append(first.id, Message("assistant", "b", manager.now())).updated_at
    now -= timedelta(days=400)
    made = [manager.create("greeter") for _ in range(50)]
    assert len({one.id for one in [first, *made]}) == 51
    times = [late]
    for number in range(3):
        now -= timedelta(hours=1)
        times.append(manager.append(first.id, Message("user", str(number), manager.now())).updated_at)
    assert times == [late] * 4
    for _ in range(2):
        assert next(iter(manager.list())).id == first.id
        manager.storage.close()
    assert load(manager.storage, first.id).updated_at == late
    assert len({manager.backups.create(first.id).id for _ in range(4)}) == 4
    for _ in range(4):
        manager.backups.create(first.id)
    assert len(manager.backups.list(first.id)) == 5
    entries = [manager.undo(manager.find(first.id, None))[1] for _ in range(3)]
    assert len(set(entries)) == 3
    from po_sessions.sessions.pruning import Criteria

    week = Criteria(older_than=timedelta(days=7))
    assert manager.prunable(week).chosen == []
    now += timedelta(days=6)
    assert manager.prunable(week).chosen == []
    assert manager.prunable(Criteria(empty=True)).chosen != []


def test_a_clock_that_goes_back_between_commands(root, po_process):
    if not shutil.which("faketime"):
        pytest.skip("there is no faketime")

    def at(moment: str, *args: str) -> str:
        done = subprocess.run(["faketime", moment, *command(), *args], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def listed() -> list[tuple[str, str]]:
        shown = json.loads(at("2024-01-02 12:00:00", "session", "list", "--json"))
        return [(one["name"], one["updated_at"][:13]) for one in shown]

    assert at("2025-06-01 12:00:00", "send", "greeter", "One") == "One\n"
    assert at("2025-06-01 06:00:00", "send", "greeter", "Two") == "Two\n"
    at("2024-01-01 12:00:00", "session", "new", "Older", "--po", "greeter")
    assert listed() == [("Default", "2025-06-01T12"), ("Older", "2024-01-01T12")]
    # More than a day ahead of the clock, the time of the last turn gives way.
    assert at("2024-01-01 13:00:00", "send", "greeter", "Three") == "Three\n"
    assert listed() == [("Default", "2024-01-01T13"), ("Older", "2024-01-01T12")]
    at("2024-01-03 12:00:00", "session", "prune", "--older-than", "7d", "--all", "--yes")
    assert len(at("2024-01-03 12:00:00", "session", "list", "--ids").split()) == 2


HOSTILE = ["greeter", "../../../../../../etc/cron.d/x", "/etc/passwd", "a\x1b]0;owned\x07b", "x" * 5000, "host"]


@pytest.fixture
def cloned(tmp_path: Path) -> Path:
    """An environment that came with somebody else's files, found from the working directory."""
    root = tmp_path / "work" / ".prompt_objects"
    fill(root)
    (tmp_path / "secret").write_text("SECRET")
    (root / "config.toml").write_text(
        'model = "gguf:/evil.gguf"\n[backup]\nkeep = 0\n[keys]\nopenai = "sk-evil"\n[openai]\napi_base = "http://evil"\n'
    )
    (root / "objects" / "link.md").symlink_to(tmp_path / "secret")
    (root / "objects" / "file.md").write_text("---\nmodel: gguf:/evil.gguf\n---\nHi\n")
    (root / "objects" / "out.md").write_text("---\nname: ../../secret\n---\nHi\n")
    return root


def everything_around(root: Path, tmp_path: Path) -> dict[str, bytes]:
    """Return all files outside an environment."""
    return {name: data for name, data in tree(tmp_path).items() if str(root.relative_to(tmp_path)) not in name}


@pytest.mark.parametrize("why", ["owner", "group", "others"])
def test_an_environment_that_others_can_write_is_refused_unless_it_is_named(why, cloned, po, backend):
    if why == "owner":
        if os.geteuid():
            pytest.skip("only root can give a directory away")
        os.chown(cloned, 12345, 12345)
    else:
        cloned.chmod(0o770 if why == "group" else 0o707)
    before = tree(cloned)
    for args in [*READING, *WRITING]:
        if args[0] != "config":
            result = po(*args)
            assert (result.exit_code, result.stdout) == (2, ""), args
            assert "is not used unasked" in result.stderr
            assert f"--root {cloned}" in result.stderr
    assert tree(cloned) == before
    assert po("session", "list", "--root", str(cloned)).exit_code == 0


def test_a_cloned_environment_chooses_no_model_no_key_and_no_file(cloned, po, backend, tmp_path):
    before = everything_around(cloned, tmp_path)
    for args in (["send", "greeter", "Hello"], ["send", "greeter", "x", "--dry-run"], ["config", "list"]):
        refused = po(*args)
        assert (refused.exit_code, "gguf" in refused.stdout) == (2, False)
        assert "config.toml names a model file" in refused.stderr
    assert po("config", "unset", "--environment", "model").exit_code == 0
    assert po("send", "greeter", "Hello").stdout == "Hello\n"
    assert [(one["model"], one["key"]) for one in backend.asked] == [("smollm2", None)]
    for args in (["object", "show", "link"], ["send", "link", "Hello"], ["send", "link", "x", "--dry-run"]):
        result = po(*args)
        assert (result.exit_code, "SECRET" in result.output) == (7, False)
    refused_model = po("send", "file", "Hello")
    assert refused_model.exit_code == 2
    assert "only you can choose one" in refused_model.stderr
    assert po("object", "show", "../../secret").exit_code in (2, 3)
    listed = po("object", "list")
    assert (listed.exit_code, "SECRET" in listed.output) == (0, False)
    assert everything_around(cloned, tmp_path) == before


@pytest.mark.parametrize("name", HOSTILE)
def test_pointers_that_lead_elsewhere(name, cloned, po, backend, tmp_path):
    before = everything_around(cloned, tmp_path)
    told = json.dumps(name)
    (cloned / "state.toml").write_text(
        f"current = {told}\n[sessions.{told}]\ncurrent = {told}\nprevious = {told}\n"
        f'[sessions.greeter2]\ncurrent = "../../secret"\n'
    )
    for args in (["status"], ["session", "current"], ["session", "show"], ["session", "export"], ["session", "list"],
                 ["session", "current", "--all"], ["session", "path"], ["send", ".", "x"], ["session", "undo"],
                 ["session", "delete", "@current"], ["session", "switch", "-"], ["backup", "create"],
                 ["session", "new", "N", "--po", "."], ["object", "rename", ".", "y"], ["object", "delete", "."],
    ):  # fmt: skip
        result = po(*args)
        assert result.exit_code in (0, 2, 3, 4, 7), (args, result.output)
        assert "SECRET" not in result.output
    assert everything_around(cloned, tmp_path) == before


@pytest.mark.parametrize("old", HOSTILE)
@pytest.mark.parametrize("new", sampled(HOSTILE, every=3))
def test_a_renaming_that_somebody_else_began(old, new, cloned, po, backend, tmp_path):
    before = everything_around(cloned, tmp_path)
    (cloned / "sessions" / ".rename").write_text(json.dumps({"version": 1, "old": old, "new": new}))
    fine = {"greeter", "host"} >= {old, new}
    for args in (["session", "list", "--all", "--ids"], ["status"], ["session", "show", TEA, "--po", "host"]):
        result = po(*args)
        assert result.exit_code in ((0, 3) if fine else (7,)), (args, result.output)
    assert everything_around(cloned, tmp_path) == before
    assert len(open_storage("files", root=str(cloned)).find("")) == 5
