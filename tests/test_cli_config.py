"""`po config` and `po model default`: the user's settings, and the one file that holds them."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest
from scripted import Script
from test_cli_session import on_terminal, plain

from po_sessions.errors import ModelUnavailable, NoKey, WeightsMissing

REST = "backup.interval\t1d\tdefault\nbackup.keep\t5\tdefault\n"


@pytest.fixture
def file() -> Path:
    """The user's file, which is not there yet, in a directory that is."""
    path = Path.home() / ".config" / "po" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def other(tmp_path) -> str:
    """A model besides the default one."""
    path = tmp_path / "work" / "other.gguf"
    path.write_bytes(b"GGUF")
    return f"gguf:{path}"


def test_without_a_file_the_defaults_count(po, backend):
    path = Path.home() / ".config" / "po" / "config.toml"
    assert po("config", "path").stdout == f"{path}\n"
    assert json.loads(po("config", "path", "--json").stdout) == {"version": 1, "path": str(path)}
    assert po("config", "list").stdout == "model\tsmollm2\tdefault\n" + REST
    assert po("config", "get", "model").stdout == po("model", "default").stdout == "smollm2\n"
    assert po("config", "unset", "model").exit_code == 0
    assert list(Path.home().iterdir()) == []


def test_what_is_set_counts_and_the_variable_goes_over_it(po, backend, other, root, monkeypatch):
    path = po("config", "path").stdout.strip()
    result = po("config", "set", "model", other)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert (os.stat(path).st_mode & 0o777, os.stat(os.path.dirname(path)).st_mode & 0o777) == (0o600, 0o700)
    assert po("config", "list").stdout == f"model\t{other}\t{path}\n" + REST
    assert po("send", "greeter", "x").exit_code == 0
    assert backend.asked[-1]["model"] == other
    monkeypatch.setenv("PO_MODEL", "smollm2")
    assert po("config", "list").stdout == "model\tsmollm2\t$PO_MODEL\n" + REST
    assert po("config", "get", "model").stdout == po("model", "default").stdout == "smollm2\n"
    monkeypatch.delenv("PO_MODEL")
    assert po("config", "unset", "model").exit_code == 0
    assert po("config", "list").stdout == "model\tsmollm2\tdefault\n" + REST
    assert Path(path).read_text() == ""


def test_the_default_model_is_the_same_setting(po, backend, other):
    result = po("model", "default", other)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert po("config", "get", "model").stdout == po("model", "default").stdout == f"{other}\n"
    about = {"version": 1, "name": other, "source": po("config", "path").stdout.strip()}
    assert json.loads(po("model", "default", "--json").stdout) == about
    assert json.loads(po("model", "default", other, "--json").stdout) == about


def test_as_json_each_tells_what_is_in_force(po, backend, other):
    about = {"version": 1, "name": "model", "value": other, "source": po("config", "path").stdout.strip()}
    found = json.loads(po("config", "set", "model", other, "--json").stdout)
    assert found == {**about, "description": found["description"]}
    assert json.loads(po("config", "get", "model", "--json").stdout) == found
    assert json.loads(po("config", "list", "--json").stdout)[0] == found
    assert json.loads(po("config", "unset", "model", "--json").stdout) == {
        **found,
        "value": "smollm2",
        "source": "default",
    }


def test_a_variable_that_keeps_a_change_from_counting_is_told(po, backend, other, monkeypatch):
    monkeypatch.setenv("PO_MODEL", "mine")
    said = "po: warning: $PO_MODEL is set, so model stays mine.\n"
    assert po("config", "set", "model", other).stderr == said
    assert po("model", "default", "smollm2").stderr == said
    assert po("config", "unset", "model").stderr == said
    assert po("config", "unset", "model", "--quiet").stderr == ""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", 'model = "smollm2"\n'),
        ("# Mine.\nz = 1 # last\na = 2", '# Mine.\nz = 1 # last\na = 2\nmodel = "smollm2"\n'),
        ("  model  =  'x'   # why\nz = 1\n", '  model  =  "smollm2"   # why\nz = 1\n'),
        ("[a]\nmodel = 'other'\n", "model = \"smollm2\"\n\n[a]\nmodel = 'other'\n"),
        ("a = 1\r\nmodel = 'x'\r\n[b]\r\nc = 2\r\n", 'a = 1\r\nmodel = "smollm2"\r\n[b]\r\nc = 2\r\n'),
        ("model = 5\n", 'model = "smollm2"\n'),
        ('model = "smollm2"', 'model = "smollm2"'),
    ],
)
def test_the_rest_of_the_file_stays_as_it_is(before, after, file, po, backend):
    file.write_bytes(before.encode())
    assert po("config", "set", "model", "smollm2").exit_code == 0
    assert file.read_bytes().decode() == after


def test_unsetting_keeps_the_rest(file, po):
    file.write_text("# Mine.\na = 1\nmodel = 'x' # why\n\n[b]\nc = 2\n")
    assert po("config", "unset", "model").exit_code == 0
    assert file.read_text() == "# Mine.\na = 1\n\n[b]\nc = 2\n"


def test_a_link_and_the_mode_stay(file, po, backend, tmp_path):
    for target in (tmp_path / "dotfiles" / "po.toml", tmp_path / "not" / "there" / "yet.toml"):
        file.unlink(missing_ok=True)
        file.symlink_to(target)
        if target.parent.name == "dotfiles":
            target.parent.mkdir()
            target.write_text("# Mine.\n")
            target.chmod(0o640)
        assert po("config", "set", "model", "smollm2").exit_code == 0
        assert file.is_symlink()
        assert tomllib.loads(target.read_text()) == {"model": "smollm2"}
        assert os.listdir(target.parent) == [target.name]
    assert (tmp_path / "dotfiles" / "po.toml").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("text", [b"model = ", b"\xff", b"a = 1\na = 2\n"])
def test_a_file_that_cannot_be_read_is_left_alone(text, file, po, backend):
    file.write_bytes(text)
    for args in (
        ["config", "list"],
        ["config", "get", "model"],
        ["config", "set", "model", "smollm2"],
        ["config", "unset", "model"],
        ["model", "default"],
        ["model", "default", "smollm2"],
    ):
        result = po(*args)
        assert (result.exit_code, result.stdout) == (7, ""), args
        assert result.stderr.startswith(f"po: {file} cannot be read: "), args
    assert file.read_bytes() == text
    assert po("config", "path").exit_code == 0


def test_a_directory_or_a_loop_in_the_place_of_the_file(file, po, backend):
    file.mkdir()
    assert po("config", "set", "model", "smollm2").exit_code == 7
    file.rmdir()
    file.symlink_to(file)
    assert po("config", "set", "model", "smollm2").exit_code == 7


def test_a_value_that_is_no_text_is_told_and_can_be_set(file, po, backend):
    file.write_text("model = 5")
    result = po("config", "list")
    assert (result.exit_code, result.stderr) == (
        7,
        f"po: {file}: 'model' is not text.\nRun 'po config set model VALUE'.\n",
    )
    assert po("config", "set", "model", "smollm2").exit_code == 0


def test_a_file_that_cannot_be_written_is_exit_9(file, po, backend):
    file.symlink_to("/proc/nowhere/po.toml")
    result = po("config", "set", "model", "smollm2")
    assert result.exit_code == 9
    assert result.stderr.startswith("po: Cannot write /proc/nowhere")


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["config"], 2, "po: Missing command."),
        (["config", "get"], 2, "po: Missing argument 'KEY'."),
        (["config", "get", "modle"], 2, "po: There is no setting named 'modle'.\nDid you mean 'model'? The settings"),
        (
            ["config", "get", "x"],
            2,
            "po: There is no setting named 'x'.\nThe settings are: model, backup.interval, backup.keep.\n",
        ),
        (["config", "set", "x", "y"], 2, "po: There is no setting named 'x'."),
        (["config", "unset", "x"], 2, "po: There is no setting named 'x'."),
        (["config", "set", "model"], 2, "po: Missing argument 'VALUE'."),
        (["config", "get", "backup"], 2, "po: There is no setting named 'backup'."),
        (
            ["config", "set", "backup.interval", "5m"],
            2,
            "po: '5m' is not a length of time: 'm' could be minutes or months",
        ),
        (["config", "set", "backup.interval", "0"], 2, "po: '0' is not a length of time"),
        (["config", "set", "backup.interval", "off"], 2, "po: 'off' is not a length of time"),
        (["config", "set", "backup.keep", "-1"], 2, "po: No such option: -1"),
        (["config", "set", "backup.keep", "1.5"], 2, "po: '1.5' is no whole number from 0 on."),
        (["config", "set", "backup.keep", "\u0665"], 2, "po: '\u0665' is no whole number from 0 on."),
        (["config", "set", "model", ""], 2, "po: The value of 'model' is empty.\nRun 'po config unset model'"),
        (["model", "default", " "], 2, "po: The value of 'model' is empty."),
        (["config", "set", "model", "gpt-9"], 8, "po: There is no model named 'gpt-9'."),
        (["model", "default", "gpt-9"], 8, "po: There is no model named 'gpt-9'."),
        (["model", "default", "gguf:x\udcff"], 2, "po: The text is not valid UTF-8."),
    ],
)
def test_what_is_refused_changes_nothing(args, code, said, file, po, backend):
    result = po(*args)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith(said)
    assert os.listdir(file.parent) == []


def test_a_model_file_that_is_none_is_refused(file, po):
    result = po("model", "default", "gguf:nowhere")
    assert (result.exit_code, os.listdir(file.parent)) == (8, [])
    assert "nowhere" in result.stderr


def test_a_model_that_is_known_and_not_ready_is_taken(file, po, backend):
    for error in (WeightsMissing("No weights.", hint="Run 'po model pull'."), NoKey("No key.")):
        file.unlink(missing_ok=True)
        backend.script = Script(unavailable=error)
        assert po("config", "set", "model", "smollm2").exit_code == 0
        assert file.exists()
    backend.script = Script(unavailable=ModelUnavailable("Damaged."))
    assert po("config", "set", "model", "smollm2").exit_code == 8


def test_a_path_counts_wherever_po_is_started_next(file, po, backend, other):
    assert po("config", "set", "model", "gguf:other.gguf").exit_code == 0
    assert po("config", "get", "model").stdout == f"{other}\n"
    assert po("config", "set", "model", "gguf:~/x.gguf").exit_code == 0
    assert po("config", "get", "model").stdout == f"gguf:{Path.home()}/x.gguf\n"


def test_a_home_directory_in_the_file_or_the_variable_is_found(file, po, backend, root, monkeypatch):
    file.write_text('model = "gguf:~/x.gguf"')
    assert po("send", "greeter", "x").exit_code == 0
    assert backend.asked[-1]["model"] == f"gguf:{Path.home()}/x.gguf"
    monkeypatch.setenv("PO_MODEL", "gguf:~/y.gguf")
    assert po("send", "greeter", "x").exit_code == 0
    assert backend.asked[-1]["model"] == f"gguf:{Path.home()}/y.gguf"


def test_an_environment_has_no_say(root, po, backend):
    (root / "config.toml").write_text('model = "gguf:/evil"')
    assert po("config", "get", "model").stdout == "smollm2\n"
    assert po("send", "greeter", "x").exit_code == 0
    assert backend.asked[-1]["model"] == "smollm2"


def test_on_a_terminal(file, monkeypatch):
    code, shown = on_terminal("config", "list")
    assert (code, plain(shown).splitlines()) == (
        0,
        [
            "Name             Value    From",
            "model            smollm2  default",
            "backup.interval  1d       default",
            "backup.keep      5        default",
        ],
    )
    assert on_terminal("config", "set", "model", "smollm2")[1] == f"model is now smollm2 ({file}).\n"
    assert on_terminal("config", "unset", "model")[1] == "model is now smollm2 (default).\n"
    monkeypatch.setenv("PO_TEST_SCRIPT", '{"unavailable": "NoKey"}')
    shown = on_terminal("model", "default", "smollm2")[1]
    assert shown == f"The script says so. Change the script.\nmodel is now smollm2 ({file}).\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '[backup]\ninterval = "12h"\nkeep = 3\n'),
        ("model = 'x'\n", "model = 'x'\n\n[backup]\ninterval = \"12h\"\nkeep = 3\n"),
        ("[backup]\n# Often.\ninterval = '1y' # why\n", '[backup]\n# Often.\ninterval = "12h" # why\nkeep = 3\n'),
        ("[backup]\nx = 1\n\n[z]\na = 1\n", '[backup]\nx = 1\ninterval = "12h"\nkeep = 3\n\n[z]\na = 1\n'),
        ("backup.interval = '1d'\n", 'backup.interval = "12h"\nbackup.keep = 3\n'),
        ("backup = {keep = 9}\n", 'backup = {keep = 3,interval = "12h"}\n'),
        ("[backup.more]\na = 1\n", '[backup]\ninterval = "12h"\nkeep = 3\n\n[backup.more]\na = 1\n'),
        ("[backup]\nkeep = '7'\n", '[backup]\nkeep = 3\ninterval = "12h"\n'),
    ],
)
def test_settings_in_a_table(before, after, file, po):
    file.write_text(before)
    assert po("config", "set", "backup.interval", " 12h ").exit_code == 0
    assert po("config", "set", "backup.keep", "03").exit_code == 0
    assert file.read_text() == after
    assert (po("config", "get", "backup.keep").stdout, po("config", "get", "backup.interval").stdout) == (
        "3\n",
        "12h\n",
    )
    assert po("config", "set", "backup.keep", "3").exit_code == 0
    assert file.read_text() == after
    for name in ("interval", "keep"):
        assert po("config", "unset", f"backup.{name}").exit_code == 0
        assert name not in tomllib.loads(file.read_text()).get("backup", {})
    assert po("config", "get", "backup.keep").stdout == "5\n"


def test_settings_in_a_table_that_is_none(file, po):
    file.write_text("backup = 5\n")
    for args in (["list"], ["get", "backup.keep"], ["set", "backup.keep", "3"], ["unset", "backup.keep"]):
        result = po("config", *args)
        assert (result.exit_code, result.stderr.splitlines()[0]) == (7, f"po: {file}: 'backup' is not a table.")
    assert file.read_text() == "backup = 5\n"
    file.write_text("[backup]\nkeep = true\n")
    assert "'backup.keep' is not a number." in po("config", "list").stderr
