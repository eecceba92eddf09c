"""Where a mirror's heads come from, and what a source tells it: the seam between the mirror and ZooKeeper or HTTP.

A source runs its own threads from `start` to `close`. It hands over what it found (`replace`, `apply`), says when it
knows to be current (`confirm`) or why it is not (`away`), and never touches the mirror otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from rainer.errors import RainerError
from rainer.model.packed import PackedHead
from rainer.model.position import Position


class Sink(Protocol):
    """What a source feeds: the mirror. Calls may come from any thread, one at a time; readers see each as a whole.

    Heads are HEAD or REMOVED, never PARTS: a source joins the parts first. `version` 0 means: as the bytes say (and
    then also whether it is a removal). No call blocks on a user's code, and none raises for what the data holds.
    """

    @property
    def namespace(self) -> str: ...

    @property
    def position(self) -> Position | None:
        """What the mirror holds now, also from disk; None before the first load, and where none is told."""
        ...

    @property
    def rejected(self) -> Mapping[str, str]:
        """Keys whose bytes could not be taken, each with the reason; the last good value is kept. For reports."""
        ...

    def replace(self, heads: Iterable[PackedHead], position: Position | None) -> bool:
        """Take a whole, consistent state; what differs becomes changes. Removed keys need not be among the heads; of a
        key that comes twice the later head counts.

        False, and nothing taken, where `position` is older than the one held of the same lineage: let the server catch
        up (sync) and read again. Another lineage is taken, and said in the log. Without a position (an ancestor's)
        a key never goes back to a lower version: that is reported in `rejected`, and the held value kept.
        """
        ...

    def apply(self, records: Sequence[PackedHead], position: Position | None, *, repair: bool = False) -> bool:
        """Take whole changesets, those between the held position and `position`; `records` in journal order.

        Versions that are held already, or older, are ignored unless `repair`; a position behind the held one is a
        duplicate and ignored, too (repairs are taken, the position stays). In a repair, REMOVED of version 0 without
        data means: forget the key, its version too (nobody ever committed it, or an ancestor removed it). False, and
        nothing taken, where nothing is loaded yet or the lineage is not the held one: load and `replace`.
        """
        ...

    def reject(self, key: str, why: str) -> None:
        """A key whose bytes the source could not even hand over: the last good value stays, the reason is reported."""
        ...

    def confirm(self, revision: int | None, at_ms: int | None = None) -> None:
        """The source is known to have been current at `at_ms` (wall clock, ms since 1970; None: right now).

        `revision` is the source's at that moment, None where it does not tell: a mirror that holds less is not yet
        current and does not count it. From here `age_s` counts.
        """
        ...

    def away(self, error: RainerError | None) -> None:
        """The source cannot be reached, and why; it goes on trying. The next `replace` or `confirm` ends that."""
        ...


class Source(Protocol):
    """One life of a connection to where the heads are; made anew for every start, and in a forked child.

    `Mirror.zookeeper` makes one with `rainer.mirror.zookeeper_source.open_source(hosts, path, **options)`.
    """

    def start(self, sink: Sink) -> None:
        """Begin, without waiting: threads connect, load, follow and, whatever happens, go on trying until `close`."""
        ...

    def close(self) -> None:
        """End threads and connections; when it returns, the sink is not called any more.

        Called once, never from one of the source's own threads, and never while the sink is being called.
        """
        ...

    def abandon(self) -> None:
        """In a forked child: close what was inherited without a word to the server, for the parent speaks on it.

        No thread of the source lives in the child; no lock of it may be waited for.
        """
        ...

    def describe(self) -> str:
        """Where it reads from, for messages: `http://localhost:8080/diary`, `ZooKeeper zk1:2181 /rainer/diary`."""
        ...
