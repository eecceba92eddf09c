"""Which version a publish takes: pure rules over what the manifest says and which numbers are taken."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

from rainer.errors import AssetNotFound, AssetVersionConflict, InvalidError
from rainer.model.assets import FIRST_VERSION, Part, bump, complete_version, parse_version
from rainer.model.names import shorten

Kind = Literal["add", "update", "either"]
_TRIES: Final = 100_000


@dataclass(frozen=True, slots=True)
class Choice:
    """What the caller asks for: an exact `version`, or the next by `part`, and that at least `least`.

    As the ancestor (baiji) has it, versions only grow; `kind` says whether the path must be new (add), known (update),
    or either: then a new one begins at 1.0.0, or at `least`.
    """

    kind: Kind
    part: Part = "minor"
    version: str | None = None
    least: str | None = None

    def __post_init__(self) -> None:
        bump(FIRST_VERSION, self.part)  # refuses what is no part
        for name in ("version", "least"):
            text = getattr(self, name)
            if text is not None:
                object.__setattr__(self, name, complete_version(text))
        if self.version is not None and self.least is not None:
            raise InvalidError(
                f"both version {self.version} and at least {self.least} are asked for", hint="give one of them"
            )

    def take(self, path: str, current: str | None, is_known: bool, taken: Collection[str]) -> str:
        """The version for a path that the manifest names at `current` (None: without one), none of those `taken`.

        Raises AssetVersionConflict, or AssetNotFound for an update of what is not there.
        """
        self._check_kind(path, current, is_known)
        if self.version is not None:
            return self._exact(path, self.version, current, taken)
        version = self._first(taken) if current is None else self._least_next(current)
        for _ in range(_TRIES):
            if version not in taken:
                return version
            version = bump(version, self.part)
        raise AssetVersionConflict(f"{path}: no version number is free", hint="give version= with a higher one")

    def still_fits(self, path: str, version: str, current: str | None, is_known: bool) -> bool:
        """Whether a version taken earlier can still be used, the manifest having moved on. Raises what take() does."""
        self._check_kind(path, current, is_known)
        return self._is_above(version, current)

    @staticmethod
    def _is_above(version: str, current: str | None) -> bool:
        return current is None or parse_version(version) > parse_version(current)

    def _check_kind(self, path: str, current: str | None, is_known: bool) -> None:
        if self.kind == "add" and is_known:
            raise AssetVersionConflict(
                f"{path} is versioned already{f', at {current}' if current else ''}",
                hint="publish a new version of it with update",
                path=path,
                current=current,
            )
        if self.kind == "update" and not is_known:
            raise AssetNotFound(
                f"the manifest names no {shorten(path, 300)}", hint="publish its first version with add", path=path
            )

    def _exact(self, path: str, version: str, current: str | None, taken: Collection[str]) -> str:
        if not self._is_above(version, current):
            raise AssetVersionConflict(
                f"{path}: version {version} is not above {current}, which the manifest names",
                hint=f"versions only grow: give one above {current}, such as {bump(current or version, self.part)}",
                path=path,
                current=current,
            )
        if version in taken:
            raise AssetVersionConflict(
                f"{path}: version {version} is in the store already, with other contents",
                hint=f"versions are never overwritten: give a higher one, such as {bump(version, self.part)}",
                path=path,
                current=current,
            )
        return version

    def _first(self, taken: Collection[str]) -> str:
        version = self.least or FIRST_VERSION
        # Of a path that was removed, or never committed, older versions may be there: go on above all of them.
        return version if version not in taken else bump(max(taken, key=parse_version), "patch")

    def _least_next(self, current: str) -> str:
        version = bump(current, self.part)
        if self.least is not None and parse_version(version) < parse_version(self.least):
            return self.least
        return version
