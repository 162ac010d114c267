"""Sessions that leave and come back: `po session export` and `import`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from support.running import command
from support.terminal import on_terminal
from support.transferred import HOSTILE, ID, NOW, normal, session, sessions

from po_sessions.environment import Environment
from po_sessions.formats import FORMATS, decode
from po_sessions.message import Message
from po_sessions.pointers import PointerFile
from po_sessions.session import Session
from po_sessions.storage import load, open_storage

OTHER = "01ARZ3NDEKTSV4RRFFQ69G5FAW"


@pytest.fixture
def store(root):
    return open_storage("files", root=str(root))


@pytest.fixture
def elsewhere(tmp_path):
    """Another environment, without sessions."""
    Environment.create(tmp_path / "elsewhere" / ".prompt_objects")
    return str(tmp_path / "elsewhere")


@pytest.fixture
def tea(store):
    one = session(Message("user", "Hello", NOW), Message("assistant", "Hi", NOW, {"model": "m", "usage": {"input": 1}}))
    store.create(one)
    return one


def origin(back: Session) -> dict:
    return back.metadata["imported_from"]


def without_origin(back: Session) -> bytes:
    import dataclasses

    return normal(dataclasses.replace(back, metadata={k: v for k, v in back.metadata.items() if k != "imported_from"}))


@pytest.mark.parametrize("form", FORMATS)
def test_there_and_back(form, tea, store, po, elsewhere):
    there = open_storage("files", root=f"{elsewhere}/.prompt_objects")
    wild = session(*[Message("user", text, NOW) for text in HOSTILE], id=OTHER, name="Wild", metadata={"a": HOSTILE})
    store.create(wild)
    for one in (tea, wild):
        document = po("session", "export", one.id, "--format", form)
        assert document.exit_code == 0
        done = po("--root", elsewhere, "session", "import", "-", input=document.stdout_bytes)
        assert (done.exit_code, done.stdout, done.stderr) == (0, f"{one.id}\n", "")
        back = there.load(one.id)
        assert without_origin(back) == normal(store.load(one.id))
        about = origin(back)
        assert (about["id"], about["name"], about["po_name"]) == (one.id, one.name, "greeter")
        assert about["format"] == ("json" if form == "jsonl" else form)  # one line is both


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=sessions().filter(lambda one: one.version == 1))
@example(one=session(*[Message("user", text, NOW) for text in HOSTILE], metadata={text: text for text in HOSTILE}))
@pytest.mark.slow
def test_any_session_comes_back_into_an_empty_environment(one, tmp_path):
    from po_sessions import formats
    from po_sessions.session import Session as Stored
    from po_sessions.sessions.manager import SessionManager

    one = Stored.from_dict(json.loads(normal(one)))
    for form in map(formats.format_named, FORMATS):
        manager = SessionManager(open_storage("memory"), clock=Environment.open(tmp_path).session_manager._clock)
        found, some = decode(b"".join(form.encode(one)), "it")
        (done,) = manager.import_sessions(some, format_name=found.name)
        back = load(manager.storage, done.session.id)
        about = back.metadata["imported_from"]
        assert done.made
        assert (about["id"], about["name"]) == (one.id, one.name)
        assert back.history == one.history
        assert dict(back.extra) == dict(one.extra)
        assert {k: v for k, v in back.metadata.items() if k != "imported_from"} == {
            k: v for k, v in one.metadata.items() if k != "imported_from"
        }
        assert about.get("imported_from") == one.metadata.get("imported_from")
        assert (back.po_name, back.created_at, back.updated_at) == (one.po_name, one.created_at, one.updated_at)
        (again,) = manager.import_sessions(some, format_name=found.name)
        assert (again.made, again.session.id) == (False, back.id)


@pytest.mark.parametrize("form", FORMATS)
def test_importing_the_same_again_adds_nothing(form, tea, store, po, tmp_path):
    file = str(tmp_path / "file")
    assert po("session", "export", "Tea", "--po", "greeter", "-f", form, "-o", file).exit_code == 0
    before = list(store.list())
    done = po("session", "import", file, file)
    assert (done.exit_code, done.stdout) == (0, f"{ID}\n{ID}\n")
    assert list(store.list()) == before
    store.append(ID, Message("user", "More", NOW))
    assert po("session", "import", file).stdout == f"{ID}\n"
    assert [one.message_count for one in store.list()] == [3]


def test_a_taken_id_gets_a_fresh_one_that_is_found_again(tea, store, po, root, tmp_path):
    file = tmp_path / "x.json"
    file.write_text(json.dumps(session(Message("user", "Another", NOW)).to_dict()))
    code, shown = on_terminal("session", "import", str(file))
    made = next(one for one in open_storage("files", root=str(root)).list() if one.id != ID)
    assert code == 0
    assert f"The id {ID} is taken or cannot be one, so 'Tea' is {made.id}." in shown
    assert f"The name 'Tea' is taken or cannot be one, so {made.id} is called 'Tea 2'." in shown
    assert store.load(ID) == tea
    code, shown = on_terminal("session", "import", str(file))
    assert f"'Tea 2' of greeter is here already: {made.id}." in shown
    assert len(list(open_storage("files", root=str(root)).list())) == 2


def test_what_cannot_be_an_id_or_a_name_never_becomes_one(root, po, tmp_path):
    file = tmp_path / "x.jsonl"
    wild = ["@last", "-x", "a\nb", OTHER, ".", "x" * 500, " ", "\x1b[2J"]
    lines = [session(id=f"../../{n}", name=name).to_dict() for n, name in enumerate(wild)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = po("session", "import", str(file), "--json")
    made = json.loads(done.stdout)
    assert [one["name"] for one in made] == ["Session", *(f"Session {n}" for n in range(2, len(wild) + 1))]
    assert [one["original_id"] for one in made] == [f"../../{n}" for n in range(len(wild))]
    assert {path.name for path in (root / "sessions").glob("*.json")} == {
        "index.json",
        *(f"{one['id']}.json" for one in made),
    }
    about = json.loads(po("session", "show", made[0]["id"], "--json").stdout)["metadata"]["imported_from"]
    assert (about["id"], about["name"]) == ("../../0", "@last")


def test_a_carried_name_keeps_within_its_length(root, po, tmp_path):
    file = tmp_path / "x.jsonl"
    name = "n" * 200
    lines = [session(Message("user", str(n)), name=name).to_dict() for n in range(3)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    made = json.loads(po("session", "import", str(file), "--json").stdout)
    assert [one["name"] for one in made] == [name, "n" * 198 + " 2", "n" * 198 + " 3"]


def test_a_place_that_is_taken_by_what_cannot_be_read(root, po, tmp_path):
    bad = root / "sessions" / f"{ID}.json"
    bad.parent.mkdir(exist_ok=True)
    bad.write_text("nonsense")
    file = tmp_path / "x.json"
    file.write_text(json.dumps(session(Message("user", "Hello", NOW)).to_dict()))
    done = po("session", "import", str(file))
    assert done.exit_code == 0
    assert done.stdout.strip() != ID
    assert bad.read_text() == "nonsense"


def test_unless_everything_can_be_read_nothing_is_imported(tea, store, po, tmp_path, elsewhere):
    good, bad, newer, foreign = (str(tmp_path / name) for name in ("good", "bad", "newer", "foreign"))
    po("session", "export", ID, "-o", good)
    Path(bad).write_bytes(Path(good).read_bytes()[:-20])
    Path(newer).write_text(json.dumps(session(version=2).to_dict()))
    Path(foreign).write_text(json.dumps(session(po_name="../x").to_dict()))
    done = po("--root", elsewhere, "session", "import", good, bad, "nowhere", newer, foreign)
    assert (done.exit_code, done.stdout) == (7, "")
    assert done.stderr.startswith(
        f"po: 4 of what was asked for failed:\n  {bad} cannot be imported: its end is missing"
    )
    assert "  There is no file 'nowhere'.\n" in done.stderr
    assert "  The session 'Tea' has version 2, and this po reads up to 1.\n" in done.stderr
    assert "  The session 'Tea' cannot be imported: '../x' cannot be a prompt object's name.\n" in done.stderr
    assert po("--root", elsewhere, "session", "list", "--all").stdout == ""


def test_the_prompt_object_that_gets_them(tea, po, elsewhere, tmp_path):
    text = json.dumps(session(po_name="nobody").to_dict())
    code, shown = on_terminal("--root", elsewhere, "session", "import", "-", keys=text.encode() + b"\n\x04")
    assert code == 0
    adopt = f"'po --root {elsewhere} session adopt {ID} --po PO'"
    assert f"There is no prompt object nobody; {adopt} gives the session another." in shown
    assert po("--root", elsewhere, "session", "list", "--orphaned", "--ids").stdout == f"{ID}\n"
    other = json.dumps(session(id=OTHER, po_name="../nobody").to_dict())
    assert po("--root", elsewhere, "session", "import", "-", "--po", "reader", input=other).exit_code == 0
    listed = json.loads(po("--root", elsewhere, "session", "list", "--po", "reader", "--json").stdout)
    assert [one["id"] for one in listed] == [OTHER]


def test_an_old_session_takes_its_place_in_the_list(tea, po):
    older = session(
        id=OTHER, name="Older", created_at="2020-01-01T00:00:00.000Z", updated_at="2020-01-01T00:00:00.000Z"
    )
    assert po("session", "import", "-", input=json.dumps(older.to_dict())).exit_code == 0
    assert po("session", "list", "--all", "--ids").stdout.split() == [ID, OTHER]
    assert po("session", "list", "--all", "--ids", "-n", "1").stdout.split() == [ID]


def test_the_forms_of_one_and_of_several(tea, store, po, root, tmp_path):
    store.create(session(id=OTHER, name="Empty"))
    PointerFile(str(root)).change(lambda now: now.with_po("greeter").with_session("greeter", ID))
    assert po("session", "export").stdout.startswith("---\n")
    assert po("session", "export", "--json").stdout.startswith('{"version":1,')
    assert [json.loads(line)["name"] for line in po("session", "export", "Tea", "Empty").stdout.splitlines()] == [
        "Tea",
        "Empty",
    ]
    assert [one["name"] for one in json.loads(po("session", "export", "--all", "-f", "json").stdout)] == [
        "Empty",
        "Tea",
    ]
    assert len(po("session", "export", "Tea", "@current", ID, "-f", "jsonl").stdout.splitlines()) == 1
    for name, begins in (("a.md", "---"), ("a.json", "{"), ("a.jsonl", "{"), ("a", "---"), ("A.JSON", "{")):
        done = po("session", "export", "Tea", "-o", str(tmp_path / name))
        assert (done.exit_code, done.stdout) == (0, f"{tmp_path / name}\n")
        assert (tmp_path / name).read_text().startswith(begins)
    done = po("session", "export", "--all", "-o", f"{tmp_path}/new/dir/")
    assert sorted(done.stdout.split()) == [f"{tmp_path}/new/dir/{id}.md" for id in (ID, OTHER)]
    done = po("session", "export", "Tea", "Empty", "-o", str(tmp_path / "new"), "-f", "json", "--json")
    assert [one["session_ids"] for one in json.loads(done.stdout)] == [[ID], [OTHER]]
    assert po("session", "import", *json.loads(done.stdout)[0]["path"].split()).stdout == f"{ID}\n"


def test_only_their_owner_can_read_files_and_directories_whatever_the_umask(tea, po_process, tmp_path):
    file, directory = tmp_path / "x.md", tmp_path / "new" / "dir"
    for umask in (0, 0o022, 0o277):
        assert po_process("session", "export", ID, "-o", str(file), "--force", umask=umask).returncode == 0
        assert file.stat().st_mode & 0o777 == 0o600
        file.chmod(0o644)
    assert po_process("session", "export", ID, "-o", f"{directory}/", umask=0).returncode == 0
    made = [directory.parent, directory, directory / f"{ID}.md"]
    assert [path.stat().st_mode & 0o777 for path in made] == [0o700, 0o700, 0o600]


def test_files_are_replaced_only_by_force(tea, po_process, tmp_path):
    file = tmp_path / "x.md"
    assert po_process("session", "export", ID, "-o", str(file)).returncode == 0
    whole = file.read_bytes()
    file.write_text("mine")
    done = po_process("session", "export", ID, "-o", str(file))
    assert (done.returncode, file.read_text()) == (5, "mine")
    assert done.stderr == f"po: {file} is there already.\nName another file, or add --force to replace it.\n"
    assert po_process("session", "export", ID, "-o", str(file), "--force").returncode == 0
    assert file.read_bytes() == whole
    assert [path.name for path in tmp_path.glob("*x.md*")] == ["x.md"]


def test_a_file_that_another_makes_meanwhile_is_not_replaced(tea, po, tmp_path, monkeypatch):
    from po_sessions.cli.commands.session import export

    file = tmp_path / "x.md"

    def late(path, **_):
        file.write_text("theirs")

    monkeypatch.setattr(export, "_check_target", late)
    assert po("session", "export", ID, "-o", str(file)).exit_code == 5
    assert file.read_text() == "theirs"
    file.unlink()
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(1, "no hard links here")))
    assert po("session", "export", ID, "-o", str(file)).exit_code == 5
    assert file.read_text() == "theirs"
    file.unlink()
    monkeypatch.setattr(export, "_check_target", lambda path, **_: None)
    assert po("session", "export", ID, "-o", str(file)).exit_code == 0
    assert file.read_text().startswith("---\n")


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["export", "Nope"], 3, "No session matches 'Nope'."),
        (["export", "Tea", "--all"], 2, "Sessions and --all contradict each other."),
        (["export", "Tea", "-f", "pdf"], 2, "There is no format 'pdf'."),
        (["export", "Tea", "-o", ""], 2, "--output is empty."),
        (["export", "Tea", "-o", "no/where.md"], 3, "There is no directory 'no'."),
        (["export", "Tea", "-o", "/dev/null"], 5, "/dev/null is not a regular file."),
        (["export", "Tea", "Empty", "-f", "markdown"], 2, "2 sessions cannot be one markdown document."),
        (["export", "Tea", "Empty", "-o", "x.md"], 2, "2 sessions cannot be one markdown document."),
        (["export", "Nope", "No"], 3, "2 of what was asked for failed:"),
        (["import"], 2, "Missing argument 'FILE…'."),
        (["import", "nowhere"], 3, "There is no file 'nowhere'."),
        (["import", "."], 2, "'.' is a directory."),
        (["import", "-"], 7, "Standard input cannot be imported: it is empty."),
        (["import", "-", "--po", "nobody"], 3, "No prompt object is named 'nobody'."),
    ],
)
def test_errors_are_a_sentence_with_a_code(args, code, said, tea, store, po, root):
    store.create(session(id=OTHER, name="Empty"))
    PointerFile(str(root)).change(lambda now: now.with_po("greeter"))
    before = sorted(os.listdir())
    done = po("session", *args, input="")
    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr.startswith(f"po: {said}\n")
    assert len(done.stderr.splitlines()) >= 2
    assert sorted(os.listdir()) == before


def test_one_that_cannot_be_read_does_not_keep_the_others(tea, store, root, po, tmp_path):
    store.create(session(id=OTHER, name="Bad"))
    bad = root / "sessions" / f"{OTHER}.json"
    bad.write_bytes(bad.read_bytes().replace(b'"history"', b'"herstory"'))
    done = po("session", "export", "--all", "-f", "jsonl")
    assert (done.exit_code, [json.loads(line)["id"] for line in done.stdout.splitlines()]) == (7, [ID])
    assert f"{OTHER}.json cannot be read" in done.stderr
    done = po("session", "export", "--all", "-o", f"{tmp_path}/d/")
    assert (done.exit_code, done.stdout) == (7, f"{tmp_path}/d/{ID}.md\n")
    done = po("session", "export", OTHER, "-o", str(tmp_path / "bad.md"))
    assert (done.exit_code, (tmp_path / "bad.md").exists()) == (7, False)


def test_an_export_arrives_whole_in_a_pipe_and_on_a_full_disk_it_fails(store, root):
    store.create(session(*[Message("user", "x" * 1000, NOW) for _ in range(5000)]))
    shell = " ".join(command())
    done = subprocess.run(["bash", "-c", f"{shell} session export {ID} | cat"], capture_output=True, check=True)
    assert len(done.stdout) > 5_000_000
    assert done.stdout.endswith(b"<!-- po:end -->\n")
    done = subprocess.run(["bash", "-c", f"{shell} session export {ID} > /dev/full"], capture_output=True, check=False)
    assert done.returncode == 9
    shell = f"set -o pipefail; {shell} session export {ID} | head -1"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "---\n", "")


def test_two_imports_at_once_make_one_session(tea, po, elsewhere, tmp_path):
    file = str(tmp_path / "x.jsonl")
    lines = [
        json.dumps(session(Message("user", str(n)), id=f"{ID[:-3]}{n:03}", name=f"n{n}").to_dict()) for n in range(40)
    ]
    Path(file).write_text("\n".join(lines) + "\n")
    many = [
        subprocess.Popen([*command(), "--root", elsewhere, "session", "import", file], stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    said = {one.communicate()[0] for one in many}
    assert [one.returncode for one in many] == [0] * 4
    assert len(said) == 1
    assert len(po("--root", elsewhere, "session", "list", "--all", "--ids").stdout.split()) == 40


def test_export_imports_little(tea):
    code = "import sys; from po_sessions import formats; formats.format_named('json'); print('yaml' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_an_import_that_fails_midway_tells_what_is_there(root, po, tmp_path, monkeypatch):
    file = tmp_path / "x.jsonl"
    lines = [session(Message("user", str(n)), id=f"{ID[:-3]}{n:03}", name="n").to_dict() for n in range(150)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    real, count = os.link, iter(range(1000))

    def link(*args, **more):
        if ID[:-3] in args[1] and next(count) >= 120:
            raise OSError(28, "No space left on device")
        return real(*args, **more)

    with monkeypatch.context() as full:
        full.setattr(os, "link", link)
        done = po("session", "import", str(file))
    assert (done.exit_code, done.stdout.split()) == (9, [line["id"] for line in lines[:120]])
    assert "repeat: what is here already adds nothing." in done.stderr
    assert po("session", "import", str(file)).stdout.split() == [line["id"] for line in lines]
    names = {one["name"] for one in json.loads(po("session", "list", "--all", "--json").stdout)}
    assert names == {"n", *(f"n {n}" for n in range(2, 151))}


def test_what_is_nested_too_deep_for_markdown_can_be_json(store, po):
    deep = "x"
    for _ in range(400):
        deep = [deep]
    store.create(session(metadata={"deep": deep}))
    refused = po("session", "export", ID)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == "po: The session 'Tea' cannot be Markdown: it is nested too deep.\nChoose --format json.\n"
    assert po("session", "export", ID, "-f", "json").exit_code == 0


def test_an_imported_key_does_not_make_a_session_undone_messages(root, po):
    text = json.dumps(session(Message("user", "Hello"), extra={"undone_at": 3}).to_dict())
    assert po("session", "import", "-", input=text).exit_code == 0
    assert po("session", "delete", ID).exit_code == 0
    assert json.loads(po("trash", "list", "--json").stdout)[0]["kind"] == "deleted"
