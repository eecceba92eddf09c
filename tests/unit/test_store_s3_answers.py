"""S3 by answers that a real server gives too seldom for a test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rainer.errors import CredentialsError, InvalidError, ObjectExists, ObjectNotFound, RainerError, StoreUnavailable
from rainer.store import Reading, S3Store, s3
from rainer.store.reading import read_bytes
from tests.services.waiting import wait_until
from tests.unit.http_script import BREAK, RESET, ScriptedServer, Step, answer

CONFLICT = answer(409, "<Error><Code>ConditionalRequestConflict</Code><Message>A conflict.</Message></Error>")
EXISTS = answer(412, "<Error><Code>PreconditionFailed</Code><Message>It is there.</Message></Error>")
DATA = b"some bytes"


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AK")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setattr("urllib3.util.wait_for_read", lambda *_, **__: False)  # a second for a "100 Continue"
    monkeypatch.setattr(s3, "_CONFLICT_PAUSES_S", (0.01, 0.01))


@pytest.fixture
def scripted(request: pytest.FixtureRequest) -> Iterator[tuple[S3Store, ScriptedServer]]:
    with ScriptedServer(*request.param) as server:
        store = S3Store("s3://bucket", endpoint_url=f"http://127.0.0.1:{server.port}", timeout_s=5)
        yield store, server
        store.close()


def script(*steps: Step) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("scripted", [steps], indirect=True)


@script(CONFLICT, answer(200, headers={"ETag": '"e"'}))
def test_a_put_that_met_another_is_begun_anew(scripted: tuple[S3Store, ScriptedServer]) -> None:
    store, server = scripted
    told: list[int] = []
    assert store.put("s3://bucket/a", DATA, create_only=True, progress=told.append).etag == '"e"'
    assert sum(told) == len(DATA)
    assert [received.headers["if-none-match"] for received in server.received] == [b"*", b"*"]


@script(CONFLICT, EXISTS)
def test_who_loses_against_another_is_told_that_it_exists(scripted: tuple[S3Store, ScriptedServer]) -> None:
    with pytest.raises(ObjectExists):
        scripted[0].put("s3://bucket/a", DATA, create_only=True)


@script(CONFLICT)
def test_a_conflict_that_does_not_end_is_no_fault_of_the_caller(scripted: tuple[S3Store, ScriptedServer]) -> None:
    with pytest.raises(StoreUnavailable, match="somebody else"):
        scripted[0].put("s3://bucket/a", DATA, create_only=True)
    assert len(scripted[1].received) == 3


@script(answer(200, DATA, headers={"ETag": '"e"'}, close=False))
def test_what_was_asked_for_ahead_is_read_when_it_is_wanted(scripted: tuple[S3Store, ScriptedServer]) -> None:
    store, server = scripted
    asked = [store.ahead("s3://bucket/a") for _ in range(3)]
    wait_until(lambda: len(server.received) == 3, 10, "the requests")
    for ahead in asked[:2]:
        reading = ahead and ahead.open()
        assert ahead is not None
        assert reading is not None
        with reading:
            assert (reading.info.size, reading.info.etag) == (len(DATA), '"e"')
            assert read_bytes(reading) == DATA
        ahead.close()
    assert len(server.received) == 3
    assert asked[2] is not None
    asked[2].close()  # a leak otherwise
    assert [received.target for received in server.received] == ["/bucket/a"] * 3
    assert all(b"Signature=" in received.headers["authorization"] for received in server.received)


@pytest.mark.parametrize("scripted", [(step, answer(200, DATA)) for step in (BREAK, RESET, answer(503))], indirect=True)
def test_what_was_asked_for_ahead_in_vain_is_asked_for_again(scripted: tuple[S3Store, ScriptedServer]) -> None:
    ahead = scripted[0].ahead("s3://bucket/a")
    reading = ahead and ahead.open()
    assert reading is not None
    assert read_bytes(reading) == DATA
    assert len(scripted[1].received) == 2


@script(answer(404, "<Error><Code>NoSuchKey</Code></Error>"))
def test_what_is_not_there_is_said_when_it_is_wanted(scripted: tuple[S3Store, ScriptedServer]) -> None:
    ahead = scripted[0].ahead("s3://bucket/a")
    assert ahead is not None
    with pytest.raises(ObjectNotFound):
        ahead.open()


def test_what_cannot_be_asked_for_ahead_is_not() -> None:
    store = S3Store("s3://bucket", endpoint_url="http://127.0.0.1:1", timeout_s=5)
    assert store.ahead("s3://bucket/a") is None
    assert store.ahead("s3://other/a") is None


@script(answer(302, headers={"Location": "http://login.example/"}))
def test_what_is_redirected_elsewhere_is_not_there(scripted: tuple[S3Store, ScriptedServer]) -> None:
    """A network's page to log in, say: it would make every object exist, with the size of that page."""
    store, _ = scripted
    for ask in (store.head, store.open, store.delete):
        with pytest.raises(InvalidError, match="302"):
            ask("s3://bucket/a")


@pytest.mark.parametrize(
    ("scripted", "kind", "words"),
    [
        ((answer(307, "<Error><Code>TemporaryRedirect</Code></Error>"),), StoreUnavailable, "try again: a new bucket"),
        ((answer(301, "<Error><Code>PermanentRedirect</Code></Error>"),), InvalidError, "set AWS_REGION"),
    ],
    indirect=["scripted"],
)
def test_a_bucket_that_is_elsewhere_nobody_says_where(
    scripted: tuple[S3Store, ScriptedServer], kind: type[RainerError], words: str
) -> None:
    store, _ = scripted
    for ask in (store.head, store.open, lambda uri: store.put(uri, DATA)):
        with pytest.raises(kind, match="does not say in which region") as caught:
            ask("s3://bucket/a")
        assert type(caught.value) is kind
        assert words in str(caught.value.hint)


@script(
    answer(403, "<Error><Code>ExpiredToken</Code></Error>"), answer(200, DATA),
    answer(403, "<Error><Code>ExpiredToken</Code></Error>"), answer(200),
)  # fmt: skip
def test_credentials_that_expired_are_found_anew_where_somebody_renewed_them(
    scripted: tuple[S3Store, ScriptedServer], tmp_path: Path
) -> None:
    _, server = scripted
    keys = "[mine]\naws_access_key_id = {}\naws_secret_access_key = secret\naws_session_token = token\n"
    (tmp_path / "credentials").write_text(keys.format("AK1"))
    store = S3Store("s3://bucket", credentials=["profile:mine"], endpoint_url=f"http://127.0.0.1:{server.port}")
    with closing(store):
        for ask, old, new in (
            (lambda: store.open("s3://bucket/a"), b"AK1", b"AK2"),
            (lambda: store.put("s3://bucket/a", DATA), b"AK2", b"AK3"),
        ):
            with pytest.raises(CredentialsError, match="ExpiredToken"):
                ask()
            (tmp_path / "credentials").write_text(keys.format(new.decode()))
            done = ask()
            if isinstance(done, Reading):
                done.close()
            used = [received.headers["authorization"] for received in server.received[-2:]]
            assert [b"Credential=" + key in text for key, text in zip((old, new), used, strict=True)] == [True, True]
