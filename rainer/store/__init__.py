"""Stores: what a URL opens, from S3 to a folder, and the client of a server's file store.

The names below load when first used, so that a program that reads from one kind of store loads no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rainer.late import late_names
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
    from rainer.store.tls import Tls

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
    "Tls",
    "fetch",
    "open_store",
]

__getattr__ = late_names(
    __name__,
    {
        "AddressedStore": "addressed",
        "ApiSource": "api_source",
        "AzStore": "az",
        "Client": "client",
        "CompositeStore": "composite",
        "Fetched": "fetching",
        "FileStore": "file",
        "GsStore": "gs",
        "HttpStore": "http",
        "MemoryStore": "memory",
        "S3Store": "s3",
        "ServerStore": "server",
        "Source": "composite",
        "Stores": "opening",
        "Tls": "tls",
        "fetch": "fetching",
        "open_store": "opening",
    },
)
