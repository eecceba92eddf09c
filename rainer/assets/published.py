"""What publishing and collecting say of what they did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rainer.model.commit import Commit


@dataclass(frozen=True, slots=True)
class Published:
    """What a manifest says of a path since a publish.

    `version`, `sha256` (lower-case hex), `size` (bytes) and `uri` are None after a removal; `uri` is the target after
    an override. `commit` is the commit that says so: with a manifest in parts, that of the part; where nothing had to
    be changed, the newest one of the manifest.
    """

    path: str
    version: str | None
    sha256: str | None
    size: int | None
    uri: str | None
    commit: Commit


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of one asset as the store lists it, whether or not a manifest names it; `size` in bytes."""

    path: str
    version: str
    uri: str
    size: int | None
    mtime: datetime | None


@dataclass(frozen=True, slots=True)
class Unreferenced:
    """An object that no version of any manifest names.

    `is_known` says whether manifests name other versions of its path: then it was left by a publish that did not come
    to its end. Else it may just as well belong to somebody whom this server knows nothing of. `age_s` is None where
    the store tells no time of its own.
    """

    uri: str
    path: str
    version: str
    size: int | None
    age_s: float | None
    is_known: bool


@dataclass(frozen=True, slots=True)
class Collected:
    """The outcome of a collection.

    `found` objects of `found_bytes` are named by no manifest and older than the grace age; `foreign` of them are of
    paths that no manifest knows. `removed` of them, `removed_bytes`, are gone: none in a dry run. `listed` objects were
    looked at, of which `young` were too young to judge.
    """

    listed: int
    young: int
    found: int
    found_bytes: int
    foreign: int
    removed: int
    removed_bytes: int
    is_dry_run: bool
