"""What a program that uses `po` as a library finds: the documents' script, the exported names, the types."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import tomllib
import typing
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from support.running import REAL_CACHE

import po_sessions
from po_sessions import errors

TOP = Path(__file__).parent.parent
PACKAGE = TOP / "po_sessions"


@pytest.fixture
def script() -> str:
    """The Python blocks of the documents' section on the library, one behind the other."""
    section = (TOP / "docs" / "behaviour.md").read_text().partition("## As a library\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 2
    return "\n".join(blocks)


def test_the_documents_script_runs_again_and_again(script, weights, tmp_path):
    (tmp_path / "home" / ".cache").mkdir()
    (tmp_path / "home" / ".cache" / "po").symlink_to(REAL_CACHE)
    (tmp_path / "script.py").write_text(script)
    for told in (2, 4):
        done = subprocess.run(
            [sys.executable, tmp_path / "script.py"], capture_output=True, text=True, check=False, timeout=300
        )
        assert (done.returncode, done.stderr) == (0, "")
        *reply, one, two, three, count, imported, current, error = done.stdout.splitlines()
        assert "".join(reply).strip()  # whatever the model says
        assert {one, two, three} == {f"Default {told}", "Green tea 1", "Black tea 1"}
        assert [count, imported, current, error] == [
            "1 Green or black?",
            "['Green tea']",
            "Green tea ['user']",
            "No prompt object is named 'nobody'.",
        ]


def test_the_documents_script_has_no_wrong_type(script, tmp_path):
    (tmp_path / "script.py").write_text(script)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", "script.py"]
    done = subprocess.run(mypy, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300)
    assert done.stdout == "Success: no issues found in 1 source file\n"


def test_the_types_are_shipped():
    assert (PACKAGE / "py.typed").read_bytes() == b""
    targets = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    # The whole package, but for what git ignores.
    assert targets["wheel"].keys() == {"packages", "force-include", "shared-scripts", "shared-data"}
    assert targets["wheel"]["packages"] == ["po_sessions"]
    assert "po_sessions" in targets["sdist"]["include"]
    ignored = subprocess.run(["git", "check-ignore", "-q", PACKAGE / "py.typed"], cwd=TOP, check=False)
    assert ignored.returncode != 0


def test_the_three_lists_of_exported_names_agree():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom) and node.module != "typing"]
    homes = {alias.name: str(node.module).removeprefix("po_sessions.") for node in imports for alias in node.names}
    assert homes == po_sessions._HOMES
    assert sorted(homes) == sorted(po_sessions.__all__)
    assert all(getattr(po_sessions, name) is not None for name in po_sessions.__all__)


def test_every_error_is_exported():
    classes = [thing for thing in vars(errors).values() if inspect.isclass(thing)]
    defined = {one.__name__ for one in classes if one.__module__ == errors.__name__}
    assert len(defined) > 25
    assert defined - set(po_sessions.__all__) == set()


def test_every_class_that_the_library_takes_or_returns_is_exported():
    seen, waiting = set[object](), [getattr(po_sessions, name) for name in po_sessions.__all__]
    missing = set()
    while waiting:
        thing = waiting.pop()
        if thing in seen or not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        seen.add(thing)
        for one in met(thing):
            waiting.append(one)
            if one.__name__ not in po_sessions.__all__:
                missing.add(f"{one.__module__}.{one.__name__}, of {thing.__name__}")
    assert missing == set()
    assert len(seen) > len(po_sessions.__all__) - 10  # but for the aliases


@pytest.mark.parametrize("kind", [po_sessions.SessionManager, po_sessions.SessionBackups])
def test_what_is_done_to_a_session_takes_its_id_too(kind):
    taken = {
        f"{name}({parameter})": hint
        for name, function in vars(kind).items()
        if inspect.isfunction(function) and not name.startswith("_")
        for parameter, hint in typing.get_type_hints(function, names_in(kind.__module__)).items()
        if parameter.startswith("session") and parameter != "sessions"
    }
    assert len(taken) >= 3
    assert [one for one, hint in taken.items() if str not in typing.get_args(hint)] == []


def met(thing: Any) -> set[type]:
    """Return the classes of the package in the annotations of a function, or of a class's fields and public methods."""
    if inspect.isfunction(thing):
        return {one for hint in hints_of(thing) for one in classes_in(hint)}
    hints: list[Any] = []
    for base in thing.__mro__:
        if not base.__module__.startswith("po_sessions"):
            continue
        names = names_in(base.__module__)
        fields = inspect.get_annotations(base)
        texts = [hint for name, hint in fields.items() if not name.startswith("_")]
        hints += [eval(hint, names) if isinstance(hint, str) else hint for hint in texts]
        for name, member in vars(base).items():
            function = getattr(member, "__func__", member)
            function = member.fget if isinstance(member, property) else function
            function = member.func if isinstance(member, cached_property) else function
            if inspect.isfunction(function) and (name == "__init__" or not name.startswith("_")):
                hints += hints_of(function)
    return {one for hint in hints for one in classes_in(hint)}


def hints_of(function: Any) -> list[Any]:
    return list(typing.get_type_hints(function, names_in(function.__module__)).values())


def names_in(module: str) -> dict[str, Any]:
    """Return what the annotations of a module can name: also what only the type checker imports."""
    found = {**vars(errors), **vars(sys.modules[module])}
    for node in ast.walk(ast.parse(inspect.getsource(sys.modules[module]))):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            exec(ast.unparse(ast.Module(node.body, [])), found)
    return found


def classes_in(hint: Any) -> Iterator[type]:
    if isinstance(hint, list):  # the parameters of a Callable
        for one in hint:
            yield from classes_in(one)
    if inspect.isclass(hint) and hint.__module__.startswith("po_sessions"):
        yield hint
    for one in typing.get_args(hint):
        yield from classes_in(one)
