"""Where environments and the user's directories are, on machines that share them, lack them or keep them closed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.running import TESTS
from support.selection import slow_but

from po_sessions.environment import Environment

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away, or become another user")
STRANGER = 12345
NOBODY = """
import os, pwd, runpy, sys
def unknown(*_):
    raise KeyError
pwd.getpwuid = unknown
sys.path.insert(0, {0!r})
sys.argv[0] = "po"
runpy.run_path({0!r} + "/support/po_scripted.py", run_name="__main__")
"""
WAYS = {
    "as it is": "",
    "by the commands": "from po_sessions.cli.fast import dispatch; dispatch.answer = lambda args: None\n",
}


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory like `/tmp` with another user's environment; the working directory is below it."""
    place = tmp_path / "shared"
    (place / "mine").mkdir(parents=True)
    place.chmod(0o1777)
    Environment.create(place / ".prompt_objects")
    os.chown(place / ".prompt_objects", STRANGER, STRANGER)
    monkeypatch.chdir(place / "mine")
    return place


def ways(*args: str) -> list[tuple[int, str, str]]:
    """Return the exit code, output and errors of `po`, with and without what is answered early."""
    found = []
    for way in WAYS.values():
        code = f"{way}from po_sessions.cli import main; main()"
        done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=False)
        found.append((done.returncode, done.stdout, done.stderr))
    return found


@root_only
@pytest.mark.parametrize("args", ["status", "session list", "object list", "session list --all --ids", "config list"])
def test_another_users_environment_in_a_directory_for_all_is_skipped_with_one_warning(args, shared):
    assert Environment.create(Path.home() / ".prompt_objects")
    first, second = ways(*args.split())
    assert first == second
    code, _, said = first
    assert code == 0
    [line] = said.splitlines()
    assert line.startswith(f"po: warning: {shared}/.prompt_objects belongs to another user, so it is skipped.")
    assert line.endswith(f"--root {shared}/.prompt_objects.")


@root_only
def test_what_lies_above_another_users_environment_is_used(shared, po_process, tmp_path):
    Environment.create(tmp_path / ".prompt_objects")
    done = po_process("object", "new", "tutor")
    assert done.returncode == 0
    assert (tmp_path / ".prompt_objects" / "objects" / "tutor.md").exists()
    assert done.stderr.count("warning") == 1
    assert "warning" not in po_process("-q", "object", "list").stderr


@root_only
def test_completion_goes_on_above_another_users_environment(shared, tmp_path):
    Environment.create(tmp_path / ".prompt_objects")
    (code, found, said), _ = ways("__complete", "zsh", "send", "gree")
    assert (code, said) == (0, "")
    assert found.startswith("words\ngreeter\t")


@root_only
@pytest.mark.parametrize("mode", [0o777, 0o1770, 0o755])
def test_another_users_environment_elsewhere_is_refused(mode, shared):
    shared.chmod(mode)
    for code, found, said in ways("status"):
        assert (code, found) == (2, "")
        assert "belongs to another user, so it is not used unasked" in said


@root_only
def test_a_home_directory_for_all_does_not_bring_in_another_users_environment(shared, monkeypatch):
    monkeypatch.setenv("HOME", str(shared))
    monkeypatch.chdir("/")
    for code, found, said in ways("session", "list"):
        assert (code, found) == (2, "")
        assert "belongs to another user, so it is not used unasked" in said


@root_only
def test_another_users_link_to_an_environment_of_mine_is_skipped(shared, tmp_path):
    shutil.rmtree(shared / ".prompt_objects")
    Environment.create(tmp_path / "own" / ".prompt_objects")
    (shared / ".prompt_objects").symlink_to(tmp_path / "own" / ".prompt_objects")
    os.lchown(shared / ".prompt_objects", STRANGER, STRANGER)
    for code, _, said in ways("object", "list"):
        assert code == 0
        # Some systems do not follow such a link at all.
        assert "skipped" in said or Path("/proc/sys/fs/protected_symlinks").read_text() == "1\n"


def test_an_environment_of_mine_that_all_can_write_is_refused_in_a_directory_for_all(tmp_path, monkeypatch):
    place = tmp_path / "shared"
    place.mkdir()
    place.chmod(0o1777)
    Environment.create(place / ".prompt_objects")
    (place / ".prompt_objects").chmod(0o777)
    monkeypatch.chdir(place)
    for code, _, said in ways("session", "list"):
        assert code == 2
        assert "can be written by other users" in said


# Users without a home directory


def nobody(*args: str, **variables: str | None) -> subprocess.CompletedProcess[str]:
    """Run `po` as a user without an entry in the password file, and without HOME unless it is given."""
    env = {key: value for key, value in {**os.environ, "HOME": None, **variables}.items() if value is not None}
    command = [sys.executable, "-c", NOBODY.format(str(TESTS)), *args]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert "Traceback" not in done.stderr
    assert done.returncode not in (1, 70)
    return done


@pytest.mark.parametrize("home", slow_but([None, "", "relative"], None))
def test_without_a_home_directory_the_environment_in_the_working_directory_works(home, root):
    for line in (
        *("session list", "object list", "send greeter Hello", "session show", "status", "doctor", "config list"),
        *("config get model", "model list", "model default", "session export", "session delete Default", "trash list"),
        *("trash empty --yes", "object new tutor", "object rename tutor host", "object delete host", "init"),
        *("config set --environment model smollm2", "config path --environment", "completion bash"),
        *("--root . send greeter Hello", "--root . config list", "backup list", "session prune --empty"),
    ):
        done = nobody(*line.split(), HOME=home)
        assert (line, done.returncode, done.stderr) == (line, 0, "")
    assert sorted(os.listdir()) == [".prompt_objects"]


@pytest.mark.parametrize(
    ("line", "code", "hint"),
    [
        ("config set model smollm2", 3, "Set HOME or XDG_CONFIG_HOME, or add --environment"),
        ("config path", 3, "Set HOME or XDG_CONFIG_HOME, or add --environment"),
        ("config unset model", 3, "Set HOME or XDG_CONFIG_HOME, or add --environment"),
        ("model default smollm2", 3, "Set HOME or XDG_CONFIG_HOME"),
        ("model pull", 8, "Set HOME or XDG_CACHE_HOME"),
        ("completion bash --install", 3, "Set HOME, or set XDG_DATA_HOME."),
        ("completion fish --install", 3, "Set HOME, or set XDG_CONFIG_HOME."),
        ("send greeter -m gpt-4o-mini Hello", 8, "OPENAI_API_KEY"),
    ],
)
def test_without_a_home_directory_what_needs_one_says_which_variable_to_set(line, code, hint, root):
    done = nobody(*line.split())
    assert (done.returncode, done.stdout) == (code, "")
    assert hint in done.stderr
    assert sorted(os.listdir()) == [".prompt_objects"]


def test_without_a_home_directory_and_an_environment_one_can_be_made(tmp_path):
    done = nobody("session", "list")
    assert done.returncode == 3
    assert "'po init'" in done.stderr
    assert nobody("init").returncode == 0
    assert nobody("send", "greeter", "Hello").returncode == 0


def test_without_a_home_directory_the_variables_of_xdg_count(root, tmp_path):
    places = {f"XDG_{name}_HOME": str(tmp_path / name) for name in ("CONFIG", "CACHE", "DATA", "STATE")}
    assert nobody("config", "set", "backup.keep", "7", **places).returncode == 0
    assert nobody("config", "get", "backup.keep", **places).stdout == "7\n"
    assert nobody("completion", "bash", "--install", **places).stdout.startswith(str(tmp_path / "DATA"))


def test_llm_takes_nothing_from_below_the_working_directory(root):
    planted = Path("~", ".config", "io.datasette.llm")
    planted.mkdir(parents=True)
    model = "- model_id: planted\n  model_name: x\n  api_base: http://127.0.0.1:1/v1\n"
    (planted / "extra-openai-models.yaml").write_text(model)
    assert "planted" not in nobody("model", "list").stdout
    Path("io.datasette.llm").symlink_to(planted)
    done = subprocess.run(
        [sys.executable, "-m", "support.po_scripted", "model", "list"],
        env={**os.environ, "XDG_CONFIG_HOME": "", "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "planted" not in done.stdout


@root_only
def test_a_home_directory_that_is_closed_to_the_user_counts_as_none(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o700)
    code = (
        "import os; from po_sessions.cli.config import paths\n"
        "paths.config_dir(), paths.log_dir(), paths.model_paths()  # imports what the other user may not read\n"
        "os.seteuid(4242)\n"
        "print(paths.config_dir(), paths.log_dir(), paths.model_paths().cache)\npaths.home()"
    )
    tmp_path.chmod(0o755)
    env = {**os.environ, "HOME": str(tmp_path / "closed")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.stdout == "None None None\n"
    assert "closed" in done.stderr
    assert "NotFound" in done.stderr


def test_weights_that_are_there_need_no_cache_that_can_be_written(weights, monkeypatch, tmp_path):
    from po_sessions.models import ModelPaths
    from po_sessions.models import weights as module

    monkeypatch.setattr(os, "makedirs", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "no")))
    assert module.pull(ModelPaths(os.path.dirname(weights), "/tmp")) == weights
