"""The ZooKeeper room: the one place that knows kazoo. It makes clients, knows the tree and translates errors."""

from rainer.errors import missing_extra

try:
    from rainer.zk.answers import Stat, Written
    from rainer.zk.client import ZooKeeper
except ImportError as e:
    raise missing_extra("ZooKeeper needs kazoo", "zookeeper") from e
from rainer.zk.operations import Check, Create, Delete, Operation, Set
from rainer.zk.options import ZooKeeperOptions
from rainer.zk.tree import Tree

__all__ = [
    "Check",
    "Create",
    "Delete",
    "Operation",
    "Set",
    "Stat",
    "Tree",
    "Written",
    "ZooKeeper",
    "ZooKeeperOptions",
]
