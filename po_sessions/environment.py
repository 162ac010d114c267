"""Environment: one `.prompt_objects` directory, opened. Where the parts are joined."""

from __future__ import annotations

import errno
import json
import os
import shlex
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from po_sessions import definition
from po_sessions.definition import Definition
from po_sessions.errors import Conflict, InvalidInput, NotFound, PoError, PromptObjectNotFound, Unreadable
from po_sessions.manager import SessionManager
from po_sessions.session import SessionSummary, check_po_name
from po_sessions.storage import Notice, atomic, open_storage

if TYPE_CHECKING:  # what only a turn needs is imported by the turn
    from po_sessions.models import Chunk, ModelBackend, ModelPaths
    from po_sessions.prompt_object import Context, PromptObject

DIRECTORY = ".prompt_objects"
_STARTERS = os.path.join(os.path.dirname(__file__), "objects")


def _now() -> datetime:
    return datetime.now(UTC)


class Environment:
    """The prompt objects and sessions of one directory."""

    def __init__(
        self,
        root: str,
        session_manager: SessionManager,
        *,
        model_paths: ModelPaths | None = None,
        default_model: Callable[[], str | None] = lambda: None,
        notice: Notice = lambda _: None,
    ) -> None:
        """Join the parts; `open` makes them."""
        self.root = root
        self.session_manager = session_manager
        self._model_paths = model_paths
        self._default_model = default_model
        self._notice = notice
        self._backends: dict[str, ModelBackend] = {}
        self._known: dict[str, bool] = {}

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        clock: Callable[[], datetime] = _now,
        lock_timeout: float = 60.0,
        notice: Notice = lambda _: None,
        model_paths: ModelPaths | None = None,
        default_model: Callable[[], str | None] = lambda: None,
        save: bool = True,
    ) -> Environment:
        """Open the directory `path`, which need not be there: reading then finds nothing, and nothing is made.

        `lock_timeout` is in seconds; `notice` hears of files that cannot be shown and of plugins that cannot be loaded;
        `model_paths` is needed to send; `default_model` is asked for the model where nobody names one; the embedded one
        answers if it says None. Without `save` there are no sessions but those that are made, in memory, and sending
        leaves the directory as it is.
        """
        root = os.path.abspath(path)
        storage = open_storage("files", root=root, lock_timeout=lock_timeout, notice=notice)
        manager = SessionManager(storage if save else open_storage("memory"), clock=clock)
        opened = cls(root, manager, model_paths=model_paths, default_model=default_model, notice=notice)
        if save:
            storage.resume_rename(opened._move_definition)
        elif current := storage.state().po_name:
            manager.switch_po(current)
        return opened

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> bool:
        """Make the directory `path` with the starter prompt objects; False if it is there, and left as it is.

        Raises WriteFailed.
        """
        root = os.path.abspath(path)
        objects = os.path.join(root, "objects")
        if os.path.isdir(objects):
            return False
        import tempfile

        target = objects if os.path.isdir(root) else root
        atomic.make_dir(os.path.dirname(target))
        # Made aside and put in its place whole, so that nobody finds an environment without its prompt objects.
        with atomic.writing(target), tempfile.TemporaryDirectory(prefix=".po-", dir=os.path.dirname(target)) as aside:
            os.chmod(aside, atomic.DIR_MODE)  # whatever the umask
            made = os.path.join(aside, os.path.basename(target))
            inside = made if target == objects else os.path.join(made, "objects")
            atomic.make_dir(made)
            atomic.make_dir(inside)
            for name in starters():
                with open(os.path.join(_STARTERS, f"{name}.md"), "rb") as file:
                    atomic.create(os.path.join(inside, f"{name}.md"), file.read())
            try:
                os.rename(made, target)
            except OSError as error:
                if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                    return False  # somebody else was faster
                raise
        return True

    @property
    def current_session(self) -> SessionSummary | None:
        """The current session of the current prompt object, if there are both."""
        po_name = self.session_manager.current_po()
        return None if po_name is None else self.session_manager.current(po_name)

    def definitions(self) -> Iterator[Definition | Unreadable]:
        """Yield what each `objects/*.md` holds, in the order of the file names; an error for one that is unreadable."""
        for stem in self._stems():
            try:
                yield self._read(stem)
            except FileNotFoundError:
                continue
            except Unreadable as error:
                yield error

    def prompt_object(self, name: str) -> PromptObject:
        """Return the prompt object with this name.

        Raises PromptObjectNotFound; Unreadable if its file is not as it should be; Conflict if two files claim it.
        """
        from po_sessions.prompt_object import PromptObject

        return PromptObject(self._find(name)[0])

    def has_prompt_object(self, name: str) -> bool:
        """Tell whether a prompt object has this name; asked once, and cheap where its file is named like it."""
        if name not in self._known:
            self._known[name] = self._is_defined(name)
        return self._known[name]

    def _is_defined(self, name: str) -> bool:
        with suppress(InvalidInput, Unreadable, FileNotFoundError):
            front = atomic.read(self._object_path(check_po_name(name))).partition(b"\n---")[0]
            named = [line.removeprefix(b"name:").strip() for line in front.split(b"\n") if line.startswith(b"name:")]
            if named in ([], [name.encode()]):
                return True
        try:
            self._find(name)
        except (NotFound, InvalidInput):
            return False
        except PoError:
            pass  # it is there, and not as it should be
        return True

    def prompt_object_path(self, name: str) -> str:
        """Return the file of a prompt object. Raises like `prompt_object`."""
        return self._object_path(self._find(name)[1])

    def create_prompt_object(self, made: Definition) -> str:
        """Write a new prompt object and return its file. Raises InvalidInput, Conflict if the name is taken."""
        check_po_name(made.name)
        for known in self.definitions():
            if isinstance(known, Definition) and known.name == made.name:
                raise Conflict(f"There is a prompt object named {made.name!r}.", hint="Choose another name.")
        path = self._object_path(made.name)
        atomic.make_dir(os.path.dirname(path))
        try:
            atomic.create(path, made.render().encode())
        except FileExistsError:
            hint = "Choose another name, or mend that file."
            raise Conflict(f"{path} is there already.", hint=hint) from None
        return path

    def rename_prompt_object(self, old: str, new: str) -> None:
        """Give a prompt object another name, in its file and in all its sessions; the rest of the file stays as it is.

        Interrupted anywhere, it is finished when the environment is opened next. Raises PromptObjectNotFound,
        InvalidInput, Unreadable; Conflict if the name is taken, or sessions of a former prompt object have it.
        """

        def check() -> None:
            self._known.clear()
            self._renamed_text(*self._find(old), check_po_name(new))
            if self.has_prompt_object(new) or os.path.lexists(self._object_path(new)):
                raise Conflict(f"There is a prompt object named {new!r}.", hint="Choose another name.")
            orphan = next(iter(self.session_manager.list(new)), None)
            if orphan is not None:
                adopt = f"po session adopt {orphan.id} --po {old}"
                raise Conflict(
                    f"There are sessions of a former prompt object {new!r}.",
                    hint=f"Choose another name, or run '{adopt}' for each of them first.",
                )

        self.session_manager.storage.state()  # whether it can be read is better known before
        check()
        self.session_manager.storage.rename_po(old, new, self._move_definition, check)
        self._known.clear()

    def _move_definition(self, old: str, new: str) -> None:
        """Give a definition and its file another name, from wherever an earlier call was cut."""
        try:
            made, stem = self._find(old)
        except PromptObjectNotFound:
            made, stem = None, old
        before, after = self._object_path(stem), self._object_path(new)
        if made is not None:
            text = atomic.read(before)
            self._replace_definition(before, self._renamed_text(made, stem, new))
        if stem == old and os.path.lexists(before) and not os.path.lexists(after):
            try:
                with atomic.writing(after):
                    os.rename(before, after)
            except PoError:
                if made is not None:
                    self._replace_definition(before, text)
                raise
            atomic.sync_dir(os.path.dirname(after))

    def _replace_definition(self, path: str, text: bytes) -> None:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        atomic.replace(path, text)
        with atomic.writing(path):
            os.chmod(path, mode)

    def _renamed_text(self, made: Definition, stem: str, new: str) -> bytes:
        """Return a definition's file with another name in it. Raises Unreadable if that is more than one line."""
        path = self._object_path(stem)
        text = atomic.read(path)
        for changed in _with_name(text, json.dumps(new).encode()):
            with suppress(PoError):
                if definition.parse(changed.decode(), stem=new, where=path) == replace(made, name=new):
                    return changed
        raise Unreadable(
            f"The name in {path} is not on a line of its own.", hint=f"Change it to {new} there, or mend it."
        )

    def delete_prompt_object(self, name: str) -> str:
        """Move a prompt object's file to the trash and return where it is; its sessions are kept.

        It is not the current one afterwards. Raises PromptObjectNotFound, Unreadable, Conflict.
        """
        self.session_manager.storage.state()  # whether it can be read is better known before
        path = self.prompt_object_path(name)
        trash = os.path.join(self.root, "trash")
        atomic.make_dir(trash)
        kept = os.path.join(trash, f"{name}.{os.urandom(4).hex()}.md")
        with atomic.writing(path):
            os.link(path, kept, follow_symlinks=False)
            atomic.sync_dir(trash)
            os.unlink(path)
        self._known.pop(name, None)
        self.session_manager.storage.change_state(lambda state: state.without_po(name))
        return kept

    def context(
        self,
        session: SessionSummary | None = None,
        *,
        model: str | None = None,
        options: Mapping[str, Any] | None = None,
        on_chunk: Callable[[Chunk], None] = lambda _: None,
    ) -> Context:
        """Return what surrounds a turn in `session`, or in the current one; `model` and `options` are for this turn.

        Raises NotFound if there is no session.
        """
        from po_sessions.prompt_object import Context

        session = session or self.current_session
        if session is None:
            raise NotFound("There is no current session.", hint="Name one, or run 'po session switch' first.")
        return Context(
            session=session,
            session_manager=self.session_manager,
            resolve=self.resolve,
            default_model=self.default_model,
            model=model,
            options=options or {},
            on_chunk=on_chunk,
        )

    def default_model(self) -> str:
        """Return the model that answers where nobody names one."""
        from po_sessions.models import DEFAULT_MODEL

        return self._default_model() or DEFAULT_MODEL

    def resolve(self, model: str) -> ModelBackend:
        """Return the back end that answers for `model`, the same each time. Whether it can is told by its `check`."""
        from po_sessions import models

        if self._model_paths is None:
            raise InvalidInput("This environment was opened without model_paths, so no model can be asked.")
        if model not in self._backends:
            self._backends[model] = models.resolve(model, self._model_paths, self._notice)
        return self._backends[model]

    def _find(self, name: str) -> tuple[Definition, str]:
        """Return a definition by its name, and its file's name without the ending."""
        check_po_name(name)
        found: list[tuple[Definition, str]] = []
        broken: PoError | None = None
        for stem in self._stems():
            try:
                one = self._read(stem)
            except FileNotFoundError:
                continue
            except Unreadable as error:
                broken = error if stem == name else broken
                continue
            if one.name == name:
                found.append((one, stem))
        if len(found) > 1:
            files = " and ".join(f"{stem}.md" for _, stem in found)
            raise Conflict(f"Two prompt objects are named {name!r}: {files}.", hint="Give one of them another name.")
        if not found:
            if os.path.isdir(self.root):
                raise broken or PromptObjectNotFound(name)
            hint = "There is no environment yet: run 'po init', or send a first message to greeter."
            raise PromptObjectNotFound(name, hint=hint)
        return found[0]

    def _stems(self) -> list[str]:
        try:
            names = sorted(os.listdir(os.path.join(self.root, "objects")))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise Unreadable(f"Cannot read {self.root}: {error.strerror}.") from error
        return [name.removesuffix(".md") for name in names if name.endswith(".md") and not name.startswith(".")]

    def _read(self, stem: str) -> Definition:
        path = self._object_path(stem)
        try:
            text = atomic.read(path).decode()
        except UnicodeDecodeError as error:
            raise Unreadable(f"{path} is not UTF-8 text (byte {error.start}).", hint="Save it as UTF-8.") from None
        return definition.parse(text, stem=stem, where=path)

    def _object_path(self, stem: str) -> str:
        return os.path.join(self.root, "objects", f"{stem}.md")


def _with_name(text: bytes, name: bytes) -> Iterator[bytes]:
    """Yield what may be a definition's file with another name: as it is, if it has none; else with a line changed."""
    yield text
    lines = text.split(b"\n")
    at = next((at for at, line in enumerate(lines) if line.startswith(b"name:")), None)
    if at is not None:
        line = lines[at]
        end = b"\r" * line.endswith(b"\r")
        comment = line.find(b" #")
        for rest in (line[comment:].removesuffix(b"\r"), b"") if comment > 0 else (b"",):
            lines[at] = b"name: " + name + rest + end
            yield b"\n".join(lines)


def starters() -> list[str]:
    """Return the names of the prompt objects that a new environment has."""
    return sorted(name.removesuffix(".md") for name in os.listdir(_STARTERS) if name.endswith(".md"))


def starter(name: str) -> PromptObject:
    """Return a prompt object that a new environment has. Raises PromptObjectNotFound."""
    return Environment.open(os.path.dirname(_STARTERS), save=False).prompt_object(name)


def find_root(start: str, home: str) -> str:
    """Return the environment that is used from the directory `start`.

    The nearest `.prompt_objects` in it or in a parent, else the one in `home`, which need not be there.

    Raises InvalidInput if another user owns the one found on the way or can write to it: it could have come with
    somebody else's files.
    """
    directory = os.path.abspath(start)
    while True:
        path = os.path.join(directory, DIRECTORY)
        if os.path.isdir(path):
            _refuse_foreign(path)
            return path
        parent = os.path.dirname(directory)
        if parent == directory:
            return os.path.join(home, DIRECTORY)
        directory = parent


def _refuse_foreign(path: str) -> None:
    about = os.stat(path)
    if about.st_uid != os.geteuid():
        wrong = "belongs to another user"
    elif about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        wrong = "can be written by other users"
    else:
        return
    raise InvalidInput(
        f"{path} {wrong}, so it is not used unasked.", hint=f"If you trust it, add --root {shlex.quote(path)}."
    )
