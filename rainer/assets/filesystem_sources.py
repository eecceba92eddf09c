"""What file systems with the same options share: one cache, one client, and the assets of each manifest."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, NamedTuple

from rainer import settings
from rainer.assets import configured
from rainer.assets.resolver import Assets
from rainer.assets.sources_files import LockSource, file_source
from rainer.client import Client
from rainer.errors import NotFoundError

_opened: dict[tuple[object, ...], Opened] = {}
_lock = threading.RLock()


class Options(NamedTuple):
    """What a file system was given; None for what the settings say."""

    url: str | None
    store: str | None
    cache_dir: str | None
    lock: str | None
    offline: bool | None


class Opened:
    """A cache, a client and assets, opened when they are first needed. Safe across threads."""

    def __init__(self, flags: dict[str, Any], lock: str | None) -> None:
        self._settings: Final = settings.load(flags)
        self._lock_path: Final = lock
        self._manifests: dict[str, Assets] = {}
        self._making = threading.RLock()
        self._cache: Any = None
        self._client: Client | None = None
        self._locked: Final = _locked(lock)
        self.manifest: Final = self._locked or self._settings.manifest
        """The one that is listed at the root: the lock file's, or the one that is set."""
        self.is_closed = False

    def assets(self, manifest: str) -> Assets:
        """The assets of a manifest. Raises NotFoundError for another than the lock file has."""
        found = self._manifests.get(manifest)
        return self._make(manifest) if found is None else found

    def _make(self, manifest: str) -> Assets:
        if self._locked is not None and manifest != self._locked:
            raise NotFoundError(
                f"{self._lock_path} is of the manifest {self._locked!r}, and not {manifest!r}",
                hint=f"say rainer://{self._locked}/…",
            )
        with self._making:
            found = self._manifests.get(manifest)
            if found is None:
                found = self._manifests[manifest] = self._assets(manifest)
            return found

    def _assets(self, manifest: str) -> Assets:
        chosen = replace(self._settings, manifest=manifest)
        if self._cache is None:
            self._cache = configured.cache(chosen)
        if self._lock_path is not None:
            return configured.assets(chosen, self._lock_path, cache_used=self._cache)
        if self._client is None:
            self._client = configured.client(chosen)
        return configured.assets(chosen, self._client, cache_used=self._cache)

    def close(self) -> None:
        """Close all of it; who still has it opens anew."""
        with _lock, self._making:
            self.is_closed = True
            for key in [key for key, one in _opened.items() if one is self]:
                del _opened[key]
            for assets in self._manifests.values():
                assets.close()
            if self._cache is not None:
                self._cache.close()
                self._cache.stores.close()
            if self._client is not None:
                self._client.close()
            self._manifests = {}


def _locked(lock: str | None) -> str | None:
    """The manifest of a lock file; None of a manifest file, which goes by any name."""
    source = None if lock is None else file_source(lock)
    return source.key if isinstance(source, LockSource) else None


def opened(given: Options) -> Opened:
    """What these options open, the same for all who give the same in the same settings. Raises InvalidError."""
    flags = {name: getattr(given, name) for name in _SETTINGS if getattr(given, name) is not None}
    lock = given.lock
    chosen = settings.load(flags)
    place = None if lock is None else os.path.abspath(os.path.expanduser(lock))  # noqa: PTH100, PTH111
    key = (*(getattr(chosen, name) for name in _THAT_MATTER), place)
    with _lock:
        found = _opened.get(key)
        if found is None:
            found = _opened[key] = Opened(flags, place)
        return found


_SETTINGS: Final = ("url", "store", "cache_dir", "offline")
_THAT_MATTER: Final = (
    "url", "store", "store_credentials", "store_timeout_s", "cache_dir", "cache_bytes_max", "cache_timeout_s",
    "cache_immutable", "cache_read_only", "cache_shared", "offline", "manifest", "timeout_s", "connect_timeout_s",
    "token", "tls_ca", "client_certificate", "client_key",
)  # fmt: skip


def close_all() -> None:
    """Close everything that file systems of this process have open."""
    with _lock:
        for one in list(_opened.values()):
            one.close()


# Or the interpreter complains of sockets that nobody closed: whoever reads a table never sees this file system.
atexit.register(close_all)


def _after_fork_in_child() -> None:
    """Another thread of the parent may have been at it; what is open can be used by both."""
    global _lock
    _lock = threading.RLock()
    for one in _opened.values():
        one._making = threading.RLock()


_register: Callable[..., None] | None = getattr(os, "register_at_fork", None)
if _register is not None:
    _register(after_in_child=_after_fork_in_child)
