"""Following the log of a published tree, with one watch.

The fast path runs where kazoo calls back, without a thread of ours: the next batch came to be, so ask for it and watch
for the one after. Whatever is not as plain as that is a doubt, which ends the fast path until the slow path, in the
worker's thread, has looked at the head and begun a new one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from rainer.errors import CorruptError, RainerError, UnavailableError
from rainer.mirror.freshness import Freshness, read_beat
from rainer.mirror.source import Sink
from rainer.mirror.tree_reading import FoundHead, Moved, TreeReader, check_whole, found_head
from rainer.model import times
from rainer.model.packed import Kind
from rainer.model.position import Position
from rainer.model.published import Batch, Head
from rainer.zk import Tree, ZooKeeper

log = logging.getLogger("rainer.mirror")

_BATCHES_AT_ONCE: Final = 32
_OFFER_EVERY_S: Final = 2.5
_LATE_MAX: Final = 4


class LogFollower:
    """`doubt` may be called from any thread; `follow` and `look` only from the worker's."""

    def __init__(
        self, zk: ZooKeeper, tree: Tree, sink: Sink, wake: Callable[[], None], applied: Callable[[], None]
    ) -> None:
        self._zk = zk
        self._tree = tree
        self._sink = sink
        self._wake = wake
        self._applied = applied
        self._reader = TreeReader(zk, tree)
        self._freshness = Freshness()
        self._lock = threading.Lock()
        self._generation = 0
        self._n: int | None = None
        self._life = (0, 0)
        self._lineage = ""
        self._last: Position | None = None
        self._awaits_head = False
        self._offer_at = 0.0
        self.is_in_doubt = True

    def doubt(self, generation: int | None = None) -> None:
        """Let the worker look at the head; the fast path (of this generation, or any) goes no further."""
        with self._lock:
            if generation is not None and generation != self._generation:
                return
            self._generation += 1
            self.is_in_doubt = True
        self._wake()

    # The slow path

    def follow(self) -> bool:
        """Come up to the head and begin the fast path; False where there is no head."""
        with self._lock:
            self._generation += 1
            generation = self._generation
            self.is_in_doubt = False
        found = self._reader.head(self.doubt if self._awaits_head else None)
        if found is not None and self._is_behind(found.head):
            # Perhaps this server lags; perhaps ZooKeeper came back from a backup.
            self._zk.sync(self._tree.head)
            found = self._reader.head()
        if found is None:
            return False
        if self._is_older(found.head):
            self._offer_older(found.head)
        elif not self._goes_on(found) or not self._catch_up(found.head):
            self._load()
        self._offer_at = 0.0
        self._arm(generation)
        return True

    def _is_behind(self, head: Head) -> bool:
        held = self._sink.position
        if held is None or head.lineage != held.lineage:
            return False
        return head.revision < held.revision or head.n < (self._n or 0)

    def _is_older(self, head: Head) -> bool:
        held = self._sink.position
        return held is not None and head.lineage == held.lineage and head.revision < held.revision

    def _offer_older(self, head: Head) -> None:
        """What is held may be from a snapshot of a journal's other future: the sink decides, and is asked rarely."""
        self._n = None  # whatever number it has when it is back here: it is not the log that we know
        now = time.monotonic()
        if now >= self._offer_at:
            self._offer_at = now + _OFFER_EVERY_S
            self._load()
            return
        raise self._older(head)

    def _older(self, head: Head) -> UnavailableError:
        held = self._sink.position
        return UnavailableError(
            f"{self._tree.root} is at revision {head.revision}, and {held.revision if held else 0} is held already",
            hint="does its publisher run?",
        )

    def _goes_on(self, found: FoundHead) -> bool:
        head, held = found.head, self._sink.position
        if self._n is None or held is None or found.life != self._life or head.lineage != self._lineage:
            return False
        is_other_history = head.revision == held.revision and head.position.chain != held.chain
        return head.n >= self._n and not is_other_history

    def _catch_up(self, head: Head) -> bool:
        """Apply what the log has beyond what is held; False where it does not lead there."""
        assert self._n is not None
        try:
            if not self._is_same_log():
                return False
            while self._n < head.n:
                last = min(head.n, self._n + _BATCHES_AT_ONCE)
                batches = self._reader.batches(self._n + 1, last)
                rest = batches[-1].parts - batches[-1].part
                if last + rest > head.n:
                    return False
                batches += self._reader.batches(last + 1, last + rest)
                check_whole(batches, head.lineage)
                if not self._apply(batches):
                    return False
        except Moved:
            return False
        except CorruptError as e:
            log.warning("%s: %s; reading everything again", self._tree.root, e)
            return False
        return True

    def _is_same_log(self) -> bool:
        # After a backup of ZooKeeper came back, another batch may stand where the one stood that was applied last.
        if self._n and self._last is not None:
            return self._reader.batches(self._n, self._n)[0].position == self._last
        return True

    def _apply(self, batches: list[Batch]) -> bool:
        records, broken = self._reader.join([record for batch in batches for record in batch.records])
        position = batches[-1].position
        taken = [record for record in records if record.key not in broken]
        if not self._sink.apply(taken, position, repair=any(batch.repair for batch in batches)):
            return False
        for key, why in broken.items():
            self._sink.reject(key, why)
        self._n, self._last = batches[-1].n, position
        self._awaits_head = False
        self._applied()
        return True

    def _load(self) -> None:
        loaded = self._reader.load()
        if loaded is not None and not self._sink.replace(loaded.heads, loaded.found.head.position):
            self._zk.sync(self._tree.head)
            loaded = self._reader.load()
            if loaded is not None and not self._sink.replace(loaded.heads, loaded.found.head.position):
                raise self._older(loaded.found.head)
        if loaded is None:
            raise UnavailableError(f"the head of {self._tree.root} went while it was read")
        for key, why in loaded.broken.items():
            self._sink.reject(key, why)
        head = loaded.found.head
        self._n, self._life, self._lineage, self._last = head.n, loaded.found.life, head.lineage, None
        self._awaits_head = False
        self._applied()

    # The fast path

    def _arm(self, generation: int) -> None:
        if self._awaits_head:
            return  # the head is watched instead
        assert self._n is not None
        self._watch(generation, self._n + 1)

    def _watch(self, generation: int, n: int, late: int = 0) -> None:
        def created(late: int = 0) -> None:
            if generation == self._generation:
                self._zk.get_later(self._tree.batch(n), lambda data, error: self._arrived(generation, n, data, error))
                self._watch(generation, n + 1, late)

        def armed(exists: bool, error: RainerError | None) -> None:
            # Where batches come faster than one a round trip, the slow path reads many at once.
            if error is not None or (exists and late >= _LATE_MAX):
                self.doubt(generation)
            elif exists:
                created(late + 1)

        self._zk.watch_created(self._tree.batch(n), created, armed)

    def _arrived(self, generation: int, n: int, data: bytes | None, error: RainerError | None) -> None:
        is_taken = False
        try:
            with self._lock:
                if generation != self._generation:
                    return
                is_taken = error is None and data is not None and self._take(n, data)
        except Exception:
            # kazoo would swallow it, and the mirror stand still.
            log.exception("%s: batch %d failed", self._tree.root, n)
        if is_taken:
            self._applied()
        else:
            self.doubt(generation)

    def _take(self, n: int, data: bytes) -> bool:
        """Apply a batch if nothing about it needs a second look."""
        try:
            batch = Batch.from_bytes(data)
        except CorruptError:
            return False
        if batch.parts > 1:
            # Until the head covers the last part, they may be deleted and written anew by another publisher.
            self._awaits_head = True
            return False
        held = self._sink.position
        is_next = batch.n == n and self._n is not None and n == self._n + 1 and held is not None
        if not is_next or batch.position.lineage != self._lineage or any(r.kind is Kind.PARTS for r in batch.records):
            return False
        if held is not None and batch.position.revision < held.revision:
            return False
        if not self._sink.apply(batch.records, batch.position, repair=batch.repair):
            return False
        self._n, self._last = n, batch.position
        self._sink.confirm(batch.position.revision)
        return True

    # Looking whether all is well

    def look(self, patience_s: float) -> int | None:
        """Confirm what is held, or doubt. When it was known to be current, None where nobody vouches for it."""
        before, asked_ms = self._n, times.now_ms()
        # The beat before the head: so it never vouches for more than the head shows.
        beat, found = self._zk.get_many([self._tree.beat, self._tree.head], patience_s)
        if found is None:
            self.doubt()
            return None
        head, life, moved = found_head(*found)
        if life != self._life or head.lineage != self._lineage or before is None or head.n < before:
            self.doubt()
            return None
        data = None if beat is None else beat[0]
        at_ms = self._freshness.judge(read_beat(data), (0 if beat is None else beat[1].mzxid, moved), asked_ms)
        with self._lock:
            is_level = self._n is not None and head.n <= self._n
            if is_level:
                held = self._sink.position
                if head.n == self._n and held is not None and head.revision > held.revision:
                    # Commits of other namespaces: nothing to apply, and yet a newer revision to be current with.
                    self._sink.apply([], head.position)
                if at_ms is not None:
                    self._sink.confirm(head.revision, at_ms)
        if not is_level:
            self.doubt()
        return at_ms
