"""Stores, cache and assets as the settings have them: what the command line and others of ours work with."""

from __future__ import annotations

import os
from typing import Any

from rainer.assets.resolver import Assets
from rainer.cache import AssetCache
from rainer.client import Client
from rainer.client.address import Address
from rainer.client.transport import tls_sessions
from rainer.errors import InvalidError
from rainer.mirror import Mirror
from rainer.settings import Settings
from rainer.store.opening import Stores, open_store
from rainer.store.store import Store
from rainer.store.tls import Tls


def store_url(settings: Settings) -> str:
    """The store that assets lie in: the one that is set, else the server's own; that one gets the token."""
    address = Address.parse(settings.url).with_token(settings.token)
    return address.own_store if settings.store is None else address.proved(settings.store)


def stores(settings: Settings) -> Stores:
    """What opens every other URL, with the credentials that are set, in their order."""
    return Stores(
        credentials=words(settings.store_credentials), timeout_s=settings.store_timeout_s, tls=tls(settings),
        extra=_own_store(settings),
    )  # fmt: skip


def tls(settings: Settings) -> Tls | None:
    """Whom HTTPS trusts, and what it shows, at Rainer's servers."""
    return Tls.of(settings.tls_ca, settings.client_certificate, settings.client_key)


def _own_store(settings: Settings) -> tuple[Store, ...]:
    """The server's own store where something says who asks, for URIs name nobody."""
    try:
        address = Address.parse(settings.url).with_token(settings.token)
    except InvalidError:
        return ()  # of no importance to who reads from other stores; who needs it hears of it
    if address.token is None and address.login is None:
        return ()
    return (open_store(address.own_store, timeout_s=settings.store_timeout_s, tls=tls(settings)),)


def store(settings: Settings, url: str | None = None) -> Store:
    """The store of a URL, by default the one that assets lie in."""
    wanted = store_url(settings) if url is None else url
    return open_store(
        wanted, credentials=words(settings.store_credentials), timeout_s=settings.store_timeout_s, tls=tls(settings)
    )


def cache(settings: Settings, **options: Any) -> AssetCache:
    """The local cache; `options` go before what is set. Objects of immutable stores are never checked again."""
    chosen: dict[str, Any] = {
        "size_bytes_max": settings.cache_bytes_max,
        "timeout_s": settings.cache_timeout_s,
        "immutable": words(settings.cache_immutable),
        "read_only": settings.cache_read_only,
        "shared": settings.cache_shared,
        "offline": settings.offline,
        "stores": stores(settings),
    }
    return AssetCache(settings.cache_dir, **(chosen | options))


def client(settings: Settings) -> Client:
    """A client of the server and namespace that are set."""
    return Client(
        settings.url,
        author=settings.author,
        token=settings.token,
        timeout_s=settings.timeout_s,
        connect_timeout_s=settings.connect_timeout_s,
        session=tls_sessions(settings.tls_ca, settings.client_certificate, settings.client_key),
    )


def assets(
    settings: Settings, source: Mirror | Client | str | os.PathLike[str] | None = None, *,
    cache_used: AssetCache | None = None,
) -> Assets:  # fmt: skip
    """The assets of the manifest that is set, over a client of the server that is set unless a source is given.

    Of a lock file, the store that it names is used unless one is set. Without `cache_used` a cache is made, which, as
    the client, holds nothing that would have to be closed but pooled connections.
    """
    chosen = client(settings) if source is None else source
    # Of a lock file that stands alone, the store is the one that it names.
    is_told = settings.store is not None or isinstance(chosen, Client)
    place = store_url(settings) if is_told else None
    return Assets(chosen, settings.manifest, place, cache_used or cache(settings))


def words(text: str | None) -> tuple[str, ...]:
    """A setting of several values with spaces between."""
    return tuple((text or "").split())
