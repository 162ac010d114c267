"""The one module that prints: results to standard output, remarks and errors to standard error."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from po_sessions.cli.fast.cells import separators_replaced
from po_sessions.errors import Advised, PoError, ReplyNotStored, WriteFailed

if TYPE_CHECKING:
    from po_sessions.cli.app.hints import Hint

T = TypeVar("T")

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_NARROWEST = 12
"""How many terminal cells a column of a table keeps of a long text. Where there are fewer it is left out."""
_PIECE = 1 << 16


class OutputClosed(Exception):
    """Whoever read standard output has gone; no failure."""


class Output:
    """Where a command's results and remarks go."""

    def __init__(self) -> None:
        self.quiet = False
        self.root: str | None = None
        """The environment that was named, which command lines in what is printed have to name too."""
        self.as_json = False
        self.is_terminal = _is_terminal(sys.stdout)
        self.remarks_seen = _is_terminal(sys.stderr)
        self.laid_out = self.is_terminal or bool(os.environ.get("FORCE_COLOR"))
        """Whether a conversation is laid out for people, in colours."""
        self._send = _to_stdout

    def write(self, text: str | bytes) -> None:
        """Write a piece of a result at once, as it is. Bytes are whole UTF-8 text. Raises OutputClosed, WriteFailed."""
        if self.is_terminal:
            text = escape_controls(text if isinstance(text, str) else text.decode())
        try:
            self._send(text.encode("utf-8", "backslashreplace") if isinstance(text, str) else text)
        except BrokenPipeError:
            raise OutputClosed from None

    @contextmanager
    def paged(self) -> Iterator[None]:
        """Show what the block writes in the user's pager if it is longer than the screen; on a terminal only."""
        if not self.is_terminal or self._send is not _to_stdout:
            yield
            return
        from po_sessions.cli.terminal.pager import Pager

        pager = Pager(_to_stdout)
        self._send = pager.write
        try:
            yield
        finally:
            self._send = _to_stdout
            if (status := pager.close()) not in (0, -2):  # the user interrupts it with Ctrl-C
                self.warn(f"The pager ended with exit status {status}; with PAGER= in front all is printed.")

    def line(self, text: str) -> None:
        """Write a result and a line end."""
        self.write(text + "\n")

    def pieces(self, pieces: Iterable[str | bytes]) -> None:
        """Write a result that is too long to be held, as it comes. Raises as `write` does."""
        waiting, size = list[bytes](), 0
        for piece in pieces:
            waiting.append(piece if isinstance(piece, bytes) else piece.encode("utf-8", "backslashreplace"))
            size += len(piece)
            if size > _PIECE:
                self.write(b"".join(waiting))
                waiting, size = [], 0
        if waiting:
            self.write(b"".join(waiting))

    def json(self, value: Any) -> None:
        """Write a result as JSON: indented on a terminal, one line elsewhere."""
        with self.paged():
            self.line(self.as_text(value))

    def as_text(self, value: Any) -> str:
        """Return JSON as it is printed."""
        text = json.dumps(value, ensure_ascii=self.is_terminal, indent=2 if self.is_terminal else None)
        # What would act on a terminal stands only in strings, where an escape means the same.
        return text if self.is_terminal else _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)

    def rows(
        self,
        head: Sequence[str],
        rows: Iterable[Sequence[str]],
        *,
        right: Sequence[str] = (),
        whole: Sequence[str] = (),
    ) -> None:
        """Write a table on a terminal, tab-separated values elsewhere.

        Columns named in `right` hold numbers; those in `whole` are never cut.
        """
        if not self.is_terminal:
            text = "".join("\t".join(map(separators_replaced, row)) + "\n" for row in rows)
            if text:
                self.write(text)
            return
        cells = [[one_line(cell) for cell in row] for row in rows]
        with self.paged():
            self.write_escaped("".join(f"{line}\n" for line in _layout(head, cells, set(right), set(whole))))

    def note(self, sentence: str | Hint) -> None:
        """Remark on what was done; only on a terminal, since cron mails whatever is printed."""
        if self.remarks_seen and not self.quiet:
            _to_stderr(self.text(sentence))

    @contextmanager
    def progress(self, label: str) -> Iterator[tuple[Callable[[str], None], Callable[[int, int], None]]]:
        """Show a bar of bytes while the block runs, on a terminal, if it takes over a second.

        Yield what takes a remark, and what takes the bytes so far and in all.
        """
        if not self.remarks_seen or self.quiet:
            yield self.note, lambda _done, _all: None
            return
        from po_sessions.cli.terminal.progress import bar

        with bar(label, in_bytes=True) as made:

            def say(sentence: str) -> None:
                if made.shown is None:
                    self.note(sentence)
                else:
                    made.shown.console.print(escape_controls(self.text(sentence)), markup=False)

            yield say, made.advance

    def watch(self, label: str, things: Collection[T]) -> Iterable[T]:
        """Give back `things`; on a terminal, a bar shows how many are done if that takes over a second."""
        return _watched(label, things) if self.remarks_seen and not self.quiet else things

    def warn(self, sentence: str | Hint) -> None:
        """Tell of something that is wrong and no failure."""
        if not self.quiet:
            _to_stderr(f"po: warning: {self.text(sentence)}")

    def text(self, said: str | Hint) -> str:
        """Return what is printed of a sentence: with its advice, and with commands for the environment of this run."""
        if isinstance(said, str) and not isinstance(said, Advised):
            return said
        from po_sessions.cli.app import hints  # which few runs need

        return (said if isinstance(said, hints.Hint) else hints.with_hint(said)).text(self.root)

    def error(self, error: PoError) -> None:
        """Tell what failed, and what to do next."""
        from po_sessions.cli.app import hints  # which a run that succeeds does not need

        hint = hints.of(error).text(self.root)
        if self.as_json:
            about = {
                "code": error.exit_code,
                "kind": error.kind,
                "message": str(error),
                "hint": hint or None,
                "retryable": error.retryable,
                "session_id": error.session_id,
                **({"reply": error.reply} if isinstance(error, ReplyNotStored) else {}),
            }
            _to_stderr(json.dumps({"error": about}))
        else:
            _to_stderr(f"po: {error}" + (f"\n{hint}" if hint else ""))

    def trace(self, error: BaseException) -> None:
        """Show the traceback of an error."""
        import traceback

        _to_stderr("".join(traceback.format_exception(error)).rstrip("\n"))

    def write_escaped(self, text: str) -> None:
        """Write what holds nothing that could act on a terminal but our own."""
        terminal, self.is_terminal = self.is_terminal, False
        try:
            self.write(text)
        finally:
            self.is_terminal = terminal


def _watched(label: str, things: Collection[T]) -> Iterator[T]:
    from po_sessions.cli.terminal.progress import bar

    with bar(label, in_bytes=False) as made:
        for done, thing in enumerate(things):
            if done % 100 == 0:
                made.advance(done, len(things))
            yield thing


def escape_controls(text: str) -> str:
    """Return `text` with all that could act on a terminal, or turn its direction, made visible."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(cell: str) -> str:
    """Return a text as one line that does nothing to a terminal."""
    return escape_controls(cell).replace("\n", "\\n").replace("\t", "\\t")


def _layout(head: Sequence[str], rows: list[list[str]], right: set[str], whole: set[str]) -> list[str]:
    """Return the lines of a table, its head in bold, none wider than the terminal."""
    from shutil import get_terminal_size

    from rich.cells import cell_len, set_cell_size

    def fit(text: str, width: int, title: str) -> str:
        if cell_len(text) > width:
            return set_cell_size(text, max(width - 1, 0)) + "…"
        gap = " " * (width - cell_len(text))
        return gap + text if title in right else text + gap

    columns = list(zip(head, *rows, strict=True))
    most = get_terminal_size().columns
    widths = _widths([max(map(cell_len, column)) for column in columns], [title in whole for title in head], most)
    lines = ["  ".join(map(fit, row, widths, head)).rstrip() for row in [list(head), *rows]]
    if not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        lines[0] = f"\x1b[1m{lines[0]}\x1b[0m"
    return lines


def _widths(natural: Sequence[int], whole: Sequence[bool], most: int) -> list[int]:
    """Return the widths of the columns that have room, from the left: the widest are cut until all fit."""
    widths = [width if kept else min(width, most) for width, kept in zip(natural, whole, strict=True)]
    while sum(widths) + 2 * (len(widths) - 1) > most:
        can_be_cut = [at for at, width in enumerate(widths) if width > _NARROWEST and not whole[at]]
        if can_be_cut:
            widths[max(can_be_cut, key=lambda at: (widths[at], at))] -= 1
        elif len(widths) > 2:
            return _widths(natural[:-1], whole[:-1], most)
        else:
            break
    return widths


def counted(number: int, noun: str) -> str:
    """Return `1 message`, `2 messages`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def _to_stdout(data: bytes) -> None:
    """Write to standard output at once. Raises OutputClosed, WriteFailed."""
    try:
        if sys.stdout is None:
            raise OSError(9, "it is closed")
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _let_go_of_stdout()
        raise OutputClosed from None
    except OSError as error:
        _let_go_of_stdout()
        reason = error.strerror or str(error)
        raise WriteFailed(f"Cannot write to standard output: {reason}.") from None


def _to_stderr(text: str) -> None:
    if sys.stderr is None:
        return
    try:  # escaped in a pipe too, since much of what is read there is shown on a terminal in the end
        sys.stderr.buffer.write((escape_controls(text) + "\n").encode("utf-8", "backslashreplace"))
        sys.stderr.buffer.flush()
    except OSError:
        pass  # there is nobody left to tell


def _let_go_of_stdout() -> None:
    """Drop what is buffered, so that nothing tries to write it when the process ends."""
    if sys.stdout is not None:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
