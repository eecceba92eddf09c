"""What the database tells of a file and of the place of its contents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

IDENTITY: Final = "identity"
ZSTD: Final = "zstd-frames"
"""How contents lie in their place: as they are, or in frames of zstd with a table at the end (see frames.py)."""


@dataclass(frozen=True, slots=True)
class Contents:
    """Where contents lie and how: `size` of themselves and `stored_size` of what lies there, in bytes."""

    place: str
    sha256: bytes
    size: int
    coding: str
    stored_size: int


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the store: its version is in seconds since 1970. Without `contents` where nobody asked for them."""

    name: str
    sha256: bytes
    size: int
    version_s: int
    is_sealed: bool
    contents: Contents | None = None

    @property
    def etag(self) -> str:
        return f'"{self.sha256.hex()}"'
