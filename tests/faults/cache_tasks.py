"""What processes do to caches in the tests that kill, stop and starve them: `python -m tests.faults.cache_tasks TASK`.

Options come as JSON on the command line, what was found goes out as JSON lines. One process of these has no threads
of its own and may fork as often as it likes.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rainer.cache import AssetCache
from rainer.cache import gate as gate_module
from rainer.cache import turns as turns_module
from rainer.errors import RainerError
from rainer.store.memory import MemoryStore
from rainer.store.opening import Stores
from tests.caching import digest

TOP = Path(__file__).resolve().parents[2]


def start(task: str, *, before: tuple[str, ...] = (), **options: object) -> subprocess.Popen[str]:
    """Start a task in a process of its own."""
    return subprocess.Popen(
        [*before, sys.executable, "-m", "tests.faults.cache_tasks", task, json.dumps(options, default=str)],
        cwd=TOP,
        env=os.environ | {"PYTHONPATH": str(TOP)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], timeout_s: float = 60) -> list[Any]:
    """Wait for a task's end, and read what it found."""
    with process:
        out, _ = process.communicate(timeout=timeout_s)
    assert process.returncode == 0, out
    return [json.loads(line) for line in out.splitlines()]


def line(process: subprocess.Popen[str]) -> Any:
    """The next thing that a task has found."""
    assert process.stdout is not None
    text = process.stdout.readline()
    assert text, f"the task ended with {process.wait()}"
    return json.loads(text)


def end(process: subprocess.Popen[str], how: int = signal.SIGKILL) -> None:
    """Kill a task and take it away."""
    with process:
        process.send_signal(how)
        process.wait(20)


def tell(found: object) -> None:
    sys.stdout.write(json.dumps(found, default=str) + "\n")
    sys.stdout.flush()


def get(root: str, url: str, sha256: str, size: int | None = None, **options: Any) -> None:
    """Get one file; tells its path, or the error."""
    with AssetCache(root, **options) as cache:
        try:
            tell({"path": str(cache.get(url, sha256=sha256, size=size))})
        except RainerError as e:
            tell({"code": e.code, "message": e.message, "hint": e.hint})
        cache._parts.stores.close()


def hold(root: str, digests: list[str], child: bool = False) -> None:
    """Hold files until the end of input; with `child`, a forked child lives on after a kill, and does nothing."""
    with AssetCache(root) as cache, cache.hold(digests):
        if child and os.fork() == 0:
            os.read(0, 1)
            os._exit(0)
        tell("held")
        sys.stdin.read()


def keep_gate(root: str) -> None:
    """Hold the gate alone until the end of input."""
    with AssetCache(root) as cache, cache._parts.gate.exclusive():
        tell("alone")
        sys.stdin.read()


def herd(root: str, url: str, sha256: str, size: int, processes: int) -> None:
    """Many processes want one cold file at the same moment; tells the paths that they got."""
    ready, go = os.pipe()
    found, told = os.pipe()
    pids = []
    for _ in range(processes):
        pids.append(os.fork())
        if not pids[-1]:
            os.close(go)
            os.read(ready, 1)  # ends when the parent closes its side
            with AssetCache(root) as cache:
                os.write(told, f"{cache.get(url, sha256=sha256, size=size)}\n".encode())
                cache._parts.stores.close()
            os._exit(0)
    tell(pids)
    os.close(go)
    os.close(told)
    with os.fdopen(found) as lines:
        tell(lines.read().split())
    tell([os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(processes)])


def storm(root: str, readers: int, gets: int, files: int, seed: int) -> None:
    """Readers hold, get and open while files are evicted all the time; tells what each saw."""
    store = MemoryStore("memory://storm")
    data = [b"%d\n" % n * 200 for n in range(files)]
    uris = [store.uri(f"{n}") for n in range(files)]
    for uri, content in zip(uris, data, strict=True):
        store.put(uri, content)
    found, told = os.pipe()
    pids = {_forked(lambda n=n: _read(root, store, uris, data, gets, seed + n, told)) for n in range(readers)}
    os.close(told)
    removed = 0
    with AssetCache(root) as cache, os.fdopen(found) as reports:
        while pids:
            removed += cache.gc(sum(map(len, data)) // 4).removed
            pids -= {os.waitpid(pid, os.WNOHANG)[0] for pid in pids}
        tell({"removed": removed, "readers": [json.loads(report) for report in reports]})


def _forked(call: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        call()
        os._exit(0)
    return pid


def _read(
    root: str, store: MemoryStore, uris: list[str], data: list[bytes], gets: int, seed: int, told: int
) -> None:  # fmt: skip
    chance, failures, fetched = random.Random(seed), [], 0
    with AssetCache(root, stores=Stores(extra=[store])) as cache:
        for _ in range(gets):
            number = chance.randrange(len(data))
            sha256 = digest(data[number])
            with cache.hold([sha256]):
                fetched += cache.peek(sha256) is None
                path = cache.get(uris[number], sha256=sha256, size=len(data[number]))
                os.utime(path.parent, (1, 1))  # old enough to go
                os.sched_yield()
                try:
                    if path.read_bytes() != data[number]:
                        failures.append(f"{path} is not what it was")
                except OSError as e:
                    failures.append(str(e))
    os.write(told, (json.dumps({"failures": failures, "fetched": fetched}) + "\n").encode())


def fork_after_use(root: str, url: str, sha256: str, second: str, second_sha256: str) -> None:
    """Use a cache, with threads, then fork: the child gets what is there and what is not, and so does the parent."""
    from rainer.cache import Wanted

    with AssetCache(root) as cache:
        list(cache.get_many([Wanted(url, sha256)]))
        pid = os.fork()
        if pid == 0:
            with cache.hold([second_sha256]):
                tell({"child": [str(cache.get(url, sha256=sha256)), str(cache.get(second, sha256=second_sha256))]})
                tell({"held": [e.held for e in cache.entries() if e.sha256 == second_sha256]})
            cache._parts.stores.close()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        tell({"parent": [str(cache.get(url, sha256=sha256)), str(cache.get(second, sha256=second_sha256))]})
        cache._parts.stores.close()


def without_descriptors(root: str, url: str, sha256: str, other: str, other_sha256: str) -> None:
    """A hit and a miss when no file can be opened any more, and the miss again when one can."""
    with AssetCache(root) as first:
        size = first.get(url, sha256=sha256).stat().st_size
    with AssetCache(root) as cache:
        cache._parts.stores.for_uri(url)
        with _no_descriptors():
            tell(str(cache.get(url, sha256=sha256, size=size)))
            try:
                cache.get(other, sha256=other_sha256)
            except RainerError as e:
                tell({"code": e.code, "message": e.message, "hint": e.hint})
        tell(str(cache.get(other, sha256=other_sha256)))
        cache._parts.stores.close()


@contextmanager
def _no_descriptors() -> Any:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, limits[1]))
    try:
        while True:
            taken.append(os.dup(0))
    except OSError:
        pass
    try:
        yield
    finally:
        for number in taken:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def on_small_disk(root: str, size: int, limit: int) -> None:
    """On a disk (mounted by the caller) with less room than the cache may take: old files give way, held ones not."""
    store = MemoryStore("memory://disk")
    with AssetCache(root, size_bytes_max=limit, stores=Stores(extra=[store])) as cache:

        def fetch(number: int) -> Path:
            content = bytes([number]) * size
            store.put(store.uri(f"{number}"), content)
            return cache.get(store.uri(f"{number}"), sha256=digest(content), size=size)

        for number in range(12):
            path = fetch(number)
            os.utime(path.parent, (number, number))
        tell({"there": sorted(int(entry.path.name) for entry in cache.entries())})
        with cache.hold(entry.sha256 for entry in list(cache.entries())):
            try:
                fetch(100)
            except RainerError as e:
                tell({"code": e.code, "hint": e.hint})
        tell({"temporary": cache.info().temporary, "damaged": cache.verify()})


def main() -> None:
    task, options = sys.argv[1], json.loads(sys.argv[2])
    turns_module.STALLED_S = options.pop("stalled_s", turns_module.STALLED_S)
    gate_module.WAIT_S = options.pop("wait_s", gate_module.WAIT_S)  # type: ignore[misc]
    user = options.pop("user", None)
    if user is not None:
        # What is still to be imported may be out of that user's reach.
        Stores().for_uri("http://127.0.0.1/x")
        "x".encode("idna")
        os.setgid(user)
        os.setuid(user)
    if task == "deaths":
        from tests.faults import cache_deaths

        cache_deaths.deaths(**options)
    else:
        globals()[task](**options)


if __name__ == "__main__":
    main()
