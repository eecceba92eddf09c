"""Fixtures over real servers, one of each kind a test process, started when the first test asks.

A server that cannot be started here is a skip with its reason, or a failure where RAINER_TEST_REQUIRE names it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests.services import guardian
from tests.services.curator.mirror import CuratorMirror
from tests.services.database_service import DatabaseService
from tests.services.ensemble import Ensemble
from tests.services.mariadb import MariaDB
from tests.services.postgresql import PostgreSQL
from tests.services.required import do_without, required_services
from tests.services.seaweedfs import Bucket, SeaweedFS
from tests.services.zookeeper import ZooKeeper

DATABASES = ("sqlite", "postgresql", "mariadb")
_SERVERS = ("postgresql", "mariadb", "zookeeper", "seaweedfs", "fake-gcs-server", "azurite")
_REQUIRABLE = (*_SERVERS, "java", "chromium")

Server = TypeVar("Server", DatabaseService, ZooKeeper, SeaweedFS)


def pytest_configure() -> None:
    unknown = sorted(required_services() - set(_REQUIRABLE))
    if unknown:
        raise pytest.UsageError(f"RAINER_TEST_REQUIRE names {', '.join(unknown)}; known are {', '.join(_REQUIRABLE)}")


@pytest.fixture(scope="session", autouse=True)
def _guardian() -> None:
    # Started before any test looks at its file descriptors, so that its pipe is nobody's leak.
    guardian.ensure()


def _serve(kind: type[Server]) -> Iterator[Server]:
    server = kind.from_environment()
    reason = kind.available() if server.owned else None
    if reason:
        do_without(kind.name, reason)
    with server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[DatabaseService]:
    """A running PostgreSQL, shared by the tests of this process."""
    yield from _serve(PostgreSQL)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[DatabaseService]:
    """A running MariaDB, shared by the tests of this process."""
    yield from _serve(MariaDB)


def _own(kind: type[Server], shared: Server) -> Iterator[Server]:
    if not shared.owned:
        pytest.skip(f"{kind.environment_name} names a server that is not ours to kill")
    with kind() as server:
        yield server


@pytest.fixture
def own_postgresql(postgresql: DatabaseService) -> Iterator[DatabaseService]:
    """A PostgreSQL for one test alone, which may kill, pause and restart it."""
    yield from _own(PostgreSQL, postgresql)


@pytest.fixture
def own_mariadb(mariadb: DatabaseService) -> Iterator[DatabaseService]:
    """A MariaDB for one test alone, which may kill, pause and restart it."""
    yield from _own(MariaDB, mariadb)


def _fresh(server: DatabaseService) -> Iterator[str]:
    url = server.create_database()
    yield url
    server.drop_database(url)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'journal.db'}"


@pytest.fixture
def postgresql_url(postgresql: DatabaseService) -> Iterator[str]:
    """The URL of a fresh, empty database on PostgreSQL."""
    yield from _fresh(postgresql)


@pytest.fixture
def mariadb_url(mariadb: DatabaseService) -> Iterator[str]:
    """The URL of a fresh, empty database on MariaDB."""
    yield from _fresh(mariadb)


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> str:
    """The test runs once on each kind of database, each time with the URL of a fresh, empty one."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(scope="session")
def zookeeper() -> Iterator[ZooKeeper]:
    """A running ZooKeeper, shared by the tests of this process: each works below a chroot of its own."""
    yield from _serve(ZooKeeper)


@pytest.fixture
def zookeeper_hosts(zookeeper: ZooKeeper) -> Iterator[str]:
    """A hosts string with a fresh, empty chroot on the shared ZooKeeper."""
    hosts = zookeeper.make_chroot()
    yield hosts
    zookeeper.remove_chroot(hosts)


@pytest.fixture
def own_zookeeper(zookeeper: ZooKeeper) -> Iterator[ZooKeeper]:
    """A ZooKeeper for one test alone, which may kill, pause, wipe and restart it."""
    yield from _own(ZooKeeper, zookeeper)


@pytest.fixture
def own_ensemble(zookeeper: ZooKeeper) -> Iterator[Ensemble]:
    """Three ZooKeepers as one ensemble for one test alone, which may do to each of them as it likes."""
    if not zookeeper.owned:
        pytest.skip(f"{ZooKeeper.environment_name} names a server, and an ensemble needs three of our own")
    with Ensemble() as ensemble:
        yield ensemble


@pytest.fixture(scope="session")
def curator() -> type[CuratorMirror]:
    """Curator's mirror on this machine; it comes and goes with ZooKeeper where that is required."""
    reason = CuratorMirror.available()
    if reason and "zookeeper" in required_services():
        pytest.fail(f"curator is required by RAINER_TEST_REQUIRE: {reason}", pytrace=False)
    if reason:
        pytest.skip(reason)
    return CuratorMirror


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[SeaweedFS]:
    """A running SeaweedFS, which speaks S3, shared by the tests of this process: each works in a bucket of its own."""
    yield from _serve(SeaweedFS)


@pytest.fixture
def s3_bucket(seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A fresh, empty bucket, with the environment set so that whoever opens its URL gets there."""
    bucket = seaweedfs.make_bucket()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    return bucket
