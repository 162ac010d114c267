"""`po doctor`: every file of an environment looked at, what is certain repaired, the rest moved to the quarantine.

A check is a generator of findings that only reads. A finding is repaired, if that is asked for, before the check goes
on to the next, so that each sees what the ones before it left; a repair looks again, under the lock, before it changes
anything, and leaves alone what another process holds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from po_sessions import atomic
from po_sessions.doctor import git, index, layout, leftovers, mounts, pointers, sessions, set_aside, settings
from po_sessions.doctor.finding import Finding
from po_sessions.doctor.store import Store, foreign
from po_sessions.errors import Advice, ForeignDirectory, InvalidInput, NotFound, PoError

__all__ = ["Finding", "Store", "examine"]

CHECKS: tuple[Callable[[Store], Iterator[Finding]], ...] = (
    mounts.check,
    mounts.apart,
    layout.check,
    layout.strangers,
    leftovers.temporaries,
    leftovers.lock_files,
    leftovers.renaming,
    pointers.objects,
    settings.check,
    sessions.check,
    sessions.copies,
    sessions.names,
    set_aside.trash,
    set_aside.backups,
    pointers.check,
    index.check,
    git.check,
)
"""In this order: what a repair leaves behind is seen by a later check."""


def examine(store: Store, *, repair: bool = False) -> Iterator[Finding]:
    """Yield what is wrong with an environment, each finding once and, with `repair`, with what was done about it.

    Raises InvalidInput for a repair by another user than the owner.
    """
    if repair and os.stat(store.root).st_uid != os.geteuid():
        raise InvalidInput(
            f"{store.root} belongs to another user, who could not use what a repair would make.",
            advice=Advice("run_as_owner"),
        )
    told = set()
    for check in CHECKS:
        for finding in _checked(check, store):
            if (finding.kind, finding.message) in told:
                continue
            told.add((finding.kind, finding.message))
            if repair and finding.repair:
                _repair(finding)
            yield finding
    if repair:
        store.storage.close()


def _checked(check: Callable[[Store], Iterator[Finding]], store: Store) -> Iterator[Finding]:
    try:
        yield from check(store)
    except ForeignDirectory as error:
        yield from foreign(error)
    except (OSError, PoError) as error:
        advice = getattr(error, "advice", None) or Advice("look_at_disk")
        path = getattr(error, "filename", None) or store.root
        yield Finding("unreadable", path, f"{path} could not be examined: {error}", advice=advice)


def _repair(finding: Finding) -> None:
    assert finding.repair is not None
    try:
        finding.done = finding.repair.do()
    except (FileNotFoundError, NotFound):
        finding.done = "It is not there any more."
    except PoError as error:
        finding.failed = error
    except OSError as error:
        finding.failed = atomic.write_failed(finding.path, error)
