"""`po session`, `po status`, `po init`, `po object`: in this process, and as a process where that matters."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.builders import ULID
from support.running import command
from support.terminal import on_terminal, plain, shown_on_terminal

from po_sessions import __version__
from po_sessions.cli.fast import commands_table
from po_sessions.message import Message
from po_sessions.session import Session
from po_sessions.storage import open_storage


@pytest.fixture
def three(root, po):
    """Three sessions of the greeter; returns their ids by name."""
    return {
        name: po("session", "new", name, "--po", "greeter").stdout.strip() for name in ("Tea", "Coffee", "Debug task")
    }


def test_new_prints_the_id_and_nothing_else(root, po):
    result = po("session", "new", "Tea", "--po", "greeter")
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.fullmatch(r"[0-9A-Z]{26}\n", result.stdout)
    assert po("session", "path", "Tea", "--po", "greeter").stdout == f"{root}/sessions/{result.stdout.strip()}.json\n"


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["session", "new", "Tea", "--po", "greeter"], 5, "po: greeter has a session named 'Tea'"),
        (["session", "new", "\x1b[2J", "--po", "greeter"], 2, r"po: '\x1b[2J' cannot be a session's name"),
        (["session", "new", "--po", "nobody"], 3, "po: No prompt object is named 'nobody'."),
        (["session", "new", "X"], 3, "po: There is no current prompt object."),
        (["session", "ensure", "@x", "--po", "greeter"], 2, "po: '@x' cannot be a session's name"),
        (["session", "show", "Nope", "--po", "greeter"], 3, "po: No session matches 'Nope'."),
        (["session", "show", "Nope"], 3, "po: No session matches 'Nope'."),
        (["session", "show"], 3, "po: There is no current prompt object."),
        (["session", "show", "--po", "greeter"], 3, "po: greeter has no current session"),
        (["session", "show", "Tea", "--po", "greeter", "--last"], 3, "po: 'Tea' has no reply yet."),
        (["session", "show", "Tea", "--po", "greeter", "--range", "0:2"], 2, "po: '0:2' is not a range"),
        (["session", "show", "Tea", "--po", "greeter", "--range", "a"], 2, "po: 'a' is not a range"),
        (["session", "show", "--last", "--range", "1"], 2, "po: --last and --range contradict"),
        (["session", "switch", "Nope", "--po", "greeter"], 3, "po: No session matches 'Nope'."),
        (["session", "switch", "-", "--po", "greeter"], 3, "po: greeter has no previous session."),
        (["session", "switch"], 2, "po: Missing argument 'S'."),
        (["session", "rename", "Tea"], 2, "po: Missing argument 'NAME'."),
        (["session", "rename", "Tea", "Coffee", "--po", "greeter"], 5, "po: greeter has a session named 'Coffee'"),
        (["session", "rename", "Tea", "a\x1bb", "--po", "greeter"], 2, r"po: 'a\x1bb' cannot be a session's name"),
        (["session", "rename", "Nope", "X", "--po", "greeter"], 3, "po: No session matches 'Nope'."),
        (["session", "list", "--po", "nobody"], 3, "po: No prompt object is named 'nobody'."),
        (["session", "list", "--po", "greeter", "--all"], 2, "po: --po and --all contradict"),
        (["session", "list", "-n", "0"], 2, "po: --limit 0 lists nothing."),
        (["session", "list", "-n", "x"], 2, "po: Invalid value for '--limit' / '-n': 'x' is not a whole number."),
        (["session", "list", "extra"], 2, "po: There are more arguments than it takes: extra."),
        (["session"], 2, "po: Missing command.\nOne of new, ensure, list, show, current, switch, rename, "),
        (["session", "lst"], 2, "po: No such command 'lst'. Did you mean 'list'?"),
        (["sesion"], 2, "po: No such command 'sesion'. Did you mean 'session'"),
        (
            ["--lock-timeout", "-1", "session", "list"],
            2,
            "po: Invalid value for '--lock-timeout': '-1' is no number of seconds.",
        ),
        (["--root", "nowhere", "session", "list"], 3, "po: There is no environment at "),
        (["object", "show", "nobody"], 3, "po: No prompt object is named 'nobody'."),
        (["object", "show", "../x"], 2, "po: '../x' cannot be a prompt object's name."),
        (["object", "show", "."], 3, "po: There is no current prompt object."),
        (["object", "new", "greeter"], 5, "po: There is a prompt object named 'greeter'."),
        (["object", "new", "a b"], 2, "po: 'a b' cannot be a prompt object's name."),
        (["init", "nowhere"], 3, "po: There is no directory 'nowhere'."),
    ],
)
def test_errors_are_a_sentence_with_a_code(args, code, said, three, po, root):
    before = sorted(root.rglob("*"))
    result = po(*args)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith(said)
    assert 2 <= result.stderr.count("\n") <= 3
    assert "\x1b" not in result.stderr
    as_json = po("--json", *args)
    error = json.loads(as_json.stderr)["error"]
    assert (error["code"], as_json.exit_code, as_json.stdout) == (code, code, "")
    assert result.stderr == f"po: {error['message']}\n{error['hint']}\n"
    assert sorted(root.rglob("*")) == before


def test_an_ambiguous_fragment_is_exit_4_and_lists_the_candidates(root, po):
    store = open_storage("files", root=str(root))
    for end in ("AA", "AB"):
        store.create(Session(ULID[:-2] + end, end, "greeter", "2025-01-03T10:00:00.000Z", "2025-01-03T10:00:00.000Z"))
    result = po("session", "show", ULID[:8])
    assert result.exit_code == 4
    assert f"\n  {ULID[:-2]}AA  greeter: AA\n  {ULID[:-2]}AB  greeter: AB\n" in result.stderr


def test_listing_in_a_pipe(three, po):
    result = po("session", "list", "--po", "greeter")
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[3] for row in rows] == ["Debug task", "Coffee", "Tea"]
    assert {len(row) for row in rows} == {11}
    current, id, po_name, _, messages, turns, last, updated, created, preview, orphaned = rows[0]
    assert orphaned == "-"
    assert (current, id, po_name, messages, turns, last, preview) == (
        "-",
        three["Debug task"],
        "greeter",
        "0",
        "0",
        "empty",
        "",
    )
    assert updated == created
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", updated)
    assert result.stderr == ""


def test_listing_as_ids_and_json_and_limited(three, po):
    assert po("session", "list", "--ids").stdout.split() == [three[n] for n in ("Debug task", "Coffee", "Tea")]
    assert po("session", "list", "--ids", "-n", "2").stdout.split() == [three["Debug task"], three["Coffee"]]
    assert [one["name"] for one in json.loads(po("session", "list", "--json").stdout)] == [
        "Debug task",
        "Coffee",
        "Tea",
    ]
    assert {one["version"] for one in json.loads(po("--json", "session", "list").stdout)} == {1}


def test_an_empty_list_is_no_failure(po):
    for args in (["session", "list"], ["object", "list"], ["status"], ["session", "current", "--all"]):
        assert (po(*args).exit_code, po(*args).stdout) == (0, "")
    assert json.loads(po("session", "list", "--json").stdout) == []
    assert json.loads(po("object", "list", "--json").stdout) == []
    assert json.loads(po("status", "--json").stdout)["po_name"] is None
    assert not Path.home().joinpath(".prompt_objects").exists()


def test_listing_of_the_current_prompt_object_or_of_all(three, po):
    po("session", "new", "Tea", "--po", "reader")
    assert len(po("session", "list").stdout.splitlines()) == 4
    po("session", "switch", "Tea", "--po", "greeter")
    assert [line.split("\t")[:1] for line in po("session", "list").stdout.splitlines()] == [["-"], ["-"], ["*"]]
    assert len(po("session", "list", "--all").stdout.splitlines()) == 4
    assert len(po("session", "list", "--po", "reader").stdout.splitlines()) == 1


def test_switching_moves_both_pointers_and_dash_goes_back(three, po):
    assert po("session", "switch", "Tea", "--po", "greeter").stdout == ""
    assert po("status").stdout == "greeter: Tea (0 msgs)\n"
    assert po("session", "switch", "coffee"[1:], "--po", "greeter").exit_code == 3
    po("session", "switch", three["Coffee"][-6:])
    assert po("session", "current", "--ids").stdout == three["Coffee"] + "\n"
    assert po("session", "switch", "-").exit_code == 0
    assert po("session", "current").stdout.split("\t")[3] == "Tea"
    assert json.loads(po("status", "--json").stdout) == {
        "version": 1, "po_name": "greeter", "session_id": three["Tea"], "session_name": "Tea", "message_count": 0,
    }  # fmt: skip
    assert po("object", "switch", "reader").exit_code == 0
    assert po("status").stdout == "reader: Default (0 msgs)\n"


def test_renaming(three, po):
    po("session", "switch", "Tea", "--po", "greeter")
    assert (po("session", "rename", "Tea", "Green tea").stdout, po("status").stdout) == (
        "",
        "greeter: Green tea (0 msgs)\n",
    )
    assert json.loads(po("session", "rename", three["Coffee"], "Mocha", "--json").stdout)["name"] == "Mocha"
    assert [line.split("\t")[3] for line in po("session", "list").stdout.splitlines()] == [
        "Debug task",
        "Mocha",
        "Green tea",
    ]


def test_new_moves_no_pointer_unless_told(three, po):
    po("session", "switch", "Tea", "--po", "greeter")
    po("session", "new", "Milk")
    assert po("status").stdout == "greeter: Tea (0 msgs)\n"
    po("session", "new", "Water", "--switch")
    assert po("status").stdout == "greeter: Water (0 msgs)\n"


def test_ensure_is_safe_to_repeat(root, po):
    first, again = (po("session", "ensure", "Nightly", "--po", "reader") for _ in range(2))
    assert (first.exit_code, again.exit_code, first.stdout) == (0, 0, again.stdout)
    assert po("session", "ensure", "Nightly", "--po", "reader", "--json").stdout.count('"name": "Nightly"') == 1


def test_a_session_is_named_by_the_variable_too(three, po, monkeypatch):
    monkeypatch.setenv("PO_SESSION", three["Tea"])
    assert po("session", "path").stdout.endswith(f"{three['Tea']}.json\n")
    assert po("session", "path", three["Coffee"]).stdout.endswith(f"{three['Coffee']}.json\n")


def test_the_environment_is_named_by_option_or_variable(po, tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    assert po("init", str(tmp_path / "a")).stdout == f"{tmp_path}/a/.prompt_objects\n"
    for place in (tmp_path / "a", tmp_path / "a" / ".prompt_objects"):
        assert len(po("--root", str(place), "object", "list").stdout.splitlines()) == 3
        assert len(po("object", "list", "--root", str(place)).stdout.splitlines()) == 3
    assert po("object", "list").stdout == ""
    monkeypatch.setenv("PO_ROOT", str(tmp_path / "a"))
    assert len(po("object", "list").stdout.splitlines()) == 3


def test_init_can_be_repeated(po):
    first, again = (po("init", "--json") for _ in range(2))
    assert (json.loads(first.stdout)["made"], json.loads(again.stdout)["made"]) == (True, False)


def test_the_first_write_makes_an_environment_at_home(po):
    assert po("session", "new", "--po", "greeter").exit_code == 0
    assert (Path.home() / ".prompt_objects" / "objects" / "greeter.md").is_file()


def test_prompt_objects(root, po):
    assert [line.split("\t")[1] for line in po("object", "list").stdout.splitlines()] == [
        "coordinator",
        "greeter",
        "reader",
    ]
    assert po("object", "new", "tutor", "-d", "Teaches.", "--body", "-", input="You teach.\n").stdout == "tutor\n"
    assert po("object", "path", "tutor").stdout == f"{root}/objects/tutor.md\n"
    assert po("object", "show", "tutor").stdout == "---\nname: tutor\ndescription: Teaches.\n---\n\nYou teach.\n"
    shown = json.loads(po("object", "show", "coordinator", "--json").stdout)
    assert (shown["capabilities"], shown["options"]) == (["greeter", "reader"], {"max_tokens": 300})
    (root / "objects" / "bad.md").write_text("---\nname: [\n---\n")
    result = po("object", "list")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 4)
    assert result.stderr.startswith(f"po: warning: {root}/objects/bad.md: the front matter is not YAML")
    assert po("object", "show", "bad").exit_code == 7


def test_listing_on_a_terminal(three, root):
    code, shown = on_terminal("session", "list", "--po", "greeter")
    lines = plain(shown).splitlines()
    assert code == 0
    assert lines[0].split() == ["Name", "Msgs", "Last", "Id", "First", "message"]
    assert [re.split(r"\s{2,}", line.strip())[0] for line in lines[1:]] == ["Debug task", "Coffee", "Tea"]
    assert three["Debug task"][-6:] in lines[1]
    assert re.search(r"\d\d:\d\d", lines[1])
    code, shown = on_terminal("session", "list", "--po", "reader")
    assert plain(shown) == "reader has no sessions yet; 'po send reader MESSAGE' begins one.\n"


def test_what_came_from_a_file_cannot_act_on_a_terminal(root):
    store = open_storage("files", root=str(root))
    store.create(
        Session(ULID, "\x1b]52;c;x\x07[bold]", "greeter", "2025-01-03T10:00:00.000Z", "2025-01-03T10:00:00.000Z")
    )
    for args in (
        ["session", "list"],
        ["session", "show", ULID],
        ["session", "list", "--json"],
        ["session", "show", ULID, "--json"],
    ):
        code, shown = on_terminal(*args)
        assert code == 0
        assert "\x1b]" not in shown
        assert "\x07" not in shown
        assert "[bold]" in shown


def test_remarks_are_for_terminals_only(root):
    _, shown = on_terminal("session", "new", "Tea", "--po", "greeter")
    assert "Made 'Tea' for greeter." in shown
    _, shown = on_terminal("session", "new", "Coffee", "--po", "greeter", "--quiet")
    assert re.fullmatch(r"[0-9A-Z]{26}\n", shown)


def test_a_full_output_is_exit_9(three, po_process):
    for args in (
        ["session", "list"],
        ["session", "list", "--all"],
        ["object", "show", "greeter"],
        ["--version"],
        ["--help"],
    ):
        with open("/dev/full", "w") as full:
            done = po_process(*args, capture_output=False, stdout=full, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr.splitlines()[0]) == (
            9, "po: Cannot write to standard output: No space left on device.",
        )  # fmt: skip


@pytest.mark.parametrize("target", ["2>/dev/full", "2>&1 | true", "2>&-"])
def test_the_exit_code_does_not_depend_on_who_hears_the_error(target, three):
    shell = f"{' '.join(command())} session show nope --po greeter {target}; exit ${{PIPESTATUS[0]}}"
    assert subprocess.run(["bash", "-c", shell], capture_output=True, check=False).returncode == 3


def test_help_to_nobody(three):
    shell = f"{' '.join(command())} --help | true; echo ${{PIPESTATUS[0]}}; {' '.join(command())} --help >&-; echo $?"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["0", "9"]


def test_rows_stay_rows_and_columns_columns(root, po):
    store = open_storage("files", root=str(root))
    name = "R\nx\ty\u2028z " + "w" * 80
    store.create(Session(ULID, name, "greeter", "2025-01-03T10:00:00.000Z", "2025-01-03T10:00:00.000Z"))
    (line,) = po("session", "list").stdout.splitlines()
    assert line.split("\t")[3].startswith("R x y z www")
    for columns in (60, 100):
        code, shown = on_terminal("session", "list", columns=columns)
        head, row = plain(shown).splitlines()
        assert code == 0
        assert head.split()[:3] == ["PO", "Name", "Msgs"]
        assert ULID[-6:] in row
        assert len(row) <= columns


def test_a_list_does_not_ask_which_of_two_prompt_objects_is_meant(root, po):
    (root / "objects" / "other.md").write_text("---\nname: greeter\n---\n")
    assert po("session", "new", "--po", "greeter").exit_code == 5
    done = po("session", "list", "--po", "greeter")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    assert po("session", "list", "--po", "gretter").exit_code == 3


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (120, ["Name", "Msgs", "Last", "Id", "First message"]),
        (60, ["Name", "Msgs", "Last", "Id", "First message"]),
        (50, ["Name", "Msgs", "Last", "Id"]),
        (30, ["Name", "Msgs"]),
        (12, ["Name"]),
    ],
)
def test_a_column_without_room_is_left_out(columns, shown, env, po):
    env.session_manager.switch_po("greeter")
    id = env.session_manager.create("greeter", "A name of 30 columns, so to say").id
    env.session_manager.append(id, Message("user", "A first message that goes on and on and on"))
    env.session_manager.append(id, Message("assistant", "So it does."))
    code, text = on_terminal("session", "list", columns=columns)
    head, row = plain(text).splitlines()
    assert (code, re.split(r"  +", head.strip())) == (0, shown)
    assert len(row) <= max(columns, 15)
    assert row.split("  ", 1)[1].startswith("A name of 3")
    assert " …" not in row


def test_debug_shows_where_it_failed(three):
    done = subprocess.run(
        [*command(), "--debug", "session", "show", "nope"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "SessionNotFound" in done.stderr) == (3, True)
    done = subprocess.run(
        [*command(), "--debug", "--json", "session", "show", "nope"], capture_output=True, text=True, check=False
    )
    assert json.loads(done.stderr)["error"]["code"] == 3


def test_a_bug_leaves_a_log_without_values(root, po, monkeypatch):
    secret = "s3cret"
    monkeypatch.setattr("po_sessions.cli.display.session_rows.show_list", lambda *args, **more: {}[secret[:0]])
    result = po("session", "list")
    assert result.exit_code == 70
    (log,) = Path.home().rglob("crash-*.log")
    assert str(log) in result.stderr
    assert result.stderr.endswith(f"{log}.\nPlease report it with what is there.\n")
    assert log.read_text().startswith(f"po {__version__}, Python 3.")
    assert "KeyError" in log.read_text()
    assert secret not in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_working_directory_that_is_gone(root, po, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for args in (["status"], ["init"], ["--root", "x", "session", "list"]):
        result = po(*args)
        assert (result.exit_code, result.stderr.splitlines()[0]) == (
            3,
            "po: The working directory is not there any more.",
        )


def test_status_obeys_the_variable_as_send_does(three, po, monkeypatch):
    po("session", "switch", "Tea", "--po", "greeter")
    monkeypatch.setenv("PO_SESSION", "Coffee")
    assert po("status").stdout == "greeter: Coffee (0 msgs)\n"
    assert po("session", "current", "--ids").stdout.strip() == three["Coffee"]


def test_a_directory_that_is_no_environment_is_not_made_one(po, tmp_path):
    (tmp_path / "plain").mkdir()
    assert po("--root", str(tmp_path / "plain"), "object", "new", "foo").exit_code == 3
    assert list((tmp_path / "plain").iterdir()) == []
    assert po("init", "--root", str(tmp_path / "plain")).exit_code == 2


def test_a_pointer_that_leads_nowhere_spoils_only_itself(three, po, root):
    po("session", "switch", "Tea", "--po", "greeter")
    po("session", "ensure", "Book", "--po", "reader", "--switch")
    (root / "sessions" / f"{three['Tea']}.json").unlink()
    result = po("session", "current", "--all")
    assert (result.exit_code, result.stdout.split("\t")[3]) == (0, "Book")
    assert result.stderr.startswith("po: warning: The current session of greeter")


def test_an_alias_in_one_prompt_object_spoils_only_itself(root, po):
    (root / "objects" / "bomb.md").write_text("---\nx: &a [*a]\n---\n")
    result = po("object", "list", "--json")
    assert (result.exit_code, len(json.loads(result.stdout))) == (0, 3)
    assert "alias" in result.stderr


def test_a_closed_output_is_exit_9(three, po_process):
    shell = f"exec {' '.join(command())} session list >&-"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (9, "po: Cannot write to standard output: it is closed.")


def test_no_store_file_gets_the_number_of_a_closed_standard_descriptor():
    code = "from po_sessions import cli; cli._keep_standard_descriptors(); import os; os.write(9, b'%d' % os.dup(0))"
    shell = f'exec "{sys.executable}" -c "{code}" 9>&1 <&- >&- 2>&-'
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert (done.returncode, int(done.stdout) > 2) == (0, True)


@pytest.mark.slow
def test_a_closed_pipe_is_no_failure(root):
    store = open_storage("files", root=str(root))
    for number in range(2000):
        id = f"{ULID[:-4]}{number:04}"
        store.create(Session(id, f"s{number}" * 20, "greeter", "2025-01-03T10:00:00.000Z", "2025-01-03T10:00:00.000Z"))
    shell = f"set -o pipefail; {' '.join(command())} session list | head -1"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 1)


@pytest.mark.parametrize(
    "noun", [[], ["session"], ["trash"], ["backup"], ["object"], ["model"], ["send"], ["doctor"], ["init"], ["status"]]
)
def test_help(noun, po):
    result = po(*noun, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: {' '.join(['po', *noun])} ")
    assert "..." not in result.stdout.partition("Commands:")[2]


def test_help_is_wrapped_and_not_cut_where_the_terminal_is_narrow(po_process, monkeypatch):
    shown = {}
    for columns in ("50", "100"):
        monkeypatch.setenv("COLUMNS", columns)
        for noun in ([], *([noun] for noun, (verbs, *_) in commands_table.COMMANDS.items() if noun and verbs)):
            text = po_process(*noun, "--help").stdout
            assert max(map(len, text.splitlines())) <= int(columns)
            shown.setdefault(tuple(noun), set()).add(" ".join(text.partition("Commands:")[2].split()))
    assert len(shown) > 5
    assert {len(texts) for texts in shown.values()} == {1}


def test_a_variable_that_names_what_is_not_there_is_named(root, po, backend, tmp_path, monkeypatch):
    monkeypatch.setenv("PO_SESSION", "bogus")
    for args in (["session", "show"], ["send", "greeter", "x"], ["session", "path", "--po", "greeter"]):
        shown = po(*args).stderr
        assert "$PO_SESSION names it. " in shown or "no current prompt object" in shown, args
    assert "$PO_SESSION" not in po("session", "show", "Nope", "--po", "greeter").stderr
    assert "$PO_SESSION" not in po("session", "show", "--po", "nobody").stderr
    monkeypatch.setenv("PO_ROOT", str(tmp_path / "nowhere"))
    assert po("session", "list").stderr.startswith(
        f"po: There is no environment at {tmp_path}/nowhere, which $PO_ROOT names.\n"
    )
    (tmp_path / "file").touch()
    monkeypatch.setenv("PO_ROOT", str(tmp_path / "file"))
    shown = po("session", "list").stderr
    assert shown.startswith(f"po: There is no directory {tmp_path}/file, which $PO_ROOT names: it is something else.\n")
    assert "$PO_ROOT" not in po("--root", str(tmp_path / "file"), "session", "list").stderr


def test_init_inside_an_environment_is_refused(root, po, monkeypatch):
    for place in (root, root / "objects"):
        monkeypatch.chdir(place)
        result = po("init")
        assert (result.exit_code, result.stderr.splitlines()[0]) == (2, f"po: {place} is inside an environment.")
        assert not (place / ".prompt_objects").exists()


def test_the_version(po):
    assert po("--version").stdout == f"po {__version__}\n"


@pytest.mark.parametrize(("pause", "bar"), [(0, False), (0.013, True)])
def test_what_takes_over_a_second_shows_a_bar(pause, bar):
    code = f"""
import time
from po_sessions.cli.terminal.output import Output
assert [time.sleep({pause}) or n for n in Output().watch("Reading", range(150))] == list(range(150))
"""
    status, shown = shown_on_terminal([sys.executable, "-c", code])
    assert status == 0
    assert ("Reading" in shown) == bar
    assert ("100/150" in shown) == bar


def test_work_that_does_not_take_long_shows_no_bar(three):
    assert "━" not in on_terminal("session", "prune", "--keep-last", "1", "--all", "--yes")[1]


def test_json_of_a_conversation_is_laid_out_on_a_terminal(root, po):
    for name, count in (("None", 0), ("Two", 2)):
        session = po("session", "new", name, "--po", "greeter").stdout.strip()
        for number in range(count):
            open_storage("files", root=str(root)).append(session, Message("user", f"{number}"))
        shown = on_terminal("session", "show", session, "--json")[1]
        whole = json.loads(po("session", "show", session, "--json").stdout)
        assert json.loads(shown) == whole
        if count:
            assert shown == json.dumps(whole, indent=2) + "\n"
