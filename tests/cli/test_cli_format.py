"""`--format` and `-0`: lists for programs, in the form that they want."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from support.running import command

from po_sessions.cli.display.template import Template

LISTS = {
    "session list": ["session", "list", "--all"],
    "session current": ["session", "current"],
    "trash list": ["trash", "list"],
    "backup list": ["backup", "list", "--all"],
    "object list": ["object", "list"],
    "model list": ["model", "list"],
    "config list": ["config", "list"],
}


@pytest.fixture
def filled(root, po):
    """Something for each list; returns the environment."""
    for name in ("Tea", "naïve 日本 {x}", "Gone"):
        po("session", "new", name, "--po", "greeter")
    po("session", "new", "Gone too", "--po", "greeter", "--switch")
    po("session", "delete", "Gone")
    po("backup", "create", "Tea")
    return root


@pytest.mark.parametrize("args", LISTS.values(), ids=LISTS)
def test_every_key_of_json_is_a_field(args, filled, po):
    printed = json.loads(po(*args, "--json").stdout)
    assert printed
    keys = [key for key in printed[0] if key != "version"]
    template = r"\t".join(f"{{{key}}}" for key in keys)
    lines = po(*args, "--format", template).stdout.splitlines()
    assert len(lines) == len(printed)
    for line, one in zip(lines, printed, strict=True):
        for cell, key in zip(line.split("\t"), keys, strict=True):
            text = one[key]
            assert cell == (text if isinstance(text, str) else "" if text is None else json.dumps(text))
    failed = po(*args, "--format", "{nope}")
    assert (failed.exit_code, failed.stdout) == (2, "")
    assert f"there is no field 'nope'; the fields are {', '.join(keys)}." in failed.stderr


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{a}{b}", "12"),
        (r"{a}\t{b}\n\0\\t", "1\t2\n\0\\t"),
        ("{{a}} {a}}}", "{a} 1}"),
        ("ü 日本\t", "ü 日本\t"),
        ("", ""),
    ],
)
def test_a_template_is_filled(text, line):
    assert Template(text, ["a", "b"]).fill({"a": "1", "b": "2"}) == line


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{a", "a { stands alone; write {{ for a brace"),
        ("a}", "a } stands alone; write }} for a brace"),
        ("{a!r}", "there is no field 'a!r'; the fields are a, b"),
        ("{a.__class__}", "there is no field 'a.__class__'; the fields are a, b"),
        ("{}", "there is no field ''; the fields are a, b"),
        ("\\", "\\ means nothing; write \\\\ for a backslash"),
        ("\\x41", "\\x means nothing; write \\\\ for a backslash"),
    ],
)
def test_what_is_no_template_is_refused(text, why):
    with pytest.raises(ValueError, match=f"^{re.escape(why)}$"):
        Template(text, ["a", "b"])


def test_a_field_does_not_end_a_line_unless_the_line_ends_with_nul(root, po):
    id = po("session", "new", "Tea", "--po", "greeter").stdout.strip()
    path = root / "sessions" / f"{id}.json"
    path.write_bytes(path.read_bytes().replace(b'"preview":""', rb'"preview":"one\ntwo\t\u0000three"'))
    args = ("session", "list", "--all", "--format", "{preview}|{name}")
    assert po(*args).stdout == "one two  three|Tea\n"
    assert po(*args, "-0").stdout == "one\ntwo\t three|Tea\0"


def test_ids_with_nul_are_for_xargs(filled, po):
    listed = [*command(), "session", "list", "--all", "--ids", "-0"]
    ids = subprocess.run(listed, capture_output=True, text=True, check=True).stdout
    assert ids.endswith("\0")
    assert ids.replace("\0", "\n") == po("session", "list", "--all", "--ids").stdout
    each = ["xargs", "-0", "-n1", *command(), "session", "path"]
    paths = subprocess.run(each, input=ids, capture_output=True, text=True, check=True).stdout
    assert paths.split() == [f"{filled}/sessions/{id}.json" for id in ids.split("\0")[:-1]]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--ids", "--format", "{id}"], "--ids and --format contradict each other."),
        (["--json", "--format", "{id}"], "--json contradicts --ids and --format."),
        (["--json", "--ids"], "--json contradicts --ids and --format."),
        (["-0"], "-0 ends ids or lines of --format."),
        (["-0", "--json"], "-0 ends ids or lines of --format."),
    ],
)
def test_faces_that_contradict_each_other(args, said, filled, po):
    for name in LISTS:
        if "--ids" in args and name in ("object list", "model list", "config list"):
            continue  # they have no ids
        failed = po(*LISTS[name], *args)
        assert (failed.exit_code, failed.stdout) == (2, "")
        assert said in failed.stderr


def test_an_empty_list_is_nothing_but_a_wrong_template_is_told(root, po):
    assert po("trash", "list", "--format", "{id}").stdout == ""
    assert po("trash", "list", "--format", "{nope}").exit_code == 2


def test_status_is_told_in_any_form(filled, po):
    id = po("session", "current", "--ids").stdout.strip()
    said = po("status", "--format", r"[{po_name}\t{session_name}\t{session_id}\t{message_count}] ")
    assert said.stdout == f"[greeter\tGone too\t{id}\t0] \n"
    failed = po("status", "--format", "{id}")
    assert (failed.exit_code, "'{po_name}\\t{session_name}'" in failed.stderr) == (2, True)
    assert po("status", "--format", "\udcff").exit_code == 2
    assert po("status", "--format", "{po_name}", "--json").exit_code == 2


def test_status_shows_a_default_session_that_is_not_there_yet(root, po):
    po("object", "switch", "greeter")
    assert po("status", "--format", "{session_name} {session_id} {message_count}").stdout == "Default  0\n"


def test_a_name_does_nothing_to_a_shell_prompt(root, po):
    id = po("session", "new", "x", "--po", "greeter").stdout.strip()
    path = root / "sessions" / f"{id}.json"
    path.write_bytes(path.read_bytes().replace(b'"name":"x"', rb'"name":"a\u001b]0;b\u0007"'))
    po("session", "switch", id)
    assert po("status", "--format", "{session_name}").stdout == "a\\x1b]0;b\\x07\n"
    assert po("status").stdout == "greeter: a\\x1b]0;b\\x07 (0 msgs)\n"
