"""Packing and unpacking killed at each of its steps: `python -m tests.faults.pack_deaths ACTION ROOT FIRST STRIDE`.

The steps are what Python's audit hooks tell of (open, rename, remove, flock …), each write, and each portion of bytes.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rainer.assets import Assets
from rainer.assets.pack_reading import open_pack
from rainer.assets.pack_unpacking import unpack
from rainer.assets.pack_writing import make_pack
from rainer.errors import RainerError
from tests.caching import digest
from tests.faults.cache_deaths import Death
from tests.packing import Place, offline, place_of

TOP: Final = Path(__file__).resolve().parents[2]
CONTENTS: Final = {f"/{n}.bin": (b"%d" % n) * 9_000 + os.urandom(9_000) for n in range(4)}
"""Half of each can be compressed."""
PART_BYTES: Final = 44_000


class SteppedDeath(Death):
    """Counts portions of bytes, too."""

    def step(self) -> None:
        if self._is_counting and self._is_now():
            os.kill(os.getpid(), signal.SIGKILL)


class Scene:
    """A packed place with an old pack; what is to come is packed anew in its stead, or unpacked beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        self.place: Place = place_of(root, CONTENTS)
        self.target = root / "p.zip"

    def pack(
        self, death: SteppedDeath | None, *, replace_existing: bool = False, paths: list[str] | None = None
    ) -> None:
        with self.place.cache() as cache, self.place.assets(cache) as assets:
            make_pack(
                assets, self.target, paths=paths, size_bytes_max=PART_BYTES, replace_existing=replace_existing,
                progress=None if death is None else lambda _: death.step(),
            )  # fmt: skip

    def unpack(self, death: SteppedDeath) -> None:
        with offline(self.root) as cache:
            unpack([self.target], cache, lock=self.root / "out.lock", progress=lambda _: death.step())


def wrong_packs(scene: Scene, *, was_there: bool = False) -> list[str]:
    """After a packing that died: every file of a final name is whole, the first part only stands with all others, what
    was there, or what was to come, can be read; and packing again succeeds and leaves nothing."""
    found = []
    for path in scene.root.glob("p*.zip"):
        try:
            open_pack([path]).verify()
        except RainerError as e:
            if "missing" not in str(e) or path.name == "p.1.zip":
                found.append(f"{path.name}: {e}")
    if was_there or list(scene.root.glob("p*.zip")):
        try:
            open_pack([scene.target]).verify()
        except RainerError as e:
            found.append(f"neither the old pack nor the new one can be read: {e}")
    scene.pack(None, replace_existing=True)
    open_pack([scene.target]).verify()
    left = [path.name for path in scene.root.iterdir() if path.name.startswith(".")]
    return found + [f"left is {name}" for name in left]


def wrong_cache(scene: Scene) -> list[str]:
    """After an unpacking that died: what is in the cache is what its digest says, the lock file is whole or not there,
    and unpacking again succeeds."""
    found = []
    for path in (scene.root / "offline").glob("blobs/??/*/*"):
        data = path.read_bytes()
        if digest(data) != path.parent.name or data not in CONTENTS.values():
            found.append(f"{path} is damaged")
    lock = scene.root / "out.lock"
    with offline(scene.root) as cache:
        if lock.exists():
            with Assets.from_file(lock, cache=cache) as assets:
                found += [
                    f"{path} is not there" for path, data in CONTENTS.items() if assets(path).read_bytes() != data
                ]
        unpack([scene.target], cache, lock=lock)
        with Assets.from_file(lock, cache=cache) as assets:
            found += [f"{path} is wrong" for path, data in CONTENTS.items() if assets(path).read_bytes() != data]
    return found


def _pack_twice(scene: Scene) -> None:
    scene.pack(None)


def _pack_another(scene: Scene) -> None:
    scene.pack(None, paths=list(CONTENTS)[:-1])


def _wrong_replaced(scene: Scene) -> list[str]:
    return wrong_packs(scene, was_there=True)


Action = tuple[Callable[[Scene], object], Callable[[Scene, SteppedDeath], object], Callable[[Scene], list[str]]]

ACTIONS: Final[dict[str, Action]] = {
    "pack": (lambda _: None, lambda scene, death: scene.pack(death), wrong_packs),
    "replace a pack": (_pack_another, lambda scene, death: scene.pack(death, replace_existing=True), _wrong_replaced),
    "unpack": (_pack_twice, lambda scene, death: scene.unpack(death), wrong_cache),
}


def deaths(action: str, root: Path, first: int, stride: int) -> dict[str, object]:
    """Die at every `stride`th step of an action, from the `first` on, until it is done."""
    prepare, call, wrong = ACTIONS[action]
    step, died, found = first, 0, []
    while True:
        scene = Scene(root)
        prepare(scene)
        pid = os.fork()
        if pid == 0:
            death = SteppedDeath(step)
            with death:
                call(scene, death)
            os._exit(0)
        status = os.waitpid(pid, 0)[1]
        if status == 0:
            return {"died": died, "wrong": found}
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            return {"died": died, "wrong": [f"step {step} of {action!r} ended with {status}"]}
        found += [f"killed at step {step} of {action!r}: {text}" for text in wrong(scene)]
        died, step = died + 1, step + stride


def start(action: str, root: Path, first: int, stride: int) -> subprocess.Popen[str]:
    """Run `deaths` in a process of its own."""
    command = [sys.executable, "-m", "tests.faults.pack_deaths", action, str(root), str(first), str(stride)]
    return subprocess.Popen(
        command, cwd=TOP, env=os.environ | {"PYTHONPATH": str(TOP)}, stdout=subprocess.PIPE, text=True
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(deaths(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
