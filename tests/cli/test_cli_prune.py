"""`po session prune` and `po trash empty --older-than`: what they show, what they take, and what they never take."""

from __future__ import annotations

import json
import os
import random
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.builders import ULID, assistant, user
from support.running import PO, command
from support.terminal import on_terminal, plain

from po_sessions.session import Session
from po_sessions.storage import open_storage
from po_sessions.storage.files import codec
from po_sessions.text.times import timestamp

IDS = [f"{ULID[:-2]}{number:02}" for number in range(10)]


def ago(**length: float) -> str:
    return timestamp(datetime.now(UTC) - timedelta(**length))


@pytest.fixture
def store(root):
    return open_storage("files", root=str(root))


@pytest.fixture
def add(store):
    """Add a session of which nothing was heard for so many days; return its id."""

    def add(number: int, days: float, *, po_name: str = "greeter", messages: int = 2, **more) -> str:
        at, history = ago(days=days), (user("Hello"), assistant("Hi"))[:messages]
        store.create(Session(IDS[number], f"s{number}", po_name, at, at, history, **more))
        return IDS[number]

    return add


@pytest.fixture
def four(add, po):
    """The greeter's sessions of today and of 40 days ago, and an empty and a full one of the reader, 400 days old."""
    made = [add(0, 0.01), add(1, 40), add(2, 400, po_name="reader", messages=0), add(3, 400, po_name="reader")]
    assert po("object", "switch", "greeter").exit_code == 0
    return made


def tree(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != "seen"}


def prune(po, *args: str) -> dict:
    """Prune and return what is told of it."""
    result = po("session", "prune", *args, "--yes", "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def gone(told: dict) -> list[str]:
    return [one["id"] for one in told["sessions"]]


def kept(told: dict) -> dict[str, str]:
    return {one["id"]: one["reason"] for one in told["kept"]}


HINT = "Add --older-than 30d, --before DATE, --empty, --keep-last N or --max-size SIZE."


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ([], 2, f"po: Nothing says which sessions are to go.\n{HINT}"),
        (["--all", "--yes"], 2, "po: Nothing says which sessions are to go."),
        (["--older-than", "6m"], 2, "po: '6m' is not a length of time: 'm' could be minutes or months."),
        (["--older-than", "0d", "--yes"], 2, "po: '0d' cannot be used: it is zero."),
        (["--older-than", "-1d", "--yes"], 2, "po: '-1d' is not a length of time"),
        (["--older-than", "", "--yes"], 2, "po: '' is not a length of time"),
        (["--older-than"], 2, "po: Option '--older-than' requires an argument."),
        (["--before", "yesterday", "--yes"], 2, "po: 'yesterday' is not a date or time."),
        (["--before", "2025-02-30", "--yes"], 2, "po: '2025-02-30' is not a date or time."),
        (["--before", "20250101", "--yes"], 2, "po: '20250101' is not a date or time."),
        (["--before", "0001-01-01T00:00+14:00", "--yes"], 2, "po: '0001-01-01T00:00+14:00' is not a date or time."),
        (["--before", "2025-01-01", "--older-than", "1d"], 2, "po: --older-than and --before contradict each other."),
        (["--keep-last", "0", "--yes"], 2, "po: --keep-last 0 keeps nothing."),
        (["--keep-last", "-1", "--yes"], 2, "po: --keep-last -1 keeps nothing."),
        (["--keep-last", "x", "--yes"], 2, "po: Invalid value for '--keep-last'"),
        (["--max-size", "500", "--yes"], 2, "po: '500' is not an amount of bytes."),
        (["--max-size", "0B", "--yes"], 2, "po: '0B' is less than a byte."),
        (["--empty", "--po", "greeter", "--all"], 2, "po: --po and --all contradict each other."),
        (["--empty", "--po", "nobody"], 3, "po: No prompt object is named 'nobody'."),
        (["--empty", "--po", ""], 2, "po: The prompt object's name is empty."),
        (["--empty", "s1"], 2, "po: There are more arguments than it takes: s1."),
        (["--empty", "--tag", "x"], 2, "po: No such option"),
    ],
)
def test_errors_are_a_sentence_with_a_code_and_change_nothing(args, code, said, four, root, po):
    before = tree(root)
    result = po("session", "prune", *args)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith(said)
    assert len(result.stderr.splitlines()) >= 2
    assert tree(root) == before


def test_without_a_current_prompt_object_one_has_to_be_named(add, root, po):
    add(0, 40)
    result = po("session", "prune", "--older-than", "1d", "--yes")
    assert (result.exit_code, result.stderr.splitlines()) == (
        3,
        [
            "po: There is no current prompt object.",
            "Add --po PO, or --all to prune those of every prompt object.",
        ],
    )
    assert gone(prune(po, "--older-than", "1d", "--all")) == IDS[:1]


def test_without_a_yes_it_is_shown_and_nothing_is_changed(four, root, po):
    before = tree(root)
    result = po("session", "prune", "--older-than", "30d", "--all")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[0] for row in rows] == [IDS[2], IDS[3], IDS[1]]
    size = (root / "sessions" / f"{IDS[1]}.json").stat().st_size
    assert rows[2][1:4] == ["greeter", "s1", "2"]
    assert rows[2][5:] == [str(size), "idle for 40 days"]
    told = json.loads(po("session", "prune", "--older-than", "30d", "--all", "--json").stdout)
    assert (told["version"], told["done"], told["count"], gone(told)) == (1, False, 3, [row[0] for row in rows])
    assert told["bytes"] == sum(int(row[5]) for row in rows)
    assert told["command"] == "po session prune --older-than 30d --all --yes"
    assert tree(root) == before


def test_the_command_that_is_shown_does_what_was_shown(four, root, po, monkeypatch, tmp_path):
    code, shown = on_terminal("session", "prune", "--older-than", "30d", "--keep-last", "1")
    lines = plain(shown).splitlines()
    assert code == 0
    assert lines[0].split() == ["Id", "PO", "Name", "Msgs", "Last", "Size", "Why"]
    assert "idle for 40 days, not of the" in lines[1]
    assert "1 session (" in lines[2]
    shown_command = lines[2].partition("run '")[2].removesuffix("'.")
    assert shown_command == "po session prune --older-than 30d --keep-last 1 --po greeter --yes"
    monkeypatch.chdir(tmp_path)
    told = json.loads(
        po("--root", str(root), "session", "prune", "--before", "2099-01-01T10:00", "--purge", "--json").stdout
    )
    words = shlex.split(told["command"])
    assert words[:3] == ["po", "--root", str(root)]
    assert po(*words[1:]).exit_code == 0
    assert sorted(path.stem for path in (root / "sessions").glob("01*.json")) == IDS[2:4]


def test_pruned_sessions_are_in_the_trash_and_come_back(four, root, po):
    file = root / "sessions" / f"{IDS[1]}.json"
    before = file.read_bytes()
    result = po("session", "prune", "--older-than", "30d", "--yes")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")  # cron mails whatever is printed
    assert not file.exists()
    assert po("session", "list", "--ids").stdout.split() == IDS[:1]
    assert po("trash", "restore", IDS[1]).exit_code == 0
    assert file.read_bytes() == before


def test_on_a_terminal_it_is_told_what_was_done(four, po):
    code, shown = on_terminal("session", "prune", "--older-than", "30d", "--yes", "--all")
    assert (code, "Moved 3 sessions (" in plain(shown)) == (0, True)
    assert len(po("trash", "list", "--ids").stdout.split()) == 3
    code, shown = on_terminal("session", "prune", "--older-than", "30d", "--yes", "--all")
    assert (code, plain(shown).splitlines()[-1]) == (0, "Nothing was pruned.")
    assert on_terminal("session", "prune", "--older-than", "30d", "--yes", "--quiet") == (0, "")
    code, shown = on_terminal("session", "prune", "--older-than", "30d")
    assert plain(shown) == "There is nothing to prune.\n"


def test_purging_removes_for_good(four, root, po):
    told = prune(po, "--older-than", "30d", "--all", "--purge")
    assert (told["done"], told["count"], {one["trash_id"] for one in told["sessions"]}) == (True, 3, {None})
    assert not list(root.glob("trash/*"))
    assert po("session", "list", "--all", "--ids").stdout.split() == IDS[:1]


def test_nothing_to_prune_is_no_failure(four, po):
    told = prune(po, "--older-than", "10y", "--all")
    assert (told["count"], told["bytes"], told["sessions"], told["kept"]) == (0, 0, [], [])
    assert po("session", "prune", "--older-than", "10y").stdout == ""


def test_there_need_be_no_environment(po, tmp_path):
    assert prune(po, "--older-than", "1d", "--all")["count"] == 0
    assert not (tmp_path / "home" / ".prompt_objects").exists()


def test_criteria_combine(four, po):
    assert gone(prune(po, "--older-than", "30d", "--empty", "--all")) == [IDS[2]]


def test_the_newest_of_each_prompt_object_stay(add, po):
    for number in range(6):
        add(number, 100 - number, po_name=("greeter", "reader")[number % 2])
    assert gone(prune(po, "--older-than", "1d", "--keep-last", "2", "--all")) == IDS[:2]


def test_the_oldest_go_until_the_rest_fits(add, root, po):
    for number in range(5):
        add(number, 100 - number)
    size = (root / "sessions" / f"{IDS[0]}.json").stat().st_size
    told = prune(po, "--max-size", f"{3 * size}B", "--all")
    assert (gone(told), told["rest_bytes"]) == (IDS[:2], 3 * size)
    code, shown = on_terminal("session", "prune", "--max-size", "1B", "--older-than", "99d", "--all")
    assert (code, "What stays takes" in shown) == (0, True)


def test_an_empty_session_gets_an_hour(add, po):
    add(0, 0.5 / 24, messages=0)
    add(1, 2 / 24, messages=0)
    assert gone(prune(po, "--empty", "--all")) == [IDS[1]]
    assert gone(prune(po, "--empty", "--older-than", "1min", "--all")) == [IDS[0]]


def test_what_is_never_pruned(add, root, po):
    for number in range(9):
        add(number, 100)
    assert po("session", "switch", IDS[0]).exit_code == 0
    files = [root / "sessions" / f"{id}.json" for id in IDS]
    old = files[1].read_bytes()

    def write(number: int, data: bytes) -> None:
        files[number].write_bytes(data)

    write(1, old.replace(b'"metadata"', b'"pinned":true,"metadata"', 1))
    write(2, files[2].read_bytes().replace(b'"version":1', b'"version":2', 1))
    write(3, b"{")
    write(4, files[4].read_bytes()[:-40])  # its last write was cut
    write(5, json.dumps({"id": IDS[5], "name": "s5", "po_name": "greeter", "history": []}).encode())  # tells no time
    document = json.loads(files[6].read_bytes())
    document["history"][-1]["created_at"] = ago(hours=1)
    write(6, json.dumps(document, indent=2).encode())  # by hand: the last message is newer than the session says
    before = {file: file.read_bytes() for file in files[:9]}
    result = po("session", "prune", "--before", "2099-01-01", "--yes", "--json", "--all")
    told = json.loads(result.stdout)
    assert gone(told) == IDS[7:9]
    assert kept(told) == {
        IDS[0]: "current",
        IDS[1]: "pinned",
        IDS[2]: "of a newer version",
        IDS[4]: "cut in its last write",
        IDS[5]: "of unknown age",
        IDS[6]: "changed",
    }
    assert f"{files[3]} cannot be read" in result.stderr
    assert {file: file.read_bytes() for file in files[:7]} == {file: before[file] for file in files[:7]}
    assert not files[7].exists()


def test_a_session_that_is_damaged_inside_stays(add, root, po):
    file = root / "sessions" / f"{add(0, 100)}.json"
    assert po("session", "list", "--all").exit_code == 0
    damaged = file.read_bytes().replace(b'"Hello",', b'"Hel"lo,', 1)
    file.write_bytes(damaged)  # as long as it was, so the index still believes it
    told = prune(po, "--older-than", "1d", "--all", "--purge")
    assert (gone(told), kept(told)) == ([], {IDS[0]: "unreadable"})
    assert file.read_bytes() == damaged


def test_what_is_in_use_stays_without_waiting(add, po, po_process, store):
    add(0, 100)
    began = time.monotonic()
    with store.turn(IDS[0], "send"):
        done = po_process("session", "prune", "--older-than", "1d", "--all", "--yes")
        told = prune(po, "--older-than", "1d", "--all")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - began < 20
    assert kept(told) == {IDS[0]: "in use"}


def test_the_times_of_files_do_not_count(add, root, po):
    add(0, 0.01)
    add(1, 100)
    for number, moment in ((0, 0), (1, time.time() + 9e6)):
        os.utime(root / "sessions" / f"{IDS[number]}.json", (moment, moment))
    assert gone(prune(po, "--older-than", "30d", "--all")) == [IDS[1]]


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York", "Pacific/Kiritimati", "UTC"])
def test_an_age_is_the_same_in_every_zone(zone, add, po_process, monkeypatch):
    monkeypatch.setenv("TZ", zone)
    add(0, 0.5 / 24)
    add(1, 1.5 / 24)
    add(2, -1 / 24)
    done = po_process("session", "prune", "--older-than", "1h", "--all", "--yes", "--json")
    assert gone(json.loads(done.stdout)) == [IDS[1]]


@pytest.mark.parametrize(
    ("zone", "moment", "goes"),
    [
        ("UTC", "2025-03-01", False),
        ("Asia/Kolkata", "2025-03-01", False),
        ("America/New_York", "2025-03-01", True),
        ("America/New_York", "2025-03-01T00:00Z", False),
        ("Asia/Kolkata", "2025-03-01T05:31", True),
        ("Asia/Kolkata", "2025-03-01 05:30", False),
        ("UTC", "2025-03-01T05:31+05:30", True),
        ("UTC", "2025-03-01T05:30:00+0530", False),
        ("Europe/Berlin", "2025-07-01", True),
    ],
)
def test_a_moment_without_a_zone_is_local(zone, moment, goes, store, po_process, monkeypatch):
    monkeypatch.setenv("TZ", zone)
    at = "2025-03-01T00:00:00.000Z"
    store.create(Session(ULID, "s", "greeter", at, at))
    done = po_process("session", "prune", "--before", moment, "--all", "--json")
    assert bool(json.loads(done.stdout)["count"]) == goes


def test_a_clock_that_went_back_prunes_nothing(add, po):
    add(0, -400)
    add(1, -1 / 1440)
    for args in (["--older-than", "1s"], ["--before", "2999-01-01"], ["--keep-last", "1"], ["--max-size", "1B"]):
        assert gone(prune(po, *args, "--all")) == []


def test_ids_with_the_same_beginning_are_two_sessions(add, root, po):
    add(0, 100)
    add(1, 0.01)
    assert gone(prune(po, "--older-than", "30d", "--all")) == [IDS[0]]
    assert (root / "sessions" / f"{IDS[1]}.json").exists()


def test_pointers_that_cannot_be_read_stop_it(add, root, po):
    add(0, 100)
    (root / "state.toml").write_text("x = [")
    assert po("session", "prune", "--older-than", "1d", "--all", "--yes").exit_code == 7
    assert (root / "sessions" / f"{IDS[0]}.json").exists()


def test_a_store_that_cannot_be_written_is_one_error(add, root, po, monkeypatch):
    for number in range(3):
        add(number, 100)

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "link", fail)
        result = po("session", "prune", "--older-than", "1d", "--all", "--yes", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, gone(told), len(kept(told))) == (9, [], 3)
    assert json.loads(result.stderr)["error"]["message"].startswith("3 sessions could not be removed; the first: ")
    assert len(list((root / "sessions").glob("01*.json"))) == 3


@pytest.mark.parametrize("place", ["sessions/.locks", "trash"])
@pytest.mark.parametrize("kind", ["link", "file"])
def test_where_a_directory_is_none_of_ours_nothing_is_pruned(place, kind, add, root, po, tmp_path):
    for number in range(3):
        add(number, 100)
    path = root / place
    if path.exists():
        path.rename(tmp_path / "away")
    path.symlink_to(tmp_path) if kind == "link" else path.write_text("mine")
    result = po("session", "prune", "--older-than", "1d", "--all", "--yes")
    assert result.exit_code == 7
    assert str(path) in result.stderr
    assert len(list((root / "sessions").glob("01*.json"))) == 3


@pytest.mark.parametrize("target", ["/dev/full", "closed"])
def test_an_output_that_cannot_be_written_is_told_after_the_work(target, add, root):
    add(0, 100)
    shell = f"{shlex.join(command())} session prune --older-than 1d --all --yes --json"
    shell += " >&-" if target == "closed" else f" >{target}"
    assert subprocess.run(["bash", "-c", shell], stderr=subprocess.DEVNULL, check=False).returncode == 9
    assert not (root / "sessions" / f"{IDS[0]}.json").exists()


def test_the_line_of_a_crontab(add, root, tmp_path):
    """As cron runs it: a shell, hardly any variables, nothing on standard input."""
    add(0, 100)
    line = f"{shlex.quote(PO)} --root {shlex.quote(str(root))} session prune --older-than 30d --all --yes"
    env = {"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin", "LOGNAME": "x"}
    for _ in range(2):
        done = subprocess.run(["sh", "-c", line + " <&-"], env=env, capture_output=True, timeout=60, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert not (root / "sessions" / f"{IDS[0]}.json").exists()


WORDS = ["--older-than", "--before", "--empty", "--keep-last", "--max-size", "--po", "--all", "--purge", "--yes"]
WORDS += ["30d", "1h", "6m", "-1d", "2025-01-01", "9999-12-31T23:59", "0001-01-01", "3", "0", "-5", "9" * 30, "1kB"]
WORDS += ["500", "greeter", "nobody", "", ".", "--", "-y", "-q", "--json", "\udcff", "é", "x\ny", "--tag", "=", "1e9y"]
SOUND = [["--older-than", "1h"], ["--empty", "--po", "nobody"], ["--keep-last", "1", "--all"], ["--max-size", "1kB"]]


def test_any_words_end_in_order(four, root, po):
    rng = random.Random(7)
    codes = set()
    for number in range(300):
        args = rng.choices(WORDS, k=rng.randint(0, 7))
        if number % 2:  # otherwise hardly any gets past the parser
            args = [*rng.choice(SOUND), *rng.choices(WORDS[6:], k=rng.randint(0, 2))]
        result = po("session", "prune", *args)
        assert result.exit_code in (0, 2, 3), (args, result.stderr)
        assert bool(result.stderr) == (result.exit_code != 0), args
        codes.add(result.exit_code)
        assert (root / "sessions" / f"{IDS[0]}.json").exists() or {"--yes", "-y"} & set(args), args
    assert codes == {0, 2, 3}


def test_emptying_the_trash_of_what_is_old(four, root, po, store):
    store.delete(IDS[0], ago(days=1))
    store.delete(IDS[1], ago(days=40))
    store.delete(IDS[2], timestamp(datetime.now(UTC) + timedelta(days=1)))
    trash = root / "trash"
    os.utime(root / "objects" / "reader.md", (0, 0))
    assert po("object", "delete", "reader").exit_code == 0
    (trash / "foreign").write_text("x")
    os.utime(trash / "foreign", (0, 0))  # perhaps it was moved here with its time a moment ago
    refused = po("trash", "empty", "--older-than", "30d")
    line = refused.stderr.splitlines()[1].removeprefix("Run 'po ").removesuffix("'.")
    assert (refused.exit_code, line) == (2, "trash empty --older-than 30d --yes")
    told = json.loads(po(*line.split(), "--json").stdout)
    assert [one["name"].partition(".")[0] for one in told] == [IDS[1]]
    assert len(list(trash.iterdir())) == 4
    time.sleep(1.1)
    told = json.loads(po("trash", "empty", "--older-than", "1s", "--yes", "--json").stdout)
    assert [one["name"].partition(".")[0] for one in told] == [IDS[0], "reader"]
    assert po("trash", "empty", "--older-than", "1s").exit_code == 0  # nothing to lose
    for wrong in ("6m", "0d", ""):
        assert po("trash", "empty", "--older-than", wrong, "--yes").exit_code == 2
    assert sorted(path.name.partition(".")[0] for path in trash.iterdir()) == [IDS[2], "foreign"]  # po did not put it
    assert [one["name"] for one in json.loads(po("trash", "empty", "--yes", "--json").stdout)] != []


PRUNER = [sys.executable, "-c", "from po_sessions.cli import main; main()", "session", "prune", "--all", "--yes"]


def test_two_at_once_remove_each_session_once(root, store):
    at = ago(days=100)
    count = 60
    for number in range(count):
        id = f"{ULID[:-3]}{number:03}"
        (root / "sessions").mkdir(exist_ok=True)
        made = Session(id, f"s{number}", "greeter", at, at, (user("Hello"),))
        (root / "sessions" / f"{id}.json").write_bytes(codec.encode(made))
    args = [*PRUNER, "--keep-last", "5", "--json"]
    running = [subprocess.Popen(args, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = [json.loads(one.communicate(timeout=120)[0]) for one in running]
    assert [one.returncode for one in running] == [0, 0, 0]
    ids = [id for one in told for id in gone(one)]
    assert (len(ids), len(set(ids))) == (count - 5, count - 5)
    assert len(store.trash()) == count - 5
    assert len(list(store.list())) == 5
    lines = (root / "deletions.log").read_text().splitlines()
    assert sorted(json.loads(line)["id"] for line in lines) == sorted(ids)
