"""Large manifests: kept as many keys, so that a change to one asset rewrites a small one of them.

A manifest `prod` of some thousands of entries or more is the key `prod`, which says only `{"parts": 64}`, and the keys
`prod.part-00` … `prod.part-3f` (hexadecimal, two digits), each a manifest by itself. A path belongs to the part whose
number is the CRC-32 of its UTF-8, modulo the number of parts. A part that is absent or removed is empty. Changing the
number of parts writes the head key and every part, old and new, in one changeset: whoever changes a part at the same
time then meets a conflict. A manifest that became large stays in parts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from rainer import limits
from rainer.errors import InvalidManifest
from rainer.model import names
from rainer.model.assets import asset_path
from rainer.model.manifest import Entry, Manifest
from rainer.model.manifest_json import parse_object

WHOLE_ENTRIES_MAX: Final = 4_096
"""A manifest of more entries is kept in parts."""
PAYLOAD_BYTES_AIM: Final = limits.PAYLOAD_BYTES_DEFAULT * 4 // 5
"""No payload is to grow beyond this while more parts can prevent it."""
PARTS_MIN: Final = 16
PARTS_MAX: Final = 256
_PART_ENTRIES_AIM: Final = 512
_PART_ENTRIES_MAX: Final = 2_048
_PART_KEY: Final = re.compile(r"(.+)\.part-([0-9a-f]{2})", re.DOTALL)
_EMPTY: Final = b"{}"


def part_key(key: str, number: int) -> str:
    """The key of a manifest's part."""
    return f"{key}.part-{number:02x}"


def part_keys(key: str, parts: int) -> list[str]:
    """The keys of all parts, in order."""
    return [part_key(key, number) for number in range(parts)]


def manifest_of_part(key: str) -> str | None:
    """The manifest's key if this is a part's, else None; whether there is such a manifest is another matter."""
    found = _PART_KEY.fullmatch(key)
    return None if found is None else found[1]


def part_of(path: str, parts: int) -> int:
    """The number of the part where a path stands."""
    return crc32(path.encode()) % parts


def check_manifest_key(key: str) -> str:
    """Return `key` if a manifest can be kept under it, in parts, too; else InvalidError."""
    names.check_key(key)
    names.check_key(part_key(key, 0))
    if manifest_of_part(key) is not None:
        raise InvalidManifest(f"key {names.shorten(key)} is that of a part", hint="name the manifest itself")
    return key


def parts_named(payload: bytes) -> int:
    """How many parts a head key's payload says there are; 0 where it is the manifest itself.

    Raises InvalidManifest for a number that cannot be; of a whole manifest nothing is checked.
    """
    if len(payload) > 100 or b'"parts"' not in payload:
        return 0
    found = parse_object(payload)
    parts = found.get("parts")
    if isinstance(parts, str | dict):
        return 0  # an asset that happens to be called so
    if len(found) != 1 or type(parts) is not int or not 1 <= parts <= PARTS_MAX:
        raise InvalidManifest(f"the manifest's head says {payload.decode('ascii', 'replace')!r}",
                              hint=f'one in parts says {{"parts": N}}, N from 1 to {PARTS_MAX}')  # fmt: skip
    return parts


class PartedManifest(Mapping[str, Entry]):
    """The entries of a manifest in parts, each of which is parsed when it is first needed. Immutable; thread-safe.

    Raises InvalidManifest, with the part's number, when a part that is wrong is needed.
    """

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[bytes | Manifest]) -> None:
        self._parts = list(parts)

    def with_parts(self, changed: Mapping[int, bytes]) -> PartedManifest:
        """The manifest with these parts replaced; the others are not parsed again."""
        return PartedManifest([changed.get(number, part) for number, part in enumerate(self._parts)])

    @property
    def parts(self) -> int:
        return len(self._parts)

    def part(self, number: int) -> Manifest:
        """One part by itself."""
        part = self._parts[number]
        if not isinstance(part, Manifest):
            part = self._parts[number] = self._parse(number, part)
        return part

    def _parse(self, number: int, payload: bytes) -> Manifest:
        try:
            found = Manifest.parse(payload or _EMPTY)
        except InvalidManifest as e:
            raise InvalidManifest(f"part {number:02x}: {e.message}", hint=e.hint, **e.details) from None
        stray = next((path for path in found if part_of(path, len(self._parts)) != number), None)
        if stray is not None:
            raise InvalidManifest(
                f"part {number:02x} names {names.shorten(stray)}, which belongs to another part",
                hint="change manifests with `rainer asset`, not part by part",
            )
        return found

    def whole(self) -> Manifest:
        """All entries as one manifest; parses every part."""
        return Manifest(self.items())

    def check(self) -> PartedManifest:
        """Read every entry; InvalidManifest for the first that is wrong."""
        for number in range(len(self._parts)):
            self.part(number).check()
        return self

    def __getitem__(self, path: str) -> Entry:
        if not isinstance(path, str):
            raise KeyError(path)
        path = path if path.startswith("/") else f"/{path}"
        try:
            number = part_of(path, len(self._parts))
        except UnicodeEncodeError:
            raise KeyError(path) from None
        return self.part(number)[path]

    def __iter__(self) -> Iterator[str]:
        for number in range(len(self._parts)):
            yield from self.part(number)

    def __len__(self) -> int:
        return sum(len(self.part(number)) for number in range(len(self._parts)))

    def __repr__(self) -> str:
        return f"<PartedManifest in {len(self._parts)} parts>"


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest as its keys hold it at one revision: what a change has to start from.

    `versions` has the newest version of each of its keys (the head and all parts), 0 for one never committed, also of
    removed ones. `exists` is false where the head key is not there: the manifest is then empty.
    """

    key: str
    manifest: Manifest | PartedManifest
    versions: Mapping[str, int]
    exists: bool = True

    @property
    def parts(self) -> int:
        """How many parts it is kept in; 0 for a whole one."""
        return self.manifest.parts if isinstance(self.manifest, PartedManifest) else 0

    def key_of(self, path: str) -> str:
        """The key that holds a path's entry."""
        return part_key(self.key, part_of(asset_path(path), self.parts)) if self.parts else self.key

    def change(self, changes: Mapping[str, Entry | None], *, short: bool = False) -> dict[str, bytes]:
        """The payloads to commit, by key and in one changeset, to set these entries (None takes a path out).

        Keys whose payload would stay as it is are left out. `short` writes the ancestor's form, which is never split.
        """
        checked = {asset_path(path): entry for path, entry in changes.items()}
        if isinstance(self.manifest, PartedManifest):
            return self._change_parts(self.manifest, checked, short)
        changed = self.manifest.with_entries(checked)
        payload = changed.to_bytes(short=short)
        if not short and (len(changed) > WHOLE_ENTRIES_MAX or len(payload) > PAYLOAD_BYTES_AIM):
            return _in_parts(self.key, changed, len(payload), 0)
        return {} if self.exists and changed == self.manifest else {self.key: payload}

    def _change_parts(
        self, manifest: PartedManifest, changes: Mapping[str, Entry | None], short: bool
    ) -> dict[str, bytes]:
        by_part: dict[int, dict[str, Entry | None]] = {}
        for path, entry in changes.items():
            by_part.setdefault(part_of(path, manifest.parts), {})[path] = entry
        payloads: dict[str, bytes] = {}
        for number, some in by_part.items():
            changed = manifest.part(number).with_entries(some)
            payload = changed.to_bytes(short=short)
            if manifest.parts < PARTS_MAX and (len(changed) > _PART_ENTRIES_MAX or len(payload) > PAYLOAD_BYTES_AIM):
                whole = manifest.whole().with_entries(changes)
                return _in_parts(self.key, whole, len(payload) * manifest.parts, manifest.parts)
            if changed != manifest.part(number):
                payloads[part_key(self.key, number)] = payload
        return payloads


def _in_parts(key: str, manifest: Manifest, size_bytes: int, parts_before: int) -> dict[str, bytes]:
    """The payloads of a manifest of about this size that is kept in parts from now on, or in more than before."""
    wanted = max(len(manifest) // _PART_ENTRIES_AIM, size_bytes * 4 // PAYLOAD_BYTES_AIM, parts_before * 2, PARTS_MIN)
    parts = min(1 << (wanted - 1).bit_length(), PARTS_MAX)
    sorted_out: list[dict[str, Entry | None]] = [{} for _ in range(parts)]
    for path, entry in manifest.items():
        sorted_out[part_of(path, parts)][path] = entry
    payloads = {key: json.dumps({"parts": parts}).encode()}
    for number, entries in enumerate(sorted_out):
        payloads[part_key(key, number)] = Manifest().with_entries(entries).to_bytes()
    return payloads
