"""Calls that may be repeated freely: reads, and the few writes that are the same when done twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from rainer.client.refusals import refusal
from rainer.client.retries import Patience, Retries, rest
from rainer.client.transport import Answer, Request, Transport, UnansweredError, UnsentError, UntrustedError
from rainer.errors import OutcomeUnknown, OverloadedError, RainerError, UnavailableError


@dataclass(frozen=True, slots=True)
class Times:
    """How long things may take, in seconds: a whole call, the making of a connection, the server's silence."""

    call_s: float
    connect_s: float
    read_s: float

    def patience(self, extra_s: float = 0.0) -> Patience:
        """The bounds of a call that begins now; `extra_s` is what the server was asked to wait before it answers."""
        return Patience(time.monotonic() + self.call_s + extra_s, self.connect_s, self.read_s + extra_s)


class Caller:
    """Sends requests until they are answered, refused for good, or out of patience. Thread-safe."""

    def __init__(self, transport: Transport, retries: Retries, times: Times) -> None:
        self.transport = transport
        self.retries = retries
        self.times = times

    def ask(
        self,
        request: Request,
        namespace: str,
        subject: str,
        *,
        wait_s: float = 0.0,
        patience: Patience | None = None,
        accept: Callable[[Answer], bool] | None = None,
    ) -> Answer:
        """The answer to a request that is safe to repeat; else the server's refusal, or UnavailableError.

        `wait_s` is what the request asks the server to wait, `patience` what a longer call has left; `accept` lets
        answers other than 200 and 201 through to the caller.
        """
        patience = patience or self.times.patience(wait_s)
        attempt = 1
        while True:
            try:
                answer = self.attempt(request, patience)
                if answer.status in (200, 201) or (accept is not None and accept(answer)):
                    return answer
                error = refusal(answer, namespace, subject)
            except (UnsentError, UnansweredError) as e:
                error = unreachable(self.transport.root, e)
            if not error.retryable or not self.pause(attempt, patience, error):
                raise error
            attempt += 1

    def ask_once(self, request: Request, namespace: str, subject: str) -> Answer:
        """The answer to a request that is not safe to repeat; OutcomeUnknown where it was sent and none came."""
        patience = self.times.patience()
        try:
            answer = self.attempt(request, patience)
        except UnsentError as e:
            raise unreachable(self.transport.root, e) from e
        except UnansweredError as e:
            raise OutcomeUnknown(f"{subject}: the request was sent, and no answer came: {e}") from e
        if answer.status in (200, 201):
            return answer
        raise refusal(answer, namespace, subject)

    def attempt(self, request: Request, patience: Patience) -> Answer:
        """One attempt within the patience; raises what Transport.attempt does."""
        connect_s, read_s = patience.attempt_bounds()
        return self.transport.attempt(request, connect_s=connect_s, read_s=read_s, deadline=patience.deadline)

    def pause(self, attempt: int, patience: Patience, error: RainerError | None = None) -> bool:
        """Wait before the next attempt, as long as the server asked; False when there is to be none."""
        if attempt > self.retries.times or isinstance(error and error.__cause__, UntrustedError):
            return False
        asked_s = float(error.retry_after_s) if isinstance(error, OverloadedError) else 0.0
        return rest(self.retries.pause_after(attempt, asked_s), patience)


def unreachable(root: str, cause: UnsentError | UnansweredError) -> UnavailableError:
    """The error for a server that gave no answer, where that is all there is to know."""
    if isinstance(cause, UntrustedError):
        error = UnavailableError(
            f"the certificate of {root} is not trusted: {cause}",
            hint="give the client a requests.Session whose `verify` names your certificate authority",
        )
    elif isinstance(cause, UnsentError):
        error = UnavailableError(f"{root} cannot be reached: {cause}", hint="is the server running, and the URL right?")
    else:
        error = UnavailableError(f"{root} gave no answer: {cause}")
    error.__cause__ = cause
    return error
