"""Manifests: which version of each asset is the present one, in the ancestor's form and in ours.

The ancestor's (baiji's) is `{"/foo/bar.csv": "1.2.5"}`; in place of a version, an absolute local path or a URL is an
override for development. Ours is `{"/foo/bar.csv": {"version": "1.2.5", "sha256": "…", "size": 123}}`, and
`{"override": "…"}`, with or without the others. Both may stand in one manifest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

from rainer.errors import InvalidError, InvalidManifest
from rainer.model.assets import asset_path, is_version
from rainer.model.manifest_json import cut, line_of, parse_object
from rainer.model.names import shorten

_MEMBERS: Final = ("version", "sha256", "size", "override")
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^\x00-\x20\x7f]+", re.IGNORECASE)
_CONTROL: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
SIZE_MAX: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Entry:
    """What a manifest says of one path: version, SHA-256 (lower-case hex) and size in bytes of its object, as far as
    they are known, or what overrides them: an absolute local path, or a URL.

    Raises InvalidError for values that cannot be.
    """

    version: str | None = None
    sha256: str | None = None
    size: int | None = None
    override: str | None = None

    def __post_init__(self) -> None:
        if self.version is None and self.override is None:
            raise InvalidError("it has neither a version nor an override")
        version: object = self.version  # what JSON had there
        if version is not None and not (isinstance(version, str) and is_version(version)):
            raise InvalidError(f"version {_shown(self.version)} is not of the form X.Y.Z")
        self._check_content()
        if self.override is not None and not is_override(self.override):
            raise InvalidError(f"override {_shown(self.override)} is neither an absolute local path nor a URL",
                               hint="such as /tmp/bar.csv or s3://bucket/bar.csv")  # fmt: skip

    def _check_content(self) -> None:
        sha256: object = self.sha256
        if sha256 is not None:
            if not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
                raise InvalidError(f"sha256 {_shown(sha256)} is not 64 hexadecimal digits")
            object.__setattr__(self, "sha256", sha256.lower())
        if self.size is not None and not (type(self.size) is int and 0 <= self.size <= SIZE_MAX):
            raise InvalidError(f"size {_shown(self.size)} is not a number of bytes")

    @property
    def is_pinned(self) -> bool:
        """Whether it says which bytes are meant."""
        return self.sha256 is not None and self.override is None

    def as_json(self, *, short: bool = False) -> str | dict[str, str | int]:
        """The entry as it stands in a manifest; `short` is the ancestor's form, which has no digest."""
        if short or (self.sha256 is None and self.size is None and self.override is None):
            return self.override or self.version or ""
        found = {name: getattr(self, name) for name in _MEMBERS}
        return {name: value for name, value in found.items() if value is not None}


_Raw: TypeAlias = "str | dict[str, Any] | Entry"


class Manifest(Mapping[str, Entry]):
    """The entries of a manifest by path; immutable.

    Entries are checked when they are first read, so that one that is wrong (InvalidManifest) harms nobody who does not
    ask for it; `check` reads them all. A path may be given without its first slash. Safe across threads.
    """

    __slots__ = ("_raw", "_source")

    def __init__(self, entries: Mapping[str, Entry] | Iterable[tuple[str, Entry]] = ()) -> None:
        pairs = entries.items() if isinstance(entries, Mapping) else entries
        self._raw: dict[str, _Raw] = {asset_path(path): entry for path, entry in pairs}
        self._source: bytes | None = None

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Read either form. Raises InvalidManifest, with line and column or the JSON path where they are known, also
        for a path that stands there twice or that `asset_path` refuses."""
        found = parse_object(data)
        manifest = cls._of(_checked_paths(data, found), data)
        for path, raw in manifest._raw.items():
            if not isinstance(raw, str | dict):
                _refuse(data, path, f"it is {_shown(raw)}, and not a version or an object")
        return manifest

    @classmethod
    def _of(cls, raw: dict[str, _Raw], source: bytes | None) -> Manifest:
        made = cls.__new__(cls)
        made._raw, made._source = raw, source
        return made

    # Reading

    def __getitem__(self, path: str) -> Entry:
        raw = self._raw.get(path)
        if type(raw) is Entry:
            return raw
        if raw is None:
            return self[f"/{path}"] if _lacks_slash(path) else _absent(path)
        entry = self._raw[path] = self._read(path, raw)
        return entry

    def _read(self, path: str, raw: _Raw) -> Entry:
        if isinstance(raw, Entry):
            return raw
        try:
            return _entry_of_text(raw) if isinstance(raw, str) else _entry_of_object(raw)
        except InvalidError as e:
            _refuse(self._source, path, e.message)

    def __contains__(self, path: object) -> bool:
        return path in self._raw or (_lacks_slash(path) and f"/{path}" in self._raw)

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def __eq__(self, other: object) -> bool:
        # Entries that stand there alike are not read, so that a wrong one in both is no reason to fail.
        if not isinstance(other, Manifest):
            return Mapping.__eq__(self, other)
        return self._raw.keys() == other._raw.keys() and all(self._agrees(other, path) for path in self._raw)

    def _agrees(self, other: Manifest, path: str) -> bool:
        one, two = self._raw[path], other._raw[path]
        if type(one) is type(two) and one == two:
            return True
        try:
            return self[path] == other[path]
        except InvalidManifest:
            return False

    def __repr__(self) -> str:
        return f"<Manifest of {len(self)} assets>"

    def check(self) -> Manifest:
        """Read every entry, and return the manifest if all are right; else InvalidManifest for the first."""
        for path in self._raw:
            self[path]
        return self

    @property
    def is_short(self) -> bool:
        """Whether the ancestor's form says all that it says, so that nothing is lost where its tools read it."""
        return all(map(_is_short, self._raw.values()))

    # Writing

    def with_entry(self, path: str, entry: Entry | None) -> Manifest:
        """The manifest with this entry at the path; None takes the path out."""
        return self.with_entries({path: entry})

    def with_entries(self, changes: Mapping[str, Entry | None]) -> Manifest:
        """The manifest with these entries; None takes a path out."""
        raw = dict(self._raw)
        for path, entry in changes.items():
            if entry is None:
                raw.pop(asset_path(path), None)
            else:
                raw[asset_path(path)] = entry
        return Manifest._of(raw, self._source)

    def to_bytes(self, *, short: bool = False) -> bytes:
        """The manifest as it is committed, sorted by path, one line an entry, so that texts of two can be compared.

        With `short` exactly as the ancestor writes it (Python's json with sort_keys and an indent of 4), without
        digests. Raises InvalidManifest for an entry that is wrong.
        """
        found = {path: self[path].as_json(short=short) for path in sorted(self._raw)}
        if short or not found:
            return json.dumps(found, sort_keys=True, indent=4).encode()
        lines = (f"    {json.dumps(path)}: {json.dumps(value)}" for path, value in found.items())
        return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


# Merging


@dataclass(frozen=True, slots=True)
class MergedEntries:
    """What two people's changes come to. At the paths of `conflicts`, which both changed differently, it has theirs."""

    manifest: Manifest
    conflicts: tuple[str, ...]


def merge_entries(
    base: Mapping[str, Entry], ours: Mapping[str, Entry], theirs: Mapping[str, Entry]
) -> MergedEntries:  # fmt: skip
    """Make the changes from `base` to `ours` on top of `theirs`, path by path."""
    changes: dict[str, Entry | None] = {}
    conflicts = []
    for path in {**base, **ours}:
        before, mine, other = base.get(path), ours.get(path), theirs.get(path)
        if mine in (before, other):
            continue
        if other == before:
            changes[path] = mine
        else:
            conflicts.append(path)
    whole = theirs if isinstance(theirs, Manifest) else Manifest(theirs)
    return MergedEntries(whole.with_entries(changes), tuple(sorted(conflicts)))


# JSON


def is_override(text: object) -> bool:
    """Whether it is what an override may be: an absolute local path, or a URL of any scheme."""
    if not isinstance(text, str) or _CONTROL.search(text):
        return False
    return text.startswith("/") or _URL.fullmatch(text) is not None


def _checked_paths(data: bytes, found: dict[str, Any]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for key, raw in found.items():
        try:
            path = asset_path(key)
        except InvalidError as e:
            _refuse(data, key, e.message)
        if path in paths:
            _refuse(data, key, "the path stands there twice, with and without its first slash")
        paths[path] = raw
    return paths


def _entry_of_text(text: str) -> Entry:
    if is_version(text):
        return Entry(text)
    if is_override(text):
        return Entry(override=text)
    raise InvalidError(f"{shorten(text)} is neither a version X.Y.Z nor an absolute local path nor a URL")


def _entry_of_object(raw: dict[str, Any]) -> Entry:
    # A member misspelt must not pass for one left out: without its digest, an asset is not verified.
    unknown = sorted(raw.keys() - set(_MEMBERS))
    if unknown:
        raise InvalidError(f"it has {shorten(unknown[0])}, and only {', '.join(_MEMBERS)} are known")
    if None in raw.values():
        raise InvalidError("a member is null; leave it out instead")
    return Entry(**raw)


def _refuse(data: bytes | None, path: str, why: str) -> NoReturn:
    place = f"$[{json.dumps(path)}]"
    line = None if data is None else line_of(data, path)
    at = place if line is None else f"{place}, line {line}"
    raise InvalidManifest(
        f"the manifest is wrong at {cut(at)}: {why}",
        hint="correct this entry and commit the manifest again", path=place, line=line,
    )  # fmt: skip


def _is_short(raw: _Raw) -> bool:
    if isinstance(raw, Entry):
        return raw.sha256 is None and raw.size is None and None in (raw.version, raw.override)
    return isinstance(raw, str) or len(raw) == 1


def _lacks_slash(path: object) -> bool:
    return isinstance(path, str) and not path.startswith("/")


def _absent(path: object) -> NoReturn:
    raise KeyError(path)


def _shown(value: object) -> str:
    return shorten(value) if isinstance(value, str) else shorten(repr(value)[:100])
