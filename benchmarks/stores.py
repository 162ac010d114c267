"""Makes environments with any number of sessions, as po itself would have left them, much faster than po would.

    python benchmarks/stores.py DIR --sessions 1000000 --messages 2

The files are real, one a session, encoded by the package; so are the rows of the index, which has been folded and
looked at. A million sessions take about 4 GB of a disk with 4-KiB blocks, a million inodes, and two minutes.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ulid import ULID

from po_sessions.environment import Environment
from po_sessions.message import Message
from po_sessions.pointers import PointerFile
from po_sessions.session import Session
from po_sessions.storage.files import codec
from po_sessions.storage.files.index import Index, Row
from po_sessions.storage.files.publish import to_row
from po_sessions.text.times import timestamp

BEGAN = datetime(2025, 1, 1, tzinfo=UTC)


def session(number: int, messages: int) -> Session:
    """Return the session `number`, counted from 0, a minute younger than the one before."""
    moment = BEGAN + timedelta(minutes=number)
    now = timestamp(moment)
    kinds = (("user", f"Question {number}"), ("assistant", f"Answer {number}"))
    history = tuple(Message(*kinds[at % 2], now) for at in range(messages))
    id = str(ULID.from_bytes(int(moment.timestamp() * 1000).to_bytes(6) + number.to_bytes(10)))
    return Session(id, f"Topic {number}", "greeter", now, now, history)


def fill(root: Path, sessions: int, messages: int = 2) -> None:
    """Make an environment with so many sessions; the last one is the greeter's current one."""
    Environment.create(root)
    directory = root / "sessions"
    (directory / ".locks").mkdir(0o700, parents=True)
    os.chmod(directory, 0o700)
    index = Index(str(directory))
    index.start()
    index.rebuild(lambda: _write(directory, sessions, messages))
    last = session(sessions - 1, messages).id
    PointerFile(str(root)).change(lambda now: now.with_po("greeter").with_session("greeter", last))


def _write(directory: Path, sessions: int, messages: int) -> Iterator[Row]:
    for number in range(sessions):
        one = session(number, messages)
        data = codec.encode(one)
        fd = os.open(directory / f"{one.id}.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, data)
        yield to_row(one.summary(), len(data), os.fstat(fd).st_ino)
        os.close(fd)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="the environment to make, as for 'po --root'")
    parser.add_argument("--sessions", type=int, default=1000, metavar="N")
    parser.add_argument("--messages", type=int, default=2, metavar="M", help="in each session")
    args = parser.parse_args()
    fill(args.directory, args.sessions, args.messages)


if __name__ == "__main__":
    main()
