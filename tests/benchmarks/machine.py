"""The machine's facts, without which no figure means anything, and how quiet it was."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Final

import psutil

from tests.benchmarks.report import number
from tests.services.machine import find_binary

_STACK: Final = ("uvicorn", "uvloop", "httptools", "starlette", "sqlalchemy", "psycopg", "asyncpg", "orjson")
_SYNCS: Final = 200
_QUIET_LOAD_A_CORE: Final = 0.25
_QUIET_BUSY_PERCENT: Final = 10.0
_NO_DISK: Final = ("tmpfs", "ramfs", "devtmpfs")


def facts(folder: Path) -> dict[str, str]:
    """What this machine and its programs are, name to text."""
    return {
        "CPU": f"{_cpu_model()}, {os.cpu_count()} cores",
        "Memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "Kernel": f"{platform.system()} {platform.release()}",
        "Disk": f"{_filesystem(folder)}; {_sync_times(folder)}",
        "Python": f"{platform.python_version()}, {_stack()}",
        "SQLite": sqlite3.sqlite_version,
        "PostgreSQL": _version_of("postgres"),
        "MariaDB": _version_of("mariadbd"),
        "etcd": _version_of("etcd"),
        "Load": _load_average(),
    }


def warnings(folder: Path) -> list[str]:
    """What makes the figures of this run worth less, found before it begins."""
    found = []
    load = os.getloadavg()[0]
    if load > _QUIET_LOAD_A_CORE * (os.cpu_count() or 1):
        found.append(f"the machine is not quiet: its load average is {load:.2f}")
    busy = psutil.cpu_percent(interval=1.0)
    if busy > _QUIET_BUSY_PERCENT:
        found.append(f"the machine is not quiet: its processors were {busy:.0f} % busy before anything began")
    if _filesystem(folder) in _NO_DISK:
        found.append(f"{folder} is in memory: nothing is durable there; choose a folder with --folder")
    return found


def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
        if found:
            return found[1]
    return platform.processor() or platform.machine()


def _filesystem(folder: Path) -> str:
    """The type of the file system that holds the folder."""
    place = folder.resolve()
    mounts = [m for m in psutil.disk_partitions(all=True) if place.is_relative_to(m.mountpoint)]
    return max(mounts, key=lambda m: len(m.mountpoint)).fstype if mounts else "unknown file system"


def _sync_times(folder: Path) -> str:
    """How long 4 KiB take until the disk has them; what all durable writers here have to wait for.

    Logs that are made in advance and overwritten (PostgreSQL's, etcd's) spare the file system its own bookkeeping.
    """
    sync = getattr(os, "fdatasync", os.fsync)
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        appended = _sync_ms(file, sync)
        file.seek(0)
        overwritten = _sync_ms(file, sync)
    return f"{sync.__name__} of 4 KiB: appended {appended}, overwritten {overwritten}"


def _sync_ms(file: IO[bytes], sync: Callable[[int], None]) -> str:
    times = []
    for _ in range(_SYNCS):
        file.write(bytes(4096))
        begun = time.perf_counter()
        sync(file.fileno())
        times.append((time.perf_counter() - begun) * 1000)
    return f"{number(statistics.median(times))} ms (p99 {number(statistics.quantiles(times, n=100)[98])})"


def _stack() -> str:
    shown = []
    for name in _STACK:
        with contextlib.suppress(PackageNotFoundError):
            shown.append(f"{name} {version(name)}")
    return ", ".join(shown)


def _version_of(program: str) -> str:
    path = find_binary(program)
    if path is None:
        return "not found"
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+[\w.+~-]*", done.stdout)
    return found[0] if found else "unknown version"


def _load_average() -> str:
    return " ".join(f"{load:.2f}" for load in os.getloadavg())


class Bystanders:
    """How much of the processors went to others while we measured: their time is missing in our figures."""

    def __init__(self) -> None:
        self._begun, self._all, self._ours = time.monotonic(), _busy_s(), _our_s()

    def verdict(self) -> str:
        """In words, for the foot of the table."""
        available = (time.monotonic() - self._begun) * (os.cpu_count() or 1)
        share = max(0.0, (_busy_s() - self._all) - (_our_s() - self._ours)) / available
        return f"Other processes used {share:.0%} of the processors during the run."


def _busy_s() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.system + getattr(times, "nice", 0.0))


def _our_s() -> float:
    """Processor time of this process and of all below it, the ended ones included."""
    total = 0.0
    us = psutil.Process()
    for process in [us, *us.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])
    return total
