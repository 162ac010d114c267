"""Renaming a prompt object outside of the sessions' store: in its own file and in the user's pointers."""

from __future__ import annotations

from collections.abc import Callable

from po_sessions.errors import Advice, PoError, Unfinished
from po_sessions.pointers import PointerStore
from po_sessions.prompt_objects.directory import Definitions


def mover(definitions: Definitions, pointers: PointerStore) -> Callable[[str, str], None]:
    """Return what gives a prompt object another name in both; it may be called again after it was cut anywhere.

    It raises as `Definitions.rename` does, and then nothing has changed; Unfinished if only the pointers are left.
    """

    def move(old: str, new: str) -> None:
        definitions.rename(old, new)
        try:
            pointers.change(lambda now: now.with_po_renamed(old, new))
        except PoError as error:
            raise Unfinished(str(error), advice=Advice("rename_unfinished", old=old, new=new)) from error

    return move
