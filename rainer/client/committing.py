"""Commits over HTTP: sent with an id, so that one whose answer was lost can be sent again without being made twice.

What an attempt tells is one of three things. *Granted*: done. *Refused* (any 4xx, or a 5xx in which a Rainer server
says that nothing was done): this attempt changed nothing. *Unknown* (the connection broke after something was sent, no
answer in time, a 5xx that does not say): it may have landed, or land yet. An unknown attempt is repeated with the same
id, and a Rainer server answers the repetition with the first result. A refusal *after* an unknown attempt is looked
into, because an ancestor's server knows no ids and refuses its own success as a conflict: where the commit stored at
that version has our payload, author and comment, it counts as ours and is returned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from rainer.client.asking import Caller, unreachable
from rainer.client.refusals import is_problem, refusal
from rainer.client.retries import Patience
from rainer.client.transport import Answer, Request, UnansweredError, UnsentError
from rainer.errors import InvalidError, NotFoundError, OutcomeUnknown, RainerError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sending:
    """A commit or changeset on its way; `subject` is what it is called in errors, such as "version 4 of key 'a'"."""

    request: Request
    namespace: str
    subject: str
    commit_id: str
    details: dict[str, Any]


def send(
    caller: Caller,
    sending: Sending,
    read: Callable[[Answer], T],
    find: Callable[[Patience], T | None],
) -> T:
    """Send until granted or refused; `read` takes the granted answer apart, `find` looks whether it stands already.

    Raises the server's refusal, UnavailableError when nothing was done, or OutcomeUnknown when that is all there is to
    know after the last attempt.
    """
    patience = caller.times.patience()
    unknown: RainerError | None = None
    attempt = 1
    while True:
        try:
            answer = caller.attempt(sending.request, patience)
            if answer.status == 200:
                return _read_granted(answer, read)
            error = refusal(answer, sending.namespace, sending.subject)
            is_unknown = not _nothing_was_done(answer, error)
        except (UnsentError, UnansweredError) as e:
            error, is_unknown = unreachable(caller.transport.root, e), isinstance(e, UnansweredError)
        if is_unknown:
            unknown = error
        elif not error.retryable:
            return _settle(sending, find, patience, error, unknown)
        if not caller.pause(attempt, patience, error):
            return _settle(sending, find, patience, unknown or error, unknown)
        attempt += 1


def _read_granted(answer: Answer, read: Callable[[Answer], T]) -> T:
    # A 200 that cannot be read tells as much of the commit as no answer at all.
    try:
        return read(answer)
    except InvalidError as e:
        raise UnansweredError(str(e)) from e


def _nothing_was_done(answer: Answer, error: RainerError) -> bool:
    # A 5xx of a proxy may have been made while the server behind it goes on; "internal" is a server that fell over.
    if answer.status < 500:
        return answer.status >= 300  # a gateway's own word for a success is none of ours, and no refusal
    return is_problem(answer) and not isinstance(error, OutcomeUnknown) and error.code != RainerError.code


def _settle(
    sending: Sending,
    find: Callable[[Patience], T | None],
    patience: Patience,
    error: RainerError,
    unknown: RainerError | None,
) -> T:
    """What to say in the end: the commit if it turns out to stand, else the refusal, or that the outcome is unknown."""
    if unknown is None:
        raise error
    if patience.left_s() <= 0:  # no time to look
        raise outcome_unknown(sending, error) from unknown
    try:
        found = find(patience)
    except NotFoundError:
        found = None
    except RainerError as e:
        raise outcome_unknown(sending, e) from unknown
    if found is not None:
        return found
    if error is unknown:
        raise outcome_unknown(sending, unknown) from unknown
    raise error


def outcome_unknown(sending: Sending, cause: RainerError) -> OutcomeUnknown:
    """The error that says what was sent, why nothing is known of it, and what to do next."""
    return OutcomeUnknown(
        f"{sending.subject} was sent with commit id {sending.commit_id}, and whether it stands is not known: {cause}",
        hint="read that version: if it is not yours, commit again; with the same commit id it cannot be made twice",
        commit_id=sending.commit_id,
        **sending.details,
    )
