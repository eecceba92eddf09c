"""What a publisher says of a tree."""

from __future__ import annotations

from typing import Any

from rainer.model import times
from rainer.publish.standby import Standby
from rainer.publish.tree_writer import TreeWriter


def status_of(writer: TreeWriter, standby: Standby, *, is_ours: bool) -> dict[str, Any]:
    """How far a tree is and what is wrong with it: as we write it, or as its publisher tells in head and beat."""
    head = writer.head if is_ours and writer.is_loaded else standby.head
    beat = None if is_ours else standby.beat
    owed = standby.owed
    return {
        "n": None if head is None else head.n,
        "revision": None if head is None else head.revision,
        "oldest_unpublished_s": 0.0 if owed is None else max(0.0, (times.now_ms() - owed.oldest_ms) / 1000),
        "large": len(writer.nodes.large) if beat is None else beat.large,
        "unpublishable": dict(writer.unpublishable if beat is None else beat.unpublishable),
        "published": writer.published,
        "repaired": writer.repaired,
    }
