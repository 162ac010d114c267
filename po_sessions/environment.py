"""Environment: one `.prompt_objects` directory, opened. Where the parts are joined."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from po_sessions import atomic, folders, tree
from po_sessions.errors import Advice, Conflict, InvalidInput, NotFound, PoError
from po_sessions.pointers import PointerFile
from po_sessions.prompt_objects.directory import Definitions
from po_sessions.session import Session, SessionRef, SessionSummary
from po_sessions.sessions.manager import SessionManager
from po_sessions.sessions.renaming import mover
from po_sessions.storage import Notice, Watch, open_storage

if TYPE_CHECKING:  # what only a turn needs is imported by the turn
    from po_sessions.models import Chunk, ModelBackend, ModelPaths
    from po_sessions.prompt_objects.definition import Definition, Limit
    from po_sessions.sessions.backups import BackupPolicy
    from po_sessions.turns.plan import Asked
    from po_sessions.turns.prompt_object import Context, PromptObject


def _now() -> datetime:
    return datetime.now(UTC)


class Environment:
    """The prompt objects and sessions of one directory."""

    def __init__(
        self,
        root: str,
        session_manager: SessionManager,
        definitions: Definitions,
        *,
        model_paths: ModelPaths | None = None,
        default_model: str | None = None,
        notice: Notice = lambda _: None,
    ) -> None:
        """Join the parts; `open` makes them."""
        self.root = root
        self.session_manager = session_manager
        self.definitions = definitions
        self._model_paths = model_paths
        self._default_model = default_model
        self._notice = notice
        self._backends: dict[str, ModelBackend] = {}

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        clock: Callable[[], datetime] = _now,
        lock_timeout: float = 60.0,
        notice: Notice = lambda _: None,
        watch: Watch = lambda _, things: things,
        model_paths: ModelPaths | None = None,
        default_model: str | None = None,
        backup_policy: BackupPolicy | None = None,
        may_be_link: Callable[[str], bool] | None = None,
        save: bool = True,
    ) -> Environment:
        """Open the directory `path`, which need not be there: reading then finds nothing, and nothing is made.

        `lock_timeout` is in seconds; `notice` hears of files that cannot be shown, of plugins that cannot be loaded and
        of backups that cannot be made; `watch` is given what takes long in a large store; `model_paths` is needed to
        send; `default_model` answers where nobody names a model, the embedded one if it is None; `backup_policy` says
        when a turn makes a backup, and how many are kept; `may_be_link` tells of the path of a directory whether it may
        be a symbolic link, which only `objects` may be if it is not given. Without `save` there are no sessions but
        those that are made, in memory, for any prompt object, and sending leaves the directory as it is.
        """
        root = os.path.abspath(path)
        storage = open_storage(
            "files",
            root=root,
            lock_timeout=lock_timeout,
            notice=notice,
            watch=watch,
            may_be_link=may_be_link or os.path.join(root, "objects").__eq__,
        )
        definitions = Definitions(root, lock_timeout=lock_timeout)
        pointers = PointerFile(root, lock_timeout=lock_timeout, current_name=storage.po_name)
        manager = SessionManager(
            storage if save else open_storage("memory"),
            pointers=pointers if save else None,
            clock=clock,
            backup_policy=backup_policy,
            notice=notice,
            definitions=definitions if save else None,
        )
        opened = cls(root, manager, definitions, model_paths=model_paths, default_model=default_model, notice=notice)
        if save:
            storage.resume_rename(mover(definitions, pointers))
        elif current := pointers.read().po_name:
            manager.switch_po(current)
        return opened

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> bool:
        """Make the directory `path` with the starter prompt objects; False if it is there, and left as it is.

        Raises WriteFailed, ForeignDirectory.
        """
        root = os.path.abspath(path)
        objects = os.path.join(root, "objects")
        if os.path.isdir(objects):
            return False
        if os.path.lexists(objects):
            raise folders.linked(objects) if os.path.islink(objects) else folders.other(objects)
        import tempfile

        from po_sessions.prompt_objects import starters

        target = objects if os.path.isdir(root) else root
        atomic.make_dir(os.path.dirname(target))
        # Made aside and put in its place whole, so that nobody finds an environment without its prompt objects.
        with atomic.writing(target), tempfile.TemporaryDirectory(prefix=".po-", dir=os.path.dirname(target)) as aside:
            os.chmod(aside, atomic.DIR_MODE)  # whatever the umask
            made = os.path.join(aside, os.path.basename(target))
            inside = made if target == objects else os.path.join(made, "objects")
            atomic.make_dir(made)
            atomic.make_dir(inside)
            for name in starters.names():
                atomic.create(os.path.join(inside, f"{name}.md"), starters.text(name))
            tree.ignore(made if target == root else root)
            if owner := folders.owner_of(os.path.dirname(target)):
                for directory, _, names in os.walk(made):
                    for name in (".", *names):
                        os.chown(os.path.join(directory, name), *owner, follow_symlinks=False)
            try:
                os.rename(made, target)
                atomic.sync_name(target)
            except OSError as error:
                if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                    atomic.sync_name(target)
                    return False  # somebody else was faster
                raise
        return True

    @property
    def current_session(self) -> Session | None:
        """The current session of the current prompt object, if there are both. Raises NoCurrent if it is gone."""
        found = self._current()
        return None if found is None else self.session_manager.get(found)

    def _current(self) -> SessionSummary | None:
        po_name = self.session_manager.current_po()
        return None if po_name is None else self.session_manager.current(po_name)

    def prompt_object(self, name: str) -> PromptObject:
        """Return the prompt object with this name.

        Raises PromptObjectNotFound; Unreadable if its file is not as it should be; Conflict if two files claim it.
        """
        from po_sessions.turns.prompt_object import PromptObject

        return PromptObject(self.definitions.get(name))

    def create_prompt_object(self, made: Definition) -> str:
        """Write a new prompt object's file and return its path. Raises InvalidInput, Conflict, Busy."""
        self.definitions.check_free(made.name)
        with self.definitions.held():
            return self.definitions.create(made)

    def rename_prompt_object(self, old: str, new: str) -> None:
        """Give a prompt object another name, in its file and in all its sessions; the rest of the file stays as it is.

        Interrupted anywhere, it is finished when the environment is opened next. Raises PromptObjectNotFound,
        InvalidInput, Unreadable; Conflict if the name is taken, or sessions of a former prompt object have it.
        """

        def check() -> None:
            self.definitions.check_rename(old, new)
            orphan = next(iter(self.session_manager.list(new)), None)
            if orphan is not None:
                raise Conflict(
                    f"There are sessions of a former prompt object {new!r}.",
                    advice=Advice("former_sessions", session_id=orphan.id, po_name=old),
                )

        self.session_manager.pointers.read()  # whether it can be read is better known before
        check()
        self.session_manager.storage.rename_po(old, new, mover(self.definitions, self.session_manager.pointers), check)

    def delete_prompt_object(self, name: str) -> str:
        """Move a prompt object's file to the trash and return where it is; its sessions are kept.

        It is not the current one afterwards. Raises PromptObjectNotFound, Unreadable, Conflict, Busy.
        """
        self.session_manager.pointers.read()  # whether it can be read is better known before
        self.definitions.path(name)
        with self.definitions.held():
            kept = self.definitions.delete(name, os.path.join(self.root, "trash"))
        with suppress(PoError):  # it is done, and a pointer at nothing is no harm
            self.session_manager.pointers.change(lambda state: state.without_po(name))
        return kept

    def context(
        self,
        session: SessionRef | None = None,
        *,
        model: str | None = None,
        options: Mapping[str, Any] | None = None,
        limit: Limit | None = None,
        timeout: float | None = None,
        idle_timeout: float | None = None,
        default_model: str | None = None,
        backup_policy: BackupPolicy | None = None,
        asked: Asked | None = None,
        on_chunk: Callable[[Chunk], None] = lambda _: None,
    ) -> Context:
        """Return what surrounds a turn in `session`, or in the current one.

        `model`, `options` and `limit` are for this turn. `timeout` is how many seconds the model may take for its whole
        reply, `idle_timeout` how many it may send nothing; without them there is no limit. `default_model` and
        `backup_policy` are in place of the environment's. `asked` is who is asked, if that has been checked.

        Raises NotFound if there is no session (SessionNotFound, NoCurrent).
        """
        from po_sessions.models import DEFAULT_MODEL
        from po_sessions.turns.prompt_object import Context

        known = self._current() if session is None else self.session_manager.summary(session)
        if known is None:
            raise NotFound("There is no current session.", advice=Advice("no_session_given"))
        return Context(
            session=known,
            session_manager=self.session_manager,
            resolve=self.resolve,
            default_model=default_model or self._default_model or DEFAULT_MODEL,
            model=model,
            options=options or {},
            limit=limit,
            timeout=timeout,
            idle_timeout=idle_timeout,
            backup_policy=backup_policy,
            asked=asked,
            on_chunk=on_chunk,
        )

    def resolve(self, model: str) -> ModelBackend:
        """Return the back end that answers for `model`, the same each time. Whether it can is told by its `check`."""
        from po_sessions import models

        if self._model_paths is None:
            raise InvalidInput("This environment was opened without model_paths, so no model can be asked.")
        if model not in self._backends:
            self._backends[model] = models.resolve(model, self._model_paths, self._notice)
        return self._backends[model]
