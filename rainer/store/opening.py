"""From a URL to the store that it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from rainer.errors import InvalidUri
from rainer.store.store import Store
from rainer.store.tls import Tls

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINTS: Final = "rainer.stores"
"""Group of entry points by which others add schemes: name = scheme, value = a callable (url, **options) -> Store, which
gets `credentials` and `timeout_s`."""
SERVER_STORE: Final = "/-/store"
"""What the path of a Rainer server's own store ends with."""

_OWN: Final = {"s3", "gs", "az", "http", "https", "file", "memory"}


def open_store(url: str, *, credentials: Sequence[str] = (), timeout_s: float = 60.0, tls: Tls | None = None) -> Store:
    """The store of a URL: `s3://bucket/prefix`, `gs://bucket`, `az://account/container`, `https://host/folder`,
    `file:///folder`, `memory://name`, or a Rainer server's `http://host/-/store`.

    `credentials` are tried in order (`default`, `env`, `profile:NAME`, `anonymous`; for web servers `bearer:TOKEN`);
    names for stores of other kinds are passed over. `timeout_s` is how long a store may send nothing. `tls` is
    for Rainer's servers alone. Nothing is asked of the store here. Schemes of others come by the entry point group
    "rainer.stores". Raises InvalidUri for a scheme that nobody knows, MissingExtra for one whose library is not
    installed.
    """
    scheme = _scheme(url)
    options: dict[str, Any] = {"credentials": tuple(credentials), "timeout_s": timeout_s}
    if scheme in _OWN:
        return _open_own(scheme, url, options, tls)
    point = _points().get(scheme)  # a look into every installed package, which is not for schemes of ours
    if point is None:
        raise InvalidUri(f"no store knows the scheme of {url!r}", hint=_hint())
    made: Store = point.load()(url, **options)
    return made


def _open_own(scheme: str, url: str, options: dict[str, Any], tls: Tls | None) -> Store:
    if scheme == "s3":
        from rainer.store.s3 import S3Store

        return S3Store(url, **options)
    if scheme == "gs":
        from rainer.store.gs import GsStore

        return GsStore(url, **options)
    if scheme == "az":
        from rainer.store.az import AzStore

        return AzStore(url, **options)
    if scheme == "file":
        from rainer.store.file import FileStore

        return FileStore(url)
    if scheme == "memory":
        from rainer.store.memory import MemoryStore

        return MemoryStore(url)
    return _open_web(url, options, tls)


def _open_web(url: str, options: dict[str, Any], tls: Tls | None) -> Store:
    if is_server_store(url):
        from rainer.store.server import ServerStore

        return ServerStore(url, timeout_s=options["timeout_s"], tls=tls)
    from rainer.store.http import HttpStore

    return HttpStore(url, **options)


def is_server_store(url: str) -> bool:
    """Whether an http(s) URL stands for (something in) a Rainer server's own store."""
    path = url.split("?", 1)[0].rstrip("/") + "/"
    return f"{SERVER_STORE}/" in path


def root_of(uri: str) -> str:
    """The URL of the whole store that an object's URI lies in: its bucket, container, host or server store."""
    scheme = _scheme(uri)
    if scheme in ("http", "https") and is_server_store(uri):
        return uri[: uri.index(SERVER_STORE) + len(SERVER_STORE)]
    if scheme == "file":
        return "file:///"
    scheme = uri[: len(scheme)]  # as it is written, for the URI is to begin with its root
    place, _, rest = uri[len(scheme) + 3 :].partition("/")
    if scheme == "az" and "@" not in place:  # az://account/container/object; the other form names both at once
        return f"{scheme}://{place}/{rest.partition('/')[0]}"
    return f"{scheme}://{place}"


class Stores:
    """Opens stores as URIs ask for them, and remembers them: one for each bucket, container or host.

    One of `extra` that covers a URI goes before all others. For any number of threads; picklable if the extra stores
    are, and after a fork each process goes on with connections of its own.
    """

    def __init__(
        self, credentials: Sequence[str] = (), timeout_s: float = 60.0, extra: Sequence[Store] = (),
        tls: Tls | None = None,
    ) -> None:  # fmt: skip
        self.credentials = tuple(credentials)
        self.tls = tls
        self.timeout_s = timeout_s
        self.extra = tuple(extra)
        self._opened: dict[str, Store] = {}

    def for_uri(self, uri: str) -> Store:
        """The store that reads and writes this URI. Raises InvalidUri, and MissingExtra.

        An endpoint of one's own (`gs://bucket?endpoint=URL`) comes by `extra`: URIs of objects do not carry it.
        """
        for store in self.extra:
            if store.covers(uri):
                return store
        if "?endpoint=" in uri and _scheme(uri) in ("gs", "az"):
            raise InvalidUri(
                f"{uri.partition('?')[0]}: an object's URI has no endpoint, its store's URL has",
                hint="give the store with the others: Stores(extra=[open_store('gs://bucket?endpoint=URL')])",
            )
        root = root_of(uri)
        store_or_none = self._opened.get(root)
        if store_or_none is None:
            # Of two threads that come at once one opens in vain, which costs nothing: a new store holds nothing yet.
            made = self.open(root)
            store_or_none = self._opened.setdefault(root, made)
        return store_or_none

    def open(self, url: str) -> Store:
        """A store of its own for a URL, opened as all the others are."""
        return open_store(url, credentials=self.credentials, timeout_s=self.timeout_s, tls=self.tls)

    def close(self) -> None:
        """Close this process's connections; the stores open new ones where they are used again."""
        for store in (*self.extra, *list(self._opened.values())):
            store.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": {}}


def _scheme(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator or not scheme or not rest:
        raise InvalidUri(f"{url!r} is no URL of a store or an object", hint=_hint())
    return scheme.lower()


def _hint() -> str:
    names = ", ".join(f"{name}://" for name in sorted(_OWN | set(_points())))
    return f"such a URL begins with {names}; a folder is file:///its/path"


@lru_cache(maxsize=1)
def _points() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}
