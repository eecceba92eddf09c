"""Fetching where it cannot come to anything: redirects without end, credentials that do not do, a full disk."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rainer.errors import CredentialsError, NoSpace, StoreUnavailable
from rainer.store import HttpStore, S3Store, fetch, fetching
from tests.services.bad_http import BadHttp, Fault

DATA = random.Random(5).randbytes(1_500_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
MANY = 100


@pytest.fixture
def server() -> Iterator[BadHttp]:
    with BadHttp() as server:
        server.objects["/bucket/a"] = DATA
        yield server


@pytest.fixture
def store(server: BadHttp) -> Iterator[HttpStore]:
    with closing(HttpStore(f"{server.url}/bucket", timeout_s=2.0)) as store:
        yield store


# Redirects and credentials


def test_a_redirect_leads_to_the_object_and_a_circle_ends(server: BadHttp, store: HttpStore, tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    try:
        server.faults.append(Fault(302, headers={"Location": "/bucket/a"}))
        server.faults.append(Fault(cut_after=300_000, gently=True))
        server.faults.append(Fault(307, headers={"Location": f"{server.url}/bucket/a"}))
        fetched = fetch(store, store.uri("a"), descriptor, size=len(DATA), sha256=SHA256)
        assert fetched is not None
        assert os.pread(descriptor, 10_000_000, 0) == DATA
        server.faults.extend([Fault(302, headers={"Location": "/bucket/a"})] * MANY)
        with pytest.raises(StoreUnavailable, match="redirected more than"):
            fetch(store, store.uri("a"), descriptor)
    finally:
        os.close(descriptor)


S3_REFUSALS = {
    "expired": (400, "ExpiredToken", "aws sso login"),
    "wrong": (403, "InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
    "forbidden": (403, "AccessDenied", "s3:GetObject"),
}


@pytest.mark.parametrize("case", S3_REFUSALS)
def test_credentials_that_do_not_do_are_told_with_what_to_set(
    server: BadHttp, tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, code, hint = S3_REFUSALS[case]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "x")
    server.faults.extend([Fault(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())] * 3)
    with closing(S3Store("s3://bucket", endpoint_url=server.url, timeout_s=2.0)) as store:
        for call in (lambda: store.open("s3://bucket/a"), lambda: store.head("s3://bucket/a")):
            with pytest.raises(
                CredentialsError, match=f"s3://bucket/a: no credentials were accepted .default: {code}"
            ) as e:
                call()
            assert hint in str(e.value.hint)
    assert server.asked[0].headers["x-amz-security-token"] == "x"


def test_missing_credentials_are_told_before_anything_is_asked(
    server: BadHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in (("CONFIG_FILE", "/dev/null"), ("SHARED_CREDENTIALS_FILE", "/dev/null")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with closing(S3Store("s3://bucket", endpoint_url=server.url, timeout_s=2.0)) as store:
        with pytest.raises(CredentialsError, match=r"s3://bucket/a.*none are set") as caught:
            store.open("s3://bucket/a")
        assert "AWS_PROFILE" in str(caught.value.hint)
    assert server.asked == []


# A full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte; where none may be mounted, the test says so."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_as_such(store: HttpStore, small_disk: Path) -> None:
    descriptor = os.open(small_disk / "file", os.O_RDWR | os.O_CREAT)
    try:
        with pytest.raises(NoSpace, match="no room for the file"):
            fetch(store, store.uri("a"), descriptor, size=len(DATA), sha256=SHA256)
    finally:
        os.close(descriptor)


def test_a_large_object_is_not_begun_where_it_cannot_fit(
    store: HttpStore, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "RANGES_ABOVE_BYTES", 1_000_000)
    descriptor = os.open(small_disk / "file", os.O_RDWR | os.O_CREAT)
    try:
        with pytest.raises(NoSpace, match=f"has {len(DATA)} bytes, and the disk has room for"):
            fetch(store, store.uri("a"), descriptor)
        assert os.fstat(descriptor).st_size == 0
    finally:
        os.close(descriptor)
