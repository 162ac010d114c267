"""The command tree: commands imported when they are run, the global options, and the error boundary."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from keyword import iskeyword
from typing import Any, NoReturn, cast

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.exceptions import TyperException
from typer.main import get_command_from_info
from typer.models import CommandInfo

from po_sessions.cli import commands
from po_sessions.cli.app.hints import Hint
from po_sessions.cli.app.invocation import LOCK_TIMEOUT, Invocation
from po_sessions.cli.app.verb import Noun, Verb
from po_sessions.cli.fast import commands_table
from po_sessions.cli.terminal.output import OutputClosed
from po_sessions.errors import Interrupted, OutOfMemory, PoError, WriteFailed

COMMANDS = {words: dict(below) for words, (below, _, _) in commands_table.COMMANDS.items() if below}
"""The names of the commands below each noun, and below `po` itself, with what they do; listing them imports none."""

EXIT_BUG = 70


@contextmanager
def _naming(ctx: Any) -> Iterator[None]:
    """Let errors know whose arguments are being read; Typer does not tell where an option's value is missing."""
    try:
        yield
    except TyperException as error:
        if getattr(error, "ctx", None) is None:
            error.ctx = ctx  # type: ignore[attr-defined]
        raise


class PoCommand(TyperCommand):
    """A command that takes the global options behind its name too."""

    def __init__(self, name: str | None, **settings: Any) -> None:
        settings["params"] = [*settings.pop("params", []), *global_options()]
        super().__init__(name, **{**settings, "add_help_option": False})

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments. Raises TyperException."""
        with _naming(ctx):
            return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the pieces of the usage line in the form of manual pages: no braces around what is required."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


class WaitingCommand(PoCommand):
    """A command that may have to wait for another process."""

    def __init__(self, name: str | None, **settings: Any) -> None:
        settings["params"] = [*settings.pop("params", []), *lock_options()]
        super().__init__(name, **settings)


class PoGroup(TyperGroup):
    """A group of commands. One is imported and made when it is asked for."""

    words = ""
    """The group's words behind `po`."""
    table: Mapping[str, Mapping[str, str]] = COMMANDS

    def __init__(self, **settings: Any) -> None:
        settings["params"] = [*settings.pop("params", []), *global_options()]
        super().__init__(**{**settings, "add_help_option": False})

    def take(self, words: str, table: Mapping[str, Mapping[str, str]]) -> None:
        """Have the commands that a table has below `words`."""
        self.words, self.table = words, table
        self.commands = cast(Any, dict.fromkeys(table[words]))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments in front of the verb. Raises TyperException."""
        with _naming(ctx):
            return super().parse_args(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Import and make a command."""
        if cmd_name not in self.commands:
            return None
        words = f"{self.words} {cmd_name}".lstrip()
        about = load(words)
        if isinstance(about, Verb):
            return make(cmd_name, about)
        group = PoGroup(name=cmd_name, help=about.help, rich_markup_mode=None)
        group.take(words, self.table)
        return group

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """List the commands; what a narrow terminal has no room for is wrapped and not cut."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.table[self.words].items()))


class RootGroup(PoGroup):
    """`po` itself, and the place where errors become exit codes."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.params = [*self.params, *lock_options(), _version_option()]
        self.take("", COMMANDS)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: ARG002
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run a command line and exit with its code."""
        args = list(sys.argv[1:] if args is None else args)
        run = Invocation()
        # For errors met before the options are read; behind `--` there are none.
        run.out.as_json = "--json" in args[: args.index("--") if "--" in args else None]
        command = partial(super().main, args, prog_name, complete_var, False, windows_expand_args, obj=run, **extra)
        sys.exit(_run(command, args, run))


def load(words: str) -> Noun | Verb:
    """Import what a command declares of itself; "" is `po` as a whole."""
    path = [f"{word}_" if iskeyword(word) else word for word in words.split()]
    about: Noun | Verb = import_module(".".join([commands.__name__, *path])).ABOUT
    return about


def make(name: str, verb: Verb) -> TyperCommand:
    """Return the command that runs a verb."""
    info = CommandInfo(name, cls=WaitingCommand if verb.waits else PoCommand, callback=verb.function)
    return cast(TyperCommand, get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None))


def _run(command: Callable[[], Any], args: list[str], run: Invocation) -> int:
    """Run a command, show what went wrong, return the exit code."""
    failure: PoError
    try:
        code = _settled(command, run)
        if code != Interrupted.exit_code:  # Typer's word for Ctrl-C
            return code
        failure = Interrupted("Interrupted.")
    except TyperException as error:
        from po_sessions.cli.app.usage import usage_error  # which few runs need

        failure = usage_error(error, args)
    except (KeyboardInterrupt, typer.Abort):
        failure = Interrupted("Interrupted.")
    except typer.Exit as end:
        return end.exit_code
    except PoError as error:
        failure = error
        run.explain(failure)
        _trace(run, error)
    except MemoryError as error:
        _trace(run, error)
        failure = OutOfMemory(
            "This needs more memory than there is.", advice=Hint("Work with less at once, or close others.")
        )
    except OSError as error:
        _trace(run, error)
        what = f" of {error.filename}" if error.filename else ""
        hint = Hint("Look at the disk and the permissions, and repeat.")
        failure = WriteFailed(f"The system refused the use{what}: {error.strerror or error}.", advice=hint)
    except Exception as error:
        _trace(run, error)
        hint = Hint("Please report it with what is there.")
        failure = PoError(f"This is a bug in po; what is known of it is in {_write_crash_log()}.", advice=hint)
        failure.exit_code = EXIT_BUG
    run.out.error(failure)
    return failure.exit_code


def _settled(command: Callable[[], Any], run: Invocation) -> int:
    """Run a command and what it leaves to do; that nobody reads its output any more is no failure."""
    try:
        return command() or 0
    except OutputClosed:
        return 0
    finally:
        run.close()


def _trace(run: Invocation, error: Exception) -> None:
    if run.debug and not run.out.as_json:
        run.out.trace(error)


def _write_crash_log() -> str:
    """Write the traceback, without the values of variables, to a file; return its path."""
    import traceback
    from datetime import UTC, datetime

    from po_sessions import __version__, atomic
    from po_sessions.cli.config import paths

    text = f"po {__version__}, Python {sys.version}, {sys.platform}\n{traceback.format_exc()}"
    directory = paths.log_dir()
    if directory is not None:
        path = os.path.join(directory, f"crash-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}.log")
        with suppress(OSError, PoError):
            atomic.make_dir(directory)
            atomic.create(path, text.encode("utf-8", "backslashreplace"))
            return path
    return "the traceback that --debug prints"


def _take(ctx: Any, param: Any, value: Any) -> None:
    """Hand a global option to the run; what is not given leaves what stood further left in force."""
    if value not in (None, False):
        ctx.obj.set(param.name, value)


def _option(*names: str, **settings: Any) -> TyperOption:
    return TyperOption(param_decls=list(names), expose_value=False, **{"callback": _take, **settings})


def global_options() -> list[TyperOption]:
    """Return the options that every command takes."""
    return [
        _option("--root", metavar="DIR", help="Use the environment DIR."),
        _option("--quiet", "-q", is_flag=True, help="Print no remarks and no warnings."),
        _option("--json", is_flag=True, help="Print the result, or the error, as JSON."),
        _option("--debug", is_flag=True, help="Print the traceback of an error, unless --json."),
        _option("--help", "-h", is_flag=True, is_eager=True, callback=_show_help, help="Print this and exit."),
    ]


def _show_help(ctx: Any, param: Any, value: bool) -> None:  # noqa: ARG001
    if value:
        ctx.obj.out.line(ctx.get_help())
        ctx.exit()


def lock_options() -> list[TyperOption]:
    """Return the options of commands that may have to wait."""
    return [
        _option(
            "--lock-timeout",
            type=_seconds,
            metavar="SECONDS",
            help=f"Wait at most so long for other processes; {LOCK_TIMEOUT:g} if not given.",
        ),
        _option("--no-wait", is_flag=True, help="Do not wait for other processes."),
    ]


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (seconds := float(text)) < float("inf"):
            return seconds
    raise typer.BadParameter(f"{text!r} is no number of seconds.")


def _version_option() -> TyperOption:
    def show(ctx: Any, param: Any, value: bool) -> None:  # noqa: ARG001
        if value:
            from po_sessions import __version__

            ctx.obj.out.line(f"po {__version__}")
            ctx.exit()

    return _option("--version", is_flag=True, is_eager=True, callback=show, help="Print the version.")


app = typer.Typer(
    cls=RootGroup,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 100},
)


@app.callback(help=commands.ABOUT.help)
def po() -> None:
    """Run before any command; the options of `po` itself are the group's."""
