"""Following a tree without head and log, as the ancestor's publishers and keepers leave it: a watch on each key.

What stands in `data/` is all there is: nodes come, change and go one by one, and no order among keys is told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from rainer.errors import NotFoundError
from rainer.mirror.source import Sink
from rainer.model import times
from rainer.model.packed import Kind, PackedHead
from rainer.zk import Stat, Tree, ZooKeeper

_KEYS_AT_ONCE: Final = 2_000


class _Node(NamedTuple):
    czxid: int
    mzxid: int


class AncestorFollower:
    """For the worker's thread; what watches tell is kept until its next turn."""

    def __init__(
        self, zk: ZooKeeper, tree: Tree, sink: Sink, wake: Callable[[], None], applied: Callable[[], None]
    ) -> None:
        self._zk = zk
        self._tree = tree
        self._sink = sink
        self._wake = wake
        self._applied = applied
        self._lock = threading.Lock()
        self._generation = 0
        self._changed: set[str] = set()
        self._are_children_changed = False
        self._known: dict[str, _Node] = {}

    def _void(self) -> int:
        with self._lock:
            self._generation += 1
            self._changed.clear()
            self._are_children_changed = False
            return self._generation

    def follow(self) -> bool:
        """Read everything, hand it over, then watch every key; False where there is no `data`."""
        generation = self._void()
        keys = self._children(generation)
        if keys is None:
            return False
        found = self._zk.get_many([self._tree.key(key) for key in keys])
        there = [(key, value) for key, value in zip(keys, found, strict=True) if value is not None]
        asked_ms = times.now_ms()
        self._sink.replace([PackedHead(key, 0, 0, Kind.HEAD, data) for key, (data, _) in there], None)
        self._known = {key: _node(stat) for key, (_, stat) in there}
        self._sink.confirm(None, asked_ms)
        self._applied()
        # Ready by now; what changed before its watch stood, the watch's own answer shows.
        self._update(keys, generation)
        return True

    @property
    def has_work(self) -> bool:
        return bool(self._changed) or self._are_children_changed

    def turn(self) -> None:
        """Apply what the watches told of; NotFoundError where the tree itself is gone."""
        with self._lock:
            generation = self._generation
            keys, self._changed = self._changed, set()
            are_children_changed, self._are_children_changed = self._are_children_changed, False
        is_gone = False
        if are_children_changed:
            there = self._children(generation)
            is_gone = there is None
            keys |= set(there or ()) ^ self._known.keys()
        self._update(sorted(keys), generation)
        if is_gone:  # and no watch stands that would tell of its coming back
            raise NotFoundError(f"nothing is published at {self._tree.root} any more", hint="was the tree removed?")

    def look(self, patience_s: float) -> None:
        """Confirm that the server answers: then the watches would have told of changes."""
        asked_ms = times.now_ms()
        self._zk.get_many([self._tree.data], patience_s)
        if not self.has_work:
            self._sink.confirm(None, asked_ms)

    def _children(self, generation: int) -> list[str] | None:
        def changed() -> None:
            with self._lock:
                if generation != self._generation:
                    return
                self._are_children_changed = True
            self._wake()

        return self._zk.children(self._tree.data, changed)

    def _update(self, keys: Iterable[str], generation: int) -> None:
        base = len(self._tree.key(""))

        def changed(path: str) -> None:
            with self._lock:
                if generation != self._generation:
                    return
                self._changed.add(path[base:])
            self._wake()

        some = list(keys)
        for at in range(0, len(some), _KEYS_AT_ONCE):
            portion = some[at : at + _KEYS_AT_ONCE]
            found = self._zk.watch_many([self._tree.key(key) for key in portion], changed)
            for key, value in zip(portion, found, strict=True):
                self._note(key, value)

    def _note(self, key: str, value: tuple[bytes, Stat] | None) -> None:
        known = self._known.get(key)
        node = None if value is None else _node(value[1])
        if node == known:
            return
        if known is not None and (node is None or node.czxid != known.czxid):
            # Removed, perhaps made anew since: then its versions may begin anew, too.
            self._sink.apply([PackedHead(key, 0, 0, Kind.REMOVED, b"")], None, repair=True)
        if value is None or node is None:
            self._known.pop(key, None)
        else:
            self._sink.apply([PackedHead(key, 0, 0, Kind.HEAD, value[0])], None)
            self._known[key] = node
        self._applied()


def _node(stat: Stat) -> _Node:
    return _Node(stat.czxid, stat.mzxid)
