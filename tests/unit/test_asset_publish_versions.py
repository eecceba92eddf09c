"""Which version a publish takes."""

from __future__ import annotations

from typing import Any

import pytest

from rainer.assets.publishing_versions import Choice
from rainer.errors import AssetNotFound, AssetVersionConflict, InvalidError

PATH = "/foo/bar.csv"


@pytest.mark.parametrize(
    ("asked", "current", "taken", "version"),
    [
        ({"kind": "add"}, None, [], "1.0.0"),
        ({"kind": "add", "version": "2.0"}, None, [], "2.0.0"),
        ({"kind": "add"}, None, ["1.0.0", "1.2.5"], "1.2.6"),
        ({"kind": "either"}, None, [], "1.0.0"),
        ({"kind": "either", "least": "3.1.0"}, None, [], "3.1.0"),
        ({"kind": "update", "part": "patch"}, "1.2.5", [], "1.2.6"),
        ({"kind": "update"}, "1.2.5", [], "1.3.0"),
        ({"kind": "update", "part": "major"}, "1.2.5", [], "2.0.0"),
        ({"kind": "update", "part": "patch"}, "1.2.9", ["1.2.10", "1.2.11"], "1.2.12"),
        ({"kind": "update", "part": "patch", "least": "1.9.0"}, "1.2.5", [], "1.9.0"),
        ({"kind": "update", "part": "patch", "least": "1.2.0"}, "1.2.5", [], "1.2.6"),
        ({"kind": "update", "part": "patch", "least": "1.9.0"}, "1.2.5", ["1.9.0"], "1.9.1"),
        ({"kind": "update", "version": "1.10.0"}, "1.9.0", [], "1.10.0"),
    ],
)
def test_what_is_taken(asked: dict[str, Any], current: str | None, taken: list[str], version: str) -> None:
    assert Choice(**asked).take(PATH, current, current is not None, taken) == version


@pytest.mark.parametrize(
    ("asked", "current", "is_known", "taken", "error", "words"),
    [
        ({"kind": "add"}, "1.2.5", True, [], AssetVersionConflict, "versioned already, at 1.2.5"),
        ({"kind": "add"}, None, True, [], AssetVersionConflict, "versioned already"),
        ({"kind": "update"}, None, False, [], AssetNotFound, "names no"),
        ({"kind": "update", "version": "1.2.5"}, "1.2.5", True, [], AssetVersionConflict, "not above 1.2.5"),
        ({"kind": "update", "version": "1.2.4"}, "1.2.5", True, [], AssetVersionConflict, "not above 1.2.5"),
        ({"kind": "update", "version": "2.0.0"}, "1.2.5", True, ["2.0.0"], AssetVersionConflict, "other contents"),
    ],
)
def test_what_is_refused(
    asked: dict[str, Any], current: str | None, is_known: bool, taken: list[str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        Choice(**asked).take(PATH, current, is_known, taken)
    assert PATH in str(caught.value)
    assert caught.value.hint  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "asked", [{"part": "huge"}, {"version": "one"}, {"least": "1.2.3.4"}, {"version": "1.0.0", "least": "1.0.0"}]
)
def test_what_nobody_can_mean(asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        Choice("update", **asked)


def test_a_version_taken_earlier_is_used_again_while_it_is_above_the_manifests() -> None:
    choice = Choice("update", "patch")
    assert choice.still_fits(PATH, "1.2.7", "1.2.6", True)
    assert not choice.still_fits(PATH, "1.2.7", "1.2.7", True)
    assert not choice.still_fits(PATH, "1.2.7", "1.10.0", True)
    with pytest.raises(AssetVersionConflict):
        Choice("add").still_fits(PATH, "1.0.0", "1.0.0", True)
