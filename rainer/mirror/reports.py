"""The node in which a mirror says what it holds: ephemeral, so that its being there says that the mirror lives.

It is written when what it says changed, at once after a quiet time and then every two seconds at most: 1,000 mirrors of
a busy tree come to 500 small writes a second, those of a quiet one to none.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from rainer.errors import ConflictError, DeniedError, InvalidError, NotFoundError
from rainer.mirror.source import Sink
from rainer.model import times
from rainer.model.position import Position
from rainer.model.published import Report
from rainer.zk import Create, Delete, Set, Tree, ZooKeeper

log = logging.getLogger("rainer.mirror")

_EVERY_S: Final = 2.0
_REJECTED_MAX: Final = 100
_REASON_CHARS_MAX: Final = 200

Followers: TypeAlias = Callable[[], Sequence[dict[str, Any]]]


class Reporter:
    """`is_due` may be asked by any thread; `turn` is for the worker, and waits for ZooKeeper."""

    def __init__(self, zk: ZooKeeper, tree: Tree, sink: Sink, followers: Followers | None = None) -> None:
        self._zk = zk
        self._tree = tree
        self._sink = sink
        self._followers = followers
        self._id = secrets.token_hex(8)
        self._next_at = 0.0
        self._told: Report | None = None
        self._session = 0
        self._is_denied = False

    @property
    def path(self) -> str:
        return f"{self._tree.mirrors}/{self._id}"

    def is_due(self) -> bool:
        """Whether something new may be said already."""
        return not self._is_denied and time.monotonic() >= self._next_at

    def reconnected(self) -> None:
        """What was denied may be allowed now."""
        self._is_denied = False

    def turn(self, error: str) -> float | None:
        """Say what there is to say; when to come again, in seconds, None where nothing waits to be said."""
        position = self._sink.position
        if position is None or self._is_denied:
            return None
        report = self._report(position, error)
        session = self._zk.session_id
        if session == self._session and self._told is not None and _is_same(report, self._told):
            return None
        wait_s = self._next_at - time.monotonic()
        if wait_s > 0:
            return wait_s
        self._next_at = time.monotonic() + _EVERY_S
        try:
            self._write(report.to_bytes(), session)
        except (DeniedError, InvalidError) as e:
            log.info("%s: this mirror cannot report what it holds: %s", self._tree.root, e)
            self._is_denied = True
            return None
        self._told, self._session = report, session
        return None

    def _report(self, position: Position, error: str) -> Report:
        rejected = list(self._sink.rejected.items())[:_REJECTED_MAX]
        return Report(
            id=self._id,
            host=socket.gethostname(),
            pid=os.getpid(),
            lineage=position.lineage,
            revision=position.revision,
            time_ms=times.now_ms(),
            state="behind" if error else "current",
            rejected={key: why[:_REASON_CHARS_MAX] for key, why in rejected},
            error=error[:_REASON_CHARS_MAX],
            followers=list(self._followers()) if self._followers is not None else [],
        )

    def _write(self, data: bytes, session: int) -> None:
        try:
            if session == self._session:
                self._zk.write([Set(self.path, data)])
                return
            if self._session:
                # Ours by its name, and of a session that ends: the node would go with it.
                self._zk.write([Delete(self.path), Create(self.path, data, ephemeral=True)])
                return
        except NotFoundError:
            pass
        except DeniedError:
            self._id = secrets.token_hex(8)  # who may only add here goes on under another name
        self._create(data)

    def _create(self, data: bytes) -> None:
        try:
            self._zk.write([Create(self.path, data, ephemeral=True)])
        except NotFoundError:
            self._zk.ensure(self._tree.mirrors)
            self._zk.write([Create(self.path, data, ephemeral=True)])
        except ConflictError:
            self._zk.write([Set(self.path, data)])


def _is_same(a: Report, b: Report) -> bool:
    return (a.lineage, a.revision, a.state, a.rejected, a.error, a.followers) == (
        b.lineage, b.revision, b.state, b.rejected, b.error, b.followers
    )  # fmt: skip
