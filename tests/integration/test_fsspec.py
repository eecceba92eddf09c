"""rainer:// by way of fsspec: what programs for tables do with it, and what a file system has to answer."""

from __future__ import annotations

import errno
import gc
import gzip
import hashlib
import importlib
import multiprocessing
import os
import pickle
import sys
import threading
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pytest

from rainer.assets import AssetPublisher
from rainer.assets.filesystem import RainerFileSystem
from rainer.client import Client
from rainer.errors import InvalidError, NotCached, UnavailableError
from rainer.model.assets import object_name
from rainer.model.manifest import Entry, Manifest
from rainer.store.opening import open_store
from tests.reading_assets import rainer_file_system
from tests.services.rainer import RainerServer

CSV = b"a,b\n1,2\n3,4\n"
CONTENTS = {
    "/foo/bar.csv": CSV, "/foo/bar.csv.gz": gzip.compress(CSV), "/foo/deep/z.json": b'[{"a":1}]',
    "/top.bin": bytes(1000),
}  # fmt: skip
TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("RAINER_CACHE_DIR", str(tmp_path / "cache"))
    with rainer_file_system():
        yield


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    """A manifest file, and a folder as its store."""
    folder = tmp_path / "store"
    folder.mkdir()
    store, entries = open_store(folder.as_uri()), {}
    for path, data in CONTENTS.items():
        store.put(store.uri(object_name(path, "1.0.0")), data)
        entries[path] = Entry("1.0.0", hashlib.sha256(data).hexdigest(), len(data))
    (tmp_path / "assets.json").write_bytes(Manifest(entries).to_bytes())
    return {"lock": str(tmp_path / "assets.json"), "store": store.url}


@pytest.fixture
def fs(options: dict[str, Any]) -> RainerFileSystem:
    found = fsspec.filesystem("rainer", **options)
    assert isinstance(found, RainerFileSystem)
    return found


def test_it_is_known_by_an_entry_point() -> None:
    points = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["entry-points"]["fsspec.specs"]
    module, _, name = points["rainer"].partition(":")
    assert getattr(importlib.import_module(module), name) is RainerFileSystem


def test_pandas_reads_it(options: dict[str, Any]) -> None:
    for name in ("bar.csv", "bar.csv.gz"):
        table = pd.read_csv(f"rainer://prod/foo/{name}", storage_options=options)
        assert table.sum().to_dict() == {"a": 4, "b": 6}
    assert pd.read_json("rainer://prod/foo/deep/z.json", storage_options=options).shape == (1, 1)


def test_a_local_path_is_given(options: dict[str, Any], fs: RainerFileSystem, tmp_path: Path) -> None:
    local = fsspec.open_local("rainer://prod/foo/bar.csv", **options)
    assert isinstance(local, str)
    assert Path(local).is_relative_to(tmp_path / "cache")
    assert Path(local).read_bytes() == CSV
    assert local == fs.local_path("prod/foo/bar.csv") == fs.local_path("rainer://prod/foo/bar.csv")
    with fs.open("prod/foo/bar.csv") as file:
        assert (file.name, file.size, file.mode, file.fileno() > 0) == (local, len(CSV), "rb", True)
    assert fs.uri("prod/foo/bar.csv") == f"{options['store']}/foo/bar.1.0.0.csv"


def test_text_and_compression(options: dict[str, Any], fs: RainerFileSystem) -> None:
    with fs.open("prod/foo/bar.csv", "r", encoding="ascii") as file:
        assert file.readline() == "a,b\n"
    with fsspec.open("rainer://prod/foo/bar.csv.gz", "rt", compression="infer", **options) as file:
        assert file.read() == CSV.decode()


def test_the_manifest_is_a_tree(fs: RainerFileSystem) -> None:
    assert fs.ls("", detail=False) == ["prod"]
    assert fs.ls("rainer://prod", detail=False) == ["prod/foo", "prod/top.bin"]
    assert fs.ls("prod/foo/bar.csv", detail=False) == ["prod/foo/bar.csv"]
    assert [one["type"] for one in fs.ls("prod/foo/")] == ["file", "file", "directory"]
    assert fs.find("prod") == sorted(f"prod{path}" for path in CONTENTS)
    assert fs.glob("rainer://prod/**/*.csv*") == ["prod/foo/bar.csv", "prod/foo/bar.csv.gz"]
    assert [(folder, folders, files) for folder, folders, files in fs.walk("prod/foo")] == [
        ("prod/foo", ["deep"], ["bar.csv", "bar.csv.gz"]), ("prod/foo/deep", [], ["z.json"]),
    ]  # fmt: skip
    found = fs.info("rainer://prod/foo/bar.csv")
    assert found == {
        "name": "prod/foo/bar.csv", "type": "file", "size": len(CSV), "version": "1.0.0",
        "sha256": hashlib.sha256(CSV).hexdigest(),
    }  # fmt: skip
    assert fs.checksum("prod/foo/bar.csv") == found["sha256"]
    assert fs.du("prod") == sum(map(len, CONTENTS.values()))
    assert fs.info("prod/foo")["type"] == fs.info("")["type"] == fs.info("prod")["type"] == "directory"
    for path, is_file, is_dir in (("prod/foo", 0, 1), ("prod/top.bin", 1, 0), ("prod/fo", 0, 0), ("prod", 0, 1)):
        assert (fs.isfile(path), fs.isdir(path), fs.exists(path)) == (is_file, is_dir, is_file or is_dir), path
    assert not list((Path(os.environ["RAINER_CACHE_DIR"])).glob("blobs/??/*")), "looking fetched something"


def test_pieces_and_copies(fs: RainerFileSystem, options: dict[str, Any], tmp_path: Path) -> None:
    assert fs.cat("prod/foo/bar.csv") == CSV
    for start, end in ((None, 3), (2, 5), (-4, None), (-4, -1), (5, 2), (100, 200)):
        assert fs.cat_file("prod/foo/bar.csv", start, end) == CSV[start:end]
    assert fs.head("prod/foo/bar.csv", 3) == CSV[:3]
    assert fs.tail("prod/foo/bar.csv", 3) == CSV[-3:]
    assert fs.read_block("prod/foo/bar.csv", 1, 4, b"\n") == b"1,2\n"
    fs.get("rainer://prod/foo/", str(tmp_path / "out"), recursive=True)
    written = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert written == {"bar.csv", "bar.csv.gz", "deep/z.json"}
    (tmp_path / "out" / "bar.csv").write_bytes(b"mine")
    assert fs.cat("prod/foo/bar.csv") == CSV, "the cache was written to"
    assert sorted(fsspec.get_mapper("rainer://prod/foo", **options)) == ["bar.csv", "bar.csv.gz", "deep/z.json"]


def test_what_is_not_there_is_a_file_not_found(fs: RainerFileSystem, options: dict[str, Any]) -> None:
    with pytest.raises(FileNotFoundError, match=r"did you mean /foo/bar\.csv"):
        fs.open("prod/foo/bra.csv")
    for path in ("prod/../../etc/passwd", "prod/foo", "prod", "", "prod/foo/bar.csv/x"):
        with pytest.raises(FileNotFoundError):
            fs.open(path)
    for ask in (fs.ls, fs.info):
        with pytest.raises(FileNotFoundError):
            ask("prod/nothing")
    with pytest.raises(FileNotFoundError, match="names no"):
        pd.read_csv("rainer://prod/none.csv", storage_options=options)


@pytest.mark.parametrize("mode", ["wb", "ab", "xb", "r+b", "w"])
def test_nothing_is_written(fs: RainerFileSystem, mode: str) -> None:
    with pytest.raises(OSError, match="never written") as e:
        fs.open("prod/new", mode)
    assert e.value.errno == errno.EROFS


def test_no_way_to_write_is_left_open(fs: RainerFileSystem, options: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    calls = [
        lambda: fs.rm("prod/top.bin"), lambda: fs.put(str(tmp_path / "f"), "prod/f"), lambda: fs.pipe("prod/f", b"x"),
        lambda: fs.mkdir("prod/d"), lambda: fs.touch("prod/f"), lambda: fs.mv("prod/top.bin", "prod/t"),
        lambda: pd.DataFrame({"a": [1]}).to_csv("rainer://prod/q.csv", storage_options=options),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(OSError, match="never written"):
            call()


def test_a_lock_file_names_its_manifest(tmp_path: Path, options: dict[str, Any]) -> None:
    from rainer.assets import Assets

    with Assets.from_file(options["lock"], store=options["store"], cache=tmp_path / "cache") as assets:
        assets.lock().write(tmp_path / "prod.lock")
    fs = fsspec.filesystem("rainer", lock=tmp_path / "prod.lock")
    (name,) = fs.ls("", detail=False)
    assert name == "assets.json"
    assert fs.cat(f"{name}/foo/bar.csv") == CSV
    with pytest.raises(FileNotFoundError, match="is of the manifest"):
        fs.open("other/foo/bar.csv")
    assert not fs.exists("other/foo/bar.csv")


def test_a_server_that_is_away_is_no_absence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAINER_TIMEOUT_S", "0.2")
    fs = fsspec.filesystem("rainer", url="http://127.0.0.1:9/diary")
    for ask in (fs.exists, fs.isfile, fs.ls, fs.open):
        with pytest.raises(UnavailableError):
            ask("prod/foo/bar.csv")
    with pytest.raises(InvalidError):
        fsspec.filesystem("rainer", lock="/no/such.lock").ls("")


def test_offline_it_opens_what_the_cache_has(options: dict[str, Any], fs: RainerFileSystem) -> None:
    assert fs.cat("prod/foo/bar.csv") == CSV
    alone = fsspec.filesystem("rainer", offline=True, **options)
    assert alone.cat("prod/foo/bar.csv") == CSV
    with pytest.raises(NotCached):
        alone.open("prod/top.bin")


def test_it_can_be_pickled_and_shared(fs: RainerFileSystem, options: dict[str, Any]) -> None:
    assert pickle.loads(pickle.dumps(fs)) is fs
    assert fsspec.AbstractFileSystem.from_json(fs.to_json()) is fs
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: fsspec.filesystem("rainer", **options).cat("prod/foo/bar.csv"), range(20))) == {
            CSV
        }
        others = set(pool.map(lambda _: fsspec.filesystem("rainer", **options)._opened(), range(20)))
    fs.cat("prod/top.bin")
    assert others == {fs._opened()}, "threads have caches and clients of their own"


def _in_child(fs: RainerFileSystem, results: Any) -> None:
    results.put((fs.cat("prod/foo/bar.csv"), fs.cat("prod/top.bin"), threading.active_count()))


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_worker_processes_read_it(fs: RainerFileSystem, method: Any) -> None:
    """As a data loader's: used before, and in the child again; by fork, and by pickle."""
    assert fs.cat("prod/foo/bar.csv") == CSV
    context = multiprocessing.get_context(method)
    results = context.SimpleQueue()
    child = context.Process(target=_in_child, args=(fs, results))
    child.start()
    try:
        assert results.get() == (CSV, bytes(1000), 1)
    finally:
        child.join(30)
        results.close()
    assert child.exitcode == 0
    child.close()


def test_it_follows_the_server(served: RainerServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAINER_URL", f"{served.url}/diary")
    (tmp_path / "a.csv").write_bytes(CSV)
    with Client(f"{served.url}/diary", author="ann") as client:
        AssetPublisher(client, "fsspec").add("/foo/bar.csv", tmp_path / "a.csv")
        assert pd.read_csv("rainer://fsspec/foo/bar.csv").shape == (2, 2)
        fs = fsspec.filesystem("rainer")
        with pytest.raises(FileNotFoundError, match="no manifest"):
            fs.open("nothing/foo/bar.csv")
        assert not fs.exists("nothing")
        assert fs.exists("fsspec/foo")


@pytest.mark.may_leak("polars' threads have a file for events, made on first use")
def test_polars_reads_it(options: dict[str, Any]) -> None:
    import polars

    with fsspec.open("rainer://prod/foo/bar.csv", **options) as file:
        assert polars.read_csv(file).shape == (2, 2)
    assert polars.scan_csv(fsspec.open_local("rainer://prod/foo/bar.csv", **options)).collect().shape == (2, 2)


@pytest.mark.may_leak("pyarrow's threads are made on first use; it leaves closing files to the collector")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_pyarrow_reads_it(fs: RainerFileSystem) -> None:
    from pyarrow import csv, dataset

    with fs.open("prod/foo/bar.csv") as file:
        assert csv.read_csv(file).num_rows == 2
    assert dataset.dataset("prod/foo/bar.csv", format="csv", filesystem=fs).to_table().num_rows == 2
    assert dataset.dataset(["prod/foo/bar.csv"], format="csv", filesystem=fs).count_rows() == 2
    gc.collect()  # here, where it is known, and not in a test that follows


def test_xarray_reads_it(tmp_path: Path, options: dict[str, Any]) -> None:
    import xarray

    made = tmp_path / "x.nc"
    xarray.Dataset({"a": ("x", [1.0, 2.0])}).to_netcdf(made, engine="h5netcdf")
    store = open_store(options["store"])
    store.put(store.uri("x.1.0.0.nc"), made)
    Path(options["lock"]).write_bytes(Manifest({"/x.nc": Entry("1.0.0")}).to_bytes())
    with xarray.open_dataset(fsspec.open_local("rainer://prod/x.nc", **options), engine="h5netcdf") as found:
        assert found["a"].sum() == 3.0


def test_a_manifest_without_sizes_is_read_as_well(options: dict[str, Any], fs: RainerFileSystem) -> None:
    Path(options["lock"]).write_bytes(Manifest({"/foo/bar.csv": Entry("1.0.0")}).to_bytes(short=True))
    assert fs.ls("prod/foo")[0]["size"] is None
    assert fs.info("prod/foo/bar.csv")["size"] == len(CSV)
    assert fs.cat("prod/foo/bar.csv") == CSV


def test_without_fsspec_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from rainer.errors import MissingExtra

    for name in [name for name in sys.modules if name == "fsspec" or name.startswith("fsspec.")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "rainer.assets.filesystem")
    with pytest.raises(MissingExtra, match=r"rainer\[fsspec\]"):
        importlib.import_module("rainer.assets.filesystem")
