"""Assets: from a manifest's paths to verified local files. DESIGN.md has the rules."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rainer.assets.collecting import collect, unreferenced
    from rainer.assets.lockfile import LockFile
    from rainer.assets.pack_reading import Pack, open_pack
    from rainer.assets.pack_unpacking import Unpacked, unpack, unpack_foreign
    from rainer.assets.pack_writing import Packed, make_pack
    from rainer.assets.published import Collected, Published, Stored, Unreferenced
    from rainer.assets.publishing import AssetPublisher
    from rainer.assets.publishing_files import files_below
    from rainer.assets.resolver import Assets
    from rainer.assets.resolver_sync import SyncReport
    from rainer.assets.snapshots import AssetSnapshot

__all__ = [
    "AssetPublisher",
    "AssetSnapshot",
    "Assets",
    "Collected",
    "LockFile",
    "Pack",
    "Packed",
    "Published",
    "Stored",
    "SyncReport",
    "Unpacked",
    "Unreferenced",
    "collect",
    "files_below",
    "make_pack",
    "open_pack",
    "unpack",
    "unpack_foreign",
    "unreferenced",
]

_LATE = {
    "AssetPublisher": "rainer.assets.publishing",
    "AssetSnapshot": "rainer.assets.snapshots",
    "Assets": "rainer.assets.resolver",
    "Collected": "rainer.assets.published",
    "LockFile": "rainer.assets.lockfile",
    "Pack": "rainer.assets.pack_reading",
    "Packed": "rainer.assets.pack_writing",
    "Published": "rainer.assets.published",
    "Stored": "rainer.assets.published",
    "SyncReport": "rainer.assets.resolver_sync",
    "Unpacked": "rainer.assets.pack_unpacking",
    "Unreferenced": "rainer.assets.published",
    "collect": "rainer.assets.collecting",
    "files_below": "rainer.assets.publishing_files",
    "make_pack": "rainer.assets.pack_writing",
    "open_pack": "rainer.assets.pack_reading",
    "unpack": "rainer.assets.pack_unpacking",
    "unpack_foreign": "rainer.assets.pack_unpacking",
    "unreferenced": "rainer.assets.collecting",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(importlib.import_module(_LATE[name]), name)
    raise AttributeError(f"module 'rainer.assets' has no attribute {name!r}")
