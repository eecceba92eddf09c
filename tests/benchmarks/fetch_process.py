"""Whoever fetches in the benchmark, in a process: `python -m tests.benchmarks.fetch_process WHO LIST FOLDER`.

LIST is a JSON file of [URI, size, SHA-256]; everything of it goes into the folder, by 8 threads. Prints the most memory
that the process had, in bytes.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

THREADS = 8

Item = tuple[str, int, str]


def through_the_cache(items: list[Item], folder: Path) -> None:
    """What `rainer asset prefetch` does: verified, shared with other processes, in its place."""
    from rainer import AssetCache
    from rainer.cache import Wanted

    with AssetCache(folder, threads=THREADS) as cache:
        for _, found in cache.get_many(Wanted(uri, sha256, size) for uri, size, sha256 in items):
            if isinstance(found, Exception):
                raise found


def to_files(items: list[Item], folder: Path) -> None:
    """The store alone: into a temporary file, verified, renamed."""
    from concurrent.futures import ThreadPoolExecutor

    from rainer.store import Stores, fetch

    stores = Stores()

    def one(item: Item) -> None:
        uri, size, sha256 = item
        temporary = folder / f"{sha256}.part"
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fetch(stores.for_uri(uri), uri, descriptor, size=size, sha256=sha256)
        finally:
            os.close(descriptor)
        temporary.rename(folder / sha256)

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(one, items))


def boto3(items: list[Item], folder: Path) -> None:
    """One TransferManager with all files in its queue, as boto3's documentation advises for many."""
    import boto3
    from botocore.config import Config
    from s3transfer.manager import TransferConfig, TransferManager

    client = boto3.client("s3", config=Config(max_pool_connections=THREADS + 4))
    with TransferManager(client, TransferConfig(max_request_concurrency=THREADS)) as transfers:
        futures = []
        for uri, _, sha256 in items:
            bucket, _, key = uri.removeprefix("s3://").partition("/")
            futures.append(transfers.download(bucket, key, str(folder / sha256)))
        for future in futures:
            future.result()


WHO: dict[str, Callable[[list[Item], Path], None]] = {"cache": through_the_cache, "files": to_files, "boto3": boto3}


def peak_bytes() -> int:
    """The most resident memory so far; what getrusage says on Linux counts what the parent had before the exec."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = next(line for line in status.read_text("ascii").splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    WHO[sys.argv[1]]([(u, s, d) for u, s, d in json.loads(Path(sys.argv[2]).read_bytes())], Path(sys.argv[3]))
    print(peak_bytes())
