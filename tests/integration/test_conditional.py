"""Reads asked for in every way HTTP has: conditionally, by HEAD, with flags, as of a revision, page by page."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator

import pytest

from rainer.api.app import ROUTES
from tests.integration.wire import Answer, Wire, ask, commit
from tests.services.rainer import RainerServer

_numbers = itertools.count(1)


@pytest.fixture
def key() -> str:
    """A key of the test's own."""
    return f"read-{next(_numbers)}"


READS = [
    "/diary", "/diary?all=yes&payload_base64=yes", "/diary?limit=1", "/diary/{key}", "/diary/{key}/1",
    "/diary/{key}/meta", "/diary/{key}/1/meta", "/diary/{key}/log", "/diary/{key}?at={revision}",
    "/diary?at={revision}", "/-/namespaces", "/-/namespaces/diary", "/-/changes?since=0",
]  # fmt: skip


@pytest.fixture
def read(served: RainerServer, key: str, request: pytest.FixtureRequest) -> str:
    """One of READS, of a key that has a commit."""
    revision = commit(served.url, key, 1, b"one").header("X-Rainer-Revision")
    path: str = request.param.format(key=key, revision=revision)
    return path


@pytest.mark.parametrize("read", READS, indirect=True)
def test_every_read_says_where_the_journal_stood(served: RainerServer, read: str) -> None:
    answer = ask(served.url, "GET", read)
    status = ask(served.url, "GET", "/-/status").json()
    assert answer.status == 200
    assert (answer.header("X-Rainer-Revision"), answer.header("X-Rainer-Lineage")) == (
        str(status["revision"]), status["lineage"]
    )  # fmt: skip
    assert re.fullmatch(r'"[0-9a-f]{32}"', answer.header("ETag") or "")
    assert answer.header("Cache-Control") == "no-cache"


@pytest.mark.parametrize("read", READS, indirect=True)
def test_what_has_not_changed_is_304(served: RainerServer, read: str) -> None:
    first = ask(served.url, "GET", read)
    etag = first.header("ETag")
    assert etag is not None
    for given in (etag, f"W/{etag}", f'"other", {etag}', f'{etag},"other"', "*", f"  {etag}  "):
        for method in ("GET", "HEAD"):
            with Wire(served.url) as wire:
                again = wire.ask(method, read, {"If-None-Match": given})
                assert (again.status, again.body) == (304, b""), given
                assert again.header("ETag") == etag
                assert again.header("X-Rainer-Revision") == first.header("X-Rainer-Revision")
                assert again.header("X-Rainer-Lineage") == first.header("X-Rainer-Lineage")
                assert wire.ask("GET", "/-/healthz").status == 200  # the connection is in step
    for given in ('"other"', "", etag.strip('"'), etag.upper().replace('"', "'")):
        assert ask(served.url, "GET", read, {"If-None-Match": given}).status == 200, given


@pytest.mark.parametrize(
    "read", [r for r in READS if "at=" not in r and "{key}/1" not in r and "namespaces" not in r], indirect=True
)
def test_what_has_changed_is_not_304(served: RainerServer, read: str, key: str) -> None:
    etag = ask(served.url, "GET", read).header("ETag") or ""
    assert commit(served.url, key, 2, b"two").status == 200
    changed = ask(served.url, "GET", read, {"If-None-Match": etag})
    assert changed.status == 200
    assert changed.header("ETag") != etag


def test_a_new_namespace_changes_the_list_of_them(served: RainerServer) -> None:
    before = ask(served.url, "GET", "/-/namespaces")
    assert ask(served.url, "POST", "/-/namespaces", {}, b'{"name": "another"}').status == 201
    after = ask(served.url, "GET", "/-/namespaces", {"If-None-Match": before.header("ETag") or ""})
    assert (after.status, len(after.json()["namespaces"])) == (200, len(before.json()["namespaces"]) + 1)


NAMES = {"namespace": "diary", "key": "head", "version": "1", "name": "diary", "path": "some/file", "id": "1"}
PATHS = [path.format(**NAMES) for method, path, *_ in ROUTES if method == "GET"]


@pytest.mark.parametrize("path", [*PATHS, "/diary/never", "/nowhere/k", "/diary/%00", "/diary?all=perhaps"])
def test_head_is_get_without_its_body(served: RainerServer, path: str) -> None:
    commit(served.url, "head", 1)
    get = ask(served.url, "GET", path)
    with Wire(served.url) as wire:
        head = wire.ask("HEAD", path)
        assert wire.ask("GET", "/-/healthz").status == 200  # nothing of a body stands in between
    assert (head.status, head.body) == (get.status, b"")
    assert _but_framing(head) == _but_framing(get)
    if path not in ("/-/metrics", "/-/status"):  # never twice the same
        assert head.header("Content-Length") in (get.header("Content-Length"), None)


def _but_framing(answer: Answer) -> dict[str, str]:
    return {n: v for n, v in answer.headers if n.lower() not in ("date", "content-length", "transfer-encoding")}


def test_head_of_an_event_stream_ends(served: RainerServer) -> None:
    with Wire(served.url) as wire:
        answer = wire.ask("HEAD", "/-/changes", {"Accept": "text/event-stream"})
        assert (answer.status, answer.header("Content-Type")) == (200, "text/event-stream; charset=utf-8")
        assert wire.ask("GET", "/-/healthz").status == 200


# Flags and numbers

FLAGS = {
    "/diary": ("all", "payload_utf8", "payload_base64", "revisions"),
    "/diary/head/meta": ("payload_utf8", "payload_base64", "revisions"),
    "/diary/head/log": ("payload_utf8", "payload_base64"),
    "/-/changes": ("payload_utf8", "payload_base64"),
}
FLAG_CASES = [(path, flag) for path, flags in FLAGS.items() for flag in flags]


@pytest.mark.parametrize(("path", "flag"), FLAG_CASES)
def test_a_flag_is_yes_or_no(served: RainerServer, path: str, flag: str) -> None:
    commit(served.url, "head", 1)
    yes = {ask(served.url, "GET", f"{path}?{flag}={word}").body for word in ("yes", "Yes", "TRUE", "true", "1")}
    no = {ask(served.url, "GET", f"{path}{word}").body for word in ("", f"?{flag}=no", f"?{flag}=False", f"?{flag}=0")}
    assert (len(yes), len(no)) == (1, 1)
    for word in ("", "maybe", "2", "yes%00", "%FF", "yes,no"):
        answer = ask(served.url, "GET", f"{path}?{flag}={word}")
        sentence = f"Invalid '{flag}' parameter (should be boolean)"
        if path.startswith("/-/"):
            answer.problem(400, "invalid", sentence)
        else:
            answer.refusal(400, sentence)


NUMBERS = {
    "/diary": ("at", "limit"),
    "/diary/head": ("at",),
    "/diary/head/meta": ("at",),
    "/diary/head/log": ("at", "limit", "before"),
    "/-/changes": ("since", "limit", "wait"),
}
BAD_NUMBERS = ["", "-1", "1.0", "1e3", "%2B1", "0x10", "one", "9223372036854775808", "9" * 400, "%D9%A3", "1%00", "%FF"]


@pytest.mark.parametrize("given", BAD_NUMBERS)
def test_a_number_that_is_none_is_refused(served: RainerServer, given: str) -> None:
    commit(served.url, "head", 1)
    for path, names in NUMBERS.items():
        for name in names:
            ask(served.url, "GET", f"{path}?{name}={given}").problem(
                400, "invalid", f"{name} '", "is not a whole number"
            )


@pytest.mark.parametrize("given", ["", "-1", "1.0", "one", "9223372036854775808", "9999999999999999999", "1, 2", "٣"])
def test_a_last_event_id_that_is_no_revision_is_refused(served: RainerServer, given: str) -> None:
    raw = given.encode().decode("latin-1")
    ask(served.url, "GET", "/-/changes", {"Last-Event-ID": raw}).problem(400, "invalid", "Last-Event-ID")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/diary?limit=0", "from 1 to 10000"), ("/diary?limit=10001", "from 1 to 10000"),
        ("/diary/head/log?limit=0", "from 1 to 10000"), ("/diary/head/log?before=0", "from 1 to 2147483648"),
        ("/-/changes?wait=61", "from 0 to 60"), ("/-/changes?limit=10001", "from 1 to 10000"),
        ("/-/changes?chain=zz", "hexadecimal"), ("/diary?prefix=%00", "cannot begin a key"),
        ("/diary?after=" + "k" * 256, "cannot begin a key"), ("/-/changes?namespace=My", "'My'"),
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused(served: RainerServer, path: str, reason: str) -> None:
    commit(served.url, "head", 1)
    ask(served.url, "GET", path).problem(400, "invalid", reason)


def test_a_revision_that_is_not_yet_is_gone(served: RainerServer) -> None:
    commit(served.url, "head", 1)
    for at in (10_000_000, 2**63 - 1):
        for path in (f"/diary?at={at}", f"/diary/head?at={at}", f"/diary/head/meta?at={at}", f"/diary/head/log?at={at}",
                     f"/-/changes?since={at}"):  # fmt: skip
            ask(served.url, "GET", path).problem(410, "position-gone", str(at), "reload")
    other = "00000000-0000-0000-0000-000000000000"
    ask(served.url, "GET", f"/-/changes?lineage={other}").problem(410, "position-gone", other)
    ask(served.url, "GET", f"/-/changes?since=1&chain={'00' * 32}").problem(410, "position-gone", "another commit")


@pytest.mark.parametrize("prefix", ["%FF", "%F4%8F%BF%BF", "%EF%BF%BF", "%ED%9F%BF", "%F0%9F%98%80", "%25", "'", "\\"])
def test_an_odd_prefix_finds_what_begins_so(served: RainerServer, prefix: str) -> None:
    commit(served.url, "head", 1)
    assert ask(served.url, "GET", f"/diary?prefix={prefix}").json() == {}


# Lists, page by page


def _pages(server: RainerServer, path: str) -> Iterator[Answer]:
    while path:
        answer = ask(server.url, "GET", path)
        assert answer.status == 200, answer
        yield answer
        link = answer.header("Link")
        found = re.fullmatch(r'<(.+)>; rel="next"', link) if link else None
        path = found[1] if found else ""


def test_pages_stay_at_the_revision_of_the_first(served: RainerServer, key: str) -> None:
    keys = [f"{key}-{n:02}+&=%ü" for n in range(25)]
    body = {"author": "me", "commits": [{"key": k, "version": 1, "payload_utf8": k} for k in keys]}
    assert ask(served.url, "POST", "/-/changesets", {}, json.dumps(body).encode()).status == 200
    found: dict[str, object] = {}
    revisions = set()
    for number, page in enumerate(_pages(served, f"/diary?prefix={key}-&limit=10&payload_utf8=yes")):
        assert len(page.json()) == (10, 10, 5)[number]
        found |= page.json()
        revisions.add(page.header("X-Rainer-Revision"))
        commit(served.url, f"{key}-20x", number + 1)  # what comes meanwhile is not of this list
    assert [(k, m["payload_utf8"]) for k, m in found.items()] == [(k, k) for k in keys]
    assert len(revisions) == 1


def test_a_list_of_nothing_is_the_ancestors(served: RainerServer) -> None:
    for path in ("/diary?prefix=zzz", "/diary?at=0", "/diary?prefix=zzz&limit=5"):
        answer = ask(served.url, "GET", path)
        assert (answer.body, answer.header("Content-Type")) == (b"{}\r\n", "application/json")
        assert answer.header("Link") is None
