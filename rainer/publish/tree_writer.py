"""Writing one tree: every multi moves a fence, so that of two publishers only the one that knows the tree goes on."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Final

from rainer.errors import ConflictError, CorruptError, DeniedError, InvalidError, NotFoundError, RainerError
from rainer.model.published import Head
from rainer.publish.changes import Bundle, Sizes
from rainer.publish.log_window import LogWindow
from rainer.publish.nodes import KnownNodes
from rainer.publish.steps import Step, steps_of
from rainer.zk import Check, Create, Delete, Operation, Set, Stat, Tree, Written, ZooKeeper

log = logging.getLogger("rainer.publish")
_IN_FLIGHT: Final = 6
_TRIES_BESIDE_KEYS: Final = 10
_TRIES_A_KEY: Final = 4

_Flight = tuple[Step, Callable[[], list[Written]]]


class TreeWriter:
    """Belongs to one thread. After an error other than DeniedError of a repair, `load` again: the tree may have moved.

    Every multi sets the head's node at the version that is known, so that it fails where another publisher has written.
    Where there is no head yet the node `log` stands in. When several are in flight, each also sets a node of this
    session's own at the version that the one before leaves: the head's version alone could be what another publisher's
    write has made it, and a write would land behind one of ours that failed.
    """

    def __init__(self, zk: ZooKeeper, tree: Tree, who: str) -> None:
        self.zk, self.tree, self._who = zk, tree, who.encode()
        self.nodes = KnownNodes(zk, tree)
        self.sizes = Sizes(tree.root)
        self.head: Head | None = None
        self.head_zxid = 0
        """The transaction that last set the head's node, as far as this publisher knows."""
        self.window = LogWindow()
        self.unpublishable: dict[str, str] = {}
        self.published = 0
        """Commits published since the start."""
        self.repaired = 0
        self.is_loaded = False
        self.own_node: Callable[[], str | None] = lambda: None
        """Where this session's own node is, which holds `who`; without one, writes wait for each other."""
        self._planned: Head | None = None
        self._link: tuple[str, int] | None = None
        self._fence = 0
        self._fence_sent = 0
        self._birth: tuple[int, int] = (0, 0)
        self._scrawl: int | None = None
        self._flying: deque[_Flight] = deque()

    # Knowing where the tree stands

    def ensure(self) -> None:
        """Make what is missing of the tree's own nodes."""
        tree = self.tree
        # The log first: by it a mirror tells a tree whose head is to come from an ancestor's, which has data alone.
        for path in (tree.log, tree.data, tree.large, tree.mirrors, tree.election):
            self.zk.ensure(path)

    def load(self) -> Head | None:
        """Read the head; None where there is none, or garbage instead. One request."""
        self._flying.clear()
        self._link = None
        found = self.zk.get(self.tree.head)
        self.head, self._scrawl = None, None
        if found is not None:
            self._take_head(*found)
        self._fence_sent = self._fence
        self._planned, self.is_loaded = self.head, True
        return self.head

    def _take_head(self, data: bytes, stat: Stat) -> None:
        if (stat.czxid, stat.created_ms) != self._birth:
            self.nodes.clear()
            self._birth = (stat.czxid, stat.created_ms)
        elif stat.mzxid != self.head_zxid:
            self.nodes.doubt_absences()
        try:
            self.head = Head.from_bytes(data)
        except CorruptError as e:
            log.warning("%s is not a head and is made anew: %s", self.tree.head, e)
            self._scrawl = stat.version
            return
        self._fence = stat.version
        self.head_zxid = stat.mzxid

    def forget(self) -> None:
        """Whatever was in flight may have landed or not."""
        for step, _ in self._flying:
            self.nodes.forget(h.key for h in step.heads)
        self._flying.clear()
        self.is_loaded = False

    def begin_headless(self) -> None:
        """Take the fence of a tree that has no head; whoever held it before can write no more."""
        self.nodes.clear()
        stat = self.zk.write([Set(self.tree.log, self._who)])[0].stat
        assert stat is not None
        self._fence = self._fence_sent = stat.version

    @property
    def planned(self) -> Head | None:
        """The head as it is when all that is in flight has landed."""
        return self._planned

    def check(self) -> Operation:
        """What makes a write of others depend on the head that this publisher knows."""
        return Check(self.tree.head, self._fence)

    # Writing

    def publish(self, some: Iterable[Bundle]) -> None:
        """Publish bundles in order, and wait until they are."""
        waiting: Bundle | None = None
        is_alone = True
        for bundle in some:
            if waiting is not None:
                is_alone = False
                self._send_bundle(waiting)
            waiting = bundle
        if waiting is not None:
            self._send_bundle(waiting, is_alone=is_alone)
        self.drain()

    def _send_bundle(self, bundle: Bundle, *, is_alone: bool = False) -> None:
        assert self._planned is not None, "load comes first"
        self.nodes.look_at_unknown(bundle.records)
        steps = list(steps_of(bundle, self._planned, self.sizes))
        for step in steps:
            self.send(step, is_alone=is_alone and len(steps) == 1)
        if bundle.repair:
            self.repaired += len(bundle.heads)
        else:
            self.published += len(bundle.heads)

    def send(self, step: Step, *, is_alone: bool = False) -> None:
        """Send a step when there is room for it; nothing is to follow on one that is alone before it has landed."""
        if not is_alone:
            self._find_link()
        step.is_chained = self._link is not None and not is_alone
        while self._flying and (len(self._flying) >= _IN_FLIGHT or not step.is_chained):
            self._land()
        self._flying.append((step, self.zk.write_later(self._operations(step))))

    def _find_link(self) -> None:
        path = self.own_node()
        if path is None:
            self._link = None
        elif not self._flying and (self._link is None or self._link[0] != path):
            stat = self.zk.exists(path)
            self._link = None if stat is None else (path, stat.version)

    def drain(self) -> None:
        """Wait for all that is in flight."""
        while self._flying:
            self._land()

    def _operations(self, step: Step) -> list[Operation]:
        found = [self._fence_operation(step)]
        if step.batch is not None:
            data = step.batch.to_bytes()
            found.append(Create(self.tree.batch(step.batch.n), data))
            self.window.add(step.batch.n, len(data))
        for head in step.heads:
            if head.key not in self.unpublishable:
                found += self.nodes.operations(head)
        found += step.others
        if step.head is not None:
            found += (Delete(self.tree.batch(n)) for n in self.window.surplus(step.head.data_n))
        if step.is_chained and self._link is not None:
            path, version = self._link
            found.append(Set(path, self._who, version))
            self._link = path, version + 1
        self._planned = step.head
        return found

    def _fence_operation(self, step: Step) -> Operation:
        version = self._fence_sent
        self._fence_sent += 1
        is_headless = self.head is None and self._planned is None
        if is_headless:
            return Set(self.tree.log, self._who, version)
        assert step.head is not None
        return Set(self.tree.head, step.head.to_bytes(), version)

    def create_head(self, head: Head) -> None:
        """Give a tree without one its head: what its nodes show is `head` from now on."""
        self.drain()
        first: Operation = Create(self.tree.head, head.to_bytes())
        if self._scrawl is not None:
            first = Set(self.tree.head, head.to_bytes(), self._scrawl)
        self.zk.write([Set(self.tree.log, self._who, self._fence_sent), first])
        stat = self.zk.exists(self.tree.head)
        if stat is not None:
            # What is known of the nodes stays true.
            self._birth, self.head_zxid = (stat.czxid, stat.created_ms), stat.mzxid
        self.load()

    def _land(self) -> None:
        """Wait for the oldest multi in flight; what can be mended about it is, and it is sent again."""
        step, wait = self._flying.popleft()
        try:
            written = wait()
        except RainerError as error:
            self._mend(step, error)
        else:
            self._landed(step, written)

    def _landed(self, step: Step, written: list[Written]) -> None:
        stat = written[0].stat
        assert stat is not None
        self._fence = stat.version
        self.head = step.head
        self.head_zxid = stat.mzxid
        done = [h for h in step.heads if h.key not in self.unpublishable]
        self.nodes.landed(done, stat.mzxid)

    def _mend(self, step: Step, error: RainerError) -> None:
        """Write a refused step, and those behind it, again, as far as the trouble is with the nodes of some keys."""
        self._link = None
        behind = [s for s, _ in self._flying]
        for _, wait in self._flying:
            self._await_failure(wait)
        self._flying.clear()
        for again in (step, *behind):
            self.nodes.forget(h.key for h in again.heads)
        try:
            self._write_alone(step, error)
            for later in behind:
                self._write_alone(later, None)
        except RainerError:
            self.is_loaded = False
            raise

    @staticmethod
    def _await_failure(wait: Callable[[], list[Written]]) -> None:
        try:
            wait()
        except RainerError:
            return
        raise ConflictError("a write landed behind one that was refused")  # the fence forbids it

    def _write_alone(self, step: Step, error: RainerError | None) -> None:
        seen: Counter[str] = Counter()
        for _ in range(_TRIES_A_KEY * len(step.heads) + _TRIES_BESIDE_KEYS):
            if error is not None:
                path = str(error.details.get("path", ""))
                seen[path] += 1
                self._heed(step, error, path, is_stubborn=seen[path] >= _TRIES_A_KEY)
            step.is_chained = False
            self._fence_sent, self._planned = self._fence, self.head
            self.look_at_log()
            self.nodes.look([h.key for h in step.heads])
            try:
                written = self.zk.write(self._operations(step))
            except RainerError as e:
                error = e
            else:
                self._landed(step, written)
                return
        assert error is not None
        raise error

    def _heed(self, step: Step, error: RainerError, path: str, *, is_stubborn: bool) -> None:
        """Make it so that the step can be written, or raise."""
        if isinstance(error, NotFoundError) and path.startswith((f"{self.tree.data}/", f"{self.tree.log}/")):
            self.ensure()  # what was deleted may be the node above
        elif not path.startswith(f"{self.tree.data}/"):
            raise error
        elif isinstance(error, DeniedError | InvalidError) or (is_stubborn and isinstance(error, ConflictError)):
            if step.is_repair:
                raise error
            self.unpublishable[path.rsplit("/", 1)[1]] = str(error)
        elif not isinstance(error, ConflictError):
            raise error

    def look_at_log(self) -> list[int]:
        """Read which batches the log holds; the numbers of those above the head, which nobody may read."""
        names = self.zk.children(self.tree.log)
        if names is None:
            self.ensure()
        numbers = sorted(int(name) for name in names or () if name.isdigit())
        last = self.head.n if self.head is not None else 0
        self.window.keep([n for n in numbers if n <= last])
        return [n for n in numbers if n > last]


def key_of(tree: Tree, error: RainerError) -> str | None:
    """The key whose node a write was refused for."""
    path = str(error.details.get("path", ""))
    return path.rsplit("/", 1)[1] if path.startswith((f"{tree.data}/", f"{tree.large}/")) else None
