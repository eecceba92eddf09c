"""The server store with its contents in a bucket: what is promised of a folder holds there too."""

from __future__ import annotations

import contextlib
import gzip
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.journal import Journal
from rainer.server_store.files import Files
from rainer.server_store.places import open_places
from rainer.store import open_store
from tests.contracts.test_store_names import Storm, read, time_passes
from tests.integration.wire import ask
from tests.services.rainer import RainerServer
from tests.services.seaweedfs import Bucket

T = "?last_modified=Sat,%2031%20Jan%202026%2012:34:56%20-0000"


@pytest.fixture
def files(s3_bucket: Bucket, sqlite_url: str, tmp_path: Path) -> Iterator[Files]:
    """A store whose contents lie in a bucket."""
    with Journal(sqlite_url) as journal:
        files = Files(journal.engine, open_places(f"{s3_bucket.url}/contents", tmp_path / "spool"))
        yield files
        files.close()


def lying(bucket: Bucket) -> list[str]:
    """What lies in the bucket."""
    with contextlib.closing(open_store(bucket.url)) as store:
        return [store.name(info.uri) for info in store.list()]


def test_files_come_back_whole_and_in_parts(s3_bucket: Bucket, tmp_path: Path) -> None:
    text = b"".join(b"line %d\n" % number for number in range(300_000))
    noise = random.Random(1).randbytes(20_000_000)  # more than one part of an upload
    with RainerServer(
        workers=2, data_dir=tmp_path / "data", arguments=("--store-contents", f"{s3_bucket.url}/below")
    ) as server:  # fmt: skip
        for name, body in (("text", text), ("noise", noise), ("empty", b"")):
            assert ask(server.url, "PUT", f"/-/store/files/{name}{T}", body=body).status == 200
            assert ask(server.url, "GET", f"/-/store/files/{name}").body == body
        part = ask(server.url, "GET", "/-/store/files/noise", {"Range": "bytes=9000000-9000099"})
        assert (part.status, part.body) == (206, noise[9_000_000:9_000_100])
        assert ask(server.url, "GET", "/-/store/files/text", {"Range": "bytes=-7"}).body == text[-7:]
        packed = ask(server.url, "GET", "/-/store/files/text", {"Accept-Encoding": "gzip"})
        assert gzip.decompress(packed.body) == text
        assert ask(server.url, "PUT", f"/-/store/files/again{T}", body=noise).status == 200
        server.stop()
        assert "Traceback" not in server.output
    assert len(lying(s3_bucket)) == 3
    assert list((tmp_path / "data/store/tmp").iterdir()) == []


def test_sweeps_take_what_nobody_needs_and_nothing_else(files: Files, s3_bucket: Bucket, seed: int) -> None:
    storm = Storm((files, files), seed)
    storm.run()
    assert storm.wrong == []
    for file in files.listed():
        assert len(read(files, file.name)) == file.size
    time_passes(files)
    files.sweep(0)
    assert len(lying(s3_bucket)) == files.table.totals()[1]


def test_a_bucket_that_refuses_the_server_is_not_the_callers_fault(s3_bucket: Bucket, tmp_path: Path) -> None:
    """Wrong credentials of the server are no 401, 403 or 404 to who puts a file."""
    wrong = {"AWS_SECRET_ACCESS_KEY": "wrong"}
    for url, environment, words in (
        (s3_bucket.url, wrong, "credentials"),
        ("s3://no-such-bucket-here", {}, "no such bucket"),
    ):
        with RainerServer(arguments=("--store-contents", url), environment=environment) as server:
            answer = ask(server.url, "PUT", f"/-/store/files/a{T}", body=b"1")
            answer.problem(503, "store-unavailable", url, "log")
            ask(server.url, "GET", "/-/store/files/a").problem(404, "object-not-found")
            server.stop()
            assert words in server.output
            assert "Traceback" not in server.output
