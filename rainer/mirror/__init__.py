"""Mirrors: live, read-only copies of a namespace inside a program, over ZooKeeper or over HTTP."""

from rainer.mirror.backlog import Change
from rainer.mirror.mirror import Mirror
from rainer.mirror.waiting import NotYet

__all__ = ["Change", "Mirror", "NotYet"]
