"""What the completion scripts ask: `po __complete SHELL …`, answered before Typer is imported. No store is written to.

The scripts hand over the words up to the cursor, or bash its line; what the words mean stands in `words`, which is
made from the commands' definitions. The answer's first line says what follows: `words`, one a line with a description
behind a tab, newest or most used first; or that it is `files` or `directories` that the shell has to complete. Sessions
come from the index as it stands, which no press of a key brings in step. Whatever is wrong, there is nothing to offer.
"""

import os

from po_sessions.cli.fast.commands_table import COMMANDS, EVERYWHERE, WORDS
from po_sessions.cli.terminal.times import local_time
from po_sessions.layout import environment, index, primitives, prompt_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    Found = tuple[str, str]
    """A candidate, and what there is to say of it."""
else:
    from _datetime import datetime  # `datetime` itself takes a millisecond

MOST = 100
"""How many sessions are offered; who types more of the name is offered others."""
FARTHEST = 20_000
"""How many of the newest sessions are looked through for them."""
LONGEST_LOG = 4 << 20
"""Bytes of a log that is still read for them."""

_POINTERS = ("@current", "@previous", "@last")


def answer(args: list[str]) -> bytes:
    """Return what is printed for these arguments; nothing if they make no sense."""
    try:
        if args[:1] == ["bash"] and len(args) == 4:
            from po_sessions.cli.fast import bash_line

            line = bash_line.Line(args[2], args[3])
            if line.redirects:
                return b"files\n"
            kind, found = _complete(line.words, line.word, lambda one: one.casefold().startswith(line.word.casefold()))
            text = "\n".join([kind, *line.replacements(found, listed=args[1] == "63")])
        elif args[:1] in (["zsh"], ["fish"]) and len(args) > 1:
            wanted = _bare(args[-1])
            kind, found = _complete(args[1:-1], args[-1], lambda one: wanted in _bare(one))
            text = "\n".join([kind, *(f"{value}\t{about}" for value, about in found)])
        else:
            return b""
        return (text + "\n").encode("utf-8", "ignore")
    except Exception:  # in the middle of a line that somebody types, there is nobody to tell
        return b""


def _bare(text: str) -> str:
    """Return a text without what may be an escape: zsh and fish match themselves, by rules that their users choose."""
    return text.replace("\\", "").replace("'", "").replace('"', "").casefold()


class _Line:
    """What the words before the cursor say."""

    def __init__(self, words: list[str]) -> None:
        self.path = ""
        self.arguments: list[str] = []
        self.given: dict[str, str] = {}
        self.waiting: str | None = None
        """The option whose value comes next."""
        self.literal = False
        """Whether `--` was given."""
        for word in words:
            self._take(word)

    def _take(self, word: str) -> None:
        commands, _, _ = COMMANDS[self.path]
        if self.waiting is not None:
            self.given[self.waiting] = word
            self.waiting = None
        elif word == "--" and not self.literal:
            self.literal = True
        elif word.startswith("-") and word != "-" and not self.literal:
            name, equals, value = word.partition("=")
            if equals:
                self.given[self.main_name(name)] = value
            elif self.kind_of(name) is not None:
                self.waiting = self.main_name(name)
        elif word in (name for name, _ in commands):
            self.path = f"{self.path} {word}".strip()
        else:
            self.arguments.append(word)

    def options(self) -> "Iterator[tuple[tuple[str, ...], str, str | None]]":
        """Yield the options that can be given here: their names, what they do, what their value is if they take one."""
        yield from COMMANDS[self.path][2]
        yield from EVERYWHERE

    def main_name(self, name: str) -> str:
        """Return the first of an option's names."""
        return next((names[0] for names, _, _ in self.options() if name in names), name)

    def kind_of(self, name: str) -> str | None:
        """Return what the value of an option is; None if it takes none."""
        return next((kind for names, _, kind in self.options() if name in names), None)


def _complete(words: list[str], word: str, fits: "Callable[[str], bool]") -> "tuple[str, list[Found]]":
    """Return what kind of things is completed, and the candidates for `word`, those that `fits` likes."""
    line = _Line(words)
    prefix, value = "", word
    if line.waiting is not None:
        kind = line.kind_of(line.waiting) or ""
    elif word.startswith("-") and word != "-" and not line.literal:
        name, equals, value = word.partition("=")
        if not equals:
            found = [(name, about) for names, about, _ in line.options() for name in names]
            return "words", [one for one in found if fits(one[0])]
        prefix, kind = name + equals, line.kind_of(name) or ""
    else:
        commands, arguments, _ = COMMANDS[line.path]
        if commands:
            return "words", [one for one in commands if fits(one[0])] if not line.arguments else []
        at = len(line.arguments)
        kind = arguments[at] if at < len(arguments) else arguments[-1] if arguments and arguments[-1][-1] == "…" else ""
        kind = kind.removesuffix("…")
    if kind in ("files", "directories"):
        return kind, []
    found = []
    for name, about in _values(kind, line, value):
        if (
            fits(prefix + name)
            and primitives.is_printable(name)
            and (not name.startswith("-") or line.literal or name == "-")
        ):
            if not primitives.is_printable(about):
                about = "".join(c if primitives.is_printable(c) else " " for c in about)
            found.append((prefix + name, about))
            if len(found) == MOST:
                break
    return "words", found


def _values(kind: str, line: _Line, typed: str) -> "Iterable[Found]":
    if kind in WORDS:
        return WORDS[kind]
    if kind == "models" or (kind == "values" and line.arguments == ["model"]):
        return _models()
    named = line.given.get("--root")
    root = environment.usable_root(os.path.expanduser(named) if named is not None else None, os.environ, warns=False)
    if root is None:
        return ()
    if kind == "objects":
        return _objects(root)
    if kind == "sessions":
        return _sessions(root, line, typed)
    if kind == "orphans":
        known = {name for name, _ in _objects(root)}
        now = datetime.now().astimezone()
        orphans = (row for row in _rows(root, typed) if row["po_name"] not in known and _is_there(root, str(row["id"])))
        return ((str(row["id"]), _described(row, now, owner=True)) for row in orphans)
    if kind == "trash":
        return _set_aside({name: f"{root}/trash/{name}" for name in os.listdir(f"{root}/trash")})
    if kind == "backups":
        ids = [name for name in os.listdir(f"{root}/backups") if primitives.is_session_id(name)]
        ids = [id for id in ids if not os.path.islink(f"{root}/backups/{id}")]
        found = [(id, name) for id in ids for name in os.listdir(f"{root}/backups/{id}")]
        return _set_aside({f"{id}.{name}": f"{root}/backups/{id}/{name}" for id, name in found})
    return ()


def _objects(root: str) -> "list[Found]":
    """Return the prompt objects, or those that the first write will make, with what they are for."""
    directory = f"{root}/objects"
    if not os.path.isdir(root):
        directory = __file__.rpartition("/cli/")[0] + "/prompt_objects/starters"
    found = []
    for file in sorted(os.listdir(directory)):
        if file.endswith(".md") and not file.startswith("."):
            front = dict(prompt_object.front_matter(primitives.read(f"{directory}/{file}", 1 << 16) or b""))
            name = front.get("name", file[:-3])
            if primitives.is_po_name(name):
                found.append((name, front.get("description", "")))
    return found


def _rows(root: str, typed: str) -> "Iterator[dict[str, object]]":
    """Yield what the index knows of the newest sessions, without many that do not hold what is typed."""
    plain = typed.isascii() and typed.isprintable() and not {"\\", '"', "'"} & {*typed}
    part = typed.lower().encode() if plain else b""  # anything else may be written otherwise in the index
    sessions = f"{root}/sessions"
    try:
        logs = index.logs(sessions, LONGEST_LOG)
    except index.Damaged:
        logs = []
    try:
        for row in index.rows(sessions, logs, keep=lambda line: part in line.lower(), farthest=FARTHEST):
            if "damaged" not in row:
                yield row
    except index.Damaged:
        pass


def _sessions(root: str, line: _Line, typed: str) -> "Iterator[Found]":
    """Yield the names of the prompt object's sessions, and the ids that begin with what is typed, of them or others.

    Without a prompt object only ids mean a session. A name that two sessions have, or that cannot be typed, is no help
    either.
    """
    said = environment.pointers(root)
    named = line.given.get("--po") or (line.arguments[0] if line.path == "send" and line.arguments else ".")
    po_name = named if named != "." else said and said[0]
    if line.path == "session switch" and not typed and said and po_name and "previous" in said[1].get(po_name, {}):
        yield "-", "the previous session"
    if typed.startswith("@"):
        yield from ((one, "") for one in _POINTERS)
    names: set[str] = set()
    now = datetime.now().astimezone()
    for row in _rows(root, typed):
        id, name = str(row["id"]), str(row["name"])
        if row["po_name"] == po_name and _is_there(root, id):
            can_be_named = (
                primitives.is_printable(name) and name not in names and (line.literal or not name.startswith("-"))
            )
            yield (name, _described(row, now)) if can_be_named else (id, _described(row, now, named=True))
            names.add(name)
            if can_be_named and typed and id.startswith(typed.upper()):
                yield id, _described(row, now, named=True)
        elif (po_name is None or (len(typed) > 1 and id.startswith(typed.upper()))) and _is_there(root, id):
            yield id, _described(row, now, owner=True)


def _is_there(root: str, id: str) -> bool:
    return not primitives.is_absent(f"{root}/sessions/{id}.json")


def _described(row: "dict[str, object]", now: datetime, *, named: bool = False, owner: bool = False) -> str:
    """Return how many messages a session has, and when the last came; with its name, and its prompt object."""
    count, when = row["message_count"], local_time(str(row["updated_at"]), now)
    about = f"{count} message{'' if count == 1 else 's'}, {when}"
    whose = f"{row['po_name']}: " if owner else ""
    return f"{whose}{row['name']}, {about}" if named or owner else about


def _set_aside(files: dict[str, str]) -> "Iterator[Found]":
    """Yield the ids of what is in the trash or in the backups, newest first, with what each is of."""
    ids = [name[:-5] for name in files if name.endswith("Z.json") and primitives.is_session_id(name.partition(".")[0])]
    for id in sorted(ids, key=lambda id: id.partition(".")[2], reverse=True)[:MOST]:
        held = primitives.session(files[f"{id}.json"], id.partition(".")[0])
        yield id, f"{held[1]}: {held[0]}, {held[2]} message{'' if held[2] == 1 else 's'}" if held else ""


def _models() -> "list[Found]":
    """Return the models that 'po model list' tells; to ask for them imports all that can answer, and takes its time."""
    from po_sessions.cli.fast import model_names

    if (found := model_names.read()) is None:
        from po_sessions import models
        from po_sessions.cli.config import paths

        origin = model_names.origin()
        found = [(one.name, one.description) for one in models.known(paths.model_paths())]
        model_names.store(found, origin)
    return found
