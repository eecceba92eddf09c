"""A journal, its publishers, and mirrors that are watched at every moment: what the tests of bad days are made of."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from kazoo.client import KazooClient

from rainer import Mirror
from rainer.journal import Journal
from rainer.publish import Publisher
from rainer.zk import ZooKeeperOptions
from tests.faults.mirror_checker import Violation, assert_kept, check, wait_for_equality
from tests.faults.mirror_history import Recorder, Truth, read_truth
from tests.faults.mirror_load import Commits
from tests.services.waiting import wait_until

HEALED_S: Final = 5.0
REPAIRED_S: Final = 30.0
ROOT: Final = "/rainer"
TREE: Final = f"{ROOT}/diary"
_PATIENCE_S: Final = 30.0


class Rig:
    """Everything on one journal; a context manager. Its end checks what every mirror showed, if the test went well."""

    def __init__(self, database: str, hosts: str, seed: int, *, is_broken: bool = False) -> None:
        self.hosts = hosts
        self.is_broken = is_broken
        self.database = database
        self._stack = ExitStack()
        self._watching = ExitStack()
        self.journal = self._stack.enter_context(Journal(database))
        self.commits = Commits(self.journal, seed)
        self._truth: Truth | None = None
        self.recorders: list[Recorder] = []
        self.earlier: list[Truth] = []  # lives of the journal that are over

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: Any) -> None:
        with self._stack:
            self._watching.close()
            if kind is None and not self.is_broken:
                self.check()

    # Who takes part

    def publisher(self, hosts: str | None = None, **options: Any) -> Publisher:
        """A publisher in this process, started; closed with the rig."""
        return self._stack.enter_context(self.publishing(hosts, **options))

    def publishing(self, hosts: str | None = None, *, journal: Journal | None = None, **options: Any) -> Publisher:
        """A publisher, of the rig's journal or another one, that runs as long as the caller's `with` block."""
        return Publisher(journal or self.journal, ZooKeeperOptions(hosts or self.hosts), ROOT, **options)

    def mirror(self, name: str = "warm", hosts: str | None = None, **options: Any) -> Mirror:
        """A mirror of the tree under a recorder of its own, complete when this returns."""
        return self.watch(self.open(hosts or self.hosts, **options), name)

    def open(self, hosts: str, **options: Any) -> Mirror:
        """Any of this rig's mirrors, not started."""
        return Mirror.zookeeper(hosts, TREE, **options)

    def watch(self, mirror: Mirror, name: str) -> Mirror:
        """Start a mirror, and record it until the rig ends."""
        recorder = Recorder(mirror, name)
        mirror.on_change(recorder.nudge)
        self._watching.enter_context(mirror)
        self._watching.enter_context(recorder)
        self.recorders.append(recorder)
        return mirror

    def start_unwatched(self, **options: Any) -> Mirror:
        """A mirror that is shown what no journal holds, so that nothing can be asked of it yet."""
        return self._watching.enter_context(self.open(self.hosts, **options))

    @contextmanager
    def brief(self, name: str, hosts: str | None = None, **options: Any) -> Iterator[Mirror]:
        """A cold mirror for a moment, recorded from its first one."""
        mirror = self.open(hosts or self.hosts, **options)
        recorder = Recorder(mirror, name)
        mirror.on_change(recorder.nudge)
        with mirror, recorder:
            yield mirror
        self.recorders.append(recorder)

    def pass_commits(self, count: int) -> None:
        """Return when so many more commits were made, by whoever commits now."""
        end = self.commits.made + count
        wait_until(lambda: self.commits.made >= end, _PATIENCE_S, f"{count} more commits")

    # What holds

    @property
    def truth(self) -> Truth:
        """The journal as it is now; only what is new of it is read."""
        self._truth = read_truth(self.journal, known=self._truth)
        return self._truth

    def level(self, *mirrors: Mirror, within_s: float = _PATIENCE_S) -> None:
        """Wait until these mirrors are where the journal is; nobody may be committing."""
        truth = self.truth
        deadline = time.monotonic() + within_s
        for mirror in mirrors:
            wait_for_equality(mirror, truth, max(0.0, deadline - time.monotonic()))

    def healed(self, *mirrors: Mirror, since: float | None = None, within_s: float = HEALED_S) -> None:
        """Everything is well again since a moment: the mirrors are level in time, a cold one too, and all go on."""
        begun = time.monotonic() if since is None else since
        self.level(*mirrors, within_s=begun + within_s - time.monotonic())
        print(f"level {time.monotonic() - begun:.2f} s after healing")
        self.commits.some(10)
        with self.brief("cold, afterwards") as cold:
            self.level(*mirrors, cold)

    def pass_a_look(self) -> None:
        """Return when the first mirror was looked at anew, twice: the first look may have begun before."""
        recorder = self.recorders[0]
        end = recorder.looks + 2
        wait_until(lambda: recorder.looks >= end or recorder.failures, _PATIENCE_S, "a look at the mirror")

    def first_violation(self) -> Violation | None:
        """What the first mirror's history shows so far, of builds that are broken on purpose."""
        return check(list(self.recorders[0].observations), self.truth, *self.earlier)

    def check(self) -> None:
        """What every mirror showed, at every moment, was the journal's."""
        assert_kept(self.recorders, self.truth, *self.earlier)


def wait_for_revision(mirror: Mirror, revision: int, within_s: float = _PATIENCE_S) -> None:
    """Wait until a mirror has come so far."""
    wait_until(lambda: at(mirror) >= revision, within_s, lambda: f"revision {revision}, the mirror is at {at(mirror)}")


def pass_time(seconds: float) -> None:
    """Let a fault last; there is nothing to wait for but time."""
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= until, seconds + 1, "time")


def at(mirror: Mirror) -> int:
    position = mirror.position
    return -1 if position is None else position.revision


@contextmanager
def hand(hosts: str) -> Iterator[KazooClient]:
    """Somebody with a ZooKeeper shell."""
    client = KazooClient(hosts=hosts, timeout=10.0)
    client.start(timeout=10)
    try:
        yield client
    finally:
        client.stop()
        client.close()
