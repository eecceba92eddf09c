"""Stores: what a URL opens, from S3 to a folder, and the client of a server's file store.

The names below load when first used, so that a program that reads from one kind of store loads no other.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rainer.store.store import ObjectInfo, Progress, Reading, Store

if TYPE_CHECKING:
    from rainer.store.addressed import AddressedStore
    from rainer.store.api_source import ApiSource
    from rainer.store.az import AzStore
    from rainer.store.client import Client
    from rainer.store.composite import CompositeStore, Source
    from rainer.store.fetching import Fetched, fetch
    from rainer.store.file import FileStore
    from rainer.store.gs import GsStore
    from rainer.store.http import HttpStore
    from rainer.store.memory import MemoryStore
    from rainer.store.opening import Stores, open_store
    from rainer.store.s3 import S3Store
    from rainer.store.server import ServerStore

__all__ = [
    "AddressedStore",
    "ApiSource",
    "AzStore",
    "Client",
    "CompositeStore",
    "Fetched",
    "FileStore",
    "GsStore",
    "HttpStore",
    "MemoryStore",
    "ObjectInfo",
    "Progress",
    "Reading",
    "S3Store",
    "ServerStore",
    "Source",
    "Store",
    "Stores",
    "fetch",
    "open_store",
]

_LATE = {
    "AddressedStore": "rainer.store.addressed",
    "ApiSource": "rainer.store.api_source",
    "AzStore": "rainer.store.az",
    "Client": "rainer.store.client",
    "CompositeStore": "rainer.store.composite",
    "Fetched": "rainer.store.fetching",
    "FileStore": "rainer.store.file",
    "GsStore": "rainer.store.gs",
    "HttpStore": "rainer.store.http",
    "MemoryStore": "rainer.store.memory",
    "S3Store": "rainer.store.s3",
    "ServerStore": "rainer.store.server",
    "Source": "rainer.store.composite",
    "Stores": "rainer.store.opening",
    "fetch": "rainer.store.fetching",
    "open_store": "rainer.store.opening",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(importlib.import_module(_LATE[name]), name)
    raise AttributeError(f"module 'rainer.store' has no attribute {name!r}")
