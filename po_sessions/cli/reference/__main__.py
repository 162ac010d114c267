"""Write `man/` and completion's table out of the commands' definitions: `python -m po_sessions.cli.reference`."""

from __future__ import annotations

from pathlib import Path

from po_sessions.cli.reference import completion_table, manual


def files() -> dict[str, str]:
    """Return what is generated, by its path below the project's directory."""
    pages = {f"man/man1/{name}": text for name, text in manual.pages().items()}
    return {**pages, "po_sessions/cli/fast/commands_table.py": completion_table.table()}


def main() -> None:
    """Write it below the working directory; the page of a command that has gone is removed."""
    made = files()
    for name, text in made.items():
        Path(name).write_text(text, encoding="utf-8")
    for path in Path("man/man1").iterdir():
        if path.as_posix() not in made:
            path.unlink()


if __name__ == "__main__":
    main()
