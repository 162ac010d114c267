"""Verbs and nouns: what a file of `cli/commands` declares for the parser, the manual and completion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence


class Verb:
    """A command, declared as ABOUT in a file of its own."""

    def __init__(
        self,
        function: Callable[..., None],
        *,
        after: str = "",
        waits: bool = False,
        summary: str = "",
        examples: Mapping[str, str] | None = None,
        see_also: Sequence[str] = (),
        exit_codes: Sequence[int] = (),
    ) -> None:
        """Take a function, whose parameters are the arguments and options, and whose docstring is the help.

        - `after`: the command behind which this one is listed; the first is behind none.
        - `waits`: whether it may wait for another process, and so takes the options about that.
        - `summary`: what it does, where the first sentence of the help is too long for a list.
        - `examples`: lines for a shell, and what each does.
        - `see_also`: the commands that its manual page sends on to.
        - `exit_codes`: those that not every command can end with.
        """
        self.function = function
        self.after = after
        self.waits = waits
        self.summary = summary
        self.examples = examples or {}
        self.see_also = see_also
        self.exit_codes = exit_codes


class Noun:
    """A group of commands, declared as ABOUT in its package."""

    def __init__(
        self,
        help: str,
        *,
        after: str = "",
        large: bool = False,
        examples: Mapping[str, str] | None = None,
        see_also: Sequence[str] = (),
    ) -> None:
        """Take the help of the group; the rest is as for a verb.

        The verbs of a `large` noun have manual pages of their own. The page of another has their examples behind its
        own, and sends on to where they send.
        """
        self.help = help
        self.after = after
        self.large = large
        self.examples = examples or {}
        self.see_also = see_also
