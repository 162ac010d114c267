"""One run of `po`: its global options, the environment variables that count, and what it opens."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from po_sessions.cli.app.hints import Command, Hint, Words
from po_sessions.cli.app.root_dir import root_dir
from po_sessions.cli.config import paths
from po_sessions.cli.terminal.output import Output
from po_sessions.environment import Environment
from po_sessions.errors import (
    AmbiguousSelector,
    Interrupted,
    InvalidInput,
    NotFound,
    PoError,
    PromptObjectNotFound,
    SessionNotFound,
    Several,
    Unreadable,
)
from po_sessions.layout.environment import DIRECTORY
from po_sessions.sessions.selector import no_current_po

if TYPE_CHECKING:
    from po_sessions.cli.config.settings import Settings
    from po_sessions.models import ModelPaths
    from po_sessions.turns.prompt_object import PromptObject

T = TypeVar("T")
R = TypeVar("R")

LOCK_TIMEOUT = 60.0
"""Seconds to wait for another process, unless told otherwise."""


class Invocation:
    """What the commands of one run share; `ctx.obj`."""

    def __init__(self) -> None:
        self.out = Output()
        self.root: str | None = None
        self.lock_timeout = LOCK_TIMEOUT
        self.debug = False
        self._root: str | None = None
        self._ref_is_variables = False
        self._environment: Environment | None = None

    def set(self, name: str, value: Any) -> None:
        """Take a global option."""
        if name == "json":
            self.out.as_json = value
        elif name == "quiet":
            self.out.quiet = value
        elif name == "no_wait":
            self.lock_timeout = 0.0
        elif name == "root":
            self.root = self.out.root = value
        else:
            setattr(self, name, value)

    @cached_property
    def now(self) -> datetime:
        """When this run began, in the local zone."""
        return datetime.now().astimezone()

    def environment(self, *, to_write_for: str | None = None, to_send: bool = False, save: bool = True) -> Environment:
        """Open the environment that is meant.

        One in the home directory is made before the first write, if it will have the prompt object `to_write_for`, or
        for any if that is empty. Only with `to_send` does it know where models are. `save` as in `Environment.open`.

        Raises NotFound if it was named and is not there, InvalidInput if it is not safe to use unasked.
        """
        if self._environment is None:
            root = self.find_root()
            self._environment = Environment.open(
                root,
                lock_timeout=self.lock_timeout,
                notice=self.out.warn,
                watch=self.out.watch,
                model_paths=self.model_paths if to_send else None,
                may_be_link=self.may_be_link(root),
                save=save,
            )
        root = self._environment.root
        if to_write_for is not None and not os.path.isdir(root):
            if to_write_for:
                _expect_starter(to_write_for)
            if Environment.create(root):
                from po_sessions.prompt_objects import starters

                names = ", ".join(starters.names())
                self.out.note(f"Made {root} with the prompt objects {names}.")
        return self._environment

    def prompt_object(self, name: str) -> PromptObject:
        """Return a prompt object of the environment, or of the one that will be made before the first write.

        Raises PromptObjectNotFound, Unreadable, Conflict.
        """
        env = self.environment()
        if os.path.isdir(env.root):
            return env.prompt_object(name)
        _expect_starter(name)
        from po_sessions.prompt_objects import starters
        from po_sessions.turns.prompt_object import PromptObject

        return PromptObject(starters.definition(name))

    def find_root(self) -> str:
        """Return the directory of the environment that is meant, which need not be there; it is searched for once.

        Raises NotFound if it was named and is not there, InvalidInput if it is not safe to use unasked.
        """
        if self._root is None:
            self._root = root_dir(self.root, self.out.warn)
        return self._root

    def may_be_link(self, root: str) -> Callable[[str], bool]:
        """Return what tells of the path of a directory of the environment whether it may be a symbolic link.

        The prompt objects may, in an environment that was named or is the one in the home directory; others if the
        user's settings allow it.
        """

        def allowed(path: str) -> bool:
            if path == os.path.join(root, "objects") and (self._is_named() or self._is_at_home(root)):
                return True
            return self.settings.allows_link(path)

        return allowed

    def _is_named(self) -> bool:
        return bool(self.root or os.environ.get("PO_ROOT"))

    def _is_at_home(self, root: str) -> bool:
        try:
            return root == os.path.join(paths.home(), DIRECTORY)
        except NotFound:
            return False

    def po_name(self, given: str | None = None) -> str | None:
        """Return the prompt object that is meant: the one given, where `.` is the current one, or the current one."""
        if given == "":
            raise InvalidInput(
                "The prompt object's name is empty.", advice=Hint("Name one; ", Command("object list"), " tells which.")
            )
        if given not in (None, "."):
            return given
        current = self.environment().session_manager.current_po()
        if given == "." and current is None:
            raise no_current_po()
        return current

    def known_po(self, given: str | None) -> str | None:
        """Return the prompt object that is meant, as `po_name` does; one that is given has sessions or a definition.

        Raises PromptObjectNotFound.
        """
        name = self.po_name(given)
        if given is not None and name is not None:
            env = self.environment()
            if next(iter(env.session_manager.list(name)), None) is None and name not in env.definitions:
                env.prompt_object(name)  # which says what was meant
        return name

    def owner(self, given: str | None) -> str:
        """Return the prompt object of a new session; making the session checks that it is there."""
        name = self.po_name(given)
        if name is None:
            raise no_current_po()
        self.environment(to_write_for=name)
        return name

    def confirm(self, question: str, *, yes: bool, command: Words) -> None:
        """Ask before what cannot be undone.

        Raises Interrupted for a no, InvalidInput where nobody can be asked; `command` is what does not ask.
        """
        if yes:
            return
        if self.out.remarks_seen and sys.stdin and sys.stdin.isatty():
            import typer

            if typer.confirm(question, err=True):
                return
            raise Interrupted("Nothing was done.")
        raise InvalidInput(
            "Nothing was done: this cannot be undone, so it needs a yes.", advice=Hint("Run ", command, ".")
        )

    def note_typing(self, what: str) -> None:
        """Tell whoever sits at the keyboard that standard input is read now."""
        if sys.stdin and sys.stdin.isatty():
            self.out.note(f"Type {what} and end it with Ctrl-D.")

    def session_ref(self, given: str | None) -> str | None:
        """Return the selector that is meant: the one given, or `$PO_SESSION`. Raises InvalidInput if it is empty."""
        if given == "":
            raise InvalidInput("The session's name is empty.", advice=Hint("Leave it out to mean the current session."))
        self._ref_is_variables = not given
        return given or os.environ.get("PO_SESSION") or None

    def explain(self, failure: PoError) -> None:
        """Add to what went wrong that a variable and no argument named the session."""
        if (
            self._ref_is_variables
            and os.environ.get("PO_SESSION")
            and isinstance(failure, SessionNotFound | AmbiguousSelector)
        ):
            from po_sessions.cli.app import hints  # which a run that succeeds does not need

            failure.advice = hints.together(hints.Hint("$PO_SESSION names it."), hints.of(failure))

    def session_ids(self, refs: Sequence[str] | None, po: str | None, *, all_: bool) -> list[str]:
        """Return the ids of the sessions that are meant: those of `refs`, else the current one, or all there are.

        All are those of `po` if that is given. Raises InvalidInput if both are asked for; as `find` does; Several.
        """
        if refs and all_:
            raise InvalidInput("Sessions and --all contradict each other.", advice=Hint("Give one of them."))
        manager = self.environment().session_manager
        po_name = None if all_ and po is None else self.known_po(po)
        if not all_:
            found = each(refs or [None], lambda ref: manager.find(self.session_ref(ref), po_name))
            return list(dict.fromkeys(one.id for one in found))
        listed = {one.id: one.po_name for one in manager.list()}
        # What cannot be read is not listed; whoever asks for everything has to be told that something is missing.
        lost = [id for id in manager.storage.find("") if id not in listed]
        return [id for id, owner in listed.items() if po_name in (None, owner)] + lost

    @cached_property
    def current_ids(self) -> frozenset[str | None]:
        """The sessions that are current for some prompt object; it is told if that cannot be read, and no more."""
        try:
            pointers = self.environment().session_manager.pointers.read().pointers
        except Unreadable as error:
            from po_sessions.cli.app import hints

            self.out.warn(hints.with_hint(error))
            return frozenset()
        return frozenset(pointer.current for pointer in pointers.values())

    @cached_property
    def settings(self) -> Settings:
        """The settings that count in this run."""
        from po_sessions.cli.config.settings import Settings  # which imports what few commands need

        return Settings(self.find_root())

    @cached_property
    def model_paths(self) -> ModelPaths:
        """Where models are."""
        return paths.model_paths()

    def close(self) -> None:
        """Do what the run left to do."""
        if self._environment is not None:
            self._environment.session_manager.storage.close()


def _expect_starter(name: str) -> None:
    from po_sessions.prompt_objects import starters

    if name not in starters.names():
        raise PromptObjectNotFound(name, advice=Hint("Run ", Command("init"), " to make an environment first."))


def each(things: Iterable[T], do: Callable[[T], R]) -> list[R]:
    """Return what `do` makes of each; one that fails does not keep the others from it.

    Raises the one error there was, or Several.
    """
    made, failed = [], list[PoError]()
    for thing in things:
        try:
            made.append(do(thing))
        except PoError as error:
            failed.append(error)
    raise_any(failed)
    return made


def raise_any(failed: Sequence[PoError]) -> None:
    """Raise the one error there is, or Several; nothing if there is none."""
    if failed:
        raise failed[0] if len(failed) == 1 else Several(failed)
