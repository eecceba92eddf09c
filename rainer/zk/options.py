"""How to reach a ZooKeeper ensemble, and as whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rainer.errors import InvalidError

_PERMISSIONS = "rwcda"


@dataclass(frozen=True, slots=True)
class ZooKeeperOptions:
    """`hosts` as `zk1:2181,zk2:2181/chroot`; times in seconds.

    `user` and `password` are sent as digest authentication; `sasl` goes to kazoo as it is (`mechanism`, `username`, …).
    `acl` is what nodes get that we create: `scheme:id:permissions` texts, such as `digest:me:HASH=:rwcda` or
    `world:anyone:r`; none means open to everybody, or, with a user, all to the user and reading to everybody.
    `ca`, `certificate` and `key` are PEM files (`key` may stand in the certificate's); any of them, or `tls`, turns TLS
    on, in which servers must be who they say they are.
    """

    hosts: str
    timeout_s: float = 10.0
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    sasl: Mapping[str, Any] | None = field(default=None, repr=False)
    acl: tuple[str, ...] = ()
    tls: bool = False
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if not self.hosts or any(c.isspace() for c in self.hosts):
            raise InvalidError(
                f"ZooKeeper hosts {self.hosts!r} are not a list", hint="such as zk1:2181,zk2:2181/chroot"
            )
        if (self.user is None) != (self.password is None):
            raise InvalidError("a ZooKeeper user needs a password and a password a user")
        for text in self.acl:
            scheme, _, rest = text.partition(":")
            name, _, permissions = rest.rpartition(":")
            if not (scheme and name and permissions) or set(permissions) - set(_PERMISSIONS):
                raise InvalidError(f"ACL {text!r} is not SCHEME:ID:PERMISSIONS", hint="such as world:anyone:r")

    @property
    def uses_tls(self) -> bool:
        return self.tls or any((self.ca, self.certificate, self.key))
