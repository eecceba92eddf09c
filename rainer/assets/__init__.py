"""Assets: from a manifest's paths to verified local files. DESIGN.md has the rules."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rainer.assets.lockfile import LockFile
    from rainer.assets.resolver import Assets
    from rainer.assets.resolver_sync import SyncReport
    from rainer.assets.snapshots import AssetSnapshot

__all__ = ["AssetSnapshot", "Assets", "LockFile", "SyncReport"]

_LATE = {
    "AssetSnapshot": "rainer.assets.snapshots",
    "Assets": "rainer.assets.resolver",
    "LockFile": "rainer.assets.lockfile",
    "SyncReport": "rainer.assets.resolver_sync",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(importlib.import_module(_LATE[name]), name)
    raise AttributeError(f"module 'rainer.assets' has no attribute {name!r}")
