"""What ZooKeeper's answers are to us, and kazoo's errors in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from kazoo.exceptions import NoNodeError, RolledBackError, RuntimeInconsistency

from rainer.errors import RainerError
from rainer.zk.failures import LOST, translate
from rainer.zk.operations import Operation, Set

CALL_TIMEOUT_S: Final = 30.0


class Stat(NamedTuple):
    """What ZooKeeper says of a node: its data's version, the transaction that last changed it, and its birth.

    `czxid` and `created_ms` together tell a node from one of the same path in another life of the tree, also where
    ZooKeeper lost everything and counts its transactions from the beginning again.
    """

    version: int
    mzxid: int
    czxid: int = 0
    created_ms: int = 0
    children: int = 0


class Written(NamedTuple):
    """What came of one operation of a multi; `stat` only where a node was set."""

    path: str
    stat: Stat | None


def stat_of(stat: Any) -> Stat:
    return Stat(stat.version, stat.mzxid, stat.czxid, stat.ctime, stat.numChildren)


def wait(result: Any, path: str, timeout_s: float = CALL_TIMEOUT_S) -> Any:
    """kazoo's answer, None where there is no node; Rainer's errors."""
    try:
        return result.get(timeout=timeout_s)
    except NoNodeError:
        return None
    except Exception as e:
        raise translate(e, path) from e


def _at(path: str, error: RainerError) -> RainerError:
    error.details["path"] = path
    return error


def outcome(operations: Sequence[Operation], found: Sequence[Any]) -> list[Written]:
    """kazoo returns the errors of a multi among its results: one is the reason, the others only say that it was.

    The error's `details["path"]` is the path of the operation that was refused.
    """
    for operation, result in zip(operations, found, strict=False):
        if isinstance(result, Exception) and not isinstance(result, RolledBackError | RuntimeInconsistency):
            raise _at(operation.path, translate(result, operation.path, writing=isinstance(result, LOST)))
    if len(found) != len(operations) or any(isinstance(result, Exception) for result in found):
        raise translate(RuntimeInconsistency(), operations[0].path)
    return [
        Written(operation.path, stat_of(result) if isinstance(operation, Set) else None)
        for operation, result in zip(operations, found, strict=True)
    ]
