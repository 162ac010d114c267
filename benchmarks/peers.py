"""`po` beside `llm`, which is installed with it: listing 10,000 conversations, and sends at once to one of them."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from measure import PO, compile_all, interleaved, process, ratio, row, scratch
from startup import fill

LLM = str(Path(sys.executable).with_name("llm"))
COUNT = 10_000
AT_ONCE = 8


def fill_llm(path: Path) -> None:
    """Make the one conversation that is there 10,000, of one turn each."""
    with sqlite3.connect(path) as database:
        threads = database.execute("SELECT * FROM threads").fetchall()
        turns = database.execute("SELECT * FROM turns").fetchall()
        assert len(threads) == len(turns) == 1
        for table, (first,) in (("threads", threads), ("turns", turns)):
            columns = [about[1] for about in database.execute(f"PRAGMA table_info({table})")]
            rows = []
            for number in range(1, COUNT):
                one = dict(zip(columns, first, strict=True))
                one["id"] = f"{one['id'][:-6]}{number:06}"
                if "thread_id" in one:
                    one["thread_id"] = f"{one['thread_id'][:-6]}{number:06}"
                rows.append(list(one.values()))
            marks = ", ".join("?" * len(columns))
            database.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def at_once(line: list[str]) -> int:
    """Run a command several times at once; return how often it failed."""
    running = [
        subprocess.Popen([*line, f"Say {number}."], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for number in range(AT_ONCE)
    ]
    return sum(one.wait() != 0 for one in running)


def turns_sent_next(conversation: str, database: Path) -> int:
    """Return how many turns the next message to a conversation of `llm` would have before it."""
    with sqlite3.connect(database) as opened:
        (tip,) = opened.execute("SELECT tip_message_hash FROM threads WHERE id = ?", [conversation]).fetchone()
        count = 0
        while tip is not None:
            tip, role = opened.execute("SELECT parent_hash, role FROM messages WHERE hash = ?", [tip]).fetchone()
            count += role == "user"
    return count


def main() -> None:
    compile_all()
    with scratch() as directory:
        home = Path(directory).resolve()
        os.environ["LLM_USER_PATH"] = str(home / "llm")
        os.environ["PO_ROOT"] = str(home / "environment")
        database = home / "llm" / "logs.db"
        ask = [LLM, "-m", "smollm2", "-o", "max_tokens", "8"]
        subprocess.run([*ask, "Hello"], check=True, capture_output=True)

        with sqlite3.connect(database) as opened:
            (conversation,) = opened.execute("SELECT id FROM threads").fetchone()
        fill(home / "environment", COUNT)
        process([PO, "session", "list"])()
        failed_llm = at_once([*ask, "--cid", conversation])
        stored_llm = turns_sent_next(conversation, database) - 1
        subprocess.run([PO, "session", "new", "Busy", "--po", "greeter", "--switch"], check=True, capture_output=True)
        failed_po = at_once([PO, "send", "greeter", "-s", "Busy", "-o", "max_tokens=8"])
        shown = subprocess.run([PO, "session", "show", "Busy", "--json"], check=True, capture_output=True).stdout
        stored_po = json.loads(shown)["turn_count"]

        with sqlite3.connect(database) as opened:  # as it was, with one turn
            for table in ("threads", "turns"):
                opened.execute(f"DELETE FROM {table} WHERE id NOT IN (SELECT min(id) FROM {table})")
        fill_llm(database)
        time.sleep(2.1)
        process([PO, "session", "list"])()
        lists = {"po": process([PO, "session", "list", "-n", "20"]), "llm": process([LLM, "logs", "list", "-n", "20"])}
        times = interleaved(lists)

    row(
        f"`po session list -n 20` / `llm logs list -n 20`, {COUNT:,} of each",
        f"{ratio(times, 'po', 'llm'):.3f}",
        "≤ 0.09",
    )
    row(
        f"{AT_ONCE} `po send` at once to one session: failed, turns in it then",
        f"{failed_po}, {stored_po}",
        f"0, {AT_ONCE}",
    )
    row(f"{AT_ONCE} `llm --cid` at once: failed, turns in the conversation then", f"{failed_llm}, {stored_llm}", "")


if __name__ == "__main__":
    main()
