"""The local cache of files: a warm hit beside those of pooch, huggingface_hub and fsspec; the time of an eviction."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from rainer.cache import AssetCache
from rainer.cache.eviction import Eviction
from rainer.cache.gate import Usage
from rainer.store.memory import MemoryStore
from rainer.store.opening import Stores
from tests.benchmarks.load import Pace, WrongMeasure
from tests.benchmarks.report import Results
from tests.benchmarks.rounds import interleave

_SMALL: Final = 10 * 1024
_LARGE: Final = 10 * 1024 * 1024
_FILES: Final = 50
_COMMIT: Final = "a" * 40
_PEERS: Final = ("pooch", "huggingface_hub", "fsspec")
_MEASURE_S: Final = 0.2
_EVICTED_SHARE: Final = 10
_BLOB_BYTES: Final = 100
Hit = Callable[[str], object]

HIT_ROWS: Final = ("cache/hit", "cache/hit/pooch", "cache/hit/pooch/large", "cache/hit/huggingface", "cache/hit/fsspec")
EVICTION_ROWS: Final = ("cache/evict",)


def missing_peers() -> str | None:
    """Why nothing can be compared, or None."""
    absent = [name for name in _PEERS if importlib.util.find_spec(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


def hits(pace: Pace, results: Results) -> None:
    """Files that every cache has already, asked for again; no network in any of them."""
    with _folder() as folder:
        small = {f"small/asset-{n:03d}.bin": os.urandom(_SMALL) for n in range(_FILES)}
        large = {f"large/asset-{n}.bin": os.urandom(_LARGE) for n in range(2)}
        everything = small | large
        with AssetCache(folder / "rainer", stores=Stores(extra=[_store(everything)])) as cache:
            ours = _ours(cache, everything)
            pooch, hugging, fsspec = (make(folder, everything) for make in (_pooch, _huggingface, _fsspec))
            timed: Mapping[str, Callable[[], float]] = {
                "ours": partial(_hit_us, ours, list(small)),
                "ours large": partial(_hit_us, ours, list(large)),
                "pooch": partial(_hit_us, pooch, list(small)),
                "pooch large": partial(_hit_us, pooch, list(large)),
                "huggingface": partial(_hit_us, hugging, list(small)),
                "fsspec": partial(_hit_us, fsspec, list(small)),
            }
            interleave(timed, 1)
            found = interleave(timed, pace.rounds)
    results.record("cache/hit", found["ours"], note="a file by its SHA-256 and size, checked with one stat")
    results.record("cache/hit/pooch", found["ours"], found["pooch"], "pooch hashes the file each time")
    results.record("cache/hit/pooch/large", found["ours large"], found["pooch large"])
    results.record("cache/hit/huggingface", found["ours"], found["huggingface"], "a full commit id, offline")
    results.record("cache/hit/fsspec", found["ours"], found["fsspec"], "open_local on filecache::")


def _store(data: Mapping[str, bytes]) -> MemoryStore:
    store = MemoryStore("memory://cache-benchmark")
    for name, content in data.items():
        store.put(store.uri(name), content)
    return store


def _ours(cache: AssetCache, data: Mapping[str, bytes]) -> Hit:
    known = {
        name: (f"memory://cache-benchmark/{name}", hashlib.sha256(content).hexdigest(), len(content))
        for name, content in data.items()
    }

    def hit(name: str) -> object:
        uri, sha256, size = known[name]
        return cache.get(uri, sha256=sha256, size=size)

    for name, content in data.items():
        path = hit(name)
        if not isinstance(path, Path) or path.read_bytes() != content:
            raise WrongMeasure(f"{path} is not {name}")
    return hit


def _pooch(folder: Path, data: Mapping[str, bytes]) -> Hit:
    import pooch

    registry = {name: f"sha256:{hashlib.sha256(content).hexdigest()}" for name, content in data.items()}
    _write(folder / "pooch", data)
    hit: Hit = pooch.create(path=folder / "pooch", base_url="http://127.0.0.1:9/", registry=registry).fetch
    return hit


def _huggingface(folder: Path, data: Mapping[str, bytes]) -> Hit:
    # They are read when the module is first imported.
    os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
    import huggingface_hub

    root = folder / "hub"
    repository = root / "models--org--repo"
    for name, content in data.items():
        sha256 = hashlib.sha256(content).hexdigest()
        _write(repository / "blobs", {sha256: content})
        link = repository / "snapshots" / _COMMIT / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(repository / "blobs" / sha256)
    return lambda name: huggingface_hub.hf_hub_download("org/repo", name, revision=_COMMIT, cache_dir=root)


def _fsspec(folder: Path, data: Mapping[str, bytes]) -> Hit:
    import fsspec

    memory = fsspec.filesystem("memory")
    for name, content in data.items():
        memory.pipe(f"/{name}", content)
    options = {"cache_storage": str(folder / "fsspec")}
    return lambda name: fsspec.open_local(f"filecache::memory:///{name}", filecache=options)


def _write(folder: Path, data: Mapping[str, bytes]) -> None:
    for name, content in data.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _hit_us(hit: Hit, names: list[str]) -> float:
    """Microseconds a hit, of the best pass over all names: what else runs on the machine only ever adds."""
    best, end = float("inf"), time.perf_counter() + _MEASURE_S
    while (begun := time.perf_counter()) < end:
        for name in names:
            hit(name)
        best = min(best, (time.perf_counter() - begun) / len(names))
    return best * 1e6


def eviction(pace: Pace, results: Results) -> None:
    """A tenth of the files goes when the limit is reached, the least used ones."""
    files, count = pace.heads, pace.heads // _EVICTED_SHARE
    with _folder() as folder:
        _fill(folder, range(files))
        taken = []
        for round_ in range(pace.without_target().rounds):
            with AssetCache(folder) as cache:
                begun = time.perf_counter()
                freed = Eviction(cache._parts.layout, cache._parts.gate, cache._parts.blobs).run(
                    (files - count) * _BLOB_BYTES
                )
                taken.append(time.perf_counter() - begun)
            if freed.removed != count:
                raise WrongMeasure(f"{freed.removed} of {count} files were removed")
            _fill(folder, range(files + round_ * count, files + (round_ + 1) * count))
    results.record("cache/evict", taken, note=f"{count:,} of {files:,} files, found, sorted and removed")


def _fill(folder: Path, numbers: range) -> None:
    """Files as the cache would keep them, last used one after the other."""
    with AssetCache(folder) as cache, cache._parts.gate.shared() as gate:
        for number in numbers:
            sha256 = hashlib.sha256(b"%d" % number).hexdigest()
            blob = folder / "blobs" / sha256[:2] / sha256
            blob.mkdir(parents=True)
            (blob / "asset.bin").write_bytes(bytes(_BLOB_BYTES))
            os.utime(blob, (1e9 + number, 1e9 + number))
        usage = cache._parts.gate.read(gate)[0] or Usage(0, 0)
        size = usage.size + len(numbers) * _BLOB_BYTES
        assert gate is not None
        cache._parts.gate.recount(gate, Usage(usage.files + len(numbers), size))


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="rainer-cache-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
