"""The list of what could not be had: no line twice, none lost, whatever form of YAML somebody wrote."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from rainer.cache import AssetCache, MissingList
from rainer.errors import NotCached


def test_each_url_stands_there_once(tmp_path: Path) -> None:
    missing = MissingList(tmp_path / "deep" / "missing_assets.yaml")
    assert missing.read() == []
    for uri in ("s3://b/a", "s3://b/ü: #x", "s3://b/a", "s3://b/" + "x" * 500):
        assert missing.add(uri)
    assert missing.read() == ["s3://b/a", "s3://b/ü: #x", "s3://b/" + "x" * 500]
    assert missing.path.read_text("utf-8").startswith("- s3://b/a\n- ")


@pytest.mark.parametrize(
    "text", ["", "[]", "# mine\n- s3://b/0", "- s3://b/0\n", "[s3://b/0, '/versioned.csv']", "---\n- s3://b/0\n"]
)
def test_what_a_person_wrote_is_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "list.yaml"
    path.write_text(text)
    assert MissingList(path).add("s3://b/1")
    assert yaml.safe_load(path.read_text()) == [*(yaml.safe_load(text) or []), "s3://b/1"]
    assert ("# mine" in text) == ("# mine" in path.read_text())


@pytest.mark.parametrize("text", ["{a: b}", "- [", "text"])
def test_a_file_that_is_no_list_is_left_alone(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "list.yaml"
    path.write_text(text)
    assert not MissingList(path).add("s3://b/1")
    assert path.read_text() == text
    assert "cannot be put on the list" in caplog.text


def _add_many(path: Path, first: int) -> None:
    missing = MissingList(path)
    for number in range(first, first + 30):
        missing.add(f"s3://b/{number}")
        missing.add(f"s3://b/{number % 7}")


def test_processes_and_threads_lose_no_line_of_each_other(tmp_path: Path) -> None:
    path = tmp_path / "missing.yaml"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_add_many, args=(path, n * 20)) for n in range(4)]
    for process in processes:
        process.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: _add_many(path, n * 20), range(4, 8)))
    for process in processes:
        process.join()
    listed = yaml.safe_load(path.read_text())
    assert sorted(listed) == sorted({f"s3://b/{number}" for number in range(170)})


@pytest.mark.parametrize(("shared", "folder", "file"), [(False, 0o700, 0o600), (True, 0o2775, 0o664)])
def test_a_list_that_comes_first_makes_the_cache_as_it_is_to_be(
    tmp_path: Path, shared: bool, folder: int, file: int
) -> None:
    cache = AssetCache(tmp_path / "c", offline=True, shared=shared)
    with pytest.raises(NotCached):
        cache("s3://bucket/a")
    assert cache.directory.stat().st_mode & 0o7777 == folder
    assert (cache.directory / "missing_assets.yaml").stat().st_mode & 0o777 == file
