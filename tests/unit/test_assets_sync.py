"""A folder made to hold what a manifest names: what is placed, kept and removed, and where it must not reach."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import rainer
from rainer.errors import InvalidError, NotFoundError
from rainer.model.manifest import Entry
from tests.asset_places import Journal, SlowStore, new_store, put
from tests.services.waiting import wait_until


@pytest.fixture
def store() -> SlowStore:
    return new_store()


@pytest.fixture
def journal(store: SlowStore) -> Journal:
    made = Journal()
    made.change({path: put(store, path, "1.0.0", path.encode()) for path in ("/a/b/1.csv", "/a/2.csv", "/3.csv")})
    return made


@pytest.fixture
def assets(journal: Journal, store: SlowStore, tmp_path: Path) -> Iterator[rainer.Assets]:
    with journal.mirror() as mirror, rainer.Assets(mirror, store=store, cache=tmp_path / "cache") as made:
        yield made


def held(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".rainer-sync"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_folder_comes_to_hold_the_manifest_and_no_more(
    assets: rainer.Assets, journal: Journal, store: SlowStore, tmp_path: Path
) -> None:
    folder = tmp_path / "out" / "here"
    first = assets.sync(folder)
    assert sorted(first.placed) == ["/3.csv", "/a/2.csv", "/a/b/1.csv"]
    assert held(folder) == {"a/b/1.csv": b"/a/b/1.csv", "a/2.csv": b"/a/2.csv", "3.csv": b"/3.csv"}
    (folder / "theirs.txt").write_text("not ours")
    journal.change({"/3.csv": put(store, "/3.csv", "1.1.0", b"new"), "/a/b/1.csv": None})
    second = assets.sync(folder)
    assert (second.placed, second.unchanged, second.removed) == (["/3.csv"], ["/a/2.csv"], ["/a/b/1.csv"])
    assert held(folder) == {"a/2.csv": b"/a/2.csv", "3.csv": b"new", "theirs.txt": b"not ours"}
    assert not (folder / "a" / "b").exists()
    (folder / "3.csv").write_text("writable, and no part of the cache")
    assert assets("/3.csv").read_bytes() == b"new"


def test_what_somebody_changed_is_made_right_or_kept(
    assets: rainer.Assets, journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assets.sync(tmp_path / "out")
    for name in ("3.csv", "a/2.csv"):
        (tmp_path / "out" / name).write_text("changed by hand")
    journal.change({"/a/2.csv": None})
    report = assets.sync(tmp_path / "out")
    assert (report.placed, report.kept, report.removed) == (["/3.csv"], ["/a/2.csv"], [])
    assert held(tmp_path / "out")["3.csv"] == b"/3.csv"
    assert held(tmp_path / "out")["a/2.csv"] == b"changed by hand"
    assert "was changed since" in caplog.text


def test_only_some_paths_are_put_there(assets: rainer.Assets, tmp_path: Path) -> None:
    assert sorted(assets.sync(tmp_path / "out", paths=["/a/*"]).placed) == ["/a/2.csv", "/a/b/1.csv"]


@pytest.mark.parametrize("kind", ["link", "file"])
def test_nothing_is_written_through_a_link_or_into_a_file(assets: rainer.Assets, tmp_path: Path, kind: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "out").mkdir()
    if kind == "link":
        (tmp_path / "out" / "a").symlink_to(outside)
    else:
        (tmp_path / "out" / "a").write_text("in the way")
    with pytest.raises(InvalidError, match="where assets need a folder"):
        assets.sync(tmp_path / "out")
    assert list(outside.iterdir()) == []
    assert "3.csv" not in held(tmp_path / "out")


def test_a_link_at_an_assets_own_place_is_replaced_and_not_followed(assets: rainer.Assets, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "3.csv").symlink_to(tmp_path / "precious")
    assets.sync(tmp_path / "out")
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "out" / "3.csv").is_symlink()


def test_assets_that_no_folder_can_hold_are_refused_before_anything_is_done(
    assets: rainer.Assets, journal: Journal, tmp_path: Path
) -> None:
    for path, words in (("/a", "an asset and a folder"), ("/.rainer-sync.json", "what sync itself keeps")):
        journal.change({path: Entry("1.0.0", "0" * 64, 1)})
        with pytest.raises(InvalidError, match=words):
            assets.sync(tmp_path / "out")
        journal.change({path: None})
    assert not (tmp_path / "out").exists()


def test_what_fails_leaves_the_rest_right_and_the_next_sync_goes_on(
    assets: rainer.Assets, journal: Journal, store: SlowStore, tmp_path: Path
) -> None:
    assets.sync(tmp_path / "out")
    journal.change({"/a/2.csv": Entry("2.0.0", "2" * 64, 1), "/4.csv": put(store, "/4.csv", "1.0.0", b"4")})
    with pytest.raises(NotFoundError):
        assets.sync(tmp_path / "out")
    assert held(tmp_path / "out") == {
        "a/b/1.csv": b"/a/b/1.csv", "a/2.csv": b"/a/2.csv", "3.csv": b"/3.csv", "4.csv": b"4",
    }  # fmt: skip
    journal.change({"/a/2.csv": None, "/4.csv": None})
    assert sorted(assets.sync(tmp_path / "out").removed) == ["/4.csv", "/a/2.csv"]


def test_what_a_killed_sync_left_is_known_by_its_digest(
    assets: rainer.Assets, journal: Journal, tmp_path: Path
) -> None:
    child = os.fork()
    if not child:
        from rainer.assets import resolver_sync

        copy = resolver_sync.materialize

        def copy_and_die(source: Path, place: Path, how: str) -> None:
            copy(source, place, how)  # type: ignore[arg-type]
            os._exit(9)

        resolver_sync.materialize = copy_and_die  # type: ignore[assignment, attr-defined]
        assets.sync(tmp_path / "out")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    left = held(tmp_path / "out")
    assert len(left) == 1
    journal.change(dict.fromkeys(("/a/b/1.csv", "/a/2.csv", "/3.csv")))
    assert assets.sync(tmp_path / "out").removed == [f"/{next(iter(left))}"]
    assert held(tmp_path / "out") == {}


@pytest.mark.parametrize("state", ["{", '{"files": {"/../x": {}}}', '{"files": []}', "[]"])
def test_a_forged_state_removes_nothing(assets: rainer.Assets, tmp_path: Path, state: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "x").write_text("precious")
    (tmp_path / "out" / ".rainer-sync.json").write_text(state)
    assert len(assets.sync(tmp_path / "out").placed) == 3
    assert (tmp_path / "x").read_text() == "precious"


def test_what_has_no_digest_is_not_copied_again(
    assets: rainer.Assets, journal: Journal, store: SlowStore, tmp_path: Path
) -> None:
    journal.change({"/3.csv": put(store, "/3.csv", "1.1.0", b"short", digest=False)})
    assert "/3.csv" in assets.sync(tmp_path / "out").placed
    again = assets.sync(tmp_path / "out")
    assert (again.placed, len(again.unchanged)) == ([], 3)


def test_a_place_that_cannot_be_is_named(assets: rainer.Assets, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InvalidError, match=r"file.* cannot be written: ") as caught:
        assets.sync(tmp_path / "file" / "out")
    assert caught.value.hint


def test_a_second_sync_says_that_it_waits_for_the_first(
    assets: rainer.Assets, store: SlowStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = store.held_back[store.uri("3.1.0.0.csv")] = threading.Event()
    threads = [threading.Thread(target=assets.sync, args=(tmp_path / "out",)) for _ in range(2)]
    threads[0].start()
    assert store.reached.wait(10)
    threads[1].start()
    wait_until(lambda: "waits for its end" in caplog.text, 10, "it said so")
    gate.set()
    for thread in threads:
        thread.join(10)
    assert len(held(tmp_path / "out")) == 3
