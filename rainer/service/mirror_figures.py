"""Figures of a mirror server, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rainer.service.mirrored import Mirrored


class MirrorFigures:
    """Counters of one process, and how its mirrors stand when somebody asks."""

    content_type: Final = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge

        self._registry = registry = CollectorRegistry()
        self.requests = Counter("rainer_requests", "Requests answered", ["route", "status"], registry=registry)
        of = ["namespace"]
        self._revision = Gauge("rainer_mirror_revision", "The revision that is held", of, registry=registry)
        self._keys = Gauge("rainer_mirror_keys", "Keys that are held", of, registry=registry)
        self._age = Gauge("rainer_mirror_age_seconds", "Since it was known to be current", of, registry=registry)
        self._current = Gauge("rainer_mirror_current", "1 where the mirror is current", of, registry=registry)
        self._rejected = Gauge("rainer_mirror_rejected", "Keys that could not be taken", of, registry=registry)
        self._followers = Gauge("rainer_feeds_open", "Readers of the changes", registry=registry)

    def answer(self, route: str, status: int) -> None:
        """Count an answer."""
        self.requests.labels(route, str(status)).inc()

    def text(self, mirrored: Iterable[Mirrored], followers: int) -> bytes:
        """The figures in Prometheus' text form."""
        from prometheus_client import generate_latest

        for one in mirrored:
            mirror, name = one.mirror, one.namespace
            self._revision.labels(name).set(mirror.revision or 0)
            self._keys.labels(name).set(len(mirror))
            self._age.labels(name).set(mirror.age_s)
            self._current.labels(name).set(mirror.state == "current")
            self._rejected.labels(name).set(len(mirror.rejected))
        self._followers.set(followers)
        return generate_latest(self._registry)
