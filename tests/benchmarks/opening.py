"""Opening a file by way of fsspec that is in the local cache already: rainer:// beside fsspec's own filecache."""

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
from typing import Any, Final

from rainer.model.assets import object_name
from rainer.model.manifest import Entry, Manifest
from rainer.store.opening import open_store
from tests.benchmarks.load import Pace, WrongMeasure
from tests.benchmarks.report import Results
from tests.benchmarks.rounds import interleave

_SIZE: Final = 10 * 1024
_FILES: Final = 50
_MEASURE_S: Final = 0.2
Open = Callable[[str], Any]

ROWS: Final = ("fsspec/open", "fsspec/open/filecache", "fsspec/open/builtin")


def missing() -> str | None:
    """Why nothing can be measured, or None."""
    return None if importlib.util.find_spec("fsspec") else "not installed: fsspec"


def warm(pace: Pace, results: Results) -> None:
    """Each file opened and closed, again and again; all of them read the same bytes."""
    from rainer.assets.filesystem import close_all

    with _folder() as folder:
        contents = {f"/assets/file-{n:03d}.bin": os.urandom(_SIZE) for n in range(_FILES)}
        try:
            rainer, filecache, builtin = _rainer(folder, contents), _filecache(folder, contents), _builtin(folder)
            timed: Mapping[str, Callable[[], float]] = {
                "rainer": partial(_open_us, rainer, contents),
                "filecache": partial(_open_us, filecache, contents),
                "builtin": partial(_open_us, builtin, contents),
            }
            interleave(timed, 1)
            found = interleave(timed, pace.rounds)
        finally:
            close_all()
    results.record("fsspec/open", found["rainer"], note='fs.open("rainer://…") and close, of a file in the cache')
    results.record("fsspec/open/filecache", found["rainer"], found["filecache"], "its default, on a local folder")
    results.record("fsspec/open/builtin", found["rainer"], found["builtin"], "open() of a known path")


def _rainer(folder: Path, contents: Mapping[str, bytes]) -> Open:
    from rainer.assets.filesystem import RainerFileSystem

    (folder / "store").mkdir()
    store, entries = open_store((folder / "store").as_uri()), {}
    for path, data in contents.items():
        store.put(store.uri(object_name(path, "1.0.0")), data)
        entries[path] = Entry("1.0.0", hashlib.sha256(data).hexdigest(), len(data))
    manifest = folder / "assets.json"
    manifest.write_bytes(Manifest(entries).to_bytes())
    fs = RainerFileSystem(lock=manifest, store=store.url, cache_dir=folder / "rainer")
    return lambda path: fs.open(f"rainer://prod{path}")


def _filecache(folder: Path, contents: Mapping[str, bytes]) -> Open:
    import fsspec

    plain = folder / "plain"
    for path, data in contents.items():
        (plain / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (plain / path[1:]).write_bytes(data)
    fs = fsspec.filesystem("filecache", target_protocol="file", cache_storage=str(folder / "filecache"))
    return lambda path: fs.open(f"{plain}{path}")


def _builtin(folder: Path) -> Open:
    return lambda path: open(f"{folder}/plain{path}", "rb")  # noqa: PTH123 - what a Path would add is not asked


def _open_us(open_file: Open, contents: Mapping[str, bytes]) -> float:
    """Microseconds to open and close a file, of the best pass over all: what else runs here only ever adds."""
    for path, data in contents.items():
        with open_file(path) as file:
            if file.read() != data:
                raise WrongMeasure(f"{path} is not what it was")
    best, end = float("inf"), time.perf_counter() + _MEASURE_S
    while (begun := time.perf_counter()) < end:
        for path in contents:
            open_file(path).close()
        best = min(best, (time.perf_counter() - begun) / len(contents))
    return best * 1e6


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="rainer-opening-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
