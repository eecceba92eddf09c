"""kazoo's exceptions as Rainer's errors, translated once, here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from kazoo import exceptions as kazoo
from kazoo.handlers.threading import KazooTimeoutError

from rainer.errors import (
    ConflictError,
    DeniedError,
    InvalidError,
    NotFoundError,
    OutcomeUnknown,
    RainerError,
    UnavailableError,
)

LOST = (
    kazoo.ConnectionLoss, kazoo.SessionExpiredError, kazoo.ConnectionClosedError, kazoo.OperationTimeoutError,
    kazoo.SessionMovedError, kazoo.CancelledError, KazooTimeoutError, ConnectionError, TimeoutError, OSError,
)  # fmt: skip
_DENIED = (kazoo.NoAuthError, kazoo.AuthFailedError, kazoo.InvalidACLError)
_MOVED = (
    kazoo.BadVersionError, kazoo.NodeExistsError, kazoo.NotEmptyError, kazoo.RuntimeInconsistency,
    kazoo.DataInconsistency,
)  # fmt: skip


def translate(error: BaseException, path: str = "", *, writing: bool = False) -> RainerError:
    """The error for a person; `writing` says that what was sent may have been done all the same."""
    if isinstance(error, RainerError):
        return error
    where = f" at {path}" if path else ""
    name = type(error).__name__
    if isinstance(error, LOST):
        text = f"ZooKeeper did not answer{where}: {name}"
        if writing:
            return OutcomeUnknown(text, hint="look at the node before you write again")
        return UnavailableError(text, hint="is ZooKeeper running, and reachable from here?")
    if isinstance(error, kazoo.NoNodeError):
        return NotFoundError(f"no node{where}")
    if isinstance(error, _MOVED):
        return ConflictError(f"the node moved on{where}: {name}")
    if isinstance(error, _DENIED):
        return DeniedError(f"ZooKeeper does not allow it{where}: {name}", hint="check user, password and ACLs")
    if isinstance(error, kazoo.BadArgumentsError | kazoo.MarshallingError | ValueError | TypeError):
        return InvalidError(f"ZooKeeper refuses the request{where}: {name} {error}".rstrip())
    return RainerError(f"ZooKeeper failed{where}: {name} {error}".rstrip())


@contextlib.contextmanager
def translated(path: str = "", *, writing: bool = False) -> Iterator[None]:
    """Raise Rainer's errors for whatever kazoo raises in the block."""
    try:
        yield
    except RainerError:
        raise
    except Exception as e:
        raise translate(e, path, writing=writing) from e
