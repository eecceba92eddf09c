"""The cache and the store that assets use: the caller's, or ones of their own that end with them."""

from __future__ import annotations

import os
from typing import Final, TypeAlias

from rainer.assets.locks import ForkedLock
from rainer.assets.sources import Source
from rainer.cache import AssetCache
from rainer.errors import InvalidError
from rainer.store.opening import Stores
from rainer.store.store import Store

StoreLike: TypeAlias = Store | str
_LENDING: Final = ForkedLock()
CacheLike: TypeAlias = "AssetCache | str | os.PathLike[str]"


class Places:
    """What was opened here is closed by `close`; what the caller gave stays as it is."""

    def __init__(self, cache: CacheLike | None) -> None:
        self._is_own_cache = not isinstance(cache, AssetCache)
        self._own_stores: Stores | None = None
        self._own_store: Store | None = None
        self._lent: Store | None = None
        if isinstance(cache, AssetCache):
            self.cache = cache
        else:
            self._own_stores = Stores()
            self.cache = AssetCache(cache, stores=self._own_stores)

    def open_store(self, store: StoreLike | None, source: Source) -> Store:
        """The store that was given, or that the source has; objects of one given are also read by way of it."""
        wanted = source.store_url if store is None else store
        if wanted is None:
            raise InvalidError(
                "it is not known in which store the assets are", hint='give one, such as store="s3://bucket"'
            )
        stores = self.cache.stores
        if isinstance(wanted, str):
            opened = self._own_store = stores.open(wanted)
            if opened.url != wanted:
                self._lend(opened)  # it alone knows the password that is not in its URIs
            return opened
        self._lend(wanted)
        return wanted

    def _lend(self, store: Store) -> None:
        """Have the cache read by way of this store until all is closed; once for each who lends it."""
        self._lent = store
        with _LENDING:
            self.cache.stores.extra = (store, *self.cache.stores.extra)

    def close(self) -> None:
        """Close what is ours, and take back what was lent."""
        lent, self._lent = self._lent, None
        if lent is not None:
            with _LENDING:
                extra = list(self.cache.stores.extra)
                at = next((n for n, known in enumerate(extra) if known is lent), None)
                if at is not None:
                    del extra[at]
                self.cache.stores.extra = tuple(extra)
        if self._own_store is not None:
            self._own_store.close()
        if self._is_own_cache:
            self.cache.close()
        if self._own_stores is not None:
            self._own_stores.close()
