"""What users of baiji-pod's versioned cache do with a manifest file and a bucket, each under its name there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import rainer
from rainer.errors import InvalidError, InvalidManifest, NotFoundError
from rainer.model.assets import bump, complete_version, matches, parse_version, split_object_name
from rainer.model.manifest import Manifest


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    folder = tmp_path / "bucket"
    for name in ("foo/bar.1.2.3.csv", "foo/bar.1.2.5.csv", "foo/bar.0.1.6.json", "foo/barn.9.9.9.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def manifest(tmp_path: Path, bucket: Path) -> Path:
    (tmp_path / "local.json").write_text('{"a": 42}')
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "foo.json").write_text("remote")
    path = tmp_path / "versioned_assets.json"
    path.write_text(
        '{\n    "/foo/bar.csv": "1.2.5", \n    "/foo/bar.json": "0.1.6", \n    "/test_error.json": '
        f'"THIS IS NOT A VALID PATH", \n    "/test_local.json": "{tmp_path}/local.json", \n'
        f'    "/test_remote.json": "file://{tmp_path}/other/foo.json"\n}}'
    )
    return path


@pytest.fixture
def vc(manifest: Path, bucket: Path, tmp_path: Path) -> Iterator[rainer.Assets]:
    with rainer.Assets.from_file(manifest, store=f"file://{bucket}", cache=tmp_path / "cache") as assets:
        yield assets


def test_getting_versioned_items(vc: rainer.Assets, tmp_path: Path) -> None:
    assert vc("/foo/bar.json").read_text() == "foo/bar.0.1.6.json"
    assert vc("foo/bar.json") == vc("/foo/bar.json")
    assert vc("foo/bar.csv").read_text() == "foo/bar.1.2.5.csv"
    with pytest.raises(NotFoundError):
        vc("/foo")
    assert vc("test_local.json") == tmp_path / "local.json"
    with pytest.raises(InvalidManifest, match="THIS IS NOT A VALID PATH"):
        vc("/test_error.json")
    assert vc("test_remote.json").read_text() == "remote"


def test_missing_version(vc: rainer.Assets) -> None:
    assert vc("/foo/bar.csv", version="1.2.3").read_text() == "foo/bar.1.2.3.csv"
    with pytest.raises(NotFoundError, match=r"bar\.1\.2\.4\.csv"):
        vc("/foo/bar.csv", version="1.2.4")


def test_sc_does_not_recheck(vc: rainer.Assets, bucket: Path) -> None:
    path = vc("/foo/bar.csv")
    shutil.rmtree(bucket)
    assert vc("/foo/bar.csv") == path


def test_version_parsing() -> None:
    assert split_object_name("/dir/file.0.1.6.ext") == ("/dir/file.ext", "0.1.6")
    assert split_object_name("/dots.in.filename.0.14.6.ext") == ("/dots.in.filename.ext", "0.14.6")
    assert split_object_name("/file_with_no_ext.10.1.6") == ("/file_with_no_ext", "10.1.6")
    assert split_object_name("/file_with_no_ext.0.1.65") == ("/file_with_no_ext", "0.1.65")
    for name in ("/no_version.ext", "/invalid_version.0.1.ext", "/invalid_version.01.1.9.ext"):
        assert split_object_name(name) is None


def test_versions_available_and_latest(vc: rainer.Assets) -> None:
    assert vc.versions("/foo/bar.csv") == ["1.2.3", "1.2.5"]
    assert vc.versions("/foo/bar.csv")[-1] == "1.2.5"
    assert vc.versions("/foo/nobody.csv") == []


def test_next_version_number() -> None:
    def following(least: str) -> str:
        return max(bump("1.2.5", "patch"), complete_version(least), key=parse_version)

    expected = {"0": "1.2.6", "1": "1.2.6", "2": "2.0.0", "0.3": "1.2.6", "1.2": "1.2.6", "1.3": "1.3.0"}
    assert {least: following(least) for least in expected} == expected
    assert (following("1.2.4"), following("1.2.13")) == ("1.2.6", "1.2.13")


def test_version_matches_spec(vc: rainer.Assets) -> None:
    assert matches(vc.entry("/foo/bar.csv").version or "", ">=1.2,<2")
    assert not matches(vc.versions("/foo/bar.csv")[-1], ">=2")


def test_list_manifest_and_remote_uri(vc: rainer.Assets, bucket: Path) -> None:
    assert sorted(vc.manifest) == [
        "/foo/bar.csv", "/foo/bar.json", "/test_error.json", "/test_local.json", "/test_remote.json",
    ]  # fmt: skip
    assert vc.uri("/foo/bar.csv") == f"file://{bucket}/foo/bar.1.2.5.csv"
    assert vc.uri("/foo/bar.csv", "1.2.3") == f"file://{bucket}/foo/bar.1.2.3.csv"


def test_sync(vc: rainer.Assets, tmp_path: Path) -> None:
    vc.sync(tmp_path / "out", paths=["/foo/*", "/test_local.json"])
    assert (tmp_path / "out" / "foo" / "bar.csv").read_text() == "foo/bar.1.2.5.csv"
    assert (tmp_path / "out" / "test_local.json").read_text() == '{"a": 42}'


def test_the_manifest_is_written_as_it_was() -> None:
    text = b'{\n    "/foo/bar.csv": "1.2.5",\n    "/foo/bar.json": "0.1.6"\n}'
    assert Manifest.parse(text).to_bytes(short=True) == text


def test_a_path_cannot_lead_out(vc: rainer.Assets) -> None:
    with pytest.raises(InvalidError):
        vc("/../local.json")
