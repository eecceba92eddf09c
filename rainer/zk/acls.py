"""Who may do what with the nodes that we create: the same for all, or less below some paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kazoo.security import ACL, CREATOR_ALL_ACL, Id, Permissions

from rainer.errors import InvalidError
from rainer.zk.connection import acl_of
from rainer.zk.options import ZooKeeperOptions

_WRITER = Permissions.WRITE | Permissions.CREATE | Permissions.DELETE


class Acls:
    """Thread-safe. Below a restricted root only its readers read, and only we write.

    Whoever may read a tree may say in its `mirrors` what he holds of it: else nobody would know of him, and no commit
    would wait for him.
    """

    def __init__(self, options: ZooKeeperOptions) -> None:
        self.default = acl_of(options)
        self._own = _own(options, self.default)
        self._restricted: dict[str, tuple[list[Any], list[Any]]] = {}
        self._mirrors: frozenset[str] = frozenset()

    def keep(self, root: str) -> None:
        """Know a tree that we publish, whoever may read it."""
        self._mirrors |= {f"{root}/mirrors"}

    def restrict(self, root: str, readers: Sequence[str]) -> None:
        """From now on let `readers` (`scheme:id` texts) alone read what we make below `root`.

        They may also add to its `mirrors`, where they say what they hold, and take away. InvalidError where we are
        nobody to ZooKeeper: then whoever is kept out would be we, too.
        """
        if not self._own:
            raise InvalidError(
                f"{root} cannot be kept from others: nobody knows who we are in ZooKeeper",
                hint="--zookeeper-user and --zookeeper-password, or --zookeeper-sasl",
            )
        ids = [Id(*text.split(":", 1)) for text in readers]
        listed = [ACL(Permissions.READ, one) for one in ids]
        reporting = [ACL(Permissions.READ | Permissions.CREATE | Permissions.DELETE, one) for one in ids]
        self._restricted = self._restricted | {root: ([*self._own, *listed], [*self._own, *reporting])}

    def release(self, root: str) -> None:
        """Make what is below `root` for everybody for whom the rest is."""
        self._restricted = {path: acls for path, acls in self._restricted.items() if path != root}

    def root_of(self, path: str) -> str | None:
        """The restricted root that a path is below of, or is."""
        return next((root for root in self._restricted if path == root or path.startswith(f"{root}/")), None)

    def at(self, path: str) -> list[Any]:
        """What a node of that path is to have."""
        root = self.root_of(path) if self._restricted else None
        if root is None:
            return _with_reports(self.default) if path in self._mirrors else self.default
        listed, reporting = self._restricted[root]
        return reporting if path == f"{root}/mirrors" else listed


def _with_reports(acls: list[Any]) -> list[Any]:
    """The same, and whoever may read may also add; not take away, so that nobody ends another's report."""
    return [ACL(one.perms | Permissions.CREATE, one.id) if one.perms & Permissions.READ else one for one in acls]


def _own(options: ZooKeeperOptions, default: list[Any]) -> list[Any]:
    """What lets us go on writing: those of the ACLs that let somebody in particular write."""
    if options.acl:
        return [one for one in default if one.perms & _WRITER == _WRITER and one.id.scheme != "world"]
    return list(CREATOR_ALL_ACL) if options.user or options.sasl else []
