"""A ZooKeeper server at production's tick of two seconds, on a free port."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from kazoo.client import KazooClient

from tests.services import java, zookeeper_wire
from tests.services.machine import find_binary
from tests.services.process_service import ProcessService, ServiceError

_REQUIRED = ("zookeeper", "zookeeper-jute", "slf4j-api", "metrics-core", "snappy-java")
# TLS runs on netty; without a logger's jar the server works and its log stays empty.
_USEFUL = (
    *("slf4j-simple", "commons-cli", "jackson-core", "jackson-databind", "jackson-annotations"),
    *("netty-buffer", "netty-codec", "netty-common", "netty-handler", "netty-resolver", "netty-transport"),
    *("netty-transport-native-unix-common", "netty-transport-native-epoll"),
)
_SESSION = re.compile(r"^\t0x([0-9a-f]+)$", re.MULTILINE)


class ZooKeeper(ProcessService):
    """One standalone server of our own, or, with `external_hosts`, one that is there already and is never stopped.

    It syncs every write to disk, as in production. Sessions last 4 to 40 s, whatever a client asks for, unless `config`
    says otherwise (`minSessionTimeout=500`). `config` takes any lines of zoo.cfg; the last of two equal names holds.
    """

    name = "zookeeper"
    environment_name = "RAINER_TEST_ZOOKEEPER_HOSTS"
    stop_exit_codes = (0, 143)  # a JVM ends so after SIGTERM

    def __init__(
        self,
        *,
        external_hosts: str | None = None,
        config: Sequence[str] = (),
        jute_maxbuffer: int | None = None,
        heap_mb: int = 512,
        java_options: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._external_hosts = external_hosts
        self._config = tuple(config)
        self._options = (f"-Xmx{heap_mb}m", *java_options)
        if jute_maxbuffer is not None:
            self._options += (f"-Djute.maxbuffer={jute_maxbuffer}",)
        self._numbers = itertools.count(1)
        self._prefix = f"/rainer-test-{os.getpid()}-{secrets.token_hex(3)}"

    @classmethod
    def from_environment(cls) -> ZooKeeper:
        """The server that the environment names, else one of our own."""
        return cls(external_hosts=os.environ.get(cls.environment_name) or None)

    @classmethod
    def available(cls) -> str | None:
        reason = java.missing(["java"], _REQUIRED)
        return f"ZooKeeper {reason}" if reason else None

    @property
    def owned(self) -> bool:
        """Whether it may be killed, paused and restarted."""
        return self._external_hosts is None

    @property
    def hosts(self) -> str:
        """What clients call the hosts string, without a chroot."""
        return self._external_hosts or f"127.0.0.1:{self.port}"

    @property
    def data_folder(self) -> Path:
        return self.folder / "data"

    def wipe(self) -> None:
        """Forget every node and session. The server must not run; it starts again empty on the same port."""
        if self.running:
            raise ServiceError(f"{self.name} runs, as process {self.pid}: stop or kill it before wiping its data")
        shutil.rmtree(self.data_folder / "version-2", ignore_errors=True)

    def four_letter(self, word: str) -> str:
        """The server's answer to `mntr`, `cons`, `wchs` and their like; empty when it does not answer."""
        self._refuse_unless_owned("ask")
        return zookeeper_wire.four_letter(self.port, word)

    def figures(self) -> dict[str, str]:
        """What `mntr` tells, such as `zk_watch_count`, `zk_znode_count` and `zk_server_state`."""
        return dict(line.split("\t", 1) for line in self.four_letter("mntr").splitlines() if "\t" in line)

    def sessions(self) -> set[int]:
        """The ids of all sessions that have not ended, connected or not. Of an ensemble, only the leader knows them."""
        return {int(digits, 16) for digits in _SESSION.findall(_expiries(self.four_letter("dump")))}

    def expire_session(self, client_id: tuple[int, bytes]) -> None:
        """End a session behind its client's back, which hears of it at its next ping; kazoo calls the pair `client_id`.

        A second connection takes the session over and closes it, which leaves the same to see as an expiry.
        """
        self._refuse_unless_owned("expire a session of")
        try:
            zookeeper_wire.end_session(self.port, *client_id)
        except ConnectionError:
            # The client, taking its session back at the same moment, was quicker; or we were, and only did not hear so.
            with contextlib.suppress(LookupError):
                zookeeper_wire.end_session(self.port, *client_id)

    def make_chroot(self) -> str:
        """Create a new, empty node and return a hosts string that ends in its path."""
        path = f"{self._prefix}-{next(self._numbers)}"
        client = self._client()
        try:
            client.create(path)
        finally:
            _end(client)
        return self.hosts + path

    def remove_chroot(self, hosts: str) -> None:
        """Clear up what a test left. Our own server keeps it: it goes as a whole, and sooner than by the node."""
        if self.owned:
            return
        client = self._client()
        try:
            client.delete(hosts[len(self.hosts) :], recursive=True)
        finally:
            _end(client)

    def start(self) -> None:
        if self.owned:
            super().start()
            return
        _end(self._client())

    def kill(self) -> None:
        self._refuse_unless_owned("kill")
        super().kill()

    def pause(self) -> None:
        self._refuse_unless_owned("pause")
        super().pause()

    # How it is done.

    def _prepare(self) -> None:
        self.data_folder.mkdir()

    def _command(self) -> Sequence[str]:
        # Written before each start, because the port is chosen anew when somebody else was quicker.
        config = self.folder / "zoo.cfg"
        config.write_text("\n".join([*self._base_config(), *self._config, ""]), "utf-8")
        return [
            str(find_binary("java")),
            *self._options,
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp",
            java.class_path(*_REQUIRED, *_USEFUL),
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            str(config),
        ]

    def _base_config(self) -> list[str]:
        return [
            "tickTime=2000",
            f"dataDir={self.data_folder}",
            f"clientPort={self.port}",
            "clientPortAddress=127.0.0.1",
            "maxClientCnxns=0",
            "admin.enableServer=false",
            "4lw.commands.whitelist=*",
        ]

    def _answers(self) -> bool:
        return self.serving

    @property
    def serving(self) -> bool:
        """Whether it takes requests now; a member of an ensemble without a leader runs and does not."""
        return "zk_server_state" in zookeeper_wire.four_letter(self.port, "mntr", timeout_s=1.0)

    def _client(self) -> KazooClient:
        client = KazooClient(hosts=self.hosts, timeout=10.0)
        try:
            client.start(timeout=10)
        except client.handler.timeout_exception:
            client.close()
            raise ServiceError(f"no ZooKeeper answers at {self.hosts}") from None
        return client

    def _refuse_unless_owned(self, verb: str) -> None:
        if not self.owned:
            raise ServiceError(f"will not {verb} the server named by {self.environment_name}: it is not ours")


def _end(client: KazooClient) -> None:
    client.stop()
    client.close()


def _expiries(dump: str) -> str:
    """The part of `dump` that lists sessions by their expiry; the other part repeats those with ephemeral nodes."""
    return dump.split("ephemeral nodes dump:", 1)[0]
