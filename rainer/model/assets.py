"""Names and versions of assets: which paths there are, what their objects are called, how versions count and compare.

An asset's path is the same on every system and in every store, so it holds nothing that could lead out of a folder or
that some file system cannot name.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from rainer import limits
from rainer.errors import InvalidError, missing_extra
from rainer.model.names import shorten

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

Part = Literal["major", "minor", "patch"]

FIRST_VERSION: Final = "1.0.0"
COMPONENT_BYTES_MAX: Final = 255

_RESERVED_NAME: Final = r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\ *(?:\.[^/]*)?(?:/|\Z)"
_BAD: Final = r"\x00-\x1f\x7f-\x9f\\\ud800-\udfff"
_PATH: Final = re.compile(rf"(?:/(?!{_RESERVED_NAME})[^/{_BAD}]*+(?<![/.\ ]))++", re.IGNORECASE)
_RESERVED: Final = re.compile(_RESERVED_NAME, re.IGNORECASE)
_BAD_CHARACTER: Final = re.compile(f"[{_BAD}]")
_HINT: Final = "a path is like /models/speech.onnx: names with single slashes between them"

# Eighteen digits hold any date and count; more would only be a way to make others compute.
_NUMBER: Final = r"(0|[1-9][0-9]{0,17})"
_VERSION: Final = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}")
_PARTIAL: Final = re.compile(rf"{_NUMBER}(?:\.{_NUMBER})?(?:\.{_NUMBER})?")
_OBJECT_STEM: Final = re.compile(rf"(.*)\.({_NUMBER}\.{_NUMBER}\.{_NUMBER})", re.DOTALL)
_SHORTHAND: Final = re.compile(rf"([\^~])\s*{_NUMBER}(?:\.{_NUMBER})?(?:\.{_NUMBER})?")


# Paths


def asset_path(text: str) -> str:
    """Return the path with the slash at its beginning that the ancestor lets one leave out; else InvalidError.

    At most 1,024 bytes of UTF-8, 255 a component. Refused are empty components, `.` and `..`, NUL and other control
    characters, backslashes, components that end in a dot or a space, and names that Windows reserves, such as `aux`
    and `con.csv`, in any case.
    """
    if not isinstance(text, str):
        raise InvalidError(f"an asset's path is text, not {type(text).__name__}", hint=_HINT)
    path = text if text.startswith("/") else f"/{text}"
    if not _PATH.fullmatch(path):
        raise InvalidError(f"path {shorten(text)} is not allowed: {_why_not(path)}", hint=_HINT)
    if len(path) > 60:
        _check_length(text, path)
    return path


def _why_not(path: str) -> str:
    bad = _BAD_CHARACTER.search(path)
    if bad:
        return "it holds a backslash" if bad[0] == "\\" else f"it holds U+{ord(bad[0]):04X}"
    for name in path[1:].split("/"):
        if not name:
            return "it is empty" if path == "/" else "a component is empty"
        if name in (".", ".."):
            return "'.' and '..' are not names"
        if name[-1] in ". ":
            return f"{shorten(name)} ends in a {'dot' if name[-1] == '.' else 'space'}"
        if _RESERVED.match(name):
            return f"{shorten(name)} is reserved on Windows"
    return "it is no path"


def _check_length(text: str, path: str) -> None:
    encoded = path.encode()
    if len(encoded) > limits.ASSET_PATH_BYTES_MAX:
        raise InvalidError(
            f"path {shorten(text)} has {len(encoded)} bytes, over the {limits.ASSET_PATH_BYTES_MAX} it may have"
        )
    longest = max(map(len, encoded.split(b"/")))
    if longest > COMPONENT_BYTES_MAX:
        raise InvalidError(
            f"path {shorten(text)} has a component of {longest} bytes, over the {COMPONENT_BYTES_MAX} it may have"
        )


# Objects


def object_name(path: str, version: str) -> str:
    """What a version of an asset is called in its store: `/foo/bar.csv` at 1.2.5 is `/foo/bar.1.2.5.csv`.

    As the ancestor (baiji) names it, so that its buckets are read as they are: only what follows the last dot counts as
    the extension, and a name without one, or that begins with its only dot, gets the version at its end. Raises
    InvalidError for a bad path or version, and where the name gets too long.
    """
    path = asset_path(path)
    stem, extension = _split_extension(path)
    name = f"{stem}.{parse_version(version)}{extension}"
    if len(name) > 60:
        _check_length(name, name)
    return name


def _split_extension(path: str) -> tuple[str, str]:
    """As Python's os.path.splitext on POSIX, which the ancestor uses: dots that begin a name begin no extension."""
    name = path[path.rfind("/") + 1 :]
    bare = name.lstrip(".")
    at = bare.rfind(".")
    return (path, "") if at < 0 else (path[: at - len(bare)], bare[at:])


def split_object_name(name: str) -> tuple[str, str] | None:
    """The path and version whose `object_name` this is; None where it is nobody's."""
    name = name if name.startswith("/") else f"/{name}"
    stem, extension = _split_extension(name)
    for whole, end in ((stem, extension), (name, "")):
        found = _OBJECT_STEM.fullmatch(whole)
        if found is not None:
            path, version = found[1] + end, found[2]
            try:
                if object_name(path, version) == name:
                    return path, version
            except InvalidError:
                continue
    return None


# Versions


class Version(NamedTuple):
    """X.Y.Z; compares as numbers do."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


def is_version(text: str) -> bool:
    """Whether it is X.Y.Z, three plain numbers without leading zeros."""
    return _VERSION.fullmatch(text) is not None


def parse_version(text: object) -> Version:
    """Read X.Y.Z strictly; else InvalidError."""
    found = _VERSION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise InvalidError(
            f"version {shorten(str(text))} is not of the form X.Y.Z",
            hint="three whole numbers without leading zeros, such as 1.0.0",
        )
    return Version(int(found[1]), int(found[2]), int(found[3]))


def complete_version(text: str) -> str:
    """A version whose last numbers may be left out, with zeros in their place: `1.2` is 1.2.0, as in the ancestor."""
    found = _PARTIAL.fullmatch(text)
    if found is None:
        return str(parse_version(text))
    return ".".join(number or "0" for number in found.groups())


def bump(version: str, part: Part) -> str:
    """The next major, minor or patch version."""
    major, minor, patch = parse_version(version)
    if part == "major":
        return f"{major + 1}.0.0"
    if part == "minor":
        return f"{major}.{minor + 1}.0"
    if part == "patch":
        return f"{major}.{minor}.{patch + 1}"
    raise InvalidError(f"{shorten(str(part))} is no part of a version", hint="major, minor or patch")


# Specs


def matches(version: str, spec: str) -> bool:
    """Whether a version is one of those that a spec allows, such as `>=1.2,<2`, `~=1.2`, `==1.*`, `!=1.2.4` or `*`.

    Python's version specifiers, and of npm's `^1.2` (the same leftmost number that is not 0) and `~1.2` (the same
    minor, or the same major where only that is named). An X.Y.Z by itself means just that version. Raises InvalidError
    for what is no spec, and MissingExtra without the library packaging.
    """
    checked = str(parse_version(version))
    return any(True for _ in _specifiers(spec.strip()).filter([checked]))


def check_spec(spec: str) -> str:
    """Return what `matches` takes as a spec; else InvalidError."""
    _specifiers(spec.strip())
    return spec


@lru_cache(maxsize=256)
def _specifiers(spec: str) -> SpecifierSet:
    try:
        from packaging.specifiers import InvalidSpecifier, SpecifierSet
    except ImportError:
        raise missing_extra("to compare versions with a spec, packaging is needed", "assets") from None
    try:
        if not spec:
            raise InvalidSpecifier
        return SpecifierSet(",".join(_spelt_out(clause.strip()) for clause in spec.split(",")))
    except InvalidSpecifier:
        raise InvalidError(
            f"{shorten(spec)} is no spec of versions", hint="write it like >=1.2,<2 or ~=1.2 or ==1.* or ^1.2 or 1.2.5"
        ) from None


def _spelt_out(clause: str) -> str:
    if clause == "*":
        return ">=0"
    if is_version(clause):
        return f"=={clause}"
    found = _SHORTHAND.fullmatch(clause)
    if found is None:
        return clause
    sign, *texts = found.groups()
    numbers = [int(text) for text in texts if text is not None]
    if sign == "~":
        at = min(1, len(numbers) - 1)
    else:
        at = next((i for i, number in enumerate(numbers) if number), len(numbers) - 1)
    low, high = ".".join(map(str, numbers)), ".".join(map(str, [*numbers[:at], numbers[at] + 1]))
    return f">={low},<{high}"
