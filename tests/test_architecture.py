"""Imports point downwards, and what starts often imports little."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "po_sessions"

LAYERS = [
    {"errors"},
    {"text"},
    {"layout"},
    {"folders"},
    {"atomic"},
    {"bounded"},
    {"locks", "tree"},
    {"message", "names"},
    {"schema"},
    {"session", "pointers", "settings", "mending"},
    {"changes"},
    {"storage", "formats", "prompt_objects", "models"},  # they never import each other
    {"sessions"},
    {"turns", "doctor"},
    {"environment"},
    {"cli"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def imports(path: Path) -> set[str]:
    """Return the modules of the package that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "import_module":
            names = [a.value for a in node.args if isinstance(a, ast.Constant)]
        else:
            continue
        found |= {name.removeprefix("po_sessions.") for name in names if name.startswith("po_sessions.")}
    return found


def upward(package: Path = PACKAGE) -> list[str]:
    """Return the imports that point sideways or up."""
    found = []
    for path in sorted(package.rglob("*.py")):
        part = path.relative_to(package).parts[0].removesuffix(".py")
        if part == "__init__":
            continue  # hands on names, lazily
        assert part in LEVEL, f"{part} is in no layer"
        others = {name.split(".")[0] for name in imports(path)} & set(LEVEL) - {part}
        found += [f"{path.relative_to(package)} imports {other}" for other in others if LEVEL[other] >= LEVEL[part]]
    return found


def test_imports_point_downwards():
    assert upward() == []


def test_an_upward_import_is_seen(tmp_path):
    for path in PACKAGE.rglob("*.py"):
        copy = tmp_path / path.relative_to(PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
    with (tmp_path / "storage" / "memory.py").open("a") as file:
        file.write("\ndef late():\n    from po_sessions.sessions.manager import SessionManager\n")
    with (tmp_path / "models" / "__init__.py").open("a") as file:
        file.write("\nimport po_sessions.storage\n")
    assert upward(tmp_path) == ["models/__init__.py imports storage", "storage/memory.py imports sessions"]


LONGEST_FILE, LONGEST_FUNCTION = 400, 60
"""In lines; of a function, with its parameters and its docstring."""


def too_long(package: Path = PACKAGE) -> set[str]:
    """Return the files, and the functions as `FILE:FUNCTION`, that have more lines than they may."""
    found = set()
    for path in package.rglob("*.py"):
        name, text = path.relative_to(package).as_posix(), path.read_text()
        if text.count("\n") > LONGEST_FILE:
            found.add(name)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                if node.end_lineno - node.lineno >= LONGEST_FUNCTION:
                    found.add(f"{name}:{node.name}")
    return found


def test_no_file_and_no_function_is_too_long():
    found = too_long()
    assert found == set()


def test_what_is_too_long_is_seen(tmp_path):
    for name, lines in {"just.py": 400, "long.py": 401}.items():
        (tmp_path / name).write_text("#\n" * lines)
    for name, lines in {"fits": 58, "over": 59}.items():
        text = f"def {name}(\n    a,\n):\n" + "    a = 1\n" * (lines - 1)
        (tmp_path / f"{name}.py").write_text(text)
    assert too_long(tmp_path) == {"long.py", "over.py:over"}


def test_the_reader_of_files_imports_only_what_is_in_the_interpreter():
    """Imports under TYPE_CHECKING are for the type checker; all others are built in, or `os`, which is loaded."""
    allowed = {"os", "time", "_json", "po_sessions"}
    found = set()
    for path in (PACKAGE / "layout").glob("*.py"):
        tree = ast.parse(path.read_text())
        for node in tree.body:
            is_check = isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
            for one in node.orelse if is_check else [node]:
                if isinstance(one, ast.Import):
                    found |= {alias.name for alias in one.names}
                elif isinstance(one, ast.ImportFrom):
                    found.add(str(one.module).split(".")[0])
        others = {name for name in imports(path) if not name.startswith("layout")}
        assert others == set(), path
    assert found <= allowed


def test_only_the_command_line_knows_the_environment_variables_and_prints():
    for path in PACKAGE.rglob("*.py"):
        if "cli" in path.relative_to(PACKAGE).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                assert node.attr not in {"environ", "getenv", "stdout", "stderr", "stdin"}, f"{path}:{node.lineno}"
            if isinstance(node, ast.Name):
                assert node.id != "print", f"{path}:{node.lineno}"


HEAVY = (
    "rich",
    "pydantic",
    "asyncio",
    "ssl",
    "yaml",
    "ulid",
    "platformdirs",
    "importlib.metadata",
    "llm",
    "po_sessions.models",
    "po_sessions.cli.reference",
)


LARGE = ("typer", "re", "json", "typing", "dataclasses", "enum", "collections", "contextlib", "datetime", "importlib")
"""What is no trifle against a bare start of Python."""


@pytest.mark.parametrize("line", ["session list -q", "session switch Default", "-q status", "--help", "session --help"])
def test_what_starts_often_imports_little(line, root, po, backend):
    assert po("send", "greeter", "Hello").exit_code == 0
    assert imported(line.split(" "), HEAVY) == []


@pytest.mark.parametrize(
    "line",
    [
        *("--version", "status", "session list -n 20"),
        *("__complete zsh session switch ", "__complete bash 9 x x", "__complete fish se"),
    ],
)
def test_what_is_waited_for_imports_next_to_nothing(line, root, po, backend):
    assert po("send", "greeter", "Hello").exit_code == 0
    for _ in range(2):  # the first folds the index
        (root / "sessions" / ".locks" / "seen").unlink(missing_ok=True)
        assert po("session", "list").exit_code == 0
    assert imported(line.split(" "), (*HEAVY, *LARGE)) == []


def test_models_are_completed_without_the_library_once_their_names_are_known(root, po):
    assert po("model", "list").exit_code == 0
    assert imported(["__complete", "zsh", "send", "greeter", "-m", "smol"], ()) == []  # by another program
    assert imported(["__complete", "zsh", "send", "greeter", "-m", "smol"], (*HEAVY, *LARGE)) == []


COMMANDS = tuple(
    ".".join(("po_sessions", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for path in sorted((PACKAGE / "cli" / "commands").rglob("*.py"))
)[1:]
"""The modules of all nouns and verbs."""


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("--help", []),
        ("session --help", ["session"]),
        ("-q status", ["status"]),
        ("session list -q", ["session", "session.list"]),
        ("session import --help", ["session", "session.import_"]),
    ],
)
def test_a_command_is_imported_when_it_is_run(line, names, root, po, backend):
    assert po("send", "greeter", "Hello").exit_code == 0
    assert imported(line.split(" "), COMMANDS) == [f"po_sessions.cli.commands.{name}" for name in names]


def test_no_verb_imports_another():
    own = {name.removeprefix("po_sessions.") for name in COMMANDS}
    for path in (PACKAGE / "cli" / "commands").rglob("*.py"):
        found = {name for name in imports(path) if any(f"{name}.".startswith(f"{one}.") for one in own)}
        assert found == set(), f"{path}: what they share belongs into cli/app or cli/display"


def imported(args: list[str], modules: tuple[str, ...]) -> list[str]:
    """Return which of these modules `po` has imported when it ends, which it does well."""
    code = (
        "import sys, os\nfrom po_sessions import cli\n"
        f"os._exit = lambda code: (print('\\n', code, *(m for m in {modules!r} if m in sys.modules)), sys.exit())\n"
        "cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=False)
    code_of_exit, *found = done.stdout.splitlines()[-1].split()
    assert code_of_exit == "0"
    return found


def test_the_embedded_model_answers_without_the_library_for_the_others(model):
    code = (
        "import sys, os\nfrom po_sessions import cli\n"
        "os._exit = lambda code: (print('\\n', code, 'llm' in sys.modules, 'pydantic' in sys.modules), sys.exit())\n"
        "cli.main()"
    )
    args = ["send", "greeter", "Hello", "-o", "max_tokens=2"]
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1].split() == ["0", "False", "False"], done.stderr
