"""What in the files of an environment contradicts a history of what was acknowledged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from support.history import COPYING, FOR_GOOD, MOVING, TOKEN, History, Operation, Said, said

from po_sessions.doctor import Store, examine
from po_sessions.environment import Environment
from po_sessions.errors import PoError
from po_sessions.storage import archive_ids, load
from po_sessions.storage.files import parsing


class Place(NamedTuple):
    """A file that holds messages."""

    kind: str
    """`session`, `trash`, `backup` or `quarantine`."""
    id: str
    """The session's."""
    name: str
    """An entry's id in the trash, else the path."""
    po_name: str
    title: str
    said: list[Said]
    undone: bool
    links: int


def places(root: Path) -> tuple[list[Place], list[str]]:
    """Return all files of an environment that hold messages, and what is wrong with them."""
    found: list[Place] = []
    wrong: list[str] = []
    for kind, pattern in (
        ("session", "sessions/*.json"),
        ("trash", "trash/*.json"),
        ("backup", "backups/*/*.json"),
        ("quarantine", "quarantine/**/*.json"),
    ):
        for path in sorted(root.glob(pattern)):
            if path.name == "index.json" and kind == "session":
                continue
            try:
                parsed = parsing.parse(path.read_bytes(), str(path))
            except PoError as error:
                wrong.append(f"{path} cannot be read: {error}")
                continue
            if parsed.torn is not None:
                wrong.append(f"{path} has a torn end")
            one, name = parsed.session, path.stem if kind == "trash" else str(path)
            messages = [said(message) for message in one.history]
            undone, links = "undone_at" in one.extra, path.stat().st_nlink
            found.append(Place(kind, one.id, name, one.po_name, one.name, messages, undone, links))
    wrong += [f"{path} is in the quarantine" for path in root.glob("quarantine/**/*") if path.is_file()]
    wrong += [f"{path} was left behind" for path in root.glob("sessions/.locks/.*.tmp")]
    wrong += [f"{path} was left behind" for path in root.glob("**/.*.tmp")]
    wrong += [f"{path} was left behind" for path in root.glob("trash/*.torn")]
    return found, wrong


class Verdict:
    """What contradicts a history in the files of an environment."""

    def __init__(self, history: History, root: Path, *, by_turns: bool) -> None:
        """With `by_turns` nobody added a message without holding the session for a turn."""
        self._history = history
        self._by_turns = by_turns
        self._places, self._unreadable = places(root)
        self._live = {one.id: one for one in self._places if one.kind == "session"}
        self._trashed = {one.name: one for one in self._places if one.kind == "trash"}
        self._families = history.families()
        self._makers: defaultdict[str, list[Operation]] = defaultdict(list)
        for one in history.operations:
            for name in one.entries:
                self._makers[name].append(one)

    def faults(self) -> list[str]:
        """Return each contradiction as a sentence, with the lines of the logs about it."""
        checks = (
            self._lost, self._gone, self._come_back, self._entries, self._left, self._twice, self._order, self._turns,
            self._names, self._links,
        )  # fmt: skip
        return [*self._history.wrong, *self._unreadable, *(fault for check in checks for fault in check())]

    def _lost(self) -> Iterator[str]:
        kept: defaultdict[str, set[Said]] = defaultdict(set)
        for place in self._places:
            if place.kind in ("session", "trash"):
                kept[place.id].update(place.said)
        lost: defaultdict[str, list[tuple[Operation, Said]]] = defaultdict(list)
        for one, id, what in self._history.acknowledged():
            family = self._families.get(id, {id})
            if not any(what in kept[there] for there in family) and not self._is_destroyed(one, family):
                lost[id].append((one, what))
        for id, missing in lost.items():
            texts = ", ".join(f"{role} {text!r} ({one.worker} #{one.number})" for one, (role, text) in missing[:5])
            elsewhere = [place.name for place in self._places if missing[0][1] in place.said]
            yield (
                f"LOST: {len(missing)} messages of {id}, which nothing removed for good: {texts}; "
                f"copies are in {elsewhere or 'no file'}.{self._history.about(self._families.get(id, {id}))}"
            )

    def _is_destroyed(self, stored: Operation, family: set[str]) -> bool:
        """Tell whether something may have removed for good what was stored."""
        return any(
            self._may_have_destroyed(one, stored, family)
            for one in self._history.operations
            if one.verb in FOR_GOOD and one.end > stored.start and not one.refused
        )

    def _may_have_destroyed(self, one: Operation, stored: Operation, family: set[str]) -> bool:
        if one.verb != "empty":
            return bool(family & set(one.removed))
        if not one.ok:
            return True
        for name in one.result.get("gone", ()):
            id = name.removesuffix(".json")
            if archive_ids.is_one(id) and archive_ids.split(id)[0] in family:
                makers = self._makers.get(id)
                if not makers or any(maker.end > stored.start for maker in makers):
                    return True
        return False

    def _gone(self) -> Iterator[str]:
        """Yield the sessions that are not there, though they were after the last thing that may have removed them."""
        seen: dict[str, Operation] = {}
        for one in self._history.operations:
            for id in [*one.made, *(one.ids if one.result.get("there") else ())] if one.ok else ():
                if id not in seen or seen[id].start < one.start:
                    seen[id] = one
        for id, last in seen.items():
            removers = [one for one in self._history.operations if id in one.removed and one.end > last.start]
            if id not in self._live and not removers:
                yield f"GONE: {id} was there after {last}, and nothing removed it.{self._history.about([id])}"

    def _come_back(self) -> Iterator[str]:
        for one in self._history.operations:
            for id in one.removed if one.ok else ():
                if id in self._live and not any(
                    id in other.brought and other.end > one.start for other in self._history.operations
                ):
                    yield f"BACK: {id} is there after {one}.{self._history.about([id])}"

    def _entries(self) -> Iterator[str]:
        """Yield what was put into the trash and is neither there nor taken out of it; and what was, and is there."""
        takers: defaultdict[str, list[Operation]] = defaultdict(list)
        for one in self._history.operations:
            if one.verb in MOVING and not one.refused:
                takers[one.about["entry"]].append(one)
            for name in one.result.get("gone", ()):
                takers[name.removesuffix(".json")].append(one)
        unsure = [one for one in self._history.operations if one.verb == "empty" and not one.ok and not one.refused]
        for name, makers in self._makers.items():
            last = max(makers, key=lambda one: one.end)
            taken = [one for one in takers[name] if one.end > last.start]
            if name not in self._trashed and not taken and not any(one.end > last.start for one in unsure):
                about = self._history.about([archive_ids.split(name)[0]])
                yield f"LOST: {name}, which {last} put into the trash.{about}"
            if name in self._trashed and any(one.ok and one.start > last.end for one in taken):
                yield f"STAYED: {name} is in the trash after it was taken out.{self._history.about(last.ids)}"

    def _left(self) -> Iterator[str]:
        """Yield what is in the trash and was put there by nothing that was acknowledged."""
        unsure = [one for one in self._history.operations if not one.ok and not one.refused]
        for name, place in self._trashed.items():
            if name not in self._makers and not any(place.id in one.ids for one in unsure):
                yield f"LEFT: {name} is in the trash, and nobody was told so.{self._history.about([place.id])}"

    def _twice(self) -> Iterator[str]:
        copied = self._history.closure(COPYING | MOVING)
        restored: defaultdict[str, int] = defaultdict(int)
        for one in self._history.operations:
            if one.verb in MOVING and one.ok:
                restored[one.about["entry"]] += 1
        sources = {id for one in self._history.operations if one.verb in COPYING and not one.refused for id in one.ids}
        sources |= {archive_ids.split(name)[0] for name, times in restored.items() if times > 1}
        tainted = {id for source in sources for id in copied.get(source, {source})}
        where: defaultdict[Said, list[Place]] = defaultdict(list)
        for place in self._places:
            if place.kind not in ("session", "trash"):
                continue
            whole = [one for one in place.said if one[0] == "user" and TOKEN.match(one[1])]
            if len(set(whole)) < len(whole):
                doubled = sorted({text for _, text in whole if whole.count(("user", text)) > 1})
                yield f"TWICE: {doubled} in {place.name}.{self._history.about([place.id])}"
            for one in set(whole):
                where[one].append(place)
        for one, found in where.items():
            if len(found) > 1 and not {place.id for place in found} & tainted:
                names = [place.name for place in found]
                yield f"TWICE: {one[1]!r} is in {names}.{self._history.about([place.id for place in found])}"

    def _order(self) -> Iterator[str]:
        """Yield the sessions in which what one process said is not in the order in which it did."""
        copied = self._history.closure(COPYING | MOVING)
        moved = {
            id for one in self._history.operations if one.verb in MOVING and one.about.get("undone") for id in one.ids
        }
        mixed = {id for source in moved for id in copied.get(source, {source})}
        for place in self._places:
            numbers: defaultdict[str, list[int]] = defaultdict(list)
            for role, text in place.said:
                if role == "user" and (found := TOKEN.match(text)):
                    numbers[found[1]].append(int(found[2]))
            if place.id not in mixed and any(found != sorted(found) for found in numbers.values()):
                yield f"ORDER: {place.name} has {dict(numbers)}.{self._history.about([place.id])}"

    def _turns(self) -> Iterator[str]:
        """Yield the replies that do not follow what they answer."""
        for place in self._places if self._by_turns else ():
            asked = None
            for role, text in place.said:
                if role == "user":
                    asked = text
                elif role == "assistant" and not (asked or "").startswith(text):
                    yield f"TURN: {text!r} follows {asked!r} in {place.name}.{self._history.about([place.id])}"

    def _names(self) -> Iterator[str]:
        named: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for place in self._live.values():
            named[place.po_name, place.title].append(place.id)
        for (po_name, title), ids in named.items():
            if len(ids) > 1:
                yield f"NAMES: {ids} of {po_name} have the name {title!r}.{self._history.about(ids)}"

    def _links(self) -> Iterator[str]:
        for place in self._places:
            if place.links > 1:
                yield f"LINK: {place.name} has {place.links} names.{self._history.about([place.id])}"


def judged(root: Path, logs: Path, *, by_turns: bool, repair: bool = True) -> list[str]:
    """Return what is wrong in the end, and with `repair` also after one."""
    history = History(logs)
    removed = {id for one in history.operations for id in one.removed}
    changed = {one.verb for one in history.operations} & {"rename object", "delete object"}
    found = [*Verdict(history, root, by_turns=by_turns).faults(), *agreement(root, removed)]
    for does in (False, True) if repair else (False,):
        for one in examine(Store(str(root), datetime.now(UTC)), repair=does):
            is_explained = one.kind == "pointer" and (one.session_id in removed or (changed and not one.session_id))
            if one.fault and not is_explained and not (one.kind == "orphan" and changed):
                found.append(f"DOCTOR{' --repair' * does}: {one.kind}: {one.message} {one.done or one.failed or ''}")
    if repair:
        after = [*Verdict(history, root, by_turns=by_turns).faults(), *agreement(root, removed)]
        found += [f"AFTER REPAIR {one}" for one in after if one not in found]
    return found


def agreement(root: Path, removed: set[str]) -> Iterator[str]:
    """Yield what a command that comes later finds wrong: the index and the files, the pointers, but at what went."""
    notices: list[str] = []
    env = Environment.open(root, lock_timeout=1, notice=notices.append)
    manager = env.session_manager
    list(manager.list())  # which notices rows without a file, and the next listing takes them out of the index
    listed = {one.id: one for one in manager.list()}
    files = {path.stem for path in (root / "sessions").glob("[0-9A-Z]*.json")}
    if files != set(listed):
        yield f"INDEX: {sorted(files ^ set(listed))} are files or listed, and not both"
    for id in files & set(listed):
        if load(manager.storage, id).summary() != listed[id]:
            yield f"INDEX: {listed[id]} is not what its file says: {load(manager.storage, id).summary()}"
    for name, pointer in manager.pointers.read().pointers.items():
        for id in {*pointer} - {None} - set(listed) - removed:
            yield f"POINTER: {name} points at {id}, which nothing removed"
    yield from (f"NOTICE: {one}" for one in notices if not one.startswith("Finished renaming"))
    manager.storage.close()
