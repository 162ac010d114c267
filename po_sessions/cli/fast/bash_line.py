"""A bash line up to the cursor: its words, and how a candidate has to be written in the place of the last one.

Bash's own functions neither undo quotes nor put them, so this does: within the quotes that are open, or with
backslashes. Bash replaces only what stands behind the last of its word breaks, which it hands over too.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./,%+:=@"


class Line:
    """A line that is being typed."""

    def __init__(self, line: str, replaced: str) -> None:
        """`line` begins with the command; `replaced` is the end of it that bash will replace."""
        self.words: list[str] = []
        """Behind the command, without their quotes."""
        self.word = ""
        """The last one, as far as it is typed."""
        self.redirects = False
        """Whether the last word is where input or output goes."""
        self._cut = 0
        """How much of it stays as it is."""
        self._quote = ""
        """The quotes that are open where it is replaced."""
        start = len(line) - len(replaced) if line.endswith(replaced) else -1
        quote, begun, at = "", False, 0
        words: list[str] = []
        while at < len(line):
            if at == start:
                self._cut, self._quote = len(self.word), quote
            c, following = line[at], line[at + 1 : at + 2]
            at += 1
            if quote == "" and c in " \t\n;|&()<>":
                if begun and not self.redirects:
                    words.append(self.word)
                if begun or c not in " \t\n":
                    self.redirects = c in "<>"
                if c in ";|&(":
                    words.clear()
                self.word, begun, self._cut = "", False, 0
                continue
            begun = True
            if c == quote or (quote == "" and c in "'\""):
                quote = "" if c == quote else c
            elif c == "\\" and (quote == "" or (quote == '"' and following in '$`"\\')):
                self.word += following
                at += 1
            else:
                self.word += c
        if at == start:
            self._cut, self._quote = len(self.word), quote
        while words and "=" in words[0] and words[0].partition("=")[0].isidentifier():
            words.pop(0)  # a variable for the command
        self.words = words[1:]

    def replacements(self, found: "Sequence[tuple[str, str]]", *, listed: bool) -> list[str]:
        """Return what bash gets for the candidates; `listed` if it only lists them."""
        exact = [one for one in found if one[0].startswith(self.word)]
        if not exact and len(found) == 1 and found[0][0].startswith(self.word[: self._cut]):
            exact = list(found)  # in another case; bash can replace one, and not show what several have in common
        if listed and len(exact) > 1:
            return [f"{name}  ({about})" if about else name for name, about in exact]
        rests = [name[self._cut :] for name, _ in exact]
        made = ["".join(map(self._quoted, rest)) for rest in rests]
        # Bash writes what all have in common, which must not end in half of an escape.
        common = len(os.path.commonprefix(rests))  # noqa: RUF071 - of any texts
        if len(made) > 1 and all(len(rest) > common and self._quoted(rest[common])[0] == "\\" for rest in rests):
            rest = rests[0]
            made[0] = "".join(map(self._quoted, rest[:common])) + self._apart(rest[common])
            made[0] += "".join(map(self._quoted, rest[common + 1 :]))
        return made

    def _quoted(self, c: str) -> str:
        if self._quote == "'":
            return "'\\''" if c == "'" else c
        if self._quote == '"':
            return "\"'!'\"" if c == "!" else "\\" + c if c in '$`"\\' else c
        return c if c in _PLAIN or not c.isascii() else "\\" + c

    def _apart(self, c: str) -> str:
        """Write a character that needs it without a backslash."""
        inner = f"'{c}'" if c != "'" else '"\'"'
        return f'"{inner}"' if self._quote else inner
