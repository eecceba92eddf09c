"""Damaged, foreign and impossible snapshots on disk: none is believed, and none keeps a mirror from starting."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rainer import Mirror
from rainer.errors import UnavailableError
from rainer.mirror.snapshot import MAGIC, Snapshot
from rainer.model import times
from rainer.model.packed import frame, unframe
from rainer.model.position import Position
from tests.faults.mirror_rig import TREE, Rig
from tests.services.zookeeper import ZooKeeper

pytestmark = pytest.mark.faults


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "diary"


def damage(path: Path, how: Callable[[bytes], bytes], *, newest_only: bool) -> None:
    """Do it to the snapshot, or to the previous one, too."""
    files = sorted((f for f in path.parent.rglob("*") if f.is_file()), key=lambda f: f.stat().st_mtime_ns)
    assert len(files) >= 2, f"a snapshot and the one before it, not {files}"
    for file in files[-1:] if newest_only else files:
        file.write_bytes(how(file.read_bytes()))


def truncated(seed: int) -> Callable[[bytes], bytes]:
    return lambda data: data[: random.Random(seed).randrange(len(data))]


def flipped(seed: int) -> Callable[[bytes], bytes]:
    def flip(data: bytes) -> bytes:
        chance = random.Random(seed)
        at = chance.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]

    return flip


def keep_two(rig: Rig, kept: Path) -> None:
    """A snapshot on disk, and the one before it."""
    for _ in range(2):
        with rig.brief("the one that keeps a snapshot", snapshot=kept) as mirror:
            rig.commits.some(10)
            rig.level(mirror)


@pytest.mark.parametrize("newest_only", [True, False], ids=["newest", "both"])
@pytest.mark.parametrize("how", [truncated, flipped])
def test_a_damaged_snapshot(
    how: Callable[[int], Callable[[bytes], bytes]], newest_only: bool, own_zookeeper: ZooKeeper, sqlite_url: str,
    seed: int, kept: Path,
) -> None:  # fmt: skip
    with Rig(sqlite_url, own_zookeeper.hosts, seed) as rig:
        rig.publisher()
        rig.commits.fill()
        keep_two(rig, kept)
        damage(kept, how(seed), newest_only=newest_only)
        copy = kept.parent.parent / "copy"
        shutil.copytree(kept.parent, copy)
        with rig.brief("with the server there", snapshot=copy / kept.name) as mirror:
            rig.level(mirror, within_s=5)
        own_zookeeper.kill()
        if newest_only:
            # The one before it serves.
            warm = rig.mirror("from the snapshot before", snapshot=kept)
            assert len(warm) > 0
        else:
            with pytest.raises(UnavailableError):
                Mirror.zookeeper(rig.hosts, TREE, snapshot=kept).start(timeout_s=2)
        own_zookeeper.start()
        if not newest_only:
            warm = rig.mirror("from the server", snapshot=kept)
        rig.healed(warm)


def test_a_snapshot_of_another_namespace(own_zookeeper: ZooKeeper, sqlite_url: str, seed: int, kept: Path) -> None:
    with Rig(sqlite_url, own_zookeeper.hosts, seed) as rig:
        rig.publisher()
        rig.commits.fill()
        keep_two(rig, kept)
        rig.journal.create_namespace("other")
        rig.journal.append("only", b"1", version=1, author="me", namespace="other")
        with Mirror.zookeeper(rig.hosts, "/rainer/other", snapshot=kept) as other:
            assert other.wait_for("only", 1, timeout_s=5) is not None
            assert list(other) == ["only"]
        with rig.brief("with the other's snapshot", snapshot=kept) as mirror:
            assert "only" not in mirror
        own_zookeeper.kill()
        with pytest.raises(UnavailableError):
            Mirror.zookeeper(rig.hosts, "/rainer/third", snapshot=kept).start(timeout_s=2)


def test_a_snapshot_of_a_revision_from_the_future(
    own_zookeeper: ZooKeeper, sqlite_url: str, seed: int, kept: Path
) -> None:
    """It says the right lineage, and a revision that the journal has not come to."""
    with Rig(sqlite_url, own_zookeeper.hosts, seed) as rig:
        rig.publisher()
        rig.commits.fill()
        keep_two(rig, kept)
        truth = rig.truth
        invented = Position(truth.lineage, truth.revision + 1000, bytes(range(32)))
        forge(kept, lambda found: replace(found, position=invented))
        mirror = rig.start_unwatched(snapshot=kept)
        rig.healed(mirror)
        mirror.close()
        with rig.brief("from what it has kept since", snapshot=kept) as again:
            rig.level(again)


def test_a_snapshot_from_a_future_day(own_zookeeper: ZooKeeper, sqlite_url: str, seed: int, kept: Path) -> None:
    with Rig(sqlite_url, own_zookeeper.hosts, seed) as rig:
        rig.publisher()
        rig.commits.fill()
        keep_two(rig, kept)
        tomorrow = times.now_ms() + 24 * 3600 * 1000
        forge(kept, lambda found: replace(found, saved_ms=tomorrow, current_ms=tomorrow))
        with rig.brief("with tomorrow's snapshot", snapshot=kept) as mirror:
            rig.level(mirror, within_s=5)
            assert mirror.age_s < 60


def test_a_snapshot_of_a_later_format(own_zookeeper: ZooKeeper, sqlite_url: str, seed: int, kept: Path) -> None:
    with Rig(sqlite_url, own_zookeeper.hosts, seed) as rig:
        rig.publisher()
        rig.commits.fill()
        keep_two(rig, kept)
        header, records = unframe(MAGIC, kept.read_bytes())
        kept.write_bytes(frame(MAGIC, header | {"format": 2}, records))
        own_zookeeper.kill()
        warm = rig.mirror("from the snapshot before", snapshot=kept)
        own_zookeeper.start()
        rig.healed(warm)


def forge(kept: Path, how: Callable[[Snapshot], Snapshot]) -> None:
    """Write a snapshot that is whole, and does not say what is so; none is left from before."""
    kept.write_bytes(how(Snapshot.from_bytes(kept.read_bytes())).to_bytes())
    kept.with_name(f"{kept.name}.previous").unlink()
