"""The command `po`: parses, calls the library, shows the result. The only layer that knows the terminal, the
environment variables and the clock.
"""

import gc
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from signal import SIG_DFL, SIGHUP, SIGINT, SIGTERM, default_int_handler, getsignal, signal
    from typing import NoReturn
else:  # `signal` itself imports `enum`, a quarter of a start
    from _signal import SIG_DFL, SIGHUP, SIGINT, SIGTERM, default_int_handler, getsignal, signal


def main() -> "NoReturn":
    """Run `po` with the arguments of this process, and end it."""
    signal(SIGINT, SIG_DFL)  # until there is something to leave in order
    gc.disable()  # a command lives too briefly to have garbage worth looking for

    if not os.environ.get("HOME", "/").startswith("/"):
        del os.environ["HOME"]  # libraries would take it for a directory below the working one, or for the root
    from po_sessions.cli.fast import dispatch

    try:  # noqa: SIM105 -- to import what suppresses takes time
        dispatch.answer(sys.argv[1:])
    except MemoryError:
        pass  # which the commands meet too, and tell of
    _keep_standard_descriptors()

    from contextlib import suppress

    from typer.main import get_command

    from po_sessions.cli.app.root import app

    command = get_command(app)
    for number in (SIGINT, SIGTERM, SIGHUP):
        if getsignal(number) == SIG_DFL:  # not what `nohup` had ignored
            signal(number, default_int_handler)
    code = 0
    try:
        command.main(prog_name="po")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
    os._exit(code)  # all output is flushed, and taking the interpreter down would cost more than a small command


def _keep_standard_descriptors() -> None:
    """Open closed standard descriptors on the null device, so that no store file gets their numbers."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
