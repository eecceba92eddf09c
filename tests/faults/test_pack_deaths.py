"""kill -9 at every step of packing and unpacking, and other bad days: no half pack, nothing unverified in a cache."""

from __future__ import annotations

import errno
import json
import os
import random
from pathlib import Path

import pytest

from rainer.assets.pack_unpacking import unpack
from rainer.assets.pack_writing import make_pack
from rainer.errors import DeniedError, InvalidError, NoSpace, RainerError, WrongDigest
from tests.faults.pack_deaths import ACTIONS, start
from tests.packing import nothing_entered, offline, place_of

pytestmark = pytest.mark.faults
_STRIDE = 12


def test_packs_outlive_every_death(tmp_path: Path, seed: int, thorough: bool) -> None:
    stride, chance = 1 if thorough else _STRIDE, random.Random(seed)
    for number, action in enumerate(ACTIONS):
        with start(action, tmp_path / str(number), chance.randrange(1, stride + 1), stride) as process:
            out, _ = process.communicate(timeout=200)
        assert process.returncode == 0, out
        found = json.loads(out)
        assert found["wrong"] == []
        assert found["died"] >= (30 if thorough else 2), f"{action!r} had too few steps"


def test_a_pack_that_changes_while_it_is_unpacked_brings_nothing_wrong(tmp_path: Path) -> None:
    """Verified, and then replaced by another before it is read again."""
    place = place_of(tmp_path, {f"/{n}": os.urandom(300_000) for n in range(3)})
    (pack,) = place.pack()
    data = pack.read_bytes()
    seen = 0

    def change(count: int) -> None:
        nonlocal seen
        seen += count
        if seen == 900_000:  # the last of it was verified
            pack.write_bytes(data[:1_500] + bytes(len(data) - 2_500) + data[-1_000:])

    with offline(tmp_path) as cache, pytest.raises((WrongDigest, InvalidError)):
        unpack([pack], cache, lock=tmp_path / "out.lock", progress=change)
    assert nothing_entered(tmp_path)


def test_a_full_disk_leaves_no_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = place_of(tmp_path, {"/a": os.urandom(100_000)})
    monkeypatch.setattr(os, "fsync", _failing(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
    with place.cache() as cache, place.assets(cache) as assets, pytest.raises(NoSpace, match="does not fit"):
        make_pack(assets, tmp_path / "p.zip")
    assert not [path.name for path in tmp_path.iterdir() if "p.zip" in path.name]


def _failing(error: Exception) -> object:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_folders_that_cannot_be_written_are_told_before_anything_is_done(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    place = place_of(tmp_path, {"/a": b"a"})
    (pack,) = place.pack()
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with place.cache() as cache, place.assets(cache) as assets, pytest.raises(DeniedError):
        make_pack(assets, closed / "p.zip")
    with offline(tmp_path) as cache, pytest.raises(RainerError, match="cannot be written"):
        unpack([pack], cache, lock=closed / "out.lock")
    assert nothing_entered(tmp_path)
