"""Packs: assets in zip files, with what says which they are. What is in one, by name, and its index.

A pack is one file, or a set of them. Every part has the member `rainer-pack.json` (the index: which set and part it is,
and the digests and sizes of all that it holds) and `blobs/<sha256>`, each content once. The first part also has
`assets.lock` (the lock file), `manifest.json` (the manifest as it was) and `journal.jsonl` (the commits that it was
read from, and who made those before them), as far as there are any.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from rainer.errors import InvalidError, InvalidManifest
from rainer.limits import MiB
from rainer.model.manifest import SIZE_MAX
from rainer.model.manifest_json import parse_object
from rainer.model.position import Position

FORMAT: Final = 1
MARK: Final = "rainer-pack"
INDEX: Final = "rainer-pack.json"
LOCK: Final = "assets.lock"
MANIFEST: Final = "manifest.json"
JOURNAL: Final = "journal.jsonl"
DOCUMENTS: Final = (LOCK, MANIFEST, JOURNAL)
BLOBS: Final = "blobs/"
PARTS_MAX: Final = 10_000
PART_BLOBS_MAX: Final = 100_000
INDEX_BYTES_MAX: Final = 16 * MiB
DOCUMENT_BYTES_MAX: Final = 128 * MiB
HINT: Final = "have it packed and sent again"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NUMBERED: Final = re.compile(r"(.+)\.([1-9][0-9]{0,4})(\.[^.]*)?")


@dataclass(frozen=True, slots=True)
class PackFacts:
    """What a pack says of the manifest that it was made from; None where that was not to be known.

    `position` is one of the journal's at or after `revision`, as `rainer verify --expect` takes it: who has the journal
    can prove that this is its history.
    """

    manifest: str
    namespace: str | None = None
    version: int | None = None
    revision: int | None = None
    position: str | None = None


@dataclass(frozen=True, slots=True)
class PackIndex:
    """The index of one part. `documents` and `blobs` map names and SHA-256 to (SHA-256 and) bytes."""

    facts: PackFacts
    part: int
    parts: int
    documents: Mapping[str, tuple[str, int]]
    blobs: Mapping[str, int] = field(repr=False)
    set: str = ""

    def to_bytes(self) -> bytes:
        """The member as it is written, always the same for the same index."""
        facts = {name: getattr(self.facts, name) for name in PackFacts.__slots__}
        documents = {name: {"sha256": sha256, "size": size} for name, (sha256, size) in self.documents.items()}
        found = {
            MARK: FORMAT, "set": self.set, "part": self.part, "parts": self.parts, **facts, "documents": documents,
            "blobs": dict(sorted(self.blobs.items())),
        }  # fmt: skip
        return (json.dumps(found, indent=1) + "\n").encode()

    @classmethod
    def parse(cls, data: bytes, name: str) -> PackIndex:
        """Read it back, and check all that can be seen in it alone. Raises InvalidManifest."""
        found = parse_object(data, f"index of {name}")
        if found.get(MARK) != FORMAT or type(found[MARK]) is not int:
            raise InvalidManifest(
                f"{name} is a pack of format {found.get(MARK)!r:.60}, and this program knows {FORMAT}",
                hint="install a newer Rainer",
            )
        try:
            return cls._made(found)
        except (InvalidError, KeyError, TypeError, AttributeError) as e:
            why = f"lacks {e}" if isinstance(e, KeyError) else str(e)
            raise InvalidManifest(f"the index of {name}: {why}", hint=HINT) from None

    @classmethod
    def _made(cls, found: dict[str, Any]) -> PackIndex:
        known = {MARK, "set", "part", "parts", "documents", "blobs", *PackFacts.__slots__}
        if set(found) - known:
            raise InvalidError(f"it has the unknown member {min(set(found) - known)!r:.60}")
        parts = _whole("parts", found["parts"], 1, PARTS_MAX)
        part = _whole("part", found["part"], 1, parts)
        documents = {
            _document(name): (_digest(value["sha256"]), _whole(name, value["size"], 0, DOCUMENT_BYTES_MAX))
            for name, value in found["documents"].items()
        }
        if LOCK not in documents:
            raise InvalidError(f"it names no {LOCK}")
        blobs = {_digest(sha256): _whole(sha256, size, 0, SIZE_MAX) for sha256, size in found["blobs"].items()}
        if len(blobs) > PART_BLOBS_MAX:
            raise InvalidError(f"it names {len(blobs):,} files, over the {PART_BLOBS_MAX:,} of a part")
        return cls(_facts(found), part, parts, documents, blobs, _digest(found["set"]))

    @property
    def own_documents(self) -> Mapping[str, tuple[str, int]]:
        """The documents that stand in this part."""
        return self.documents if self.part == 1 else {}

    @property
    def members(self) -> dict[str, int]:
        """What must be in this part beside the index, no more and no less, with the bytes of each."""
        documents = {name: size for name, (_, size) in self.own_documents.items()}
        return documents | {f"{BLOBS}{sha256}": size for sha256, size in self.blobs.items()}


def set_of(indexes: Sequence[PackIndex]) -> str:
    """The name of a set: the SHA-256 over what all of its parts hold, so that no part fits into another set."""
    whole = [replace(index, set="").to_bytes() for index in sorted(indexes, key=lambda index: index.part)]
    return hashlib.sha256(b"".join(whole)).hexdigest()


def part_path(target: Path, part: int, parts: int) -> Path:
    """Where a part lies: `FILE.zip` itself if it is the only one, else `FILE.1.zip` and so on."""
    return target if parts == 1 else target.with_name(f"{target.stem}.{part}{target.suffix}")


def part_beside(path: Path, part: int) -> Path | None:
    """Where another part of the same set lies if the files are called as they were made; None if they are not."""
    found = _NUMBERED.fullmatch(path.name)
    return None if found is None else path.with_name(f"{found[1]}.{part}{found[3] or ''}")


def whole_name(path: Path) -> str:
    """What a pack is called of which this is a part, or all."""
    found = _NUMBERED.fullmatch(path.name)
    return path.name if found is None else f"{found[1]}{found[3] or ''}"


def _facts(found: dict[str, Any]) -> PackFacts:
    facts = PackFacts(**{name: found[name] for name in PackFacts.__slots__})
    kinds: dict[str, tuple[type, ...]] = {
        "manifest": (str,), "namespace": (str, type(None)), "version": (int, type(None)),
        "revision": (int, type(None)), "position": (str, type(None)),
    }  # fmt: skip
    for name, allowed in kinds.items():
        if type(getattr(facts, name)) not in allowed:
            raise InvalidError(f"{name} is {getattr(facts, name)!r:.60}")
    if facts.position is not None:
        Position.parse(facts.position)
    return facts


def _document(name: str) -> str:
    if name not in DOCUMENTS:
        raise InvalidError(f"it names the unknown document {name!r:.60}")
    return name


def _digest(value: object) -> str:
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise InvalidError(f"{value!r:.80} is no SHA-256")
    return value


def _whole(name: str, value: object, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise InvalidError(f"{name} is {value!r:.60}, and not a whole number from {low} to {high}")
    return value
