"""Everything that can go wrong, as one tree.

Each error is a sentence, advice as data, and the exit code of the command that meets it::

    PoError                      1
    ├── InvalidInput             2   wrong usage, a value outside its range
    ├── NotFound                 3   no such session, prompt object, file
    │   ├── SessionNotFound
    │   ├── PromptObjectNotFound
    │   └── NoCurrent                no pointer to fall back on, or one that points at nothing
    ├── AmbiguousSelector        4   with the candidates
    ├── Conflict                 5   a taken name, another prompt object's session
    ├── Busy                     6   another process holds what is needed (retryable)
    ├── Unreadable               7   data that cannot be read whole; never written to
    │   ├── NewerVersion
    │   ├── ForeignDirectory         a link or another user's, in the place of a directory of the environment
    │   └── OutOfMemory              more than fits into memory
    ├── ModelError               8   the model failed or is not available
    │   ├── ModelUnavailable         unknown, not installed, weights damaged
    │   │   ├── UnknownModel
    │   │   └── WeightsMissing       not fetched yet
    │   ├── NoKey
    │   ├── Unreachable              (retryable)
    │   ├── TimedOut                 no reply, or no more of it, in the time that was given (retryable)
    │   ├── Refused                  the provider said no, with its status
    │   ├── RateLimited              (retryable, with the delay)
    │   └── ContextTooLong
    ├── WriteFailed              9   the store or the output could not be written
    │   ├── ReplyNotStored           with the reply
    │   └── Unfinished               begun, and finished by the next command
    ├── Interrupted            130   Ctrl-C
    └── Several                      more than one of these, of as many things; the exit code of the first

A bug is none of these and keeps its traceback (exit code 70).
"""

from __future__ import annotations

from collections.abc import Sequence


class Advice:
    """What can be done about a failure, as data: a reason, and the values that an instruction needs.

    A reason is a stable word. The command line makes a sentence with commands of it; the library knows no commands.
    """

    def __init__(self, reason: str, /, **fields: object) -> None:
        self.reason = reason
        self.fields = fields

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Advice) and (self.reason, self.fields) == (other.reason, other.fields)

    def __hash__(self) -> int:
        return hash(self.reason)

    def __repr__(self) -> str:
        fields = "".join(f", {name}={value!r}" for name, value in self.fields.items())
        return f"Advice({self.reason!r}{fields})"


class Advised(str):
    """A sentence about something that is wrong but no failure, or that was done, with advice."""

    advice: Advice | None

    def __new__(cls, sentence: str, advice: Advice | None) -> Advised:
        """Make the sentence."""
        made = super().__new__(cls, sentence)
        made.advice = advice
        return made


class PoError(Exception):
    """A failure that po foresees; `str(error)` is the sentence, `advice` what can be done (or None)."""

    exit_code = 1
    retryable = False

    def __init__(self, message: str, *, advice: Advice | None = None) -> None:
        super().__init__(message)
        self.advice = advice
        self.session_id: str | None = None
        """The session it happened in, where there is one."""

    @property
    def kind(self) -> str:
        """A stable identifier for scripts: the class's name in snake case."""
        name = type(self).__name__
        return "".join("_" + c.lower() if c.isupper() and i else c.lower() for i, c in enumerate(name))


class InvalidInput(PoError):
    """A value that cannot be used as it is."""

    exit_code = 2


class NotFound(PoError):
    """Something named is not there."""

    exit_code = 3


class SessionNotFound(NotFound):
    """No session has this name, id or prefix."""

    def __init__(self, ref: str, *, advice: Advice | None = None) -> None:
        super().__init__(f"No session matches {ref!r}.", advice=advice or Advice("see_all_sessions"))


class PromptObjectNotFound(NotFound):
    """No prompt object has this name."""

    def __init__(self, name: str, *, advice: Advice | None = None) -> None:
        advice = advice or Advice("see_prompt_objects", near=None)
        super().__init__(f"No prompt object is named {name!r}.", advice=advice)


class NoCurrent(NotFound):
    """Nothing was named and there is no current one to fall back on."""


class AmbiguousSelector(PoError):
    """More than one session, or other thing, matches; `candidates` are lines that tell them apart."""

    exit_code = 4

    def __init__(self, ref: str, candidates: Sequence[str], what: str = "sessions") -> None:
        rows = "".join(f"\n  {line}" for line in candidates)
        advice = Advice("ambiguous", has_name=what == "sessions")
        super().__init__(f"{ref!r} matches {len(candidates)} {what}:{rows}", advice=advice)
        self.candidates = tuple(candidates)


class Conflict(PoError):
    """What was asked contradicts what is there."""

    exit_code = 5


class Busy(PoError):
    """Another process holds the session; trying again later can succeed."""

    exit_code = 6
    retryable = True


class Unreadable(PoError):
    """Data that cannot be read whole, and is therefore never written to."""

    exit_code = 7


class NewerVersion(Unreadable):
    """Data of a newer version: readable, not writable."""


class ForeignDirectory(Unreadable):
    """What is at `path`, in the place of a directory, may lead outside of the environment, so it is not used."""

    def __init__(self, path: str, why: str, advice: Advice) -> None:
        super().__init__(f"{path} {why}", advice=advice)
        self.path = path


class OutOfMemory(Unreadable):
    """Data that does not fit into memory."""


class ModelError(PoError):
    """The model failed."""

    exit_code = 8


class ModelUnavailable(ModelError):
    """The model is unknown, not installed, or its weights are damaged."""


class UnknownModel(ModelUnavailable):
    """No model has this name."""


class WeightsMissing(ModelUnavailable):
    """The embedded model's weights have not been fetched yet."""


class NoKey(ModelError):
    """The provider needs a key and there is none."""


class Unreachable(ModelError):
    """The provider did not answer."""

    retryable = True


class TimedOut(ModelError):
    """The model took longer than it may."""

    retryable = True


class Refused(ModelError):
    """The provider refused the request; `status` is its HTTP status where it has one."""

    def __init__(self, message: str, *, status: int | None = None, advice: Advice | None = None) -> None:
        super().__init__(message, advice=advice)
        self.status = status


class RateLimited(ModelError):
    """Too many requests; `delay` is how many seconds the provider asks to wait, if it says so."""

    retryable = True

    def __init__(self, message: str, *, delay: float | None = None, advice: Advice | None = None) -> None:
        super().__init__(message, advice=advice)
        self.delay = delay


class ContextTooLong(ModelError):
    """The messages do not fit the model's context."""


class WriteFailed(PoError):
    """The store or the output could not be written."""

    exit_code = 9


class ReplyNotStored(WriteFailed):
    """The model answered, and its reply could not be stored; `reply` is its text."""

    def __init__(self, reason: PoError, reply: str) -> None:
        super().__init__(f"The reply could not be stored: {reason}", advice=reason.advice)
        self.reply = reply


class Unfinished(WriteFailed):
    """A change that was begun and could neither be finished nor taken back; the next command finishes it."""


class Interrupted(PoError):
    """Stopped by the user."""

    exit_code = 130


class Several(PoError):
    """More than one thing failed; `errors` are in the order in which they were asked for."""

    def __init__(self, errors: Sequence[PoError]) -> None:
        lines = "".join(f"\n  {error}" for error in errors)
        advice = Advice("several", errors=tuple(errors))
        super().__init__(f"{len(errors)} of what was asked for failed:{lines}", advice=advice)
        self.errors = tuple(errors)
        self.exit_code = errors[0].exit_code
        self.retryable = all(error.retryable for error in errors)
