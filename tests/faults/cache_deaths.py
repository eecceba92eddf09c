"""Processes that are killed at a step of their work on a cache: before a call to the system, or midway in a write.

The steps are what Python's audit hooks tell of (open, mkdir, rename, remove, flock, utime …) and each write.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from rainer.cache import AssetCache
from rainer.store.memory import MemoryStore
from rainer.store.opening import Stores
from tests.caching import digest, used_before
from tests.faults import cache_tasks

OLD: Final = 8
SIZE: Final = 1000
_AUDITED: Final = ("open", "os.", "fcntl.flock", "shutil.")


class Death:
    """Counts steps in this process, and kills it at one of them."""

    def __init__(self, at: int) -> None:
        self._at = at
        self._steps = 0
        self._is_counting = False
        sys.addaudithook(self._see)
        self._write, self._pwrite = os.write, os.pwrite
        os.write, os.pwrite = self._torn_write, self._torn_pwrite  # type: ignore[assignment]

    def __enter__(self) -> None:
        self._is_counting = True

    def __exit__(self, *_: object) -> None:
        self._is_counting = False

    def _see(self, event: str, _: tuple[Any, ...]) -> None:
        if self._is_counting and event.startswith(_AUDITED) and self._is_now():
            os.kill(os.getpid(), signal.SIGKILL)

    def _is_now(self) -> bool:
        self._steps += 1
        return self._steps == self._at

    def _torn_write(self, number: int, data: Any) -> int:
        if self._is_counting and self._is_now():
            self._write(number, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return self._write(number, data)

    def _torn_pwrite(self, number: int, data: Any, offset: int) -> int:
        if self._is_counting and self._is_now():
            self._pwrite(number, data[: len(data) // 2], offset)
            os.kill(os.getpid(), signal.SIGKILL)
        return self._pwrite(number, data, offset)


class Scene:
    """A cache with old files, of which one is held and one pinned, and a store that has them and two more."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = MemoryStore("memory://deaths")
        self.data = [b"%d\n" % n + bytes(SIZE - len(b"%d\n" % n)) for n in range(OLD + 2)]
        self.uris = [self.store.uri(f"{n}.bin") for n in range(OLD + 2)]
        self.shas = [digest(content) for content in self.data]

    def cache(self, **options: Any) -> AssetCache:
        return AssetCache(self.root, stores=Stores(extra=[self.store]), **options)

    def get(self, cache: AssetCache, number: int) -> Path:
        return cache.get(self.uris[number], sha256=self.shas[number], size=SIZE)

    def set_up(self) -> None:
        for uri, content in zip(self.uris, self.data, strict=True):
            self.store.put(uri, content)
        shutil.rmtree(self.root, ignore_errors=True)
        with self.cache() as cache:
            for number in range(OLD):
                used_before(self.get(cache, number), 10_000 - number)
            cache(self.uris[2])
            used_before(cache.path_of(self.uris[2]), 9_000)
            cache.pin("live", [self.shas[1]])
        self.store.put(self.uris[2], b"changed")

    def wrong(self) -> list[str]:
        """What is not as it must be after a death: nothing may be broken, lost that is kept, or in anybody's way."""
        files = self.root.glob("blobs/??/*/*")
        found = [f"{path} is damaged" for path in files if digest(path.read_bytes()) != path.parent.name]
        begun = time.monotonic()
        with self.cache() as cache:
            if cache.peek(self.shas[0]) is None or cache.peek(self.shas[1]) is None:
                found.append("what was held or pinned is gone")
            some = (3, OLD, OLD + 1)
            found += [f"{n} is not what it was" for n in some if self.get(cache, n).read_bytes() != self.data[n]]
            if cache(self.uris[2], force_check=True).read_bytes() != b"changed":
                found.append("what changed is not seen")
            cache.gc()
            info = cache.info()
            if info.temporary or cache._parts.gate.usage() != (info.files, info.size_bytes):
                found.append(f"left is {info}, counted {cache._parts.gate.usage()}")
            if sorted(cache.pins()) not in (["live"], ["live", "new"]):
                found.append(f"pinned is {cache.pins()}")
        if time.monotonic() - begun > 4:
            found.append("somebody kept others waiting")
        return found


def _fetch(scene: Scene, cache: AssetCache) -> None:
    scene.get(cache, OLD)


def _add(scene: Scene, cache: AssetCache) -> None:
    source = scene.root.with_name("added")
    source.write_bytes(scene.data[OLD])
    cache.add(source, name=f"{OLD}.bin")


def _second_name(scene: Scene, cache: AssetCache) -> None:
    cache.get(scene.uris[3], sha256=scene.shas[3], size=SIZE, name="second.csv")


ACTIONS: Final[dict[str, tuple[dict[str, Any], Callable[[Scene, AssetCache], object]]]] = {
    "fetch": ({}, _fetch),
    "fetch what is cold in every way": ({"cold": True}, _fetch),
    "fetch into a full cache": ({"size_bytes_max": OLD * SIZE + 10}, _fetch),
    "evict": ({}, lambda scene, cache: cache.gc(3 * SIZE)),
    "check again": ({}, lambda scene, cache: cache(scene.uris[2], force_check=True)),
    "fetch by URL": ({}, lambda scene, cache: cache(scene.uris[OLD + 1])),
    "add": ({}, _add),
    "give a second name": ({}, _second_name),
    "hold": ({}, lambda scene, cache: cache.hold(scene.shas).close()),
    "pin": ({}, lambda scene, cache: cache.pin("new", scene.shas[:3])),
    "delete": ({}, lambda scene, cache: cache.delete(scene.uris[2])),
    "verify": ({}, lambda scene, cache: cache.verify()),
}


def deaths(root: str, action: str, first: int, stride: int) -> None:
    """Die at every `stride`th step of an action, from the `first` on, until it is done; tells what went wrong."""
    scene, step, wrong, died = Scene(Path(root) / "c"), first, [], 0
    while True:
        scene.set_up()
        with scene.cache() as holder, holder.hold([scene.shas[0]]):
            is_over = _die(scene, action, step)
            wrong += [f"killed at step {step} of {action!r}: {text}" for text in scene.wrong()]
        if is_over:
            cache_tasks.tell({"died": died, "wrong": wrong})
            return
        died, step = died + 1, step + stride


def _die(scene: Scene, action: str, step: int) -> bool:
    """True if the action came to its end before the step."""
    options, call = ACTIONS[action]
    options = dict(options)
    if options.pop("cold", False):
        shutil.rmtree(scene.root)
        with scene.cache() as cache:
            cache.pin("live", [scene.shas[1]])
            for number in (0, 1):
                scene.get(cache, number)
    pid = os.fork()
    if pid == 0:
        cache = scene.cache(**options)
        with Death(step):
            call(scene, cache)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return False
    assert status == 0, f"step {step} of {action!r} ended with {status}"
    return True
