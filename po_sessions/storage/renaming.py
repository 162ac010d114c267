"""`sessions/.rename`: a prompt object that is being given another name, until all its sessions have it."""

from __future__ import annotations

import os

from po_sessions.errors import InvalidInput, Unreadable
from po_sessions.json_text import dumps, loads
from po_sessions.session import check_po_name
from po_sessions.storage import atomic


class Renaming:
    """What the file says; it is there from the beginning of a renaming to its end, however often that is cut."""

    def __init__(self, sessions: str) -> None:
        """`sessions` is the directory of the sessions."""
        self._path = os.path.join(sessions, ".rename")

    def names(self) -> tuple[str, str] | None:
        """Return the old and the new name, or None if nothing is being renamed. Raises Unreadable."""
        try:
            said = loads(atomic.read(self._path))
            return check_po_name(said["old"]), check_po_name(said["new"])  # both become the names of files
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, InvalidInput):
            raise Unreadable(
                f"{self._path} cannot be read.", hint="Mend or remove it: it names the 'old' and the 'new' name."
            ) from None

    def now(self, po_name: str) -> str:
        """Return what a prompt object is called now. Raises Unreadable."""
        old, new = self.names() or ("", "")
        return new if po_name == old else po_name

    def begin(self, old: str, new: str) -> None:
        """Make the file. Raises WriteFailed."""
        atomic.create(self._path, dumps({"version": 1, "old": old, "new": new}) + b"\n")

    def end(self) -> None:
        """Remove the file. Raises WriteFailed."""
        with atomic.writing(self._path):
            os.unlink(self._path)
        atomic.sync_dir(os.path.dirname(self._path))
