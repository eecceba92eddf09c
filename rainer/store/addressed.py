"""`sha1://<hex>` and `sha256://<hex>`: objects of another store, addressed by the digest of what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from rainer.errors import InvalidError, InvalidUri, ObjectNotFound, WrongDigest
from rainer.store.composite_sources import is_writable
from rainer.store.reading import digest_of
from rainer.store.spool import spool
from rainer.store.store import ObjectInfo, Progress, Reading, Store

LENGTHS = {"sha1": 40, "sha256": 64}
_ADDRESS = re.compile(r"(sha1|sha256)://([0-9a-f]+)/?", re.IGNORECASE)
_VERIFIED_MAX = 10_000


class AddressedStore(Store):
    """Gives the object `<prefix><hex>` of another store for `sha1://<hex>` and `sha256://<hex>`, in any letter case.

    What does not have the digest that it is asked by counts as not found: a whole object is read into a temporary file
    (in `spool_folder`, by default the system's) and verified before its first byte is given on. A range of an object
    costs reading all of it once a process, unless it was verified before and has the same ETag. `verify=False` trusts
    the store. Digests are lower-case in the store; `algorithms` limits which addresses are understood.

    The scheme, the prefix and the letter case are those of epic-bitstore; it knew SHA-1 alone and did not verify
    unless told to.
    """

    holds_any_name = False

    def __init__(
        self,
        store: Store,
        prefix: str = "",
        *,
        algorithms: Sequence[str] = ("sha256", "sha1"),
        verify: bool = True,
        spool_folder: Path | None = None,
    ) -> None:
        unknown = sorted(set(algorithms) - set(LENGTHS))
        if unknown or not algorithms:
            raise InvalidError(f"unknown digests: {unknown or 'none given'}", hint=f"known are {', '.join(LENGTHS)}")
        super().__init__(f"{algorithms[0]}:")
        self.store = store
        self._prefix = prefix
        self._algorithms = tuple(algorithms)
        self._verify = verify
        self._spool_folder = spool_folder
        self._verified: dict[tuple[str, str], None] = {}

    @property
    def writable(self) -> bool:
        """Whether the store below takes writes."""
        return is_writable(self.store)

    def covers(self, uri: str) -> bool:
        found = _ADDRESS.fullmatch(uri)
        return found is not None and found[1].lower() in self._algorithms and len(found[2]) == LENGTHS[found[1].lower()]

    def uri(self, name: str) -> str:
        """The address of a digest in hex, by its length."""
        for algorithm in self._algorithms:
            if len(name) == LENGTHS[algorithm]:
                return f"{algorithm}://{name.lower()}"
        raise InvalidUri(f"{name!r} is no digest", hint=f"known are {', '.join(self._algorithms)} in hex")

    def name(self, uri: str) -> str:
        """The digest of an address, in lower-case hex."""
        return self._parse(uri)[1]

    def open(
        self, uri: str, *, start: int = 0, end: int | None = None, if_none_match: str | None = None,
        if_match: str | None = None,
    ) -> Reading | None:  # fmt: skip
        algorithm, digest = self._parse(uri)
        inner = self._inner(digest)
        if not self._verify:
            plain = self.store.open(inner, start=start, end=end, if_none_match=if_none_match, if_match=if_match)
            return self._presented(plain, algorithm, digest)
        if start or end is not None:
            return self._open_range(algorithm, digest, start, end, if_none_match, if_match)
        reading = self.store.open(inner, if_none_match=if_none_match, if_match=if_match)
        return None if reading is None else self._verify_all(reading, algorithm, digest)

    def head(self, uri: str) -> ObjectInfo:
        """What the store below tells of an object, whose contents are not verified here."""
        algorithm, digest = self._parse(uri)
        return self._info(self.store.head(self._inner(digest)), algorithm, digest)

    def put(
        self, uri: str, source: Path | bytes, *, sha256: str | None = None, create_only: bool = False,
        progress: Progress | None = None,
    ) -> ObjectInfo:  # fmt: skip
        """Store a file or bytes under its address. Raises WrongDigest for contents of another address."""
        algorithm, digest = self._parse(uri)
        found = digest_of(source, algorithm)[0]
        if found != digest:
            raise WrongDigest(f"{uri}: the bytes have {algorithm.upper()} {found}", hint="`add` finds the address")
        if algorithm == "sha256":
            if sha256 is not None and sha256.lower() != found:
                raise WrongDigest(f"{uri} was to have SHA-256 {sha256}")
            sha256 = found
        inner = self._inner(digest)
        info = self.store.put(inner, source, sha256=sha256, create_only=create_only, progress=progress)
        return self._info(info, algorithm, digest)

    def add(self, source: Path | bytes, *, algorithm: str | None = None) -> str:
        """Store a file or bytes and return the address, by the first of the store's algorithms unless told."""
        chosen = algorithm or self._algorithms[0]
        if chosen not in self._algorithms:
            raise InvalidError(f"{chosen!r} addresses nothing here", hint=f"known are {', '.join(self._algorithms)}")
        return self.put(f"{chosen}://{digest_of(source, chosen)[0]}", source).uri

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """The objects whose digests begin with `prefix` (hex, any letter case)."""
        for info in self.store.list(self._prefix + prefix.lower()):
            name = self.store.name(info.uri)[len(self._prefix) :]
            for algorithm in self._algorithms:
                if len(name) == LENGTHS[algorithm] and re.fullmatch("[0-9a-f]+", name):
                    yield self._info(info, algorithm, name)

    def delete(self, uri: str) -> bool:
        return self.store.delete(self._inner(self._parse(uri)[1]))

    def close(self) -> None:
        self.store.close()

    def _parse(self, uri: str) -> tuple[str, str]:
        found = _ADDRESS.fullmatch(uri)
        if found is None or not self.covers(uri):
            wanted = " or ".join(f"{name}:// and {LENGTHS[name]} hex digits" for name in self._algorithms)
            raise InvalidUri(f"{uri!r} is no address", hint=f"an address is {wanted}")
        return found[1].lower(), found[2].lower()

    def _inner(self, digest: str) -> str:
        return self.store.uri(self._prefix + digest)

    def _verify_all(
        self, reading: Reading, algorithm: str, digest: str, start: int = 0, end: int | None = None
    ) -> Reading:
        try:
            whole = spool(reading, self._spool_folder, algorithm=algorithm, digest=digest)
        except WrongDigest as error:
            raise _damaged(f"{algorithm}://{digest}", error) from error
        if whole.info.etag is not None:
            self._remember(digest, whole.info.etag)
        whole.info = self._info(whole.info, algorithm, digest)._replace(size=whole.size, sha256=whole.sha256)
        try:
            return whole.reading(start, end)
        finally:
            whole.close()

    def _open_range(
        self, algorithm: str, digest: str, start: int, end: int | None, if_none_match: str | None, if_match: str | None
    ) -> Reading | None:
        inner = self._inner(digest)
        part = self.store.open(inner, start=start, end=end, if_none_match=if_none_match, if_match=if_match)
        if part is None:
            return None
        if part.info.etag is not None and (digest, part.info.etag) in self._verified:
            return self._presented(part, algorithm, digest)
        part.close()
        whole = self.store.open(inner, if_match=if_match)
        return None if whole is None else self._verify_all(whole, algorithm, digest, start, end)

    def _remember(self, digest: str, etag: str) -> None:
        if len(self._verified) >= _VERIFIED_MAX:
            self._verified.clear()
        self._verified[digest, etag] = None

    def _presented(self, reading: Reading | None, algorithm: str, digest: str) -> Reading | None:
        if reading is not None:
            reading.info = self._info(reading.info, algorithm, digest)
        return reading

    def _info(self, info: ObjectInfo, algorithm: str, digest: str) -> ObjectInfo:
        return info._replace(uri=f"{algorithm}://{digest}", sha256=digest if algorithm == "sha256" else info.sha256)


def _damaged(uri: str, error: WrongDigest) -> ObjectNotFound:
    return ObjectNotFound(f"{uri} is not there: what is in its place has other contents", hint=str(error))
