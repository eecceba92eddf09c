"""Lock files: the bytes they are written as, and that nothing changed or foreign is taken for one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from rainer.assets import LockFile
from rainer.errors import InvalidError, InvalidManifest
from rainer.model.manifest import Entry
from tests.unit.vectors import load, name_of, raw

VECTORS = load("lock_files")


def lock_of(spelt: dict[str, Any]) -> LockFile:
    return LockFile(**{**spelt, "assets": {path: Entry(**e) for path, e in spelt["assets"].items()}})


@pytest.mark.parametrize("vector", VECTORS["whole"], ids=name_of)
def test_a_lock_file_is_written_as_exactly_these_bytes_and_read_back(vector: dict[str, Any], tmp_path: Path) -> None:
    lock = lock_of(vector["lock"])
    assert lock.sha256 == hashlib.sha256(vector["canonical"].encode()).hexdigest()
    lock.write(tmp_path / "assets.lock")
    assert (tmp_path / "assets.lock").read_bytes() == raw(vector)
    assert LockFile.read(tmp_path / "assets.lock") == lock
    assert [path.name for path in tmp_path.iterdir()] == ["assets.lock"]


@pytest.mark.parametrize("vector", VECTORS["broken"], ids=name_of)
def test_a_changed_or_foreign_file_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(InvalidManifest, match=vector["words"]) as caught:
        LockFile.parse(raw(vector), "assets.lock")
    assert caught.value.hint or "not JSON" in str(caught.value)


@pytest.mark.parametrize("entry", [Entry("1.0.0"), Entry("1.0.0", "0" * 64), Entry(override="/tmp/x")])
def test_what_promises_no_bytes_is_not_locked(entry: Entry) -> None:
    with pytest.raises(InvalidManifest, match=r"/x .* cannot be locked"):
        LockFile("prod", "diary", 1, 1, "s3://b", {"/x": entry})


def test_a_lock_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="cannot be read: No such file"):
        LockFile.read(tmp_path / "absent.lock")
