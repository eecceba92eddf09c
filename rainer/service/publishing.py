"""A server's publisher: begun with the service, told of every group, ended when what was accepted is published."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rainer.journal import Journal, LiveJournal

if TYPE_CHECKING:
    from rainer.publish import Publisher
    from rainer.zk import ZooKeeperOptions


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """Where a server publishes to: an ensemble, and the node that holds the namespaces' trees."""

    zookeeper: ZooKeeperOptions
    path: str = "/rainer"

    @property
    def is_somebody(self) -> bool:
        """Whether ZooKeeper knows who we are, so that others can be kept out."""
        return bool(self.zookeeper.user or self.zookeeper.sasl or self.zookeeper.acl)


class Publishing:
    """Belongs to the service's event loop; the publisher itself runs in threads of its own."""

    def __init__(self, options: PublishOptions | None) -> None:
        self._options = options
        self._publisher: Publisher | None = None

    def start(self, journal: Journal, live: LiveJournal) -> None:
        """Begin, where there is something to publish to; ZooKeeper need not answer yet."""
        if self._options is None:
            return
        from rainer.publish import Publisher

        publisher = Publisher(journal, self._options.zookeeper, self._options.path)
        publisher.start()
        live.on_group(publisher.offer)
        self._publisher = publisher

    async def close(self) -> None:
        """Publish what the journal holds, for a few seconds at most, and end."""
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            await asyncio.to_thread(publisher.close)

    def connection(self) -> dict[str, Any] | None:
        """Whether ZooKeeper answers this server; None where nothing is published to."""
        return None if self._publisher is None else self._publisher.connection()

    def status(self) -> list[dict[str, Any]]:
        """How far each namespace is published, and by whom; nothing where nothing is published to."""
        return [] if self._publisher is None else self._publisher.status()
