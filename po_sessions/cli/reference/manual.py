"""The manual pages, out of the commands' own definitions: one for each command, and for each verb of a large group."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from po_sessions import __version__, errors
from po_sessions.cli.app.root import EXIT_BUG, global_options, load, lock_options
from po_sessions.cli.app.verb import Noun, Verb
from po_sessions.cli.reference import tree
from po_sessions.cli.reference.roff import bold, escaped, filled, items, prose, reference, term, unquoted

DATE = "2026-11-25"
"""When what the pages say was last gone through."""

_MODELS = {"asks", "model", "config"}
_SETTINGS = {"asks", "model", "config", "backup"}
_PRINTS = {"session", "trash", "backup", "object", "model", "config"}
_IN_COLOURS = {
    *("session list", "session current", "session prune", "session show"),
    *("trash", "backup", "object", "model", "config"),
}
ENVIRONMENT = {
    "PO_ROOT": ("The environment to use, as with --root.", {"store"}),
    "PO_SESSION": ("The session to use where no other is named.", {"falls back"}),
    "PO_MODEL": ("The model to ask where neither --model nor the prompt object names one.", _MODELS),
    "PO_MODEL_IDLE_TIMEOUT": (
        "How long a model may send nothing before the turn fails, 10min if not set; see po-config(1).",
        {"asks", "config"},
    ),
    "LLM_USER_PATH": (
        "Where llm has its keys, aliases and models; keys may also come from variables of its own, as from "
        "OPENAI_API_KEY.",
        _MODELS,
    ),
    "PO_BACKUP_INTERVAL, PO_BACKUP_KEEP": (
        "When a turn makes a backup first, and how many are kept; see po-config(1).",
        {"turn", "backup", "config"},
    ),
    "PO_GGUF": ("A GGUF file that stands in for the embedded model's weights.", _MODELS),
    "PAGER": ("Shows what is longer than the screen, on a terminal; less if not set, nothing if empty.", _PRINTS),
    "NO_COLOR": ("If not empty, nothing is printed in colours, and no head of a list in bold.", _IN_COLOURS),
    "FORCE_COLOR": (
        "If not empty, 'po session show' lays a conversation out in a pipe as on a terminal.",
        {"session show"},
    ),
    "XDG_RUNTIME_DIR, TMPDIR": ("Where the socket of the embedded model is made while it answers.", {"asks"}),
    "XDG_CACHE_HOME": (
        "Where the weights of the embedded model, and the names of models, are kept, below po/.",
        _MODELS,
    ),
    "XDG_CONFIG_HOME": ("Where po/config.toml is.", _SETTINGS),
    "XDG_STATE_HOME": ("Where the tracebacks of bugs are written, below po/log/.", {""}),
    "BASH_COMPLETION_USER_DIR, XDG_DATA_HOME, XDG_CONFIG_HOME": (
        "Where bash, bash and zsh, and fish look for the scripts of a user.",
        {"completion"},
    ),
}
FILES = {
    ".prompt_objects/": (
        "An environment: the nearest in the working directory or above, else the one in the home directory. See "
        "po-formats(5).",
        {"store", "init"},
    ),
    "~/.config/po/config.toml": ("The user's settings; see po-config(1).", _SETTINGS),
    "~/.cache/po/": ("The weights of the embedded model, and the names of models for completion.", _MODELS),
    "~/.local/state/po/log/": ("Tracebacks of bugs in po, without the values of variables.", {""}),
    "~/.local/share/bash-completion/completions/po": ("The script of bash.", {"completion"}),
    "~/.local/share/zsh/site-functions/_po": ("The script of zsh.", {"completion"}),
    "~/.config/fish/completions/po.fish": ("The script of fish.", {"completion"}),
}
EXIT_STATUS = {
    0: "Done.",
    1: "A check found faults.",
    errors.InvalidInput.exit_code: "Wrong usage.",
    errors.NotFound.exit_code: "No such session, prompt object or file.",
    errors.AmbiguousSelector.exit_code: "More than one session matches.",
    errors.Conflict.exit_code: "Conflict: the name is taken, the session is another prompt object's, or has moved on.",
    errors.Busy.exit_code: "Busy: another process holds the session.",
    errors.Unreadable.exit_code: "Unreadable data, or data of a newer version.",
    errors.ModelError.exit_code: "The model failed or is not available.",
    errors.WriteFailed.exit_code: "The store or the output could not be written.",
    EXIT_BUG: "A bug in po; the message names the file that holds the traceback.",
    errors.Interrupted.exit_code: "Interrupted.",
}
_EXITS_OF_ALL = {
    *(0, errors.InvalidInput.exit_code, errors.NotFound.exit_code, errors.WriteFailed.exit_code),
    *(EXIT_BUG, errors.Interrupted.exit_code),
}
"""What every command can end with; a verb declares the others that it can."""

_GLOBAL = {option.name for option in [*global_options(), *lock_options()]}


@dataclass(frozen=True)
class Page:
    """The page of a command, or of a verb."""

    words: str
    """The words behind `po`."""
    command: Any
    context: Any

    @property
    def title(self) -> str:
        """What `man` is given."""
        return title(self.words)

    @cached_property
    def verbs(self) -> list[Page]:
        """The commands below, which need not have pages."""
        return list(_below(self))

    @cached_property
    def about(self) -> Noun | Verb:
        """What it declares of itself."""
        return load(self.words)

    @property
    def is_large(self) -> bool:
        """Whether the commands below have pages."""
        return isinstance(self.about, Noun) and self.about.large

    @property
    def short(self) -> str:
        """What it does, in one line."""
        own = self.about.summary if isinstance(self.about, Verb) else ""
        text = own or self.command.help.split("\n\n")[0]
        return " ".join(text.split()).rstrip(".") + "."

    @property
    def does(self) -> set[str]:
        """What matters for variables and files: it, its noun, and a word for each thing that it does."""
        if self.verbs:
            return {self.words}.union(*(verb.does for verb in self.verbs))
        arguments = {param.metavar for param in self.command.params if param.param_type_name == "argument"}
        names = {param.name for param in self.command.params}
        noun = self.words.split()[0]
        told = {
            "store": noun not in {"config", "model", "init", "completion"},
            "falls back": not arguments.isdisjoint({"[S]", "[S…]"})
            or "session" in names
            or self.words in {"session current", "status"},
            "asks": "option" in names,
            "turn": self.words in {"send", "session retry"},
        }
        return {self.words, noun, *(word for word, holds in told.items() if holds)}

    @property
    def exit_codes(self) -> list[int]:
        """The exit codes that it, or a command below, can have."""
        verbs = [page.about for page in (self, *self.verbs, *(verb for noun in self.verbs for verb in noun.verbs))]
        declared = {code for verb in verbs if isinstance(verb, Verb) for code in verb.exit_codes}
        return [code for code in EXIT_STATUS if code in _EXITS_OF_ALL or code in declared]

    @property
    def examples(self) -> dict[str, str]:
        """Lines for a shell, and what each does."""
        return {line: text for about in self._told_here() for line, text in about.examples.items()}

    @property
    def see_also(self) -> list[str]:
        """The commands whose pages it sends on to."""
        if not self.words:
            return [page.words for page in self.verbs]
        return list(dict.fromkeys(words for about in self._told_here() for words in about.see_also))

    def _told_here(self) -> list[Noun | Verb]:
        """Return it, and the commands below that have no pages of their own."""
        return [self.about, *(verb.about for verb in self.verbs if not self.is_large)]

    def text(self) -> str:
        """Return the page."""
        whole = not self.words
        lines = [f'.TH {escaped(self.title.upper())} 1 {DATE} "po {__version__}" "po"', ".nh", ".ad l", ".SH NAME"]
        lines.append(escaped(f"{self.title} - {self.short[0].lower()}{unquoted(self.short[1:-1])}"))
        lines += [".SH SYNOPSIS", self._usage(), ".SH DESCRIPTION", *self._paragraphs()[1:]]
        lines += self._commands() if self.verbs else []
        lines += _section("OPTIONS", [] if whole or self.verbs else self._parameters())
        lines += [".SH GLOBAL OPTIONS", *self._global_options()]
        codes = {bold(str(code)): prose(EXIT_STATUS[code]) for code in self.exit_codes}
        lines += [".SH EXIT STATUS", ".PD 0", *items(codes), ".PD"]
        lines += _section("ENVIRONMENT", self._that_matter(ENVIRONMENT)) + _section("FILES", self._that_matter(FILES))
        examples = {bold(line): prose(text) for line, text in self.examples.items()}
        lines += _section("EXAMPLES", items(examples))
        parts = self.words.split()
        others = [*(" ".join(parts[:count]) for count in range(len(parts))), *self.see_also]
        references = [*(reference(title(words)) for words in others), reference("po-formats", "5")]
        lines += [".SH SEE ALSO", ",\n".join(references)]
        return filled(lines)

    def _usage(self) -> str:
        return f"{bold(self.context.command_path)} {term(' '.join(self.command.collect_usage_pieces(self.context)))}"

    def _commands(self) -> list[str]:
        if self.is_large:
            return [".SH COMMANDS", *items({reference(verb.title): self._prose(verb.short) for verb in self.verbs})]
        lines = [".SH COMMANDS"]
        for verb in self.verbs:
            lines += [f".SS {verb._usage()}", *verb._paragraphs()[1:], *verb._parameters()]
        return lines

    def _paragraphs(self) -> list[str]:
        """Return the description; paragraphs that say what a name is, `name: text`, become a list."""
        lines = []
        for part in re.split(r"\n\s*\n", self.command.help.strip()):
            named = re.match(r"([a-z]+(?:\.[a-z]+)?): (?=[A-Z])", part)
            if named:
                lines += items({bold(named[1]): self._prose(part[named.end() :])})
            else:
                lines += [".PP", self._prose(part)]
        return lines

    def _parameters(self) -> list[str]:
        return self._records([param for param in self.command.params if param.name not in _GLOBAL])

    def _global_options(self) -> list[str]:
        if not self.words:
            return [*self._records([*global_options(), *lock_options()]), *self._parameters()]
        every = ", ".join(self._record(param)[0] for param in global_options())
        said = "As for every command: po(1) tells what they do, and po-formats(5) what --json prints."
        return [*items({every: prose(said)}), *self._records([one for one in lock_options() if self._has(one)])]

    def _has(self, option: Any) -> bool:
        return any(option.name in (param.name for param in one.command.params) for one in self.verbs or [self])

    def _records(self, params: Iterable[Any]) -> list[str]:
        return items(dict(map(self._record, params)))

    def _record(self, param: Any) -> tuple[str, str]:
        name, text = param.get_help_record(self.context)
        needed = " It is required." if param.param_type_name == "option" and param.required else ""
        return term(name), self._prose(text.removesuffix("  [required]") + needed)

    def _that_matter(self, table: Mapping[str, tuple[str, set[str]]]) -> list[str]:
        return items(
            {bold(name): prose(text) for name, (text, uses) in table.items() if not uses.isdisjoint(self.does)}
        )

    def _prose(self, text: str) -> str:
        commands = [self, *self.verbs]
        values = {word for one in commands for param in one.command.params for word in _values(param)}
        return prose(text, values, self._page_of)

    def _page_of(self, quoted: str) -> str | None:
        """Return the page that a name in quotes means: 'show', 'session show', 'po session show --help'."""
        words = quoted.removeprefix("po ").removesuffix(" --help") if quoted.endswith(" --help") else quoted
        noun = self.words.split(" ")[0]
        return next((title(one) for one in (words, f"{noun} {words}") if self._has_page(one)), None)

    def _has_page(self, words: str) -> bool:
        noun, _, verb = words.partition(" ")
        table = self.context.find_root().command.table
        if not verb:
            return noun in table[""]
        about = load(noun) if verb in table.get(noun, ()) else None
        return isinstance(about, Noun) and about.large


def pages() -> dict[str, str]:
    """Return the manual pages by their files' names: `po.1`, `po-send.1`, `po-session-list.1`."""
    return {f"{page.title}.1": page.text() for page in every()}


def every() -> list[Page]:
    """Return the pages: of `po`, of its commands, and of the verbs of a large noun."""
    root = tree.root()
    whole = Page("", root, root.context_class(root, info_name="po"))
    return [whole, *whole.verbs, *(verb for noun in whole.verbs if noun.is_large for verb in noun.verbs)]


def title(words: str) -> str:
    """Return what the page of a command is called."""
    return "-".join(["po", *words.split()])


def _below(page: Page) -> Iterator[Page]:
    for name in getattr(page.command, "commands", {}):
        command = page.command.get_command(page.context, name)
        context = command.context_class(command, info_name=name, parent=page.context)
        yield Page(f"{page.words} {name}".lstrip(), command, context)


def _values(param: Any) -> list[str]:
    return re.findall(r"(?<![A-Z:=])[A-Z]+(?![A-Z:=])", param.metavar or "")


def _section(heading: str, lines: list[str]) -> list[str]:
    return [f".SH {heading}", *lines] if lines else []
