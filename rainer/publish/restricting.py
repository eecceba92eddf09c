"""Who may read the trees in ZooKeeper, as the policy says: held for what is made, and brought about for what is there.

What was brought about stands in the data of the tree's root, so that it is done once, and again after a stop half-way.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rainer.errors import DeniedError, InvalidError, NotFoundError
from rainer.journal.reads import Reads
from rainer.model import policy_document
from rainer.model.names import SYSTEM_NAMESPACE
from rainer.publish.feed import JournalFeed, Move
from rainer.zk import Set, Tree, ZooKeeper

log = logging.getLogger("rainer.publish")
_PORTION: Final = 1_000


class Readers:
    """Who may read which tree, by namespace; belongs to the publisher's thread."""

    def __init__(self, feed: JournalFeed) -> None:
        self._feed = feed
        self._found: dict[str, tuple[str, ...]] | None = None

    def heed(self, moves: Iterable[Move]) -> None:
        """Look at the policy when it has changed. UnavailableError."""
        space = self._feed.namespaces.get(SYSTEM_NAMESPACE)
        if space is None:
            self._found = {}
        elif self._found is None or any(_has_policy(move, space.id) for move in moves):
            self._found = _read(self._feed.reads, self._found)

    def forget(self) -> None:
        """The journal is another one."""
        self._found = None

    @property
    def are_known(self) -> bool:
        """Whether any policy was read, or there is none; until then no tree may be touched, for it could be opened."""
        return self._found is not None

    def of(self, namespace: str) -> tuple[str, ...] | None:
        """Who may read a namespace's tree; None: whoever may read the others."""
        return None if self._found is None else self._found.get(namespace)


def _has_policy(move: Move, space: int) -> bool:
    return any(row.key == policy_document.KEY for row in move.rows.get(space, ()))


def _read(reads: Reads, before: dict[str, tuple[str, ...]] | None) -> dict[str, tuple[str, ...]] | None:
    try:
        _, row = reads.commit(SYSTEM_NAMESPACE, policy_document.KEY, None, None, True)
    except NotFoundError:
        return {}
    try:
        return {} if row.payload is None else dict(policy_document.parse(bytes(row.payload)).zookeeper)
    except InvalidError as e:
        log.error("the policy cannot be read, and who may read the trees stays as it was: %s", e)
        return before


class Restriction:
    """Of one tree. Belongs to the publisher's thread."""

    def __init__(self, zk: ZooKeeper, tree: Tree) -> None:
        self._zk, self._tree = zk, tree
        zk.acls.keep(tree.root)
        self._wanted: tuple[str, ...] | None = None
        self._is_done = False
        self.error = ""

    def want(self, readers: tuple[str, ...] | None) -> None:
        """Have what is made from now on be for these readers; None: for all."""
        if readers == self._wanted:
            return
        self._wanted, self._is_done, self.error = readers, False, ""
        try:
            if readers is None:
                self._zk.acls.release(self._tree.root)
            else:
                self._zk.acls.restrict(self._tree.root, readers)
        except InvalidError as e:
            self.error = f"{e}: {e.hint}"
            log.error("the policy's ACLs of %s are not held: %s", self._tree.root, self.error)

    def begin(self) -> None:
        """Look again at how far it was brought about: somebody else may have published meanwhile."""
        self._is_done = False

    def bring_about(self) -> None:
        """Give what is there the ACLs that are wanted, if it has others; all of it at once, a few seconds at most."""
        if self._is_done or self.error:
            return
        try:
            self._bring_about()
        except DeniedError as e:
            self.error = f"not all of {self._tree.root} could be kept from others: {e}"
            log.error("%s", self.error)

    def _bring_about(self) -> None:
        found = self._zk.get(self._tree.root)
        mark = b"" if self._wanted is None else json.dumps({"readers": self._wanted}).encode()
        if found is not None and found[0] != mark and (mark or found[0].startswith(b'{"readers"')):
            log.warning("%s is read by %s from now on", self._tree.root, ", ".join(self._wanted or ["everybody"]))
            for paths in _portions(self._nodes()):
                self._zk.set_acls(paths)
            self._zk.write([Set(self._tree.root, mark)])
        self._is_done = found is not None

    def apply(self, paths: Sequence[str]) -> None:
        """Give nodes that hands have touched their ACLs again."""
        if self._wanted is not None and not self.error:
            with contextlib.suppress(DeniedError):  # of somebody else's making, and repaired as it can be
                self._zk.set_acls(paths)

    def _nodes(self) -> Iterator[str]:
        """Every node of the tree that is ours: contents first, the root in the end."""
        tree = self._tree
        for folder in (tree.data, tree.log, tree.large):
            for name in self._zk.children(folder) or ():
                if folder == tree.large:
                    yield from (f"{folder}/{name}/{part}" for part in self._zk.children(f"{folder}/{name}") or ())
                yield f"{folder}/{name}"
        yield from (tree.head, tree.beat, tree.data, tree.log, tree.large, tree.mirrors, tree.election, tree.root)


def _portions(paths: Iterable[str]) -> Iterator[list[str]]:
    some: list[str] = []
    for path in paths:
        some.append(path)
        if len(some) == _PORTION:
            yield some
            some = []
    if some:
        yield some
