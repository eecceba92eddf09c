"""How far each namespace is published, in lines for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def publishing_lines(trees: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Name and text of each line; none where nothing is published to ZooKeeper."""
    for tree in trees:
        yield "publishing", _line(tree)
        if tree.get("large"):
            yield "", f"{tree['large']} keys exceed a znode: mirrors have them, a JVM reader of data/ does not"
        for key, why in dict(tree.get("unpublishable", {})).items():
            yield "", f"{key} is not published: {why}"
        if tree.get("error"):
            yield "", str(tree["error"])


def _line(tree: Mapping[str, Any]) -> str:
    words = [str(tree.get("namespace")), str(tree.get("state"))]
    if tree.get("revision") is not None:
        words.append(f"revision {tree['revision']}, batch {tree['n']}")
    if tree.get("leader"):
        words.append(f"by {tree['leader']}")
    unpublished_s = float(tree.get("oldest_unpublished_s") or 0)
    words.append(f"oldest unpublished commit {unpublished_s:.1f} s" if unpublished_s else "nothing unpublished")
    return ", ".join(words)
