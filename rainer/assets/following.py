"""Fetch before switch: a manifest's next state becomes visible when all of its files are here and verified."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from rainer.assets.following_attempt import Attempt, ReadySet, restore
from rainer.assets.following_kept import RENEW_S, KeptSets
from rainer.assets.following_listeners import Listeners, ReadyCallback, closed
from rainer.assets.remembered import Remembered
from rainer.assets.resolver_fetching import Fetcher
from rainer.assets.resolver_versions import Versions
from rainer.assets.snapshots import AssetSnapshot, KeepingFetcher
from rainer.assets.sources import ManifestState, Source, has_moved_on
from rainer.errors import InvalidError, RainerError
from rainer.mirror.waiting import NotYet
from rainer.store.store import Store

log = logging.getLogger("rainer.assets")

_PAUSE_S: Final = 0.25
_PAUSE_MAX_S: Final = 30.0
_END_S: Final = 10.0
_POLL_MIN_S: Final = 0.05
ATTEMPTS_MAX: Final = 4
"""So many sets are under way at most: a newer one begins while the last files of the one before may still come."""


class Follower:
    """Follows one source from `start` to `close`, with a thread that waits and one that fetches.

    `ready` is the set that is visible. A state that comes while another is being fetched takes its place. A set that
    cannot be fetched changes nothing, and is tried again after a pause (0.25 s, doubling up to 30 s), or at once when
    the manifest moves again. A forked child keeps the set that its parent had.
    """

    def __init__(
        self, source: Source, store: Store, fetcher: Fetcher, versions: Versions, paths: Sequence[str] | None,
        label: str, remembered: Remembered | None,
    ) -> None:  # fmt: skip
        self.paths = paths
        self.ready: ReadySet | None = None
        self.error: RainerError | None = None
        self._status = "starting"
        self._source, self._store, self._fetcher, self._versions = source, store, fetcher, versions
        self._poll_s = None if source.poll_s is None else max(source.poll_s, _POLL_MIN_S)
        self._kept = KeptSets(fetcher.cache, source.key, label, remembered)
        self._changed = threading.Condition()
        self._listeners = Listeners(source.key)
        self._is_told = True
        self._is_closed = False
        self._attempts: list[Attempt] = []
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name=f"rainer-assets-{source.key}", daemon=True)
        self._stop_listening: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Begin; what the source has now is fetched first."""
        self._stop_listening = self._source.on_change(self._tell)
        self._thread.start()

    @property
    def is_ours(self) -> bool:
        """Whether this process started it; a forked child only has what it had."""
        return self._pid == os.getpid()

    @property
    def status(self) -> str:
        """ "starting" (no set yet), "fetching", "ready", "failed" (the next one cannot be had, and is tried again),
        "closed", and in a forked child "inherited"."""
        return self._status if self.is_ours else "inherited"

    def close(self) -> None:
        """End both threads; a download that is under way ends with its file, or its time. May be called again."""
        if not self.is_ours:
            return
        with self._changed:
            self._is_closed, self._status = True, "closed"
            attempts = list(self._attempts)
            for attempt in attempts:
                attempt.cancel()
            self._changed.notify_all()
        self._stop_listening()
        deadline = time.monotonic() + _END_S
        for thread in (self._thread, *(attempt.thread for attempt in attempts)):
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
                if thread.is_alive():
                    log.warning("%s runs on, %g s after it was to end", thread.name, _END_S)
        if self.ready is not None:
            self.ready.fetcher.drop()

    # Listening and waiting

    def add(self, callback: ReadyCallback) -> Callable[[], None]:
        """Call it for the set that is ready, and every one after it; what comes back ends that."""
        with self._changed:
            if self._is_closed:
                raise closed()
            end = self._listeners.add(callback)
            self._changed.notify_all()
        return end

    def wait(self, timeout_s: float | None, revision: int | None) -> AssetSnapshot:
        """A snapshot of the set that is ready, of this revision at least; NotYet when the time is up."""

        def is_there() -> bool:
            ready = self.ready
            return ready is not None and (revision is None or (ready.view.state.revision or 0) >= revision)

        what = "any assets" if revision is None else f"the assets of revision {revision}"
        if not self.is_ours:
            snapshot = self.snapshot()
            if snapshot is None or not is_there():
                raise NotYet(f"{what} of manifest {self._source.key!r}: a forked child has what its parent had",
                             hint="call on_ready in the child as well")  # fmt: skip
            return snapshot
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or is_there(), timeout_s)
            ready, error = self.ready, self.error
            if ready is not None and is_there():
                return self._snapshot_of(ready)
        why = "it was closed" if self._is_closed else f"not ready within {timeout_s:g} s"
        raise NotYet(f"{what} of manifest {self._source.key!r}: {why}" + (f": {error}" if error else ""))

    def _tell(self) -> None:
        with self._changed:
            self._is_told = True
            self._changed.notify_all()

    # The thread that waits

    def _run(self) -> None:
        try:
            self._restore()
        except Exception:  # no old set is a reason to go without the next
            log.exception("the last set of manifest %s cannot be begun with", self._source.key)
        pause: float | None = 0.0
        failures = 0
        while self._wait(RENEW_S if pause is None else pause):
            try:
                self._kept.renew()
                pause = self._advance()
                failures = 0
            except Exception as e:  # whatever it is, the old set goes on and the next may come
                pause = min(_PAUSE_S * 2**failures, _PAUSE_MAX_S) * random.uniform(0.75, 1.25)
                failures = min(failures + 1, 20)
                self._fail(e, pause)

    def _advance(self) -> float | None:
        """Make what the source has now ready; how long to wait then, in seconds, None for until it tells."""
        state = self._source.current()
        ready = None if self.ready is None else self.ready.view.state
        if ready is not None and ready.says_the_same(state):
            self._calm()
        elif ready is not None and state.is_before(ready) and not self._source.is_current:
            # Killed, this program remembered its last set, but its mirror had not saved as much. What comes when the
            # source is reached decides, also if history itself went back.
            self._calm()
            return _PAUSE_S
        else:
            self._fetch(state)
            return 0.0  # the source may have moved on as the set arrived: look again
        return self._poll_s

    def _wait(self, pause: float | None) -> bool:
        """Until the source told something, or the pause is over; meanwhile those who have not heard of a set do."""
        while True:
            self._call_listeners()
            with self._changed:
                happened = self._changed.wait_for(
                    lambda: self._is_told or self._is_closed or self._listeners.want(self.ready), pause
                )
                if self._is_closed:
                    return False
                if self._is_told or not happened:
                    self._is_told = False
                    return True

    def _restore(self) -> None:
        """Begin with the set that was ready when a program last followed, if all of its files are still here."""
        commits = self._kept.remembered()
        found = None
        if commits:
            try:
                found = restore(self._source.restore(commits), self._store, self._fetcher, self.paths)
            except RainerError as e:
                log.info("the last set of manifest %s is not complete any more: %s", self._source.key, e)
        if found is not None:
            log.info("manifest %s begins with revision %s, as it was last", self._source.key, found.view.state.revision)
            self._switch(found)

    def _fetch(self, state: ManifestState) -> None:
        """Fetch a state's files and switch to it, unless something comes in between."""
        attempt = Attempt(state, self._store, self._fetcher, self.paths, self._tell_done)
        if not self._begin(attempt):
            return
        while self._wait_for(attempt):
            if attempt.is_done:
                self._switch(attempt.result())
                return
            if has_moved_on(self._source, state):
                break
        attempt.cancel()

    def _begin(self, attempt: Attempt) -> bool:
        """False where too many are under way, of which one ended now: the source may have moved on meanwhile."""
        with self._changed:
            self._attempts = [other for other in self._attempts if not other.is_over]
            has_room = len(self._attempts) < ATTEMPTS_MAX
            if not has_room:
                self._changed.wait_for(lambda: self._is_closed or any(other.is_over for other in self._attempts))
            if self._is_closed or not has_room:
                return False
            self._status = "fetching" if self.ready is not None else "starting"
            attempt.thread.start()
            self._attempts.append(attempt)
            return True

    def _wait_for(self, attempt: Attempt) -> bool:
        """Until it is done, or the source may have moved on; false if all of this ends."""
        with self._changed:
            self._changed.wait_for(lambda: attempt.is_done or self._is_closed or self._is_told, self._poll_s)
            if not attempt.is_done:
                self._is_told = False  # what is told once it is done is looked at afterwards
            return not self._is_closed

    def _tell_done(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _switch(self, found: ReadySet) -> None:
        previous = self.ready
        self._kept.switch(found.view.state.commits, found.digests, None if previous is None else previous.digests)
        with self._changed:
            self.ready = found
        if previous is not None:
            previous.fetcher.drop()
        self._calm()
        state = found.view.state
        log.info("manifest %s: %d assets of revision %s are ready", state.key, found.count, state.revision)

    def _calm(self) -> None:
        with self._changed:
            self.error = None
            if not self._is_closed:
                self._status = "ready"
            self._changed.notify_all()

    def _fail(self, error: Exception, pause: float) -> None:
        known = error if isinstance(error, RainerError) else RainerError(f"{type(error).__name__}: {error}")
        with self._changed:
            if self._is_closed:
                return
            self.error, self._status = known, "failed"
            self._changed.notify_all()
        goes_on = "what was ready goes on" if self.ready is not None else "nothing is ready"
        log.warning(
            "the assets of manifest %s cannot be made ready, %s; next try in %.2g s: %s",
            self._source.key, goes_on, pause, known, exc_info=not isinstance(error, RainerError),
        )  # fmt: skip

    def _call_listeners(self) -> None:
        ready = self.ready
        if ready is not None:
            self._listeners.call(ready, lambda: self._snapshot_of(ready), lambda: self._is_closed)

    def snapshot(self) -> AssetSnapshot | None:
        """A snapshot of the set that is ready, whose files all stay; None while there is none."""
        if not self.is_ours:
            # The parent's locks may have been taken when the child was made, and its leases are its own.
            ready = self.ready
            if ready is None:
                return None
            return AssetSnapshot(ready.view, KeepingFetcher(self._fetcher), self._versions)
        with self._changed:
            return None if self.ready is None else self._snapshot_of(self.ready)

    def _snapshot_of(self, ready: ReadySet) -> AssetSnapshot:
        """To be called under the lock or by the thread that switches: what follows is to find the files still held."""
        return AssetSnapshot(ready.view, ready.fetcher.share(), self._versions)

    def check_paths(self, paths: Sequence[str] | None) -> None:
        """InvalidError where somebody else has it follow other paths."""
        if paths is not None and paths != self.paths:
            raise InvalidError(
                "these assets follow other paths already", hint="make another rainer.Assets for other paths"
            )
