"""The settings that say how to reach ZooKeeper, as options for who connects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rainer.errors import InvalidError
from rainer.settings import TABLE, Settings

if TYPE_CHECKING:
    from rainer.zk import ZooKeeperOptions

ZOOKEEPER_SETTINGS: Final = tuple(row.name for row in TABLE if row.name.startswith("zookeeper"))


def zookeeper_options(values: Settings) -> ZooKeeperOptions:
    """The options; InvalidError where no ZooKeeper is named, MissingExtra where its library is not installed."""
    if not values.zookeeper:
        raise InvalidError("no ZooKeeper is named", hint="give --zookeeper zk1:2181,zk2:2181, or set RAINER_ZOOKEEPER")
    from rainer.zk import ZooKeeperOptions

    return ZooKeeperOptions(
        values.zookeeper,
        timeout_s=values.zookeeper_timeout_s,
        user=values.zookeeper_user,
        password=values.zookeeper_password,
        acl=tuple((values.zookeeper_acl or "").replace(",", " ").split()),
        tls=values.zookeeper_tls,
        ca=_text(values.zookeeper_ca),
        certificate=_text(values.zookeeper_certificate),
        key=_text(values.zookeeper_key),
    )


def _text(path: object) -> str | None:
    return None if path is None else str(path)
