"""S3 without a server: signatures as botocore makes them, where a bucket is, what refusals mean."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from rainer.errors import (
    CredentialsError,
    InvalidError,
    InvalidUri,
    MissingExtra,
    ObjectExists,
    ObjectNotFound,
    RainerError,
    StoreUnavailable,
    WrongDigest,
)
from rainer.store import S3Store, s3_access, s3_signing
from rainer.store.s3_access import AbsentError, Access
from rainer.store.s3_errors import Fault, denied
from rainer.store.s3_signing import Signer


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


# Signatures


@pytest.mark.parametrize("token", [None, "the/session+token=="])
def test_signatures_are_those_of_botocore(token: str | None, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    moment = "20251231T235959Z"
    monkeypatch.setattr(s3_signing, "time", SimpleNamespace(strftime=lambda *_: moment, gmtime=lambda: None))
    for _ in range(20):
        keys = Credentials(f"AK{chance.random()}", f"secret/{chance.random()}", token)
        path = "/bucket/" + "".join(
            chance.choice(["a", "B", "-", "_", ".", "~", "/", "%20", "%2B", "%C3%BC"]) for _ in "x" * 9
        )
        method, extra = chance.choice(["GET", "HEAD"]), chance.choice([{}, {"x-amz-checksum-mode": "ENABLED"}])
        ours = Signer("eu-west-1").headers(keys, method, "host.example:9000", path, extra)
        theirs = _botocores(keys, method, path, extra, moment)
        assert ours["Authorization"] == theirs


def _botocores(keys: Credentials, method: str, path: str, extra: dict[str, str], moment: str) -> str:
    request = AWSRequest(method, f"http://host.example:9000{path}", headers=dict(extra))
    request.context["payload_signing_enabled"] = False
    request.context["timestamp"] = moment
    signer = S3SigV4Auth(keys, "s3", "eu-west-1")
    request.headers["X-Amz-Date"] = moment
    if keys.token:
        request.headers["X-Amz-Security-Token"] = keys.token
    request.headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signature = signer.signature(text, request)
    names = signer.signed_headers(signer.headers_to_sign(request))
    return f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={names}, Signature={signature}"


def test_the_days_key_is_made_once_and_anew_for_another_secret() -> None:
    signer = Signer("eu-west-1")
    first = signer._key("20250101", "one")
    assert signer._key("20250101", "one") is first
    assert len({first, signer._key("20250102", "one"), signer._key("20250101", "two")}) == 3


# Where a bucket is


def _place(
    bucket: str = "bucket", region: str | None = "eu-west-1", url: str | None = None, name: str = "default"
) -> str:
    access = Access(name, bucket, region, url, 5.0)
    return access.origin.url + access.path


def test_a_bucket_at_amazon_is_a_host() -> None:
    assert _place() == "https://bucket.s3.eu-west-1.amazonaws.com"
    assert _place(region="cn-north-1") == "https://bucket.s3.cn-north-1.amazonaws.com.cn"
    assert _place(region="us-iso-east-1") == "https://bucket.s3.us-iso-east-1.c2s.ic.gov"


@pytest.mark.parametrize("bucket", ["with.dots", "With-Capitals"])
def test_a_bucket_that_can_be_no_host_is_in_the_path(bucket: str) -> None:
    assert _place(bucket) == f"https://s3.eu-west-1.amazonaws.com/{bucket}"


def test_of_another_server_a_bucket_is_in_the_path() -> None:
    assert _place(url="http://host:9000/base/") == "http://host:9000/base/bucket"


def test_endpoint_and_region_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    assert _place(region=None) == "https://bucket.s3.us-west-2.amazonaws.com"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://all:1")
    assert _place(region=None) == "http://all:1/bucket"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3:2")
    assert _place(region=None) == "http://s3:2/bucket"
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert _place(region=None) == "https://bucket.s3.us-west-2.amazonaws.com"


def test_a_profile_brings_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text(
        "[profile away]\nregion = ap-south-1\nservices = mine\ns3 =\n  addressing_style = virtual\n"
        "[services mine]\ns3 =\n  endpoint_url = https://objects.example\n"
        "[profile dual]\nregion = eu-west-1\nuse_dualstack_endpoint = true\ns3 =\n  addressing_style = path\n",
        "utf-8",
    )
    (tmp_path / "credentials").write_text("[away]\naws_access_key_id = A\naws_secret_access_key = B\n", "utf-8")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "not this one")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nor this one")
    assert _place(region=None, name="profile:away") == "https://bucket.objects.example"
    assert _place(region=None, name="profile:dual") == "https://s3.dualstack.eu-west-1.amazonaws.com/bucket"
    assert Access("profile:away", "bucket", None, None, 5.0).keys().access_key == "A"
    assert Access("env", "bucket", None, None, 5.0).keys().access_key == "not this one"


ENVIRONMENTS: dict[str, dict[str, str]] = {
    "keys alone": {},
    "a token": {"AWS_SESSION_TOKEN": "token"},
    "an old token": {"AWS_SECURITY_TOKEN": "token"},
    "a region": {"AWS_DEFAULT_REGION": "eu-west-1"},
    "a region in a name of its own": {"AWS_REGION": "eu-west-1"},
    "an endpoint": {"AWS_ENDPOINT_URL": "http://all:1"},
    "two endpoints": {"AWS_ENDPOINT_URL": "http://all:1", "AWS_ENDPOINT_URL_S3": "http://s3:2"},
    "an empty endpoint": {"AWS_ENDPOINT_URL_S3": "", "AWS_ENDPOINT_URL": "http://all:1"},
    "endpoints to be ignored": {"AWS_ENDPOINT_URL": "http://all:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
    "dual stack": {"AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_DEFAULT_REGION": "eu-west-1"},
    "FIPS": {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_DEFAULT_REGION": "us-east-1"},
    "authorities": {"AWS_CA_BUNDLE": "/some/file"},
    "half a pair of keys": {"AWS_SECRET_ACCESS_KEY": ""},
    "a profile": {"AWS_PROFILE": "away"},
    "a settings file": {"AWS_CONFIG_FILE": "config-with-region"},
}


@pytest.mark.parametrize("case", ENVIRONMENTS)
@pytest.mark.parametrize("name", ["default", "env", "anonymous"])
def test_the_environment_means_what_it_means_to_botocore(
    case: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "[default]\nregion = ap-south-1\n[profile away]\nregion = ap-south-2\n"
    (tmp_path / "config-with-region").write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    for variable, value in ({"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B"} | ENVIRONMENTS[case]).items():
        monkeypatch.setenv(variable, value)
    with_shortcut = _known(name)
    monkeypatch.setattr(s3_access, "plain_environment", lambda: None)
    assert with_shortcut == _known(name)


def _known(name: str) -> object:
    try:
        access = Access(name, "bucket", None, None, 5.0)
        place = (access.origin, access.path, access.region, access.ca_bundle)
        if access.is_anonymous:
            return place
        keys = access.keys()
        return *place, keys.access_key, keys.secret_key, keys.token
    except AbsentError as e:
        return str(e)


def test_plain_keys_need_no_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "A")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "B")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/some/file")  # as where all that leaves passes a proxy
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    access = Access("default", "bucket", None, None, 5.0)
    assert "Credential=A/" in access.headers("GET", "/a", {})["Authorization"]
    assert access.ca_bundle == "/some/file"


def test_a_profile_that_is_not_there_is_absent_and_says_so() -> None:
    with pytest.raises(AbsentError, match="nobody"):
        Access("profile:nobody", "bucket", None, None, 5.0)


def test_absence_is_not_looked_into_for_every_object(monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access("default", "bucket", None, None, 5.0)
    looks: list[int] = []
    monkeypatch.setattr(access, "_look", lambda: looks.append(1) or _raise(AbsentError("none are set")))
    for _ in range(3):
        with pytest.raises(AbsentError, match="none are set"):
            access.keys()
    assert len(looks) == 1


def _raise(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize("url", ["s3://", "s3:///a", "s3://bu cket/a", "https://bucket/a"])
def test_what_names_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(InvalidUri):
        S3Store(url)


@pytest.mark.parametrize("name", ["", "profile:", "password", "profile"])
def test_what_names_no_credentials_is_refused(name: str) -> None:
    with pytest.raises(InvalidUri, match="names no credentials"):
        S3Store("s3://bucket", credentials=[name])


def test_without_the_library_the_command_that_brings_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    store = S3Store("s3://bucket")
    for call in (lambda: store.head("s3://bucket/a"), lambda: list(store.list())):
        with pytest.raises(MissingExtra, match=r"pip install 'rainer\[s3\]'"):
            call()


# Refusals

MEANINGS: dict[tuple[int, str], type[RainerError]] = {
    (404, "NoSuchKey"): ObjectNotFound,
    (404, "NoSuchBucket"): ObjectNotFound,
    (503, "SlowDown"): StoreUnavailable,
    (400, "RequestTimeout"): StoreUnavailable,
    (500, ""): StoreUnavailable,
    (400, "BadDigest"): WrongDigest,
    (412, "PreconditionFailed"): ObjectExists,
    (501, "NotImplemented"): InvalidError,
    (400, "InvalidRequest"): InvalidError,
}


@pytest.mark.parametrize(("status", "code"), MEANINGS)
def test_what_a_refusal_means(status: int, code: str) -> None:
    fault = Fault(status, code, "because")
    error = fault.error("s3://bucket/a")
    assert type(error) is MEANINGS[status, code]
    assert "s3://bucket/a" in str(error)
    assert not fault.is_denial


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        (400, "ExpiredToken", "aws sso login"),
        (403, "RequestTimeTooSkewed", "clock"),
        (403, "AccessDenied", "s3:ListBucket"),
        (403, "InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
        (403, "", "AWS_PROFILE"),
    ],
)
def test_a_denial_says_what_was_tried_and_what_to_set(status: int, code: str, hint: str) -> None:
    fault = Fault(status, code, "because")
    assert fault.is_denial
    error = denied("s3://bucket/a", [("env", "none are set"), ("default", str(fault))])
    assert isinstance(error, CredentialsError)
    assert str(error).startswith("s3://bucket/a: no credentials were accepted (env: none are set; default: ")
    assert error.hint is not None
    assert hint in error.hint
