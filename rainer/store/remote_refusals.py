"""What a file store's refusal means: ours says it as a problem document, an original filetracker in plain text."""

from __future__ import annotations

import json
from typing import Final

from rainer import errors
from rainer.errors import RainerError
from rainer.store.http_answer import HttpAnswer

_TEXT_BYTES_MAX: Final = 64 * 1024
_BY_STATUS: Final[dict[int, type[RainerError]]] = {
    401: errors.CredentialsError,
    403: errors.DeniedError,
    404: errors.ObjectNotFound,
    407: errors.CredentialsError,
    409: errors.ConflictError,
    410: errors.ObjectNotFound,
    412: errors.ObjectExists,
    413: errors.TooLargeError,
    507: errors.NoSpace,
}


def refusal(answer: HttpAnswer, path: str) -> RainerError:
    """The error that an answer of 300 or above stands for, about the file at `path`."""
    body = answer.read(_TEXT_BYTES_MAX)
    told = _problem(answer, body)
    if told is not None and not isinstance(told, errors.NotFoundError):
        return told
    kind = _BY_STATUS.get(answer.status)
    if kind is errors.ObjectNotFound:
        return kind(f"{path}: the store has no such file", hint="`rainer store ls` lists what it has")
    if kind is None:
        kind = errors.StoreUnavailable if answer.status >= 500 else errors.InvalidError
    reason = answer.headers.get("x-exception") or f"HTTP status {answer.status}"
    return kind(f"{path}: {answer.label} refuses: {reason}")


def _problem(answer: HttpAnswer, body: bytes) -> RainerError | None:
    if answer.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/problem+json":
        return None
    try:
        return errors.from_dict(json.loads(body))
    except (ValueError, TypeError, AttributeError):
        return None
