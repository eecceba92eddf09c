"""`rainer asset pack` and `unpack`: from a server's manifest to a machine that has neither server nor network."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from rainer.assets import AssetPublisher
from rainer.assets.pack_reading import open_pack
from rainer.cli import exit_codes
from rainer.client import Client
from rainer.journal import Journal
from rainer.model.position import Position
from tests.command_line import CommandLine
from tests.services.rainer import RainerServer

CONTENTS = {"/models/a.bin": os.urandom(60_000), "/models/b.bin": os.urandom(60_000), "/table.csv": b"a,b\n1,2\n"}


@pytest.fixture
def rainer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, served: RainerServer, request: pytest.FixtureRequest
) -> CommandLine:
    """A command line at a manifest of its own, in which the contents are published, in two commits."""
    manifest = f"packs-{abs(hash(request.node.name)):x}"
    monkeypatch.setenv("RAINER_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("RAINER_MANIFEST", manifest)
    with Client(f"{served.url}/diary", author="ann") as client:
        publisher = AssetPublisher(client, manifest)
        files = {path: tmp_path / path.rpartition("/")[2] for path in CONTENTS}
        for path, data in CONTENTS.items():
            files[path].write_bytes(data)
        publisher.add("/table.csv", files.pop("/table.csv"), comment="the table")
        publisher.add_many(files, comment="models")
    return CommandLine(monkeypatch, tmp_path, f"{served.url}/diary")


def away(rainer: CommandLine) -> CommandLine:
    """The same on a machine without network."""
    rainer.monkeypatch.setenv("RAINER_URL", "http://127.0.0.1:9/diary")
    rainer.monkeypatch.setenv("RAINER_CACHE_DIR", str(rainer.folder / "away"))
    rainer.monkeypatch.setenv("RAINER_OFFLINE", "yes")
    return rainer


def test_a_pack_travels(rainer: CommandLine, served: RainerServer) -> None:
    made = rainer.ok("asset", "pack", "p.zip")
    assert made.text == "p.zip\n"
    assert "packed 3 assets of packs-" in made.err
    checked = rainer.ok("asset", "unpack", "p.zip", "--check")
    assert checked.text.startswith("whole: 3 assets of packs-")
    there = away(rainer)
    assert there("asset", "path", "/table.csv").code != 0
    done = there.ok("asset", "unpack", "p.zip")
    assert done.text == "p.lock\n"
    for path, data in CONTENTS.items():
        assert there.ok("asset", "cat", path, "--lock", "p.lock").out == data
    assert there.ok("asset", "unpack", "p.zip", "--json").json["present"] == 3


def test_it_carries_who_changed_the_manifest_and_where_that_stands(rainer: CommandLine, served: RainerServer) -> None:
    rainer.ok("asset", "pack", "p.zip")
    found = open_pack([rainer.folder / "p.zip"])
    assert found.journal is not None
    assert [(c.version, c.author, c.comment, c.payload is None) for c in found.journal.commits] == [
        (2, "ann", "models", False), (1, "ann", "the table", True),
    ]  # fmt: skip
    record = rainer.ok("asset", "unpack", "p.zip", "--check", "--json").json
    assert record["revision"] == found.journal.commits[0].revision
    position = Position.parse(record["position"])
    assert position.revision >= record["revision"]
    with Journal(served.database) as journal:
        assert journal.verify(expect=position).ok


def test_it_is_split_and_checked(rainer: CommandLine) -> None:
    record = rainer.ok("asset", "pack", "p.zip", "--max-size", "70KB", "--json").json
    assert record["files"] == ["p.1.zip", "p.2.zip"]
    assert record["over"] == []
    (rainer.folder / "p.2.zip").rename(rainer.folder / "elsewhere")
    there = away(rainer)
    failed = there("asset", "unpack", "p.1.zip", "--json")
    assert (failed.code, failed.error["code"]) == (4, "not-found")
    assert there.ok("asset", "unpack", "p.1.zip", "elsewhere", "--lock", "my.lock").text == "my.lock\n"
    assert there.ok("asset", "cat", "models/b.bin", "--lock", "my.lock").out == CONTENTS["/models/b.bin"]


def test_one_larger_than_a_part_is_told(rainer: CommandLine) -> None:
    made = rainer.ok("asset", "pack", "p.zip", "/models/*", "--max-size", "30KB")
    assert made.err.count("is over --max-size") == 2


def test_what_cannot_be_packed_or_unpacked_is_told(rainer: CommandLine) -> None:
    rainer.ok("asset", "pack", "p.zip", "/table.csv")
    exists = rainer("asset", "pack", "p.zip")
    assert exists.code == 3
    assert "--force" in exists.err
    rainer.ok("asset", "pack", "p.zip", "--force")
    assert rainer("asset", "pack", "q.zip", "--max-size", "much").code == exit_codes.USAGE
    assert rainer("asset", "pack", "q.zip", "/nothing").code == 4
    assert rainer("asset", "unpack", "p.zip", "--check", "--against", "x").code == exit_codes.USAGE
    (rainer.folder / "bad.zip").write_bytes((rainer.folder / "p.zip").read_bytes()[:-20])
    bad = rainer("asset", "unpack", "bad.zip")
    assert bad.code == exit_codes.INVALID
    assert "cut off" in bad.err
    assert not (rainer.folder / "bad.lock").exists()
    assert not (rainer.folder / "q.zip").exists()


def test_another_tools_zip_is_read_against_a_lock_file(rainer: CommandLine) -> None:
    rainer.ok("asset", "lock", "prod.lock")
    with zipfile.ZipFile(rainer.folder / "dump.zip", "w") as zipped:
        for path, data in CONTENTS.items():
            zipped.writestr(f"bucket{path}", data)
    there = away(rainer)
    refused = there("asset", "unpack", "dump.zip")
    assert "--against" in refused.err
    there.ok("asset", "unpack", "dump.zip", "--against", "prod.lock")
    assert there.ok("asset", "cat", "table.csv", "--lock", "prod.lock").out == CONTENTS["/table.csv"]
