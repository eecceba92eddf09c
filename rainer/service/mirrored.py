"""One namespace of a mirror server: its mirror, and what those who follow it need."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from rainer.errors import RainerError, UnavailableError
from rainer.mirror.mirror import Mirror
from rainer.mirror.source import Source
from rainer.service.pins import Pins
from rainer.service.recent import Recent
from rainer.service.tap import TappedSource
from rainer.service.turns import Turns

log = logging.getLogger("rainer.service")


class Upstream(Protocol):
    """What mirrors follow: a server, or the trees below a path in ZooKeeper."""

    def open(self, namespace: str, followers: Callable[[], Sequence[dict[str, Any]]]) -> Source:
        """A source of a namespace, which reports also what `followers` tells."""
        ...

    def who_is(self, token: str) -> Mapping[str, Any]:
        """Whom a token proves: name, source and groups. UnauthenticatedError, UnavailableError."""
        ...

    def describe(self) -> str:
        """Where it reads from, for messages."""
        ...

    @property
    def where_to_write(self) -> str:
        """What to do instead, for who wanted to write here."""
        ...


class Mirrored:
    """Starts without waiting for anything; `close` waits for the mirror's threads."""

    def __init__(
        self, namespace: str, upstream: Upstream, folder: Path | None, followers: Callable[[], Sequence[dict[str, Any]]]
    ) -> None:
        self.namespace = namespace
        self.turns = Turns()
        self.recent = Recent(self.turns.ring)
        self.mirror: Mirror = Mirror(
            lambda: TappedSource(upstream.open(namespace, followers), self.recent, self.mirror),
            namespace,
            snapshot=None if folder is None else folder / namespace,
        )
        self.pins = Pins(self.mirror, self.recent)
        self._upstream = upstream
        self._thread = threading.Thread(target=self._start, name=f"rainer-mirror-{namespace}-start", daemon=True)

    def start(self) -> None:
        """Begin to load and follow, on the running loop."""
        self.turns.open()
        self._thread.start()

    def _start(self) -> None:
        try:
            self.mirror.start(timeout_s=None)
        except RainerError as e:
            if self.mirror.state != "closed":
                log.error("namespace %s cannot be mirrored: %s", self.namespace, e)
            return
        log.info(
            "mirroring %s of %s: %d keys, %s", self.namespace, self._upstream.describe(), len(self.mirror), self.words
        )

    def close(self) -> None:
        """End; waits."""
        self.mirror.close()
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def is_loaded(self) -> bool:
        """Whether there is anything to read."""
        return self.mirror.state not in ("new", "starting")

    @property
    def age_s(self) -> float | None:
        """Seconds since the source was last known to be current; None where it never was."""
        age_s = self.mirror.age_s
        return None if math.isinf(age_s) else round(age_s, 3)

    @property
    def words(self) -> str:
        """State and age, for people."""
        age_s = self.age_s
        return self.mirror.state if age_s is None else f"{self.mirror.state}, {age_s:.0f} s old"

    def check_loaded(self) -> None:
        """UnavailableError while there is nothing to read."""
        if not self.is_loaded:
            why = f": {self.mirror.error}" if self.mirror.error else ""
            raise UnavailableError(f"namespace {self.namespace} is not loaded yet{why}", hint="try again")

    def status(self) -> dict[str, Any]:
        """Where it stands, as JSON members."""
        mirror, position = self.mirror, self.mirror.position
        return {
            "namespace": self.namespace, "state": mirror.state, "age_s": self.age_s, "keys": len(mirror),
            "lineage": None if position is None else position.lineage,
            "revision": None if position is None else position.revision,
            "chain": None if position is None else position.chain.hex(),
            "rejected": mirror.rejected, "error": str(mirror.error or ""),
        }  # fmt: skip
