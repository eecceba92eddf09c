"""How a mirror that follows over HTTP tells its server what it holds: a thread of its own, for the other one reads.

At once when something changed after a quiet time, then once a second at most; and every two seconds whatever happens,
for who is silent for ten is forgotten.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from rainer import limits
from rainer.client import Client
from rainer.errors import DeniedError, InvalidError, NotFoundError, RainerError
from rainer.mirror.source import Sink
from rainer.model import times
from rainer.model.published import Report

log = logging.getLogger("rainer.mirror")

_LEAST_S: Final = 1.0
_MOST_S: Final = 2.0
_CALL_S: Final = 2.0
_REFUSED_S: Final = 60.0
_REASON_CHARS_MAX: Final = 200


class HttpReporter:
    """`changed` may be called by any thread and never waits; what fails is tried again with the next report.

    `url` ends in the namespace. `followers` tells the reports of those that follow this mirror.
    """

    def __init__(
        self,
        url: str,
        sink: Sink,
        followers: Callable[[], Sequence[dict[str, Any]]] | None = None,
        session: Any = None,
    ) -> None:
        self._client = Client(url, timeout_s=_CALL_S, connect_timeout_s=_CALL_S, retries=0, session=session)
        self._sink = sink
        self._followers = followers
        self._id = secrets.token_hex(8)
        self._error = ""
        self._news, self._end = threading.Event(), threading.Event()
        self._is_known = False
        self._told: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._run, name="rainer-mirror-reports", daemon=True)

    def start(self) -> None:
        """Begin to report."""
        self._thread.start()

    def changed(self, error: str | None = None) -> None:
        """There is something new to tell; `error` says what is wrong from now on, the empty text that nothing is."""
        if error is not None and error != self._error:
            self._error = error
            self._news.set()
        elif error is None:
            self._news.set()

    def close(self) -> None:
        """Say goodbye, if the server is there to hear it, and end; takes two seconds at most."""
        self._end.set()
        self._news.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._client.close()

    def abandon(self) -> None:
        """In a forked child: let go of what was inherited."""
        self._end.set()
        self._client.close()

    def _run(self) -> None:
        while not self._end.is_set():
            begun = time.monotonic()
            is_heard = self._tell()
            self._end.wait(max(0.0, begun + (_LEAST_S if is_heard else _REFUSED_S) - time.monotonic()))
            self._wait_for_news(begun + _MOST_S)
        if self._is_known:
            with contextlib.suppress(RainerError):
                self._client.forget_mirror(self._id)

    def _wait_for_news(self, until: float) -> None:
        """Of our own, or of those that follow us, which nobody tells: so they are looked at every second."""
        while (left_s := until - time.monotonic()) > 0 and not self._end.is_set():
            look_s = left_s if self._followers is None else min(left_s, _LEAST_S)
            if self._news.wait(look_s) or (self._followers is not None and self._essence() != self._told):
                break
        self._news.clear()

    def _essence(self) -> list[dict[str, Any]]:
        """What our followers say, but for when they said it."""
        return [one | {"time_ms": 0} for one in (self._followers() if self._followers is not None else ())]

    def _tell(self) -> bool:
        """Report; False if the server takes no reports."""
        self._told = self._essence()
        try:
            self._client.report_mirror(self._report())
            self._is_known = True
        except (DeniedError, InvalidError, NotFoundError) as e:  # an ancestor's server, or an older one
            log.info("%s takes no reports of mirrors: %s", self._client.url, e)
            return False
        except RainerError as e:
            log.debug("%s was not told: %s", self._client.url, e)
        return True

    def _report(self) -> Report:
        position = self._sink.position
        first = list(self._sink.rejected.items())[: limits.MIRROR_REJECTED_MAX]
        return Report(
            id=self._id,
            host=socket.gethostname(),
            pid=os.getpid(),
            lineage="" if position is None else position.lineage,
            revision=0 if position is None else position.revision,
            time_ms=times.now_ms(),
            via="http",
            state="behind" if self._error else "current" if position is not None else "loading",
            rejected={key: why[:_REASON_CHARS_MAX] for key, why in first},
            error=self._error[:_REASON_CHARS_MAX],
            namespace=self._sink.namespace,
            followers=[] if self._followers is None else list(self._followers()),
        )
