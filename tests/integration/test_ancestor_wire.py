"""What the original Rainer's users see on the wire, byte for byte, over a socket that adds and hides nothing."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.ancestor_calls import AUTHOR, NOT_FOUND, SIX, got, meta, post
from tests.integration.wire import Wire
from tests.services.rainer import RainerServer


@pytest.fixture
def key() -> str:
    """A key of the test's own: the tests share the ancestor's only namespace."""
    return f"what-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def wire(served: RainerServer) -> Iterator[Wire]:
    """One connection, kept alive through all of a test's calls."""
    with Wire(served.url) as made:
        yield made


def test_a_server_on_which_nothing_was_ever_committed(served: RainerServer) -> None:
    with RainerServer() as fresh, Wire(fresh.url) as wire:
        for path in ("/diary", "/diary?all=yes", "/diary?payload_utf8=yes&payload_base64=yes"):
            assert got(wire.ask("GET", path)) == (200, b"{}\r\n")
        for path in ("/diary/what", "/diary/what/1", "/diary/what/meta", "/diary/what/1/meta"):
            assert got(wire.ask("GET", path)) == NOT_FOUND


def test_post_then_get_as_in_the_originals_tests(wire: Wire, key: str) -> None:
    posted = post(
        wire, key, 1, b'{"s": "hey"}', X_Rainer_Comment="stuff", X_Rainer_Modified_Time="1970-01-01T00:00:00.002Z"
    )
    expected = {
        "key": key, "version": 1, "author": "dude", "comment": "stuff", "mtime": "1970-01-01T00:00:00.002Z",
        "empty": False,
    }  # fmt: skip
    assert meta(posted) == expected
    for path in (f"/diary/{key}", f"/diary/{key}/1"):
        answer = wire.ask("GET", path)
        assert got(answer) == (200, b'{"s": "hey"}')
        assert answer.header("Content-Type") == "text/plain; charset=UTF-8"
        names = [name for name, _ in answer.headers]
        told = dict(answer.headers)
        for name, value in {
            "X-Rainer-Key": key, "X-Rainer-Version": "1", "X-Rainer-Author": "dude", "X-Rainer-Comment": "stuff",
            "X-Rainer-Modified-Time": "1970-01-01T00:00:00.002Z", "X-Rainer-Empty": "No",
        }.items():  # fmt: skip
            # In exactly this letter case: the original's JVM client looks the names up case-sensitively.
            assert names.count(name) == 1
            assert told[name] == value
        assert answer.header("X-Rainer-Cached") is None
        assert meta(wire.ask("GET", f"{path}/meta")) == expected
    for path in (f"/diary/{key}/2", f"/diary/{key}/2/meta", f"/diary/{key}x", f"/diary/{key}x/meta"):
        assert got(wire.ask("GET", path)) == NOT_FOUND
    assert post(wire, key, 2, b"rofl").status == 200
    assert [wire.ask("GET", f"/diary/{key}{v}").body for v in ("", "/1", "/2")] == [b"rofl", b'{"s": "hey"}', b"rofl"]


def test_the_list_has_metas_ends_with_a_line_end_and_leaves_removals_out(wire: Wire, key: str) -> None:
    post(wire, key, 1, b"\xff\x00")
    post(wire, f"{key}-text", 1, "é".encode())
    post(wire, f"{key}-gone", 1, b"x")
    post(wire, f"{key}-gone", 2, X_Rainer_Empty="Yes")

    def listed(query: str) -> dict[str, dict[str, Any]]:
        answer = wire.ask("GET", f"/diary{query}")
        assert answer.status == 200
        assert answer.header("Content-Type") == "application/json"
        assert answer.body.endswith(b"}\r\n")
        return {name: found for name, found in answer.json().items() if name.startswith(key)}

    plain = listed("")
    assert sorted(plain) == [key, f"{key}-text"]
    assert all(list(found) == SIX for found in plain.values())
    assert plain[key] == meta(wire.ask("GET", f"/diary/{key}/meta"))
    everything = listed("?all=yes")
    assert everything.pop(f"{key}-gone")["empty"] is True
    assert everything == plain
    encoded = listed("?payload_base64=yes&all=1")
    assert encoded[key] == plain[key] | {"payload_base64": base64.b64encode(b"\xff\x00").decode()}
    assert "payload_base64" not in encoded[f"{key}-gone"]
    text = listed("?payload_utf8=True&all=no")
    assert text[f"{key}-text"] == plain[f"{key}-text"] | {"payload_utf8": "é"}


@pytest.mark.parametrize("flag", ["all", "payload_utf8", "payload_base64"])
def test_flags_are_read_in_any_case_and_refused_in_the_ancestors_words(wire: Wire, flag: str) -> None:
    for yes in ("yes", "YES", "Yes", "true", "TRUE", "1", "no", "No", "false", "FALSE", "0"):
        assert wire.ask("GET", f"/diary?{flag}={yes}").status == 200
    for other in ("maybe", "", "2", "y", "on", "yes%20no", "01"):
        answer = wire.ask("GET", f"/diary?{flag}={other}")
        answer.refusal(400, f"Invalid '{flag}' parameter (should be boolean)")


def test_flags_mean_what_they_say(wire: Wire, key: str) -> None:
    post(wire, key, 1, b"x")
    post(wire, key, 2, X_Rainer_Empty="1")
    for yes in ("yes", "True", "1"):
        assert key in wire.ask("GET", f"/diary?all={yes}").json()
    for no in ("no", "False", "0"):
        assert key not in wire.ask("GET", f"/diary?all={no}").json()


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (b"plain", "text/plain; charset=UTF-8"),
        ("é\u2028😀\0".encode(), "text/plain; charset=UTF-8"),
        (b"", "text/plain; charset=UTF-8"),
        (b"\xef\xbb\xbfbom\r\n", "text/plain; charset=UTF-8"),
        (b"\xff", "application/octet-stream"),
        (b"\xc0\x80", "application/octet-stream"),
        (b"\xed\xa0\x80", "application/octet-stream"),
        (b"cut \xe2\x82", "application/octet-stream"),
        (bytes(range(256)), "application/octet-stream"),
    ],
)
def test_a_payload_comes_back_verbatim_with_its_type(wire: Wire, key: str, payload: bytes, kind: str) -> None:
    assert meta(post(wire, key, 1, payload))["empty"] is False
    for path in (f"/diary/{key}", f"/diary/{key}/1"):
        answer = wire.ask("GET", path)
        assert got(answer) == (200, payload)
        assert answer.header("Content-Type") == kind
        assert answer.header("X-Rainer-Empty") == "No"


@pytest.mark.parametrize("yes", ["Yes", "yes", "True", "true", "1"])
def test_an_empty_commit_is_a_200_with_no_bytes(wire: Wire, key: str, yes: str) -> None:
    post(wire, key, 1, b"x")
    assert meta(post(wire, key, 2, X_Rainer_Empty=yes, X_Rainer_Comment="away"))["empty"] is True
    for path in (f"/diary/{key}", f"/diary/{key}/2"):
        answer = wire.ask("GET", path)
        assert got(answer) == (200, b"")
        assert (answer.header("X-Rainer-Empty"), answer.header("X-Rainer-Comment")) == ("Yes", "away")
    assert meta(wire.ask("GET", f"/diary/{key}/meta"))["empty"] is True
    assert got(wire.ask("GET", f"/diary/{key}/1")) == (200, b"x")
    assert post(wire, key, 3, b"back").status == 200


@pytest.mark.parametrize("no", ["No", "false", "False", "0"])
def test_a_commit_that_says_it_is_not_empty_may_have_bytes_or_none(wire: Wire, key: str, no: str) -> None:
    # pyrainer says `false` with every commit.
    assert meta(post(wire, key, 1, b"x", X_Rainer_Empty=no))["empty"] is False
    assert meta(post(wire, key, 2, b"", X_Rainer_Empty=no))["empty"] is False


REFUSED = {
    "no author": ({"X-Rainer-Author": None}, b"x", "Missing header: X-Rainer-Author"),
    "neither yes nor no": ({"X-Rainer-Empty": "perhaps"}, b"x", "Malformed header: X-Rainer-Empty"),
    "another key": ({"X-Rainer-Key": "else"}, b"x", "X-Rainer-Key must match URL key, or be omitted"),
    "another version": ({"X-Rainer-Version": "2"}, b"x", "X-Rainer-Version must match URL version, or be omitted"),
    "empty and yet a body": ({"X-Rainer-Empty": "Yes"}, b"x", "Empty payload required with X-Rainer-Empty"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_post_says_why_in_the_ancestors_words_and_leaves_no_trace(wire: Wire, key: str, case: str) -> None:
    changed, body, sentence = REFUSED[case]
    before = wire.ask("GET", "/-/status").json()["revision"]
    headers = {name: value for name, value in (AUTHOR | changed).items() if value is not None}
    wire.ask("POST", f"/diary/{key}/1", headers, body).refusal(400, sentence)
    assert got(wire.ask("GET", f"/diary/{key}")) == NOT_FOUND
    assert key not in wire.ask("GET", "/diary?all=yes").json()
    assert wire.ask("GET", "/-/status").json()["revision"] == before
    assert meta(post(wire, key, 1, b"x"))["version"] == 1


def test_a_malformed_payload_is_refused_where_the_namespace_has_a_format(served: RainerServer, wire: Wire) -> None:
    name = f"json-{uuid.uuid4().hex[:8]}"
    made = wire.ask("POST", "/-/namespaces", {}, json.dumps({"name": name, "format": "json"}).encode())
    assert made.status == 201
    answer = wire.ask("POST", f"/{name}/what/1", AUTHOR, b"lol")
    assert answer.status == 400
    assert answer.body.startswith(b"Malformed input: ")
    assert (answer.header("Content-Type") or "").startswith("text/plain")
    assert got(wire.ask("GET", f"/{name}/what")) == NOT_FOUND
    assert wire.ask("POST", f"/{name}/what/1", AUTHOR, b'{"s": "hey"}').status == 200


def test_a_conflict_is_these_bytes(wire: Wire, key: str) -> None:
    def conflict(version: int) -> tuple[int, bytes]:
        answer = post(wire, key, version, b"x")
        assert answer.header("Content-Type") == "application/json"
        return got(answer)

    def expected(expects: int, provided: int) -> tuple[int, bytes]:
        text = f'{{"conflict":{{"key":"{key}","expectedVersion":{expects},"providedVersion":{provided}}}}}'
        return 409, text.encode()

    assert conflict(2) == expected(1, 2)
    assert got(wire.ask("GET", f"/diary/{key}")) == NOT_FOUND
    assert post(wire, key, 1, b"x").status == 200
    assert conflict(1) == expected(2, 1)
    assert conflict(3) == expected(2, 3)
    assert got(wire.ask("GET", f"/diary/{key}/2")) == NOT_FOUND


def test_key_and_version_may_be_said_again(wire: Wire, key: str) -> None:
    assert post(wire, key, 1, b"x", X_Rainer_Key=key, X_Rainer_Version="1").status == 200
    # The original's JVM client sends back every header that it was given.
    told = dict(wire.ask("GET", f"/diary/{key}").headers)
    again = {name: value for name, value in told.items() if name.startswith("X-Rainer-")} | {"X-Rainer-Version": "2"}
    assert wire.ask("POST", f"/diary/{key}/2", again, b"y").status == 200


def test_headers_are_found_in_any_letter_case(wire: Wire, key: str) -> None:
    given = {"x-rainer-author": "a", "X-RAINER-COMMENT": "b", "x-Rainer-mOdified-Time": "1970-01-01T00:00:00.002Z"}
    found = meta(wire.ask("POST", f"/diary/{key}/1", given, b"x"))
    assert (found["author"], found["comment"], found["mtime"]) == ("a", "b", "1970-01-01T00:00:00.002Z")


def test_comment_and_time_have_their_defaults(wire: Wire, key: str) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    found = meta(post(wire, key, 1, b"x"))
    assert found["comment"] == ""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["mtime"])
    assert before <= datetime.fromisoformat(found["mtime"]) <= datetime.now(UTC)
    assert meta(post(wire, key, 2, b"x", X_Rainer_Comment=""))["comment"] == ""
