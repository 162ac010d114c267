"""`po config` and `po model default`: the settings, and the files that hold them."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from itertools import product
from pathlib import Path

import pytest
from support.running import command
from support.scripted import Script
from support.terminal import on_terminal, plain

from po_sessions import models
from po_sessions.cli.config import settings
from po_sessions.cli.config.files import SettingsFile
from po_sessions.errors import Advice, ModelUnavailable, NoKey, WeightsMissing
from po_sessions.text.durations import parse_duration

SIZES = "links.allow\t\tdefault\nsend.max_bytes\t32MiB\tdefault\nimport.max_bytes\t256MiB\tdefault\n"
REST = "model.idle_timeout\t10min\tdefault\nbackup.interval\t1d\tdefault\nbackup.keep\t5\tdefault\n" + SIZES


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


def test_one_bad_value_hides_no_other(file, po, monkeypatch):
    monkeypatch.setenv("PO_BACKUP_KEEP", "many")
    file.write_text('model = 5\n[backup]\ninterval = "2d"\n')
    result = po("config", "list")
    assert (result.exit_code, result.stdout) == (
        7,
        f"model.idle_timeout\t10min\tdefault\nbackup.interval\t2d\t{file}\n{SIZES}",
    )
    assert f"{file}: 'model' is not text." in result.stderr
    assert "backup.keep ($PO_BACKUP_KEEP): 'many' is no whole number from 0 on." in result.stderr
    result = po("config", "list", "--json")
    assert (result.exit_code, [one["name"] for one in json.loads(result.stdout)]) == (
        7,
        ["model.idle_timeout", "backup.interval", "links.allow", "send.max_bytes", "import.max_bytes"],
    )
    assert po("config", "get", "backup.interval").stdout == "2d\n"


@pytest.mark.parametrize(("key", "value"), [("backup.interval", "often"), ("backup.keep", "-3")])
def test_a_value_that_cannot_be_used_is_not_shown_as_one(key, value, file, po, monkeypatch):
    table, name = key.split(".")
    file.write_text(f"[{table}]\n{name} = {value if name == 'keep' else repr(value)}\n")
    result = po("config", "get", key)
    assert (result.exit_code, result.stdout) == (7, "")
    assert result.stderr.startswith(f"po: {key} ({file}): '{value}' is no")
    monkeypatch.setenv(f"PO_{key.upper().replace('.', '_')}", "1d" if name == "interval" else "3")
    assert po("config", "get", key).exit_code == 0


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
            "po: There is no setting named 'x'.\n"
            "The settings are: model, model.idle_timeout, backup.interval, backup.keep, links.allow, "
            "send.max_bytes, import.max_bytes.\n",
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
    for error in (WeightsMissing("No weights.", advice=Advice("fetch")), NoKey("No key.")):
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


@pytest.fixture
def shared(root) -> Path:
    """The environment's file, which is not there yet."""
    return root / "config.toml"


def test_what_is_nearer_counts(file, shared, root, po, backend, monkeypatch):
    """--model, the prompt object, $PO_MODEL, the environment's file, the user's: each is there or not, in all ways."""
    monkeypatch.setitem(models.BACKENDS, "llm", models.BACKENDS["embedded"])
    for flag, said, variable, environments, users in product([False, True], repeat=5):
        (root / "objects" / "one.md").write_text("---\nmodel: said\n---\nx" if said else "x")
        monkeypatch.setenv("PO_MODEL", "gguf:/variable" if variable else "")
        shared.write_text('model = "theirs"' if environments else "")
        file.write_text('model = "gguf:/mine"' if users else "")
        sources = [
            (flag, "gguf:/flag", ""),
            (said, "said", ""),
            (variable, "gguf:/variable", "$PO_MODEL"),
            (environments, "theirs", str(shared)),
            (users, "gguf:/mine", str(file)),
            (True, "smollm2", "default"),
        ]
        option = ["--model", "gguf:/flag"] if flag else []
        sent = json.loads(po("send", "one", "x", "--dry-run", "--json", *option).stdout)
        assert sent["model"] == next(value for there, value, _ in sources if there)
        value, source = next((value, source) for there, value, source in sources[2:] if there)
        assert po("config", "list").stdout == f"model\t{value}\t{source}\n" + REST
        assert po("config", "get", "model").stdout == po("model", "default").stdout == f"{value}\n"
        for args in (["config", "get", "model"], ["model", "default"]):
            assert json.loads(po(*args, "--json").stdout)["source"] == source


def test_the_same_for_backups(file, shared, po, root, monkeypatch):
    for variable, environments, users in product([False, True], repeat=3):
        monkeypatch.setenv("PO_BACKUP_KEEP", "1" if variable else "")
        monkeypatch.setenv("PO_BACKUP_INTERVAL", "1h" if variable else "")
        shared.write_text('[backup]\nkeep = 2\ninterval = "2h"\n' if environments else "")
        file.write_text('[backup]\nkeep = 3\ninterval = "3h"\n' if users else "")
        sources = [(variable, 1, "$PO_BACKUP_"), (environments, 2, str(shared)), (users, 3, str(file))]
        number, source = next(((n, source) for there, n, source in sources if there), (5, "default"))
        interval = "1d" if number == 5 else f"{number}h"
        keep_from, interval_from = (source + "KEEP", source + "INTERVAL") if number == 1 else (source, source)
        rows = [f"backup.interval\t{interval}\t{interval_from}", f"backup.keep\t{number}\t{keep_from}"]
        assert po("config", "list").stdout.splitlines()[2:4] == rows
        policy = settings.Settings(str(root)).backup_policy
        assert (policy.keep, policy.interval) == (number, parse_duration(interval))


def test_a_turn_heeds_what_the_environment_says_of_backups(shared, root, po, backend):
    shared.write_text("[backup]\nkeep = 0\n")
    for _ in range(2):
        assert po("send", "greeter", "x").exit_code == 0
    assert po("backup", "list").stdout == ""
    shared.write_text("[backup]\nkeep = 1\n")
    assert po("send", "greeter", "x").exit_code == 0
    assert len(po("backup", "list").stdout.splitlines()) == 1


def test_each_file_is_written_by_its_option(file, shared, po, backend, other):
    assert po("config", "path", "--environment").stdout == f"{shared}\n"
    assert json.loads(po("config", "path", "--environment", "--json").stdout) == {"version": 1, "path": str(shared)}
    assert po("config", "set", "model", other).exit_code == 0
    for _ in range(2):
        result = po("config", "set", "--environment", "model", "smollm2")
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert shared.stat().st_mode & 0o777 == 0o600
    shared.chmod(0o644)
    assert po("config", "set", "--environment", "backup.keep", "3").exit_code == 0
    assert shared.read_text() == 'model = "smollm2"\n\n[backup]\nkeep = 3\n'
    assert shared.stat().st_mode & 0o777 == 0o644
    assert file.read_text() == f'model = "{other}"\n'
    assert po("config", "list").stdout.splitlines()[0] == f"model\tsmollm2\t{shared}"
    assert po("config", "unset", "backup.keep").exit_code == 0
    assert po("config", "get", "backup.keep").stdout == "3\n"
    assert json.loads(po("config", "unset", "--environment", "model", "--json").stdout)["source"] == str(file)
    assert po("config", "unset", "--environment", "backup.keep").exit_code == 0
    assert tomllib.loads(shared.read_text()) == {"backup": {}}


def test_what_else_the_environments_file_has_stays(shared, po, backend):
    shared.write_text("# Ours.\nz = 1 # last\n[a]\nmodel = 'other'\n")
    assert po("config", "set", "--environment", "model", "smollm2").exit_code == 0
    assert shared.read_text() == "# Ours.\nz = 1 # last\nmodel = \"smollm2\"\n\n[a]\nmodel = 'other'\n"
    assert po("config", "list").stdout == f"model\tsmollm2\t{shared}\n" + REST


def test_a_change_that_the_environment_keeps_from_counting_is_told(file, shared, po, backend, other):
    shared.write_text('model = "smollm2"')
    said = f"po: warning: {shared} sets model, so it stays smollm2.\n"
    assert po("config", "set", "model", other).stderr == said
    assert po("model", "default", other).stderr == said
    assert po("config", "unset", "model").stderr == said
    assert po("config", "unset", "model", "--environment").stderr == ""


def test_an_environment_cannot_name_a_model_file(file, shared, root, po, backend, other, monkeypatch):
    shared.write_text(f'model = "{other}"')
    said = f"po: {shared} names a model file, '{other}'; only you can choose one.\nChoose it with --model {other}."
    for args in (["send", "greeter", "x"], ["config", "list"], ["config", "get", "model"], ["model", "default"]):
        result = po(*args)
        assert (result.exit_code, result.stdout) == (2, REST if args == ["config", "list"] else ""), args
        assert result.stderr == f"{said} 'po config unset --environment model' takes it out of the file.\n", args
    assert backend.asked == []
    # Whoever chooses for himself is not held up, nor is what asks no model.
    assert po("send", "greeter", "x", "--model", "smollm2").exit_code == 0
    assert (
        po("status").exit_code == po("session", "list").exit_code == po("config", "get", "backup.keep").exit_code == 0
    )
    assert po("config", "set", "backup.keep", "3").exit_code == 0
    result = po("config", "set", "model", "smollm2")
    assert (result.exit_code, result.stderr.startswith(f"po: warning: {shared} names a model file")) == (0, True)
    assert json.loads(po("config", "set", "model", "smollm2", "--json").stdout)["source"] == str(file)
    monkeypatch.setenv("PO_MODEL", "smollm2")
    assert po("send", "greeter", "x").exit_code == 0
    monkeypatch.delenv("PO_MODEL")
    assert po("config", "unset", "model", "--environment").exit_code == 0
    for name in (other, "gguf:~/x.gguf", "gguf:nowhere"):
        result = po("config", "set", "--environment", "model", name)
        assert (result.exit_code, shared.read_text()) == (2, "")
        assert result.stderr.startswith(f"po: {shared} names a model file, '{name}'; only you can choose one.\n")


@pytest.mark.parametrize(
    "name", ["gguf", "GGUF:/evil", "/evil", "file:///evil", "https://evil.example/v1", " gguf:/evil"]
)
def test_what_looks_like_a_file_or_an_address_is_only_a_name(name, shared, root, po):
    shared.write_text(f'model = "{name}"')
    result = po("send", "greeter", "x")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (8, f"po: There is no model named {name!r}.")


HARM = {
    "a link": lambda path: path.symlink_to("elsewhere.toml"),
    "a loop": lambda path: path.symlink_to(path),
    "a fifo": os.mkfifo,
    "a directory": lambda path: path.mkdir(),
    "no TOML": lambda path: path.write_text("model = "),
    "no text": lambda path: path.write_bytes(b"\xff"),
    "large": lambda path: path.write_text("#" * 16385),
    "huge": lambda path: path.touch() or os.truncate(path, 1 << 40),
    "deep": lambda path: path.write_text("a = " + "[" * 16000),
    "deep tables": lambda path: path.write_text("a = " + "{a=" * 5000),
    "a huge number": lambda path: path.write_text("[backup]\nkeep = 0x" + "f" * 16000),
    "a long number": lambda path: path.write_text("[backup]\nkeep = " + "9" * 16000),
    "a number": lambda path: path.write_text("model = 5\n[backup]\nkeep = 1.5"),
    "no table": lambda path: path.write_text("model = []\nbackup = 5"),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_bad_file_of_an_environment(harm, file, shared, root, po, backend):
    (root / "elsewhere.toml").write_text('model = "gguf:/evil"')
    HARM[harm](shared)
    before = os.lstat(shared)
    result = po("config", "list")
    assert (result.exit_code, str(shared) in result.stderr) == (7, True)
    assert all(line.endswith("\tdefault") for line in result.stdout.splitlines())  # what the file does not set
    if "number" not in harm or harm == "a number":
        assert po("send", "greeter", "x").exit_code == 7
        assert backend.asked == []
    assert po("config", "set", "model", "smollm2").exit_code == 0  # the user's own
    assert po("session", "new", "x", "--po", "greeter").exit_code == 0
    for args in (["status"], ["session", "list"], ["object", "list"], ["config", "path", "--environment"]):
        assert (po(*args).exit_code, po(*args).stderr) == (0, "")
    assert (os.lstat(shared).st_ino, os.lstat(shared).st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    if "number" not in harm and harm != "no table":
        result = po("config", "set", "--environment", "model", "smollm2")
        assert (result.exit_code, str(shared) in result.stderr) == (7, True)
        assert po("config", "unset", "--environment", "model").exit_code == 7
        assert (os.lstat(shared).st_ino, os.lstat(shared).st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("value", ["'5m'", "'0'", "'99999999999y'", "'\\u001b[31m'"])
def test_a_value_that_is_none_tells_where_it_is(value, shared, root, po, backend):
    shared.write_text(f"[backup]\ninterval = {value}".replace("'", '"'))
    assert po("session", "new", "x", "--po", "greeter", "--switch").exit_code == 0
    result = po("backup", "create")
    assert (result.exit_code, result.stderr.startswith(f"po: backup.interval ({shared}): ")) == (7, True)


def test_a_file_that_cannot_be_changed_without_loss_is_left_alone(file, shared, root, po, backend):
    for path, option in ((file, []), (shared, ["--environment"])):
        path.write_text("a = " + "[" * 200 + "]" * 200)
        result = po("config", "set", "model", "smollm2", *option)
        assert (result.exit_code, result.stderr.startswith(f"po: {path} cannot be changed: ")) == (7, True)
        assert path.read_text() == "a = " + "[" * 200 + "]" * 200


def test_without_an_environment(po, backend, tmp_path, monkeypatch):
    home = Path.home() / ".prompt_objects"
    assert po("config", "path", "--environment").stdout == f"{home}/config.toml\n"
    assert po("config", "unset", "--environment", "model").exit_code == 0
    assert po("config", "set", "--environment", "model", "gguf:x").exit_code == 2
    assert po("config", "set", "--environment", "backup.keep", "x").exit_code == 2
    assert list(Path.home().iterdir()) == []
    assert po("config", "set", "--environment", "backup.keep", "3").exit_code == 0
    assert (home / "config.toml").exists()
    assert (home / "objects" / "greeter.md").exists()
    monkeypatch.setenv("PO_ROOT", str(tmp_path / "nowhere"))
    for args in (["set", "--environment", "backup.keep", "3"], ["unset", "--environment", "model"], ["list"]):
        result = po("config", *args)
        assert (result.exit_code, "po init" in result.stderr) == (3, True), args
    assert not (tmp_path / "nowhere").exists()
    result = po("model", "default", "smollm2")  # one's own file can be changed anywhere
    assert (result.exit_code, result.stderr.startswith("po: warning: There is no environment at")) == (0, True)
    monkeypatch.delenv("PO_ROOT")
    assert po("config", "get", "model").stdout == "smollm2\n"


def test_unsetting_tells_of_the_users_file_that_cannot_be_read(file, shared, root, po):
    shared.write_text('model = "x"')
    file.write_text("model = ")
    result = po("config", "unset", "--environment", "model")
    assert (result.exit_code, result.stderr.startswith(f"po: warning: {file} cannot be read")) == (0, True)
    assert shared.read_text() == ""


def test_on_a_terminal(file, monkeypatch):
    code, shown = on_terminal("config", "list")
    assert (code, plain(shown).splitlines()) == (
        0,
        [
            "Name                Value    From",
            "model               smollm2  default",
            "model.idle_timeout  10min    default",
            "backup.interval     1d       default",
            "backup.keep         5        default",
            "links.allow                  default",
            "send.max_bytes      32MiB    default",
            "import.max_bytes    256MiB   default",
        ],
    )
    assert on_terminal("config", "set", "model", "smollm2")[1] == f"model is now smollm2 ({file}).\n"
    assert on_terminal("config", "unset", "model")[1] == "model is now smollm2 (default).\n"
    monkeypatch.setenv("PO_TEST_SCRIPT", '{"unavailable": "NoKey"}')
    shown = on_terminal("model", "default", "smollm2")[1]
    assert shown == f"The script says so. Send it again.\nmodel is now smollm2 ({file}).\n"


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


def test_changes_at_once_are_all_kept(root, po):
    for _ in range(3):
        lines = ["backup.keep 3", "backup.interval 5h", "model smollm2", "model.idle_timeout 1h"]
        running = [subprocess.Popen([*command(), "config", "set", *line.split()]) for line in lines]
        assert [one.wait() for one in running] == [0] * 4
        told = {one["name"]: one["value"] for one in json.loads(po("config", "list", "--json").stdout)}
        assert dict(line.split() for line in lines).items() <= told.items()
        for line in lines:
            po("config", "unset", line.split()[0])


def test_a_file_is_not_made_too_long_to_be_read(root, po):
    file = root / "config.toml"
    file.write_text("#" * 16_380)
    assert po("config", "set", "backup.keep", "3", "--environment").exit_code == 7
    assert file.read_text() == "#" * 16_380


def test_nothing_is_made_to_unset_what_is_not_set(po):
    assert po("config", "unset", "model").exit_code == 0
    assert list(Path.home().iterdir()) == []


def test_a_turn_reads_each_file_once_and_checks_the_model_once(file, root, po, backend, monkeypatch):
    assert po("config", "set", "backup.keep", "2").exit_code == 0
    assert po("config", "set", "--environment", "backup.interval", "2d").exit_code == 0
    read = []
    monkeypatch.setattr(SettingsFile, "_read", lambda one, of=SettingsFile._read: (read.append(one.path), of(one))[1])
    for line in ("send greeter Hello", "session compact --po greeter", "send greeter Again --idempotency-key k"):
        read.clear()
        before = backend.checked
        assert po(*line.split()).exit_code == 0
        assert sorted(read) == sorted([str(file), str(root / "config.toml")])
        assert backend.checked == before + 1
    for line in ("status", "session list", "session show --po greeter"):
        read.clear()
        assert po(*line.split()).exit_code == 0
        assert read == []
