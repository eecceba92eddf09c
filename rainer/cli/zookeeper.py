"""The settings that say how to reach ZooKeeper, as options for who connects."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Final

from rainer.errors import InvalidError, missing_extra
from rainer.settings import TABLE, Settings

if TYPE_CHECKING:
    from rainer.zk import ZooKeeperOptions

ZOOKEEPER_SETTINGS: Final = tuple(row.name for row in TABLE if row.name.startswith("zookeeper"))


def zookeeper_options(values: Settings) -> ZooKeeperOptions:
    """The options; InvalidError where no ZooKeeper is named, MissingExtra where its library is not installed."""
    if not values.zookeeper:
        raise InvalidError("no ZooKeeper is named", hint="give --zookeeper zk1:2181,zk2:2181, or set RAINER_ZOOKEEPER")
    from rainer.zk import ZooKeeperOptions

    sasl = _sasl_options(values)
    return ZooKeeperOptions(
        values.zookeeper,
        timeout_s=values.zookeeper_timeout_s,
        user=None if sasl else values.zookeeper_user,
        password=None if sasl else values.zookeeper_password,
        sasl=sasl,
        acl=tuple((values.zookeeper_acl or "").replace(",", " ").split()),
        tls=values.zookeeper_tls,
        ca=_text(values.zookeeper_ca),
        certificate=_text(values.zookeeper_certificate),
        key=_text(values.zookeeper_key),
    )


def _sasl_options(values: Settings) -> dict[str, str] | None:
    """What kazoo wants to know for SASL; None for digest authentication, or none."""
    mechanism, user, password = values.zookeeper_sasl, values.zookeeper_user, values.zookeeper_password
    if mechanism is None:
        return None
    if importlib.util.find_spec("puresasl") is None:
        raise missing_extra("SASL for ZooKeeper is not installed", "zookeeper-sasl")
    match mechanism.lower():
        case "digest-md5" if user and password:
            return {"mechanism": "DIGEST-MD5", "username": user, "password": password}
        case "digest-md5":
            raise InvalidError(
                "digest-md5 needs a user and a password", hint="set RAINER_ZOOKEEPER_USER and RAINER_ZOOKEEPER_PASSWORD"
            )
        case "gssapi":
            return {"mechanism": "GSSAPI"} | ({"principal": user} if user else {})
    raise InvalidError(f"{mechanism!r} is no way of SASL that is known", hint="digest-md5 and gssapi are")


def _text(path: object) -> str | None:
    return None if path is None else str(path)
