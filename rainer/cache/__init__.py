"""Verified files on local disk, fetched once for all processes. DESIGN.md has the rules.

What a program that only fetches does not need loads when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rainer.cache.cache import AssetCache, default_directory
from rainer.cache.leases import Hold
from rainer.cache.many import Wanted
from rainer.cache.materialize import materialize
from rainer.cache.missing import MissingList
from rainer.cache.unpinned import Cached
from rainer.late import late_names

if TYPE_CHECKING:
    from rainer.cache.adding import Blob
    from rainer.cache.listing import CacheEntry, CacheInfo, Damaged, GcReport

__all__ = [
    "AssetCache",
    "Blob",
    "CacheEntry",
    "CacheInfo",
    "Cached",
    "Damaged",
    "GcReport",
    "Hold",
    "MissingList",
    "Wanted",
    "default_directory",
    "materialize",
]

__getattr__ = late_names(
    __name__,
    {"Blob": "adding", "CacheEntry": "listing", "CacheInfo": "listing", "Damaged": "listing", "GcReport": "listing"},
)
