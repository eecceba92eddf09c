"""Packs from strangers: every part, digest and size verified before anything is done with any of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from rainer.assets import pack
from rainer.assets.lockfile import LockFile
from rainer.assets.pack import HINT, PackFacts, PackIndex
from rainer.assets.pack_journal import JournalSlice, check
from rainer.assets.pack_switching import finish_beside
from rainer.assets.pack_zip import CheckedZip
from rainer.errors import InvalidError, InvalidManifest, NotFoundError, WrongDigest
from rainer.store.store import Progress

_PORTION: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack that was read: the lock file in it, and where each content is, by SHA-256: file, member and bytes."""

    lock: LockFile
    facts: PackFacts
    files: tuple[Path, ...]
    places: Mapping[str, tuple[Path, str, int]] = field(repr=False)
    manifest: bytes | None = field(default=None, repr=False)
    journal: JournalSlice | None = field(default=None, repr=False)

    @property
    def size_bytes(self) -> int:
        """All contents together."""
        return sum(size for _, _, size in self.places.values())

    def verify(self, progress: Progress | None = None) -> None:
        """Read every content and compare it with its digest; InvalidManifest or WrongDigest for the first that is
        wrong."""
        self.each(lambda stream, sha256, size: _verify(stream, sha256, size, progress))

    def each(self, use: Callable[[IO[bytes], str, int], object], wanted: Iterable[str] | None = None) -> None:
        """Call `use` with each content as a stream, its SHA-256 and bytes; what comes out is not verified."""
        by_file: dict[Path, list[str]] = {}
        for sha256 in self.places if wanted is None else wanted:
            by_file.setdefault(self.places[sha256][0], []).append(sha256)
        for path in self.files:
            if path in by_file:
                with CheckedZip(path, any_names=True) as zipped:
                    for sha256 in sorted(by_file[path]):
                        self._use(zipped, sha256, use)

    def _use(self, zipped: CheckedZip, sha256: str, use: Callable[[IO[bytes], str, int], object]) -> None:
        path, member, size = self.places[sha256]
        if zipped.members.get(member) != size:
            raise InvalidManifest(f"{path} was changed while it was read", hint=HINT)
        with zipped.open(member) as stream:
            use(stream, sha256, size)


def _verify(stream: IO[bytes], sha256: str, size: int, progress: Progress | None) -> None:
    found, count = digest_of(stream, size, progress)
    if (found, count) != (sha256, size):
        raise WrongDigest(f"what the pack holds as {sha256} is {found}, with {count:,} bytes", hint=HINT)


def digest_of(stream: IO[bytes], size: int, progress: Progress | None = None) -> tuple[str, int]:
    """SHA-256 and bytes of a stream, read no further than `size` and one more byte."""
    digest, count = hashlib.sha256(), 0
    while count <= size and (data := stream.read(min(_PORTION, size + 1 - count))):
        digest.update(data)
        count += len(data)
        if progress is not None:
            progress(len(data))
    return digest.hexdigest(), count


def open_pack(paths: Iterable[str | os.PathLike[str]]) -> Pack:
    """Read the documents of a pack, all of whose parts are named, or lie beside the one that is.

    A pack whose maker was killed while it took the place of another is put in its place first. What the contents are is
    only claimed by then: see `Pack.verify`. Raises InvalidError for a file that cannot be
    read, NotFoundError for parts that are missing, InvalidManifest for what is damaged, hostile, or does not belong
    together.
    """
    given = [Path(path) for path in paths]
    for path in given:
        finish_beside(path)
    indexes = _gather(given)
    first = indexes[min(indexes, key=lambda path: indexes[path].part)]
    with _blamed(first):
        if pack.set_of(list(indexes.values())) != first.set:
            raise InvalidManifest("the parts do not come to the set that they say they are", hint=HINT)
        documents = _documents(next(path for path, index in indexes.items() if index.part == 1), first)
        lock = LockFile.parse(documents[pack.LOCK], "the pack's lock file")
        journal = None
        if pack.JOURNAL in documents:
            journal = JournalSlice.parse(documents[pack.JOURNAL], first.facts)
        manifest = documents.get(pack.MANIFEST)
        check(lock, manifest, journal)
        _check_facts(first.facts, lock)
        places = _places(indexes, lock)
    return Pack(lock, first.facts, tuple(indexes), places, manifest, journal)


@contextmanager
def _blamed(first: PackIndex) -> Iterator[None]:
    """Whatever is wrong with a document in a pack, the pack is."""
    try:
        yield
    except InvalidManifest:
        raise
    except (InvalidError, NotFoundError) as e:
        raise InvalidManifest(f"the pack of {first.facts.manifest!r:.80}: {e.message}", hint=HINT) from None


def _gather(given: list[Path]) -> dict[Path, PackIndex]:
    """The indexes of all parts by file, in the parts' order."""
    if not given:
        raise InvalidError("no pack is named", hint="name its files")
    found: dict[Path, PackIndex] = {}
    for path in dict.fromkeys(map(_first_of, given)):
        found[path] = read_index(path)
    first = next(iter(found.values()))
    here = {index.part for index in found.values()}
    for number in range(1, first.parts + 1):
        beside = pack.part_beside(next(iter(found)), number)
        if number not in here and beside is not None and beside.exists() and beside not in found:
            index = read_index(beside)
            if index.set == first.set:
                found[beside] = index
    _check_set(found, first)
    return dict(sorted(found.items(), key=lambda item: item[1].part))


def _first_of(path: Path) -> Path:
    """A pack may be called by the name that it was to have before it became several files."""
    first = pack.part_path(path, 1, 2)
    return first if not path.exists() and first.exists() else path


def _check_set(found: Mapping[Path, PackIndex], first: PackIndex) -> None:
    by_part: dict[int, Path] = {}
    for path, index in found.items():
        if index.set != first.set:
            raise InvalidManifest(
                f"{path} belongs to another pack than {next(iter(found))}", hint="name one pack's parts"
            )
        same = (index.parts, index.facts, index.documents) == (first.parts, first.facts, first.documents)
        if not same:
            raise InvalidManifest(f"{path} contradicts {next(iter(found))}", hint=HINT)
        if index.part in by_part:
            raise InvalidManifest(f"{path} and {by_part[index.part]} are one part, {index.part}", hint="name it once")
        by_part[index.part] = path
    missing = [str(number) for number in range(1, first.parts + 1) if number not in by_part]
    if missing:
        some = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
        raise NotFoundError(
            f"of the pack's {first.parts} parts, {len(missing)} are missing: {some}", hint="name all of its files"
        )


def read_index(path: Path) -> PackIndex:
    """The index of one part, whose members were found to be just those that it names, with their sizes."""
    with CheckedZip(path, any_names=True) as zipped:
        if pack.INDEX not in zipped.members:
            raise InvalidManifest(
                f"{path} is a zip file, and no pack of Rainer",
                hint="of another tool's, `rainer asset unpack --against LOCK` takes what a lock file names",
            )
    with CheckedZip(path) as zipped:
        index = PackIndex.parse(zipped.read(pack.INDEX, pack.INDEX_BYTES_MAX), str(path))
        members = {name: size for name, size in zipped.members.items() if name != pack.INDEX}
        _check_members(path, members, index.members)
    return index


def _check_members(path: Path, members: Mapping[str, int], named: Mapping[str, int]) -> None:
    for name in sorted(members.keys() ^ named.keys()):
        what = "holds, and does not name," if name in members else "names, and does not hold,"
        raise InvalidManifest(f"{path} {what} {name!r:.100}", hint=HINT)
    for name, size in named.items():
        if members[name] != size:
            raise InvalidManifest(f"{name} in {path} has {members[name]:,} bytes, and {size:,} are named", hint=HINT)


def _documents(path: Path, index: PackIndex) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with CheckedZip(path) as zipped:
        for name, (sha256, size) in index.documents.items():
            found[name] = zipped.read(name, size)
            if hashlib.sha256(found[name]).hexdigest() != sha256:
                raise WrongDigest(f"{name} in {path} is not what the index says", hint=HINT)
    return found


def _check_facts(facts: PackFacts, lock: LockFile) -> None:
    told = (facts.manifest, facts.namespace, facts.version, facts.revision)
    if told != (lock.manifest, lock.namespace, lock.version, lock.revision):
        raise InvalidManifest("the pack's index speaks of another manifest than its lock file", hint=HINT)


def _places(indexes: Mapping[Path, PackIndex], lock: LockFile) -> dict[str, tuple[Path, str, int]]:
    found: dict[str, tuple[Path, str, int]] = {}
    for path, index in indexes.items():
        for sha256, size in index.blobs.items():
            if sha256 in found:
                raise InvalidManifest(f"{sha256} is in two parts of the pack", hint=HINT)
            found[sha256] = path, f"{pack.BLOBS}{sha256}", size
    wanted = {entry.sha256 or "": entry.size for entry in lock.assets.values()}
    if wanted != {sha256: size for sha256, (_, _, size) in found.items()}:
        raise InvalidManifest("the pack does not hold just what its lock file names", hint=HINT)
    return found
