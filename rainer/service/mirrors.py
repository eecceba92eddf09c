"""What mirrors report to this server over HTTP, kept in memory and shared among the workers of one server."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from rainer import limits
from rainer.errors import OverloadedError, RainerError
from rainer.model.mirror_report import newest, report_of, unfolded
from rainer.model.published import Report

_FILES: Final = "mirrors-*.json"


class Heard(NamedTuple):
    """What was last heard of a mirror, and when, by the machine's monotonic clock; None says that it left."""

    report: Report | None
    at: float

    @property
    def weight(self) -> int:
        return 1 if self.report is None else 1 + len(self.report.followers)


class MirrorReports:
    """Thread-safe. A mirror that says nothing for five seconds is called silent, after ten it is forgotten.

    A mirror's connections may reach any worker, so the worker that heard of it last is right. With a `folder` each
    worker keeps there, in a file of its own, what it heard: `share` writes it, `all` reads everybody's.
    """

    def __init__(self, folder: str | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = None if folder is None else Path(folder)
        self._clock = clock
        self._lock = threading.Lock()
        self._heard: dict[tuple[str, str], Heard] = {}
        self._weight = 0
        self._is_shared = True

    def put(self, report: Report) -> None:
        """Take a mirror's report, with those that it passes on; OverloadedError where there are too many mirrors."""
        with self._lock:
            self._forget()
            old = self._heard.get((report.namespace, report.id))
            heard = Heard(report, self._clock())
            if self._weight + heard.weight - (old.weight if old else 0) > limits.MIRRORS_MAX:
                raise OverloadedError(
                    f"{limits.MIRRORS_MAX} mirrors report to this server already",
                    hint="let some of them follow a mirror server", retry_after_s=60,
                )  # fmt: skip
            self._set((report.namespace, report.id), heard)

    def drop(self, namespace: str, mirror_id: str) -> None:
        """A mirror says that it ends."""
        name = namespace, mirror_id
        with self._lock:
            self._forget()
            if self._folder is not None and self._weight < limits.MIRRORS_MAX:
                self._set(name, Heard(None, self._clock()))  # another worker may have heard of it
            elif name in self._heard:
                self._weight -= self._heard.pop(name).weight

    def all(self) -> list[Report]:
        """Every mirror that reports to this server, whichever worker heard of it, and whoever follows those."""
        with self._lock:
            self._forget()
            last = dict(self._heard)
        for name, heard in self._of_others():
            if name not in last or last[name].at < heard.at:
                last[name] = heard
        now = self._clock()
        reports = (self._judged(heard.report, now - heard.at) for heard in last.values() if heard.report is not None)
        return newest(one for report in reports for one in unfolded(report))

    @staticmethod
    def _judged(report: Report, silent_s: float) -> Report:
        """A report as it counts now: one that is overdue says nothing of how the mirror is today."""
        if silent_s < limits.MIRROR_OVERDUE_S:
            return report
        return replace(report, state="silent", error=f"nothing was heard of it for {silent_s:.0f} s")

    def share(self) -> None:
        """Tell the other workers, if there is anything new to tell."""
        if self._folder is None or self._is_shared:
            return
        with self._lock:
            self._forget()
            self._is_shared = True
            lines = [
                [*name, heard.at, None if heard.report is None else asdict(heard.report)]
                for name, heard in self._heard.items()
            ]
        path = self._folder / _FILES.replace("*", str(os.getpid()))
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(lines))
        fresh.replace(path)

    def _set(self, name: tuple[str, str], heard: Heard) -> None:
        old = self._heard.get(name)
        self._heard[name] = heard
        self._weight += heard.weight - (old.weight if old else 0)
        self._is_shared = False

    def _forget(self) -> None:
        oldest = self._clock() - limits.MIRROR_SILENCE_S
        for name in [name for name, heard in self._heard.items() if heard.at < oldest]:
            self._weight -= self._heard.pop(name).weight

    def _of_others(self) -> Iterator[tuple[tuple[str, str], Heard]]:
        if self._folder is None:
            return
        oldest, own = self._clock() - limits.MIRROR_SILENCE_S, _FILES.replace("*", str(os.getpid()))
        for path in self._folder.glob(_FILES):
            if path.name == own:
                continue
            try:
                lines: list[Any] = json.loads(path.read_text())
            except (OSError, ValueError):  # a worker that just ended
                continue
            for namespace, mirror_id, at, members in lines:
                if at >= oldest:
                    yield (namespace, mirror_id), Heard(_read(members), at)


def _read(members: dict[str, Any] | None) -> Report | None:
    try:
        return None if members is None else report_of(members)
    except RainerError:  # a worker of another version
        return None
