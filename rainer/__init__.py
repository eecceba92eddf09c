"""Rainer: one journal for configuration and asset manifests.

The names below load when first used, so that a program that only reads its configuration loads no server.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rainer.errors import (
    ConflictError,
    CorruptError,
    DeniedError,
    InvalidError,
    MissingExtra,
    NotFoundError,
    OutcomeUnknown,
    RainerError,
    SchemaMismatch,
    UnavailableError,
    VersionConflict,
)

if TYPE_CHECKING:
    from rainer import api, testing
    from rainer.assets import AssetPublisher, Assets
    from rainer.cache import AssetCache
    from rainer.client import Client
    from rainer.journal import Journal
    from rainer.mirror import Mirror
    from rainer.mirror.keeper import Keeper
    from rainer.model.commit import Commit, Draft, draft
    from rainer.model.position import Position

__version__ = "0.1.0"

__all__ = [
    "AssetCache",
    "AssetPublisher",
    "Assets",
    "Client",
    "Commit",
    "ConflictError",
    "CorruptError",
    "DeniedError",
    "Draft",
    "InvalidError",
    "Journal",
    "Keeper",
    "Mirror",
    "MissingExtra",
    "NotFoundError",
    "OutcomeUnknown",
    "Position",
    "RainerError",
    "SchemaMismatch",
    "UnavailableError",
    "VersionConflict",
    "api",
    "draft",
    "testing",
]

_LATE = {
    "AssetPublisher": "rainer.assets",
    "Assets": "rainer.assets",
    "AssetCache": "rainer.cache",
    "Client": "rainer.client",
    "Commit": "rainer.model.commit",
    "Draft": "rainer.model.commit",
    "Journal": "rainer.journal",
    "Keeper": "rainer.mirror.keeper",
    "Mirror": "rainer.mirror",
    "Position": "rainer.model.position",
    "draft": "rainer.model.commit",
}
_PARTS = {"api", "testing"}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(importlib.import_module(_LATE[name]), name)
    if name in _PARTS:
        return importlib.import_module(f"rainer.{name}")
    raise AttributeError(f"module 'rainer' has no attribute {name!r}")
