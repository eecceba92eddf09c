"""Verified files on local disk, fetched once for all processes. DESIGN.md has the rules."""

from rainer.cache.adding import Blob
from rainer.cache.cache import AssetCache, default_directory
from rainer.cache.leases import Hold
from rainer.cache.listing import CacheEntry, CacheInfo, Damaged, GcReport
from rainer.cache.many import Wanted
from rainer.cache.materialize import materialize
from rainer.cache.missing import MissingList
from rainer.cache.unpinned import Cached

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
