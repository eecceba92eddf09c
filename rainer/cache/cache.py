"""`rainer.AssetCache`: files from stores on local disk, verified, fetched once for all processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from rainer import limits
from rainer.cache import forks
from rainer.cache.failures import not_cached, told
from rainer.cache.leases import Hold
from rainer.cache.many import Outcome, Wanted, each
from rainer.cache.names import is_uri
from rainer.cache.parts import Parts
from rainer.cache.pinned import Pinned, checked_digest
from rainer.cache.unpinned import Cached, Unpinned
from rainer.errors import InvalidUri
from rainer.store.store import Progress

if TYPE_CHECKING:
    from rainer.cache.adding import Blob
    from rainer.cache.listing import CacheEntry, CacheInfo, Damaged, GcReport, Listing
    from rainer.store.opening import Stores


class AssetCache:
    """A folder of verified files, shared by all processes that name it, bounded in size.

    `directory` is made when first needed (default: the user's cache folder, `rainer/assets`), private unless `shared`
    (then for its group). `size_bytes_max` is kept by removing the least recently used files, never ones that are held,
    pinned or were used in the last minute. `timeout_s` says after how many seconds a URL without a digest is checked
    again, `immutable` names URL prefixes that never are. `read_only` serves what is there and writes nothing;
    `offline` asks no store. `missing_file` is where URLs are listed that were wanted and could not be had (default:
    `missing_assets.yaml` in the directory). `threads` is how many fetch at a time in `get_many`;
    of files up to 128 KiB four of them have eight each under way.

    For any number of threads and processes, on one folder or several; it can be pickled, and used in a forked child.
    Every call may raise NoSpace, DeniedError or UnavailableError for what the folder's disk does. Nothing is asked or
    made on construction. What a path leads to stays as long as this process has the cache, unless the room is needed;
    `hold` keeps it whatever comes.
    """

    def __init__(
        self, directory: str | os.PathLike[str] | None = None, *, size_bytes_max: int = limits.CACHE_BYTES_MAX,
        timeout_s: float = 86_400.0, immutable: Sequence[str] = (), read_only: bool = False, shared: bool = False,
        offline: bool = False, stores: Stores | None = None, threads: int = 8,
        missing_file: str | os.PathLike[str] | None = None,
    ) -> None:  # fmt: skip
        self._options: Final[dict[str, Any]] = {
            "size_bytes_max": size_bytes_max, "timeout_s": timeout_s, "immutable": tuple(immutable),
            "read_only": read_only, "shared": shared, "offline": offline, "stores": stores, "threads": threads,
            "missing_file": missing_file,
        }  # fmt: skip
        root = Path(directory) if directory is not None else default_directory()
        self.directory: Final = Path(os.path.abspath(root.expanduser()))  # noqa: PTH100 - links stay as they are named
        self._threads = max(1, threads)
        self._parts = Parts(
            self.directory, size_bytes_max=size_bytes_max, read_only=read_only, shared=shared, offline=offline,
            stores=stores, missing_file=None if missing_file is None else Path(missing_file).expanduser(),
        )  # fmt: skip
        self._warm = self._parts.warm
        self._pinned = Pinned(self._parts)
        self._unpinned = Unpinned(self._parts, timeout_s, immutable)
        forks.watch(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _made_again, (self.directory, self._options)

    def after_fork_in_child(self) -> None:
        self._parts.after_fork_in_child()

    @cached_property
    def _listing(self) -> Listing:
        from rainer.cache.listing import Listing  # as much to load as all that a fetch needs

        return Listing(self._parts, self._unpinned)

    @property
    def is_read_only(self) -> bool:
        """Whether nothing is to be written to its directory."""
        return self._parts.read_only

    @property
    def is_shared(self) -> bool:
        """Whether its directory is for its group."""
        return self._parts.layout.shared

    @property
    def stores(self) -> Stores:
        """The stores that it asks."""
        return self._parts.stores

    @property
    def size_bytes_max(self) -> int:
        """What all files together may have."""
        return self._parts.room.size_bytes_max

    # Files

    def __call__(self, what: str | os.PathLike[str], *, force_check: bool = False) -> Path:
        """The local path of a URL: fetched if it is not here, checked with its store if it is older than the timeout.

        As baiji-pod's cache is called; a path in the cache comes back as it is, so `cache(cache(url))` works, and so
        does the path of any other local file (deliberately: code need not know what it was given). Raises
        ObjectNotFound; NotCached or CredentialsError where it is not here and cannot be fetched; InvalidUri.
        """
        text = os.fspath(what)
        if is_uri(text):
            return self.get_unpinned(text, force_check=force_check).path
        path = Path(text)
        if path.exists():
            return path
        if self._listing.digest_at(text):
            raise not_cached(path.name, text, "it was removed from it", "ask for its URL, and hold it if it is to stay")
        raise InvalidUri(
            f"{text!r} is neither a URL nor a local file", hint="a URL begins with its store's scheme: s3://"
        )

    def get_unpinned(
        self, uri: str, *, name: str | None = None, force_check: bool = False, immutable: bool = False,
        progress: Progress | None = None,
    ) -> Cached:  # fmt: skip
        """A URL's file and what is known of it; `is_stale` where it was to be checked and its store did not answer.

        `name` is what the local file is called (default: as in the URL). `force_check` asks the store whatever was
        known, also under an immutable prefix; with `immutable` a file that is here is never checked. The warning about
        a stale file goes to the logger `rainer.cache`, once for each URL until it is current again. Raises as a call.
        """
        return self._unpinned.get(uri, name=name, force_check=force_check, immutable=immutable, progress=progress)

    def get(
        self, uri: str, *, sha256: str, size: int | None = None, name: str | None = None,
        progress: Progress | None = None,
    ) -> Path:  # fmt: skip
        """The local path of the file with this SHA-256 (hex) and size (bytes), fetched from `uri` if it is not here.

        A second call costs a lookup and a stat. `name` is what the local file is called (default: as in the URL).
        Among all threads and processes one downloads, the others wait for it; a failure is shared by the threads that
        waited, and not remembered. `progress` hears of bytes as they come. Raises WrongDigest, ObjectNotFound,
        NoSpace; NotCached or CredentialsError where it cannot be fetched, which put the URL on the list of the missing.
        """
        file = self._warm.get((sha256, name or uri), size)
        return file.path if file is not None else self._pinned.get(uri, sha256, size, name, progress)

    def peek(self, sha256: str, size: int | None = None, name: str | None = None) -> Path | None:
        """The file with this SHA-256 if it is here, under any name if none is given; nothing is ever fetched."""
        file = self._warm.get((sha256, name), size)
        return file.path if file is not None else self._pinned.peek(sha256, size, name)

    def get_many(self, wanted: Iterable[Wanted], *, progress: Progress | None = None) -> Iterator[Outcome]:
        """Fetch many files by several threads; yields each with its path, or the error in its place, as they come.

        The iterable may be endless: it is read only as far ahead as keeps the threads busy. Nothing goes on after the
        iterator is closed but what is under way, which is waited for.
        """

        def fetch(one: Wanted) -> Path:
            if one.sha256 is None:
                return self.get_unpinned(one.uri, name=one.name, progress=progress).path
            return self._pinned.fetch(one.uri, one.sha256, one.size, one.name, progress)

        def here(one: Wanted) -> Path | None:
            if one.sha256 is None:
                return None
            file = self._warm.get((one.sha256, one.name or one.uri), one.size)
            return file.path if file is not None else self._pinned.find(one.uri, one.sha256, one.size, one.name)

        def begin(one: Wanted) -> Callable[[], Path] | None:
            if one.sha256 is None or one.size is None:
                return None
            end = self._pinned.begin(one.uri, one.sha256, one.size, one.name)
            return None if end is None else lambda: end(progress)

        return each(wanted, here, fetch, self._threads, begin)

    def add(self, source: Path | BinaryIO, *, name: str | None = None, sha256: str | None = None) -> Blob:
        """Copy a local file, or what a binary stream still holds, into the cache.

        With `sha256` it must be what comes out: WrongDigest. The copy is hashed as it is written, so what is in the
        cache is what the digest says even if the file changes meanwhile. Raises NoSpace, NotFoundError, NotCached
        (read-only).
        """
        from rainer.cache.adding import add

        return add(self._parts, source, name, sha256)

    # Keeping

    def hold(self, digests: Iterable[str]) -> Hold:
        """Keep the files of these digests, here already or not, until the hold is closed or this process is gone.

        In a read-only cache nothing can be said to those who write to it: the hold is empty.
        """
        wanted = {checked_digest(digest) for digest in digests}
        with told(self.directory):
            return self._parts.leases.hold(() if self._parts.read_only else wanted)

    def pin(self, label: str, digests: Iterable[str], *, for_s: float | None = None) -> None:
        """Keep the files of these digests, and no others under this label, until it is unpinned; on disk, for all.

        With `for_s`, for so many seconds only, unless it is pinned again: who may be gone for good one day pins so. A
        read-only cache pins nothing.
        """
        wanted = {checked_digest(digest) for digest in digests}
        if not self._parts.read_only:
            with told(self.directory):
                self._parts.pins.set(label, wanted, for_s)

    def unpin(self, label: str) -> bool:
        """Let a label's files go when room is needed; false if there is no such label."""
        if self._parts.read_only:
            return False
        with told(self.directory):
            return self._parts.pins.remove(label)

    def pins(self) -> dict[str, frozenset[str]]:
        """All labels, each with the digests that it keeps."""
        return self._parts.pins.all()

    # Looking and tidying

    def path_of(self, uri: str) -> Path:
        """Where the file of a URL lies, without asking anybody. Raises NotCached, with the path that was looked at."""
        ref = self._parts.refs.get(uri)
        path = self._parts.refs.path(uri) if ref is None else self._parts.blobs.path(ref.sha256, ref.name)
        if ref is not None and os.path.isfile(path):  # noqa: PTH113
            return Path(path)
        raise not_cached(uri, path, "was not asked for", "fetch it first")

    def invalidate(self, uri: str) -> bool:
        """Have a URL's file checked with its store when it is next wanted; false if it is not here."""
        return self._invalidated(uri, tree=False) > 0

    def invalidate_tree(self, prefix: str) -> int:
        """Have all URLs that begin with `prefix` and a slash (or are it) checked again; how many that are."""
        return self._invalidated(prefix, tree=True)

    def invalidate_all(self) -> int:
        """Have all URLs checked again; how many that are."""
        return self._invalidated(None, tree=True)

    def _invalidated(self, prefix: str | None, *, tree: bool) -> int:
        with told(self.directory):
            return self._listing.invalidate(prefix, tree=tree)

    def delete(self, what: str | os.PathLike[str]) -> int:
        """Remove a URL's file, those of a tree of URLs, or the file at a path of the cache; how many went.

        A file that another URL has as well, that a living process holds or a label pins, stays; the URL is forgotten.
        """
        with told(self.directory):
            return self._listing.delete(os.fspath(what))

    def entries(self) -> Iterator[CacheEntry]:
        """Every file of the cache, in the order of URLs and then paths."""
        return self._listing.entries()

    def verify(self, progress: Progress | None = None, *, keep: bool = False) -> list[Damaged]:
        """Hash every file, and remove those whose contents are damaged (with `keep`, and read-only, only name them)."""
        with told(self.directory):
            return self._listing.verify(progress, keep)

    def gc(self, size_bytes_max: int | None = None, *, dry_run: bool = False) -> GcReport:
        """Bring the cache down to its limit, or to another, and remove what dead processes left behind."""
        with told(self.directory):
            return self._listing.collect(size_bytes_max, dry_run or self._parts.read_only)

    def info(self) -> CacheInfo:
        """The cache in figures."""
        return self._listing.info()

    def close(self) -> None:
        """Give up this object's leases and holds, and the connections of stores that it made itself; it can still be
        used, and takes new ones."""
        self._parts.close()

    def __enter__(self) -> AssetCache:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def default_directory() -> Path:
    """Where a cache lies unless it is told otherwise: the user's cache folder."""
    import platformdirs  # most are told

    return Path(platformdirs.user_cache_dir("rainer", appauthor=False)) / "assets"


def _made_again(directory: Path, options: dict[str, Any]) -> AssetCache:
    return AssetCache(directory, **options)
