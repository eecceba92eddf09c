"""Assets: from a manifest's paths to verified local files. DESIGN.md has the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rainer.late import late_names

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

__getattr__ = late_names(
    __name__,
    {
        "AssetPublisher": "publishing",
        "AssetSnapshot": "snapshots",
        "Assets": "resolver",
        "Collected": "published",
        "LockFile": "lockfile",
        "Pack": "pack_reading",
        "Packed": "pack_writing",
        "Published": "published",
        "Stored": "published",
        "SyncReport": "resolver_sync",
        "Unpacked": "pack_unpacking",
        "Unreferenced": "published",
        "collect": "collecting",
        "files_below": "publishing_files",
        "make_pack": "pack_writing",
        "open_pack": "pack_reading",
        "unpack": "pack_unpacking",
        "unpack_foreign": "pack_unpacking",
        "unreferenced": "collecting",
    },
)
