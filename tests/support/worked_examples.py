"""The examples of the manual."""

from __future__ import annotations

import re
from pathlib import Path

from po_sessions.environment import Environment
from po_sessions.message import Message
from po_sessions.sessions.manager import SessionManager

_CHARACTERS = {"-": "-", "e": "\\", "(aq": "'", "(ga": "`", "(dq": '"', "(ti": "~", "(ha": "^"}


def examples(page: Path) -> list[str]:
    """Return the command lines in a page's EXAMPLES."""
    section = page.read_text().replace("\\\n", "").partition("\n.SH EXAMPLES\n")[2].partition("\n.SH ")[0]
    found = re.findall(r"^\.TP\n\\fB(.*)\\fR\n.", section, re.MULTILINE)
    assert len(found) == section.count(".TP")
    # Debian's roff leaves these characters alone; others make them ones that a shell does not know.
    assert [line for line in found if re.search(r"(?<!\\)[-'\"`~^]", line)] == []
    return [re.sub(r"\\(\(..|.)", lambda escape: _CHARACTERS[escape[1]], line) for line in found]


def begin(env: Environment, po: str, name: str, *asked: str, **about: object) -> str:
    """Make a session in which each of these was asked and answered, of any prompt object; return its id."""
    manager = env.session_manager
    id = SessionManager(manager.storage, clock=manager._clock).create(po, name).id
    for text in asked:
        env.session_manager.append(id, Message("user", text))
        env.session_manager.append(id, Message("assistant", f"You asked: {text}", extra=about))
    return id
