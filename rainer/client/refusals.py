"""Answers that refuse, turned into errors: a Rainer server's problem documents and the plain texts of its ancestor."""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime
from typing import Any

from rainer.client.transport import Answer
from rainer.errors import (
    ConflictError,
    DeniedError,
    InvalidError,
    MalformedPayload,
    NotFoundError,
    OverloadedError,
    PositionGone,
    RainerError,
    TooLargeError,
    UnavailableError,
    VersionConflict,
    conflict_from_dict,
    from_dict,
)
from rainer.model.names import shorten

_TEXT_CHARS_MAX = 300
_BY_STATUS: dict[int, type[RainerError]] = {
    401: DeniedError,
    403: DeniedError,
    404: NotFoundError,
    409: ConflictError,
    410: PositionGone,
    413: TooLargeError,
}


def is_problem(answer: Answer) -> bool:
    """Whether a Rainer server itself refused, with a code that can be relied on, and not a proxy or an ancestor."""
    told = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return told == "application/problem+json" and bool(_json_object(answer))  # half a problem says nothing


def refusal(answer: Answer, namespace: str, subject: str) -> RainerError:
    """The error that an answer stands for; `subject` names what was asked for, such as "key 'a'"."""
    body = _json_object(answer)
    if body and is_problem(answer):
        return _with_retry_after(from_dict(body), answer)
    if answer.status == 409 and body and ("conflict" in body or "conflicts" in body):
        return _version_conflict(body, namespace)
    text = " ".join(answer.body.decode(errors="replace").split())[:_TEXT_CHARS_MAX]
    if answer.status == 404:
        return NotFoundError(f"{subject} is not there: {text or 'not found'}", http_status=404)
    if 300 <= answer.status < 400:
        return _redirected(answer)
    if answer.status == 429 or answer.status >= 500:
        return _unavailable(answer, text)
    if text.startswith("Malformed input"):
        return MalformedPayload(text)
    words = text or "no reason given"
    return _BY_STATUS.get(answer.status, InvalidError)(
        f"{subject}: {words} (HTTP {answer.status})", http_status=answer.status
    )


def foreign(answer: Answer, why: str) -> InvalidError:
    """The error for a 200 that no Rainer server gives."""
    return InvalidError(
        f"{answer.url} answered 200, but not as a Rainer server does: {why}",
        hint="is the base URL that of a Rainer server and one of its namespaces?",
    )


def retry_after_s(answer: Answer) -> float | None:
    """Seconds that the answer's Retry-After asks to wait, a number or a date; None without one that can be read."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _json_object(answer: Answer) -> dict[str, Any] | None:
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _with_retry_after(error: RainerError, answer: Answer) -> RainerError:
    seconds = retry_after_s(answer)
    if isinstance(error, OverloadedError) and "retry_after_s" not in error.details and seconds is not None:
        error.details["retry_after_s"] = round(seconds)
    return error


def _version_conflict(body: dict[str, Any], namespace: str) -> RainerError:
    found = body["conflicts"] if "conflicts" in body else [body["conflict"]]
    try:
        return VersionConflict([conflict_from_dict({"namespace": namespace} | member) for member in found])
    except (KeyError, TypeError, ValueError, IndexError):
        return ConflictError(f"the server refused a version, in words that cannot be read: {shorten(str(body))}")


def _redirected(answer: Answer) -> InvalidError:
    target = answer.headers.get("location", "nowhere")
    return InvalidError(
        f"{answer.url} redirects to {shorten(target, 200)}; redirects are not followed",
        hint="use the address that it redirects to as the base URL",
    )


def _unavailable(answer: Answer, text: str) -> UnavailableError:
    words = f"{answer.url} answered {answer.status}" + (f": {text}" if text else "")
    seconds = retry_after_s(answer)
    if answer.status == 429 or seconds is not None:
        return OverloadedError(words, retry_after_s=round(seconds if seconds is not None else 1))
    return UnavailableError(words)
