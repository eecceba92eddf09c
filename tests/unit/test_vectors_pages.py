"""The golden vectors of the feed, of lists and of histories: read as a client and as a mirror, written as a server."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import orjson
import pytest

from rainer import errors
from rainer.api.answers import MetaForm, feed_body
from rainer.client.answers import changes_of, commit_of_meta, json_object
from rainer.client.transport import Answer
from rainer.errors import InvalidError, from_dict
from rainer.journal.row import Row
from rainer.mirror import heads
from rainer.mirror.events import events
from rainer.mirror.http_metas import heads_of_list, page_of
from rainer.mirror.http_source import _age_s
from rainer.model import times
from rainer.model.commit import Commit
from rainer.model.marks import Marks
from rainer.model.packed import Kind, PackedHead
from tests.unit.vectors import load, marks_of, name_of, raw

VECTORS = load("changes_pages")
PAGES, LISTS = VECTORS["pages"], VECTORS["lists"]


def answered(vector: dict[str, Any]) -> Answer:
    return Answer(200, {}, raw(vector["body"]), "http://localhost/")


def commit_of(told: dict[str, Any]) -> Commit:
    return Commit(
        told["key"], told["version"], None if told["payload"] is None else raw(told["payload"]), told["author"],
        told["comment"], times.from_ms(times.parse_iso(told["mtime"])), told["empty"], told["namespace"],
        told["revision"], marks_of(told),
    )  # fmt: skip


def told_of(commits: Iterable[Commit]) -> list[tuple[Commit, Marks | None]]:
    """Commits with their marks, for which equality does not ask."""
    return [(commit, commit.marks) for commit in commits]


def head_of(told: dict[str, Any]) -> PackedHead:
    return PackedHead(told["key"], 0, told["revision"], Kind[told["kind"].upper()], raw(told["data"]))


def row_of(told: dict[str, Any]) -> Row:
    marks = marks_of(told)
    return Row(
        told["revision"], 1, told["key"], told["version"], told["author"], told["comment"],
        times.parse_iso(told["mtime"]), times.parse_iso(told.get("recorded", told["mtime"])), told["empty"],
        None if told["payload"] is None else raw(told["payload"]), None, None, told.get("changeset", 0), b"",
        None if marks is None else marks.to_text(),
    )  # fmt: skip


def form_of(vector: dict[str, Any], *, feed: bool) -> MetaForm:
    asked = vector["payloads"]
    return MetaForm("utf8" in asked, "base64" in asked, revisions=True, feed=feed)


def is_all_told(vector: dict[str, Any], commits: list[dict[str, Any]]) -> bool:
    """Whether the vector's commits still have all that the server had to write."""
    return all(c["empty"] or c["payload"] is not None for c in commits) or not vector["payloads"]


@pytest.mark.parametrize("vector", PAGES["read"], ids=name_of)
def test_a_page_is_read(vector: dict[str, Any]) -> None:
    told, page = vector["page"], changes_of(answered(vector), vector["namespace"])
    assert told_of(page.commits) == told_of(commit_of(one) for one in told["commits"])
    assert (page.lineage, page.revision, page.chain, page.more) == (
        told["lineage"], told["revision"], told["chain"], told["more"],
    )  # fmt: skip
    if "heads" in told:
        taken = page_of(answered(vector))
        assert taken.records == [head_of(one) for one in told["heads"]]
        assert (taken.position, taken.more, taken.age_s) == (page.position, told["more"], told["age_s"])
        assert taken.readable == told.get("readable")
        for record, commit in zip(taken.records, page.commits, strict=True):
            assert heads.check(record) == (commit.version, commit.is_empty)


@pytest.mark.parametrize("vector", [v for v in PAGES["read"] if v["by"] == "server"], ids=name_of)
def test_a_server_writes_exactly_this_page(vector: dict[str, Any]) -> None:
    told = vector["page"]
    assert is_all_told(vector, told["commits"]) or "not told" in vector["name"]
    members = {name: told[name] for name in ("lineage", "revision", "chain", "more", "readable") if name in told}
    rows = [row_of(one) for one in told["commits"]]
    body = feed_body(members, rows, form_of(vector, feed=True), {1: vector["namespace"]})
    assert orjson.dumps(body) == raw(vector["body"])


@pytest.mark.parametrize("vector", PAGES["broken"], ids=name_of)
def test_what_is_no_page_is_said_to_be_so(vector: dict[str, Any]) -> None:
    with pytest.raises(InvalidError, match="not as a Rainer server does"):
        changes_of(answered(vector), "diary")
    with pytest.raises(InvalidError, match="not as a Rainer server does"):
        page_of(answered(vector))


@pytest.mark.parametrize("vector", PAGES["rejected"], ids=name_of)
def test_a_change_that_cannot_be_taken_leaves_the_others(vector: dict[str, Any]) -> None:
    assert page_of(answered(vector)).records == [PackedHead(vector["key"], 0, 0, Kind.HEAD, b"")]
    with pytest.raises(errors.CorruptError):
        heads.check(page_of(answered(vector)).records[0])
    if vector["client"] == "takes":
        assert changes_of(answered(vector), "diary").commits[0].payload is None
        return
    with pytest.raises(InvalidError, match="not as a Rainer server does"):
        changes_of(answered(vector), "diary")


@pytest.mark.parametrize("vector", VECTORS["streams"], ids=name_of)
def test_a_stream_is_read_however_it_is_cut(vector: dict[str, Any]) -> None:
    data = raw(vector["bytes"])
    told = [(one["event"], one["data"].encode()) for one in vector["events"]]
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))], [data[:20], data[20:]]):
        assert [(event.kind, event.data) for event in events(pieces)] == told
    if "error" in vector:
        error = from_dict(json.loads(told[-1][1]))
        assert type(error) is getattr(errors, vector["error"]["class"])
        assert (error.code, error.message, error.hint) == tuple(
            vector["error"][name] for name in ("code", "message", "hint")
        )
    if "ages_s" in vector:
        assert [_age_s(data) for _, data in told] == vector["ages_s"]


@pytest.mark.parametrize("vector", LISTS["read"], ids=name_of)
def test_a_list_is_read(vector: dict[str, Any]) -> None:
    answer = answered(vector)
    found = [commit_of_meta(answer, meta, vector["namespace"]) for meta in json_object(answer).values()]
    assert told_of(found) == told_of(commit_of(one) for one in vector["commits"])
    if "heads" in vector:
        assert list(heads_of_list(answer)) == [head_of(one) for one in vector["heads"]]


@pytest.mark.parametrize("vector", [v for v in LISTS["read"] if v["by"] == "server"], ids=name_of)
def test_a_server_writes_exactly_this_list(vector: dict[str, Any]) -> None:
    form = form_of(vector, feed=False)
    metas = {one["key"]: form.meta(row_of(one), one["namespace"]) for one in vector["commits"]}
    assert orjson.dumps(metas) + b"\r\n" == raw(vector["body"])


@pytest.mark.parametrize("vector", LISTS["broken"], ids=name_of)
def test_what_is_no_list_is_said_to_be_so(vector: dict[str, Any]) -> None:
    with pytest.raises(InvalidError, match="not as a Rainer server does"):
        list(heads_of_list(answered(vector)))


@pytest.mark.parametrize("vector", VECTORS["logs"], ids=name_of)
def test_a_history_is_read_and_written(vector: dict[str, Any]) -> None:
    answer, form = answered(vector), form_of(vector, feed=True)
    body = json_object(answer)
    found = [commit_of_meta(answer, meta, vector["namespace"]) for meta in body["commits"]]
    assert told_of(found) == told_of(commit_of(one) for one in vector["commits"])
    assert body["more"] is vector["more"]
    if is_all_told(vector, vector["commits"]):
        told = [form.meta(row_of(one), one["namespace"]) for one in vector["commits"]]
        assert orjson.dumps({"commits": told, "more": vector["more"]}) == raw(vector["body"])
