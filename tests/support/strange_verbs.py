"""Everything that `po` can be asked in the environment of `strange.World`, and every place of that environment."""

from __future__ import annotations

from typing import Any, NamedTuple

NAMES = ("alpha", "beta", "gamma", "failed", "torn", "empty", "gone", "notes", "lost", "summed")
ALPHA, BETA, GAMMA, FAILED, TORN, EMPTY, GONE, NOTES, LOST, SUMMED = IDS = [
    f"01ARZ3NDEKTSV4RRFFQ6900{number:03}" for number in range(len(NAMES))
]
PO = {"notes": "reader", "lost": "ghost"}
BYSTANDERS = {GAMMA: "gamma", NOTES: "notes"}
"""Sessions that no verb is about, and no place belongs to."""
NOW = "2025-01-03T10:00:00.000Z"
STAMP = "20250104T100000.000Z"
ENTRY, UNDONE = f"{GONE}.{STAMP}", f"{BETA}.20250105T100000.000Z"
BACKUP = f"{ALPHA}.{STAMP}"
TEMPORARY = "4711.0a1b2c3d.tmp"
PRIVATE = "PRIVATE-TEXT"
"""Stands in files outside that no verb may show."""


class Verb(NamedTuple):
    """One thing that `po` is asked."""

    args: tuple[str, ...]
    input: str | None = None
    says: str = ""
    """What it must have stored inside of the environment if it ends with 0."""
    takes: tuple[str, ...] = ()
    """The sessions of which messages may go for good."""


def verb(line: str, *more: str, **about: Any) -> Verb:
    return Verb((*line.split(), *more), **about)


VERBS: dict[str, Verb] = {
    "send": verb("send greeter -s alpha sent-to-alpha", says="sent-to-alpha"),
    "send, torn": verb("send greeter -s torn sent-to-torn", says="sent-to-torn"),
    "send, new": verb("send greeter --new -s fresh sent-to-fresh", says="sent-to-fresh"),
    "send, create": verb("send reader --create -s made sent-to-made --switch", says="sent-to-made"),
    "send, stdin": verb("send . -", input="sent-through-a-pipe", says="sent-through-a-pipe"),
    "send, key": verb("send greeter --idempotency-key k sent-with-a-key", says="sent-with-a-key"),
    "send, no save": verb("send reader --no-save Hello"),
    "send, dry run": verb("send greeter --dry-run Hello"),
    "/sessions": verb("send greeter", "/sessions"),
    "/session new": verb("send greeter", "/session new slashed", says="slashed"),
    "/session rename": verb("send greeter", "/session rename slashed", says="slashed"),
    "/session switch": verb("send greeter", "/session switch beta"),
    "/session delete": verb("send greeter --yes", "/session delete"),
    "/session export": verb("send greeter", "/session export"),
    "/session info": verb("send greeter", "/session info"),
    "new": verb("session new made", says='"made"'),
    "new, switch": verb("session new --po reader --switch"),
    "ensure": verb("session ensure made", says='"made"'),
    "ensure, there": verb("session ensure alpha"),
    "list": verb("session list"),
    "list, all": verb("session list --all --json"),
    "list, orphaned": verb("session list --orphaned --ids"),
    "list, fast": verb("fast session list --all"),
    "show": verb("session show alpha"),
    "show, json": verb("session show @last --json"),
    "show, id": verb(f"session show {BETA}"),
    "current": verb("session current"),
    "current, all": verb("session current --all"),
    "switch": verb("session switch beta"),
    "switch, back": verb("session switch -"),
    "rename": verb("session rename beta renamed", says='"renamed"'),
    "delete": verb("session delete beta"),
    "delete, several": verb(f"session delete alpha {TORN}"),
    "delete, purge": verb("session delete beta --purge --yes", takes=("beta",)),
    "duplicate": verb("session duplicate beta copied", says='"copied"'),
    "duplicate, to": verb("session duplicate beta copied --to reader --switch", says='"copied"'),
    "adopt": verb(f"session adopt {LOST} --po reader"),
    "undo": verb("session undo beta -n 1"),
    "retry": verb("session retry failed"),
    "path": verb("session path alpha"),
    "export": verb("session export alpha"),
    "export, all": verb("session export --all --format jsonl -o ../out/all.jsonl"),
    "export, each": verb("session export --all --format json -o ../out/each/"),
    "import": verb("session import ../in/come.jsonl", says="come-says-0"),
    "prune": verb("session prune --older-than 30d --all"),
    "prune, yes": verb("session prune --older-than 30d --keep-last 2 --all --yes"),
    "prune, empty": verb("session prune --empty --all --yes"),
    "prune, size": verb("session prune --max-size 1kB --all --yes"),
    "prune, purge": verb("session prune --older-than 30d --all --purge --yes", takes=NAMES),
    "compact": verb("session compact beta"),
    "compact, undo": verb("session compact summed --undo"),
    "trash list": verb("trash list"),
    "trash restore": verb(f"trash restore {ENTRY}"),
    "trash restore, as": verb(f"trash restore {ENTRY} --as back", says='"back"'),
    "trash restore, undone": verb(f"trash restore {UNDONE}"),
    "trash empty": verb("trash empty --yes", takes=("gone", "beta")),
    "trash empty, old": verb("trash empty --older-than 1d --yes", takes=("gone", "beta")),
    "backup create": verb("backup create beta"),
    "backup create, all": verb("backup create --all"),
    "backup list": verb("backup list alpha"),
    "backup list, all": verb("backup list --all --json"),
    "backup restore": verb(f"backup restore {BACKUP}"),
    "backup restore, as": verb(f"backup restore {BACKUP} --as earlier", says='"earlier"'),
    "object list": verb("object list --json"),
    "object show": verb("object show greeter"),
    "object new": verb("object new made --body kind-words", says="kind-words"),
    "object path": verb("object path greeter"),
    "object switch": verb("object switch reader"),
    "object rename": verb("object rename greeter host"),
    "object delete": verb("object delete greeter"),
    "model list": verb("model list"),
    "model default": verb("model default smollm2"),
    "config list": verb("config list"),
    "config get": verb("config get backup.keep"),
    "config set": verb("config set backup.keep 3"),
    "config set, environment": verb("config set --environment backup.keep 3"),
    "config unset, environment": verb("config unset --environment backup.keep"),
    "config path": verb("config path --environment"),
    "doctor": verb("doctor --json"),
    "doctor --repair": verb("doctor --repair --json"),
    "init": verb("init"),
    "init, other": verb("init ../out/other"),
    "status": verb("status"),
    "status, json": verb("status --json"),
    "status, fast": verb("fast status"),
    "completion": verb("completion bash"),
    "complete sessions": verb("fast __complete fish session show", ""),
    "complete objects": verb("fast __complete zsh send", ""),
    "complete trash": verb("fast __complete fish trash restore", ""),
    "complete backups": verb("fast __complete fish backup restore", ""),
}
READS = {
    *("send, no save", "send, dry run", "/sessions", "/session export", "/session info", "ensure, there"),
    *(name for name in VERBS if name.startswith(("list", "show", "current", "export", "status", "complet", "model"))),
    *("path", "prune", "trash list", "backup list", "backup list, all", "object list", "object show", "object path"),
    *(name for name in VERBS if name.startswith("config ")),
}
"""Verbs that change no session."""


TRASHED = (f"{ENTRY}.json", f"{UNDONE}.json", f"{TORN}.0123456789abcdef.torn", "old.0a1b2c3d.md")
DIRECTORIES = (
    *("sessions", "sessions/.locks", "trash", "backups", f"backups/{ALPHA}", "quarantine", "objects", "templates"),
)
FILES = (
    *(f"sessions/{ALPHA}.json", "sessions/index.json", "sessions/index.log", "sessions/index.log.1"),
    *("sessions/.rename", f"sessions/.locks/{ALPHA}"),
    *(f"sessions/.locks/{name}" for name in ("seen", "entries", "names", "index", "state", "rename")),
    *("state.toml", "config.toml", "deletions.log", ".gitignore"),
    *(f"trash/{name}" for name in TRASHED),
    *(f"backups/{ALPHA}/{STAMP}.json", "objects/greeter.md"),
    *(f"sessions/.{ALPHA}.json.{TEMPORARY}", f"sessions/.locks/.{ALPHA}.json.{TEMPORARY}", f".state.toml.{TEMPORARY}"),
    *(f"trash/.{ENTRY}.json.{TEMPORARY}", f"backups/{ALPHA}/.{STAMP}.json.{TEMPORARY}"),
    *(f"objects/.greeter.md.{TEMPORARY}", ".po-0a1b2c3d"),
    # What is named like nothing of po's, where po moves such things away.
    *("sessions/stray.json", "sessions/index.log.bak", "sessions/.locks/stray", "trash/stray.txt", "state (1).toml"),
)
PLACES = (*DIRECTORIES, *FILES)
MADE = {
    "sessions/index.log.1": b"\n{}\n",
    "sessions/.rename": b'{"version":1,"old":"greeter","new":"host"}\n',
    ".gitignore": b"*\n",
}
"""What lies outside where there is nothing in the place itself as a rule."""
