"""Paths, names of objects, versions and specs: what is taken, what is refused, and that one leads back to the other."""

from __future__ import annotations

import os.path
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainer.errors import InvalidError
from rainer.model import assets
from tests.unit.vectors import load, name_of, text

VECTORS = load("assets")

components = st.text(st.sampled_from("ab.1 -é"), min_size=1, max_size=8).filter(lambda name: name[-1] not in ". ")
paths = st.lists(components, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))
numbers = st.integers(0, 30)
versions = st.builds(lambda x, y, z: f"{x}.{y}.{z}", numbers, numbers, numbers)


@pytest.mark.parametrize("vector", VECTORS["paths"]["taken"], ids=name_of)
def test_a_path_is_taken(vector: dict[str, Any]) -> None:
    assert assets.asset_path(text(vector["text"])) == text(vector["path"])


@pytest.mark.parametrize("spelt", VECTORS["paths"]["refused"], ids=name_of)
def test_a_hostile_path_is_refused_and_told_why(spelt: Any) -> None:
    with pytest.raises(InvalidError, match="path") as caught:
        assets.asset_path(text(spelt))
    assert str(caught.value).isprintable()


def test_a_path_with_a_lone_surrogate_or_no_text_is_refused() -> None:
    for bad in ("/\ud800", b"/a", None, 1):
        with pytest.raises(InvalidError):
            assets.asset_path(bad)  # type: ignore[arg-type]


@given(st.text(max_size=40))
def test_what_is_taken_stays_below_any_folder(given_text: str) -> None:
    try:
        path = assets.asset_path(given_text)
    except InvalidError:
        return
    assert path.startswith("/")
    assert os.path.normpath(f"/some/folder{path}") == f"/some/folder{path}"
    assert assets.asset_path(path) == path


@pytest.mark.parametrize("vector", VECTORS["objects"], ids=lambda v: v["name"])
def test_objects_are_called_as_by_the_ancestor(vector: dict[str, str]) -> None:
    assert assets.object_name(vector["path"], vector["version"]) == vector["name"]
    assert assets.split_object_name(vector["name"]) == (vector["path"], vector["version"])
    assert assets.split_object_name(vector["name"][1:]) == (vector["path"], vector["version"])


@pytest.mark.parametrize("name", VECTORS["no_objects"])
def test_what_is_no_object_is_not_taken_for_one(name: str) -> None:
    assert assets.split_object_name(name) is None


@given(paths, versions)
def test_an_object_leads_back_to_its_asset(path: str, version: str) -> None:
    stem, extension = os.path.splitext(path)  # noqa: PTH122 - what the ancestor did
    name = assets.object_name(path, version)
    assert name == f"{stem}.{version}{extension}"
    assert assets.split_object_name(name) == (path, version)


def test_a_name_that_gets_too_long_with_its_version_is_refused() -> None:
    assets.object_name("/" + "x" * 249, "1.0.0")
    with pytest.raises(InvalidError, match="256 bytes, over the 255"):
        assets.object_name("/" + "x" * 250, "1.0.0")


@pytest.mark.parametrize("version", VECTORS["versions"]["taken"])
def test_a_version_is_three_numbers(version: str) -> None:
    assert str(assets.parse_version(version)) == version
    assert assets.is_version(version)


@pytest.mark.parametrize("version", VECTORS["versions"]["refused"])
def test_anything_else_is_no_version(version: str) -> None:
    assert not assets.is_version(version)
    with pytest.raises(InvalidError, match=r"not of the form X\.Y\.Z"):
        assets.parse_version(version)


def test_versions_compare_as_numbers_and_are_bumped() -> None:
    assert assets.parse_version("1.10.0") > assets.parse_version("1.9.9")
    assert [assets.bump("1.2.3", part) for part in ("major", "minor", "patch")] == ["2.0.0", "1.3.0", "1.2.4"]
    with pytest.raises(InvalidError, match="no part of a version"):
        assets.bump("1.2.3", "micro")  # type: ignore[arg-type]


@pytest.mark.parametrize(("given_text", "completed"), VECTORS["completed"])
def test_a_version_without_its_last_numbers_is_completed(given_text: str, completed: str) -> None:
    assert assets.complete_version(given_text) == completed


@pytest.mark.parametrize(("version", "spec", "fits"), VECTORS["specs"])
def test_a_spec_allows_some_versions(version: str, spec: str, fits: bool) -> None:
    assert assets.matches(version, spec) is fits
    assert assets.check_spec(spec) == spec


@pytest.mark.parametrize("spec", VECTORS["no_specs"])
def test_what_is_no_spec_is_refused(spec: str) -> None:
    with pytest.raises(InvalidError, match="no spec of versions"):
        assets.matches("1.0.0", spec)


def test_names_need_no_library() -> None:
    code = "import sys; sys.modules['packaging'] = None; from rainer.model import assets, manifest, manifest_parts\n"
    code += "assets.parse_version('1.0.0')\ntry: assets.matches('1.0.0', '*')\nexcept Exception as e: print(e)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'rainer[assets]'" in found.stdout
