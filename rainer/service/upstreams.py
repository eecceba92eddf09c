"""What a mirror server follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rainer.errors import UnavailableError
from rainer.mirror.source import Source
from rainer.model.names import SYSTEM_NAMESPACE

_ASK_S: Final = 3.0

Followers = Callable[[], Sequence[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class HttpUpstream:
    """A server, or another mirror server: `root` is its URL without a namespace, and may carry a login or token."""

    root: str = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)

    def open(self, namespace: str, followers: Followers) -> Source:
        from rainer.client.address import Address
        from rainer.mirror.http_source import HttpOptions, HttpSource

        options = HttpOptions(followers=followers, **self.options)
        return HttpSource(Address.parse(f"{self.root}/{namespace}"), options)

    def who_is(self, token: str) -> Mapping[str, Any]:
        """Whom a token proves there: name, source and groups. UnauthenticatedError, UnavailableError."""
        from rainer.client import Client

        url = f"{self.describe()}/{SYSTEM_NAMESPACE}"
        with Client(
            url, token=token, timeout_s=_ASK_S, connect_timeout_s=_ASK_S, session=self.options.get("session")
        ) as client:
            return client.whoami()

    def describe(self) -> str:
        from rainer.client.address import Address

        return Address.parse(f"{self.root}/diary").root

    @property
    def where_to_write(self) -> str:
        return f"write to {self.describe()}, which it mirrors"


@dataclass(frozen=True, slots=True)
class ZooKeeperUpstream:
    """The trees below `path`; `options` are those of ZooKeeperOptions."""

    hosts: str
    path: str
    options: Mapping[str, Any] = field(default_factory=dict)
    asked: HttpUpstream | None = None
    """The server to ask who somebody is, which ZooKeeper cannot tell."""

    def who_is(self, token: str) -> Mapping[str, Any]:
        """Whom a token proves, by the word of a server beside. UnauthenticatedError, UnavailableError."""
        if self.asked is None:
            raise UnavailableError("ZooKeeper proves nobody", hint="--url names a server that does")
        return self.asked.who_is(token)

    def open(self, namespace: str, followers: Followers) -> Source:
        from rainer.mirror.zookeeper_source import open_source

        path = f"{self.path.rstrip('/')}/{namespace}"
        return open_source(self.hosts, path, followers=followers, **self.options)

    def describe(self) -> str:
        return f"ZooKeeper {self.hosts} {self.path}"

    @property
    def where_to_write(self) -> str:
        return f"write to a server that publishes to {self.describe()}, which it mirrors"
