"""From the exceptions of providers to our own. Each SDK has its own classes, so their names and attributes tell.

Nothing of an SDK is imported here: that would take as long as asking it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import llm

from po_sessions.errors import (
    Advice,
    ContextTooLong,
    ModelError,
    ModelUnavailable,
    NoKey,
    PoError,
    RateLimited,
    Refused,
    Unreachable,
)
from po_sessions.models.llm_plugins import program

_TOO_LONG = re.compile(
    r"context.?(length|size|window)|exceed_context|prompt is too long|too many (input )?tokens|maximum (context|input)"
    r"|input (is )?too long|reduce the length|request_too_large|token (limit|count).*exceed|exceeds.*token",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"(\b[a-z][a-z0-9+.-]*://)(?:[^\s/?#'\"<>)]*@|[^\s/?#'\"<>)]*[/?#])[^\s'\"<>)]*", re.IGNORECASE)
_NO_ANSWER = {
    "ConnectionError",  # Python's own, and of requests
    "TimeoutError",
    "Timeout",
    "TransportError",  # of httpx, with all that end a connection
    "APIConnectionError",  # of the SDKs that were made with Stainless
    "HTTPException",  # of http.client
    "URLError",
    "IncompleteRead",
    "ChunkedEncodingError",
    "ProtocolError",
    "ConnectError",
}
_OVERLOADED = {408, 502, 503, 504, 529}
_LONGEST = 300


def translate(error: BaseException, model: Any, key: str | None = None) -> PoError:
    """Return what an exception of `model` means: a ModelError, with what to do next, and without `key`."""
    if isinstance(error, PoError):
        return error
    if isinstance(error, llm.NeedsKeyException):
        return no_key(model)
    name, status, said = model.model_id, _status(error), _message(error, key)
    if _TOO_LONG.search(f"{said} {_code(error)}") and status in (None, 400, 413, 422):
        return ContextTooLong(
            f"The conversation is longer than {name} can take: {said}",
            advice=Advice("model_with_more_room"),
        )
    if status is None and not _names(error) & _NO_ANSWER:
        return ModelError(
            f"{name} failed: {said if isinstance(error, llm.ModelError) else f'{type(error).__name__}: {said}'}"
        )
    if status is None or status in _OVERLOADED:
        return unreachable(model, f"{_place(error)}{said}{_cause(error, key)}")
    return _by_status(status, error, model, said)


def _by_status(status: int, error: BaseException, model: Any, said: str) -> PoError:
    name = model.model_id
    if status in (401, 403):
        advice = Advice("key_refused", llm=program(), key=model.needs_key) if model.needs_key else None
        return Refused(f"{name} refused the key ({status}): {said}", status=status, advice=advice)
    if status == 404:
        return ModelUnavailable(
            f"The provider has no {name} (404): {_place(error)}{said}",
            advice=Advice("provider_lacks_it"),
        )
    if status == 429:
        delay = _delay(error)
        advice = Advice("try_again_later", delay=delay)
        return RateLimited(f"{name} gets too many requests (429): {said}", delay=delay, advice=advice)
    if status < 500:
        return Refused(f"{name} refused the request ({status}): {said}", status=status)
    message = f"{name} failed ({status}): {type(error).__name__}: {said}"
    failed = ModelError(message, advice=Advice("provider_failed"))
    failed.retryable = True
    return failed


def no_key(model: Any) -> NoKey:
    """Return the error of a model whose key is not set."""
    return NoKey(
        f"{model.model_id} needs a key, and none named {model.needs_key!r} is set.",
        advice=Advice("no_key", llm=program(), key=model.needs_key, variable=model.key_env_var),
    )


def unreachable(model: Any, reason: str) -> Unreachable:
    """Return the error of a model that did not answer, or not to the end."""
    return Unreachable(f"{model.model_id} did not answer: {reason}", advice=Advice("unreachable"))


def _status(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    for value in (
        getattr(error, "status_code", None),
        getattr(response, "status_code", None),
        getattr(error, "status", None),
        getattr(error, "code", None),
    ):
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return None


def _message(error: BaseException, key: str | None) -> str:
    """Return what the provider says, on one line."""
    body = getattr(error, "body", None)
    for found in (body.get("error"), body) if isinstance(body, dict) else ():
        if isinstance(found, dict) and isinstance(found.get("message"), str):
            return _line(found["message"], key)
    return _line(str(getattr(error, "message", None) or error), key) or type(error).__name__


def _code(error: BaseException) -> str:
    """Return the provider's own words for the kind of error."""
    body = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, dict) else {}
    return " ".join(str(inner.get(key, "")) for key in ("type", "code")) if isinstance(inner, dict) else ""


def _line(text: str, key: str | None) -> str:
    """Return a text on one line, cut, without the key and without what an address may hold of secrets."""
    text = _ADDRESS.sub(r"\1…", text.replace(key, "…") if key else text)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _cause(error: BaseException, key: str | None) -> str:
    """Return what lies below an error whose own words tell little."""
    lowest = next(iter(_causes(error)), None)
    said = _line(str(lowest or ""), key)
    return f" ({said})" if said and said not in _message(error, key) else ""


def _place(error: BaseException) -> str:
    """Return the server that was asked. Not the whole address: some providers have the key in it."""
    try:
        url = error.request.url  # type: ignore[attr-defined]
        return f"{url.scheme}://{url.host}{f':{url.port}' if url.port else ''}: "
    except Exception:  # an error without a request; httpx raises where it was not set
        return ""


def _delay(error: BaseException) -> float | None:
    """Return how many seconds the provider asks to wait."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    if (exact := _number(headers.get("retry-after-ms"))) is not None:
        return exact / 1000
    given = headers.get("retry-after")
    if given is None or (number := _number(given)) is not None:
        return None if given is None else number
    try:
        return max(0.0, parsedate_to_datetime(given).timestamp() - time.time())
    except ValueError:
        return None


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None
