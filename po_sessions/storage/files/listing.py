"""The file store's lists: rows of the index, compared with their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice

from po_sessions.errors import Advice, PoError, Unreadable
from po_sessions.session import SessionSummary
from po_sessions.storage.files.base import Base, with_new_name
from po_sessions.storage.files.index import Row
from po_sessions.storage.files.publish import to_summary, why_damaged
from po_sessions.text.strict_json import dumps


class Listing(Base):
    """A file store whose sessions can be listed and found."""

    def list(
        self,
        *,
        po_name: str | None = None,
        name: str | None = None,
        beginning: str = "",
        limit: int | None = None,
        complete: bool = False,
    ) -> Iterator[SessionSummary]:
        """Yield the sessions, of one prompt object and with one name if given; newest turn first, ties by id.

        With `complete`, each with its tags, parent and totals, also where an earlier version wrote the row.
        """
        for summary, _ in islice(self._rows(po_name, name, beginning, complete=complete), limit):
            yield summary

    def with_sizes(self, po_name: str | None = None) -> Iterator[tuple[SessionSummary, int]]:
        """Yield the sessions as `list` does, each with the size of its file."""
        return self._rows(po_name)

    def _rows(
        self, po_name: str | None, name: str | None = None, beginning: str = "", *, complete: bool = False
    ) -> Iterator[tuple[SessionSummary, int]]:
        needle, renamed = b"", self._renaming.names()
        if name is not None or beginning:
            text = dumps(beginning if name is None else name)
            needle = b'"name":' + (text[:-1] if name is None else text)
        elif po_name is not None and renamed is None:
            needle = b'"po_name":' + dumps(po_name)
        damaged, found = None, False
        for row in self._catalogue.rows(needle, complete=complete):
            if name in (None, row["name"]) and row["name"].startswith(beginning):
                summary = with_new_name(to_summary(row), renamed)
                if po_name not in (None, summary.po_name):
                    continue
                if "damaged" in row:
                    damaged = damaged or row
                else:
                    found = True
                    yield summary, row["size"]
        if damaged and not found and name is not None and po_name is not None:
            raise self._name_is_held(damaged)

    def _name_is_held(self, row: Row) -> Unreadable:
        """Return the error for a name that a session has whose file cannot be read."""
        id, why = row["id"], why_damaged(row, self._files.path(row["id"]))
        advice = Advice("damaged")
        with suppress(PoError):
            if self._backups.ids(id):
                advice = Advice("has_backup", session_id=id)
        error = Unreadable(f"{row['po_name']} has a session named {row['name']!r}, {id}. {why}", advice=advice)
        error.session_id = id
        return error

    def taken_names(self, po_name: str, beginning: str = "") -> set[str]:
        """Return the names of a prompt object's sessions that have this beginning, also of those in damaged files."""
        needle = b'"name":' + dumps(beginning)[:-1] if beginning else b""
        # Read first: a rename that ends meanwhile leaves rows that were read with the old name.
        old, new = self._renaming.names() or ("", "")
        rows = [row for row in self._catalogue.rows(needle) if row["name"].startswith(beginning)]
        return {row["name"] for row in rows if po_name == (new if row["po_name"] == old else row["po_name"])}

    def find(self, fragment: str) -> Sequence[str]:
        """Return the ids that begin or end with `fragment`, whatever its case."""
        return self._catalogue.ids_matching(fragment)

    def rescan(self) -> None:
        """Compare every file with the index."""
        self._catalogue.look(closely=True)

    def close(self) -> None:
        """Fold the index if it is worth it; it is a cache, so a store that cannot be written is no failure."""
        self._catalogue.settle()
