"""A server that publishes as a user whom ZooKeeper knows by SASL, and what is said when that cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rainer import settings
from rainer.cli.zookeeper import zookeeper_options
from rainer.errors import DeniedError, InvalidError, UnavailableError
from rainer.zk import ZooKeeperOptions
from rainer.zk.client import ZooKeeper
from rainer.zk.operations import Set
from tests.services.zookeeper import ZooKeeper as Server

JAAS = """
Server {
    org.apache.zookeeper.server.auth.DigestLoginModule required user_publisher="secret";
};
"""


KNOWN = {"zookeeper_user": "publisher", "zookeeper_password": "secret", "zookeeper_sasl": "digest-md5"}


@pytest.fixture(scope="module")
def hosts(zookeeper: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A ZooKeeper that knows one user, who made `/mine`."""
    jaas = tmp_path_factory.mktemp("jaas")
    jaas.chmod(0o755)
    (jaas / "jaas.conf").write_text(JAAS)
    with Server(
        config=["authProvider.sasl=org.apache.zookeeper.server.auth.SASLAuthenticationProvider"],
        java_options=[f"-Djava.security.auth.login.config={jaas / 'jaas.conf'}"],
    ) as server:
        with connected(options(server.hosts, jaas, **KNOWN)) as mine:
            mine.ensure("/mine")
        yield server.hosts


@contextmanager
def connected(options: ZooKeeperOptions) -> Iterator[ZooKeeper]:
    client = ZooKeeper(options)
    try:
        client.start()
        yield client
    finally:
        client.close()


def options(hosts: str, folder: Path, **given: Any) -> ZooKeeperOptions:
    return zookeeper_options(settings.load({"zookeeper": hosts, **given}, environ={}, folder=folder))


def test_what_a_user_made_is_his(hosts: str, tmp_path: Path) -> None:
    with connected(options(hosts, tmp_path)) as anybody:
        assert anybody.get_data(["/mine"]) == [b""]
        with pytest.raises(DeniedError):
            anybody.write([Set("/mine", b"2")])
    with connected(options(hosts, tmp_path, **KNOWN)) as mine:
        mine.write([Set("/mine", b"3")])


def test_a_wrong_password_opens_nothing(hosts: str, tmp_path: Path) -> None:
    wrong = KNOWN | {"zookeeper_password": "wrong"}
    with pytest.raises((DeniedError, UnavailableError)), connected(options(hosts, tmp_path, **wrong)) as stranger:
        stranger.write([Set("/mine", b"4")])


@pytest.mark.parametrize("given", [{"zookeeper_sasl": "digest-md5"}, {"zookeeper_sasl": "plain"}])
def test_what_cannot_be_is_refused_before_anything_is_asked(given: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(InvalidError) as e:
        options("127.0.0.1:1", tmp_path, **given)
    assert "digest-md5" in f"{e.value} {e.value.hint}"
