"""The faults that Python's mirrors go through, done to Java's: the same tests, with a rig that starts Java mirrors.

Only where nothing but tests/faults was asked for: each begins a JVM, and each has run with Python's mirrors already.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import NamedTuple

import pytest

from rainer import Mirror
from tests.faults import (
    test_mirror_bad_network,
    test_mirror_broken_builds,
    test_mirror_http,
    test_mirror_snapshots,
    test_mirror_zookeeper_lost,
    test_publisher_damage,
    test_publisher_rivals,
)
from tests.faults.java_mirror import JavaMirror, JavaRig
from tests.faults.mirror_broken import PUBLISHER_FAULTS
from tests.faults.test_mirror_bad_network import ensemble  # noqa: F401 - a fixture of that script
from tests.faults.test_mirror_snapshots import flipped, kept, truncated  # noqa: F401 - kept is one, too
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until
from tests.services.zookeeper import ZooKeeper

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("java_client")]

_DAMAGES = ("head deleted", "head scrawled", "log deleted", "batch deleted", "everything deleted")


class JavaHttpRig(JavaRig):
    """The same over HTTP; cold mirrors ask the server itself."""

    def __init__(self, server: RainerServer, seed: int) -> None:
        super().__init__(server.database, f"{server.url}/diary", seed)

    def open(self, url: str, **options: object) -> Mirror:
        return Mirror.http(url, **options)  # type: ignore[arg-type]

    def source(self, hosts: str | None) -> tuple[str, ...]:
        return ("http", hosts or self.hosts)


@pytest.fixture(autouse=True)
def _only_thorough(thorough: bool) -> None:
    if not thorough:
        pytest.skip("a JVM for each: only where tests/faults alone is asked for")


class Done(NamedTuple):
    """A test of Python's mirrors, with what it is asked for beside its fixtures."""

    module: ModuleType
    name: str
    extra: Mapping[str, object] = MappingProxyType({})

    def __str__(self) -> str:
        asked = "-".join(str(getattr(value, "__name__", value)) for value in self.extra.values())
        return f"{self.module.__name__.rpartition('.')[2]}.{self.name}{'-' if asked else ''}{asked}"


_SCRIPT = [
    Done(test_mirror_zookeeper_lost, "test_zookeeper_killed_and_started_again"),
    Done(test_mirror_zookeeper_lost, "test_the_data_of_zookeeper_wiped"),
    Done(test_mirror_zookeeper_lost, "test_everything_down_at_the_start"),
    Done(test_mirror_bad_network, "test_connections_cut_delayed_and_half_open_while_1000_keys_change"),
    Done(test_mirror_bad_network, "test_an_older_head_from_a_follower_that_lags"),
    Done(test_publisher_rivals, "test_two_leaders_at_once"),
    Done(test_publisher_rivals, "test_the_log_trimmed_past_a_slow_mirror"),
    Done(test_publisher_rivals, "test_a_mirror_that_never_keeps_up"),
    Done(test_publisher_damage, "test_edits_deletions_inventions_and_garbage_in_data"),
    *(Done(test_publisher_damage, "test_damage_to_head_and_log", {"what": what}) for what in _DAMAGES),
    Done(test_mirror_snapshots, "test_a_damaged_snapshot", {"how": truncated, "newest_only": True}),
    Done(test_mirror_snapshots, "test_a_damaged_snapshot", {"how": flipped, "newest_only": False}),
    Done(test_mirror_snapshots, "test_a_snapshot_of_a_revision_from_the_future"),
    Done(test_mirror_snapshots, "test_a_snapshot_from_a_future_day"),
    Done(test_mirror_snapshots, "test_a_snapshot_of_a_later_format"),
    *(Done(test_mirror_broken_builds, "test_a_broken_publisher", {"name": name}) for name in PUBLISHER_FAULTS),
    Done(test_mirror_broken_builds, "test_right_builds_pass_the_same_tests"),
    Done(test_mirror_http, "test_the_server_killed_while_a_mirror_follows"),
    Done(test_mirror_http, "test_the_server_gone_for_longer_than_anybody_waits"),
    Done(test_mirror_http, "test_a_bad_line_to_the_server"),
    Done(test_mirror_http, "test_everything_down_at_the_start"),
]


@pytest.mark.parametrize("done", _SCRIPT, ids=str)
def test_the_same_script(done: Done, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    rig, other = ("HttpRig", JavaHttpRig) if done.module is test_mirror_http else ("Rig", JavaRig)
    monkeypatch.setattr(done.module, rig, other)
    test: Callable[..., None] = getattr(done.module, done.name)
    wanted = inspect.signature(test).parameters.keys() - done.extra.keys()
    test(**done.extra, **{name: request.getfixturevalue(name) for name in wanted})


def test_sessions_expired_of_a_connection_that_was_handed_in(
    own_zookeeper: ZooKeeper, sqlite_url: str, seed: int
) -> None:
    with JavaRig(sqlite_url, own_zookeeper.hosts, seed) as rig:
        rig.publisher()
        rig.commits.fill()
        warm: JavaMirror = rig.java("curator", *rig.source(None)[1:])
        for _ in range(2):
            with rig.commits.running():
                ended = warm.session
                own_zookeeper.expire_session(ended)
                wait_until(lambda before=ended: warm.session[0] not in (0, before[0]), 10, "another session")
                rig.pass_commits(20)
            rig.healed(warm)
