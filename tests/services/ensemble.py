"""Three ZooKeeper servers as one ensemble: leaders that die, followers that lag."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from tests.services.machine import free_port
from tests.services.proxy import Proxy
from tests.services.waiting import wait_until
from tests.services.zookeeper import ZooKeeper

_SERVING_S = 60.0
# A follower tries its new leader for this long. Behind a proxy that closes at once it would go back to the election,
# whose rounds grow longer each time.
_LEADER_S = 5.0


class Member(ZooKeeper):
    """One server of an ensemble. Started means that it runs: it serves once it and another one agree on a leader."""

    def __init__(self, number: int, config: Sequence[str], heap_mb: int) -> None:
        super().__init__(config=config, heap_mb=heap_mb)
        self.number = number

    @property
    def role(self) -> str:
        """`leader`, `follower`, or nothing while it does not serve."""
        return self.figures().get("zk_server_state", "")

    def wait_until_serving(self, timeout_s: float = _SERVING_S) -> None:
        wait_until(lambda: self.serving, timeout_s, lambda: self._with_log(f"{self.name} {self.number} serving"))

    def _prepare(self) -> None:
        super()._prepare()
        (self.data_folder / "myid").write_text(f"{self.number}\n", "ascii")

    def _answers(self) -> bool:
        return self.four_letter("ruok") == "imok"


class Ensemble:
    """Members that can be killed, paused, wiped and started one by one; a context manager that ends them all.

    Its clients see the whole ensemble by `hosts`, and one server by `members[0].hosts`. Each member reaches the others
    through proxies of its own, so that one can be made to lag. Elections bypass them.
    """

    def __init__(self, *, size: int = 3, config: Sequence[str] = (), heap_mb: int = 256) -> None:
        numbers = range(1, size + 1)
        self._ports = {number: (free_port(), free_port()) for number in numbers}
        self._links = {
            (of, to): Proxy(self._ports[to][0], patience_s=_LEADER_S)
            for of, to in itertools.product(numbers, numbers)
            if of != to
        }
        self.members = [
            Member(number, ["initLimit=10", "syncLimit=5", *self._servers_seen_by(number), *config], heap_mb)
            for number in numbers
        ]
        self._stack = ExitStack()

    @classmethod
    def available(cls) -> str | None:
        return ZooKeeper.available()

    @property
    def hosts(self) -> str:
        """The hosts string with every member, whether it runs or not."""
        return ",".join(member.hosts for member in self.members)

    @property
    def leader(self) -> Member:
        """Who leads now; waits for the end of an election."""
        found = wait_until(self._find_leader, _SERVING_S, lambda: f"a leader among {self._roles()}")
        assert found is not None
        return found

    @property
    def followers(self) -> list[Member]:
        """Who follows now, in the order of their numbers."""
        return [member for member in self._running() if member.role == "follower"]

    def wait_until_serving(self) -> None:
        """Wait until every member that runs takes requests."""
        for member in self._running():
            member.wait_until_serving()

    def lag(self, follower: Member) -> None:
        """Let a follower serve what it has, and hear nothing new; after ten seconds (syncLimit) it stops serving."""
        for link in self._links_of(follower):
            link.hang()

    def catch_up(self, follower: Member) -> None:
        """Let a follower that lagged hear again, also of what it missed."""
        for link in self._links_of(follower):
            link.heal()

    def start(self) -> None:
        for link in self._links.values():
            self._stack.enter_context(link)
        for member in self.members:
            self._stack.enter_context(member)
        self.wait_until_serving()

    def close(self) -> None:
        """Stop whoever runs, and remove all data."""
        self._stack.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _servers_seen_by(self, number: int) -> list[str]:
        """One line of zoo.cfg for each member: its own ports, and the others' as its links show them."""
        return [
            f"server.{other}=127.0.0.1:{quorum if other == number else self._links[number, other].port}:{election}"
            for other, (quorum, election) in self._ports.items()
        ]

    def _links_of(self, member: Member) -> list[Proxy]:
        return [link for (of, _to), link in self._links.items() if of == member.number]

    def _running(self) -> list[Member]:
        return [member for member in self.members if member.running]

    def _find_leader(self) -> Member | None:
        return next((member for member in self._running() if member.role == "leader"), None)

    def _roles(self) -> dict[int, str]:
        return {member.number: member.role for member in self.members}
