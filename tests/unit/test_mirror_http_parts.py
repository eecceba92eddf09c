"""What an HTTP source makes of its server's words: events out of pieces, packed heads out of JSON."""

from __future__ import annotations

import base64
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainer.client.transport import Answer
from rainer.errors import InvalidError
from rainer.mirror import http_metas
from rainer.mirror.events import Event, events
from rainer.mirror.heads import head_of
from rainer.mirror.http_metas import head_of_meta, heads_of_list, page_of
from rainer.model.commit import Commit
from rainer.model.packed import Kind, PackedHead
from rainer.model.serialization import to_bytes
from tests.mirrors import commit

STREAM = (
    b"event: changes\nid: 7\ndata: {1}\n\n: beat\n\nevent: gone\r\ndata: a\r\ndata:b\r\n\r\n"
    b": unavailable\n\ndata: x\n\n:cut"
)
FOUND = [
    Event("changes", b"{1}"), Event("", b"beat"), Event("gone", b"a\nb"), Event("", b"unavailable"),
    Event("message", b"x"),
]  # fmt: skip


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_events_do_not_depend_on_how_they_are_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    assert list(events(STREAM[a:b] for a, b in itertools.pairwise(places))) == FOUND


@pytest.mark.parametrize("found", [commit("k", 3, b"\0\xff"), commit('ké"', 1, b""), commit("k", 2, None)])
def test_a_meta_becomes_the_bytes_that_the_ancestor_writes(found: Commit) -> None:
    meta = found.meta() | {"namespace": "diary", "revision": 9}
    if found.payload is not None:
        meta["payload_base64"] = base64.b64encode(found.payload).decode()
    packed = head_of_meta(meta)
    assert packed.data == to_bytes(found)
    assert head_of(found.key, packed.data, 9)._replace(version=0) == packed


def test_an_ancestors_meta_lacks_some_members() -> None:
    meta = {"key": "k", "version": 3, "author": None, "mtime": "2014-06-01T01:02:03.004Z", "payload_base64": "eA=="}
    packed = head_of_meta(meta)
    assert head_of("k", packed.data)[:4] == ("k", 3, 0, Kind.HEAD)


GOOD = commit("k", 1).meta() | {"payload_base64": "eA=="}


@pytest.mark.parametrize(
    "meta",
    [
        None, [], {}, {"key": "k"}, GOOD | {"payload_base64": "%"}, GOOD | {"payload_base64": None},
        {name: value for name, value in GOOD.items() if name != "payload_base64"},
    ],
)  # fmt: skip
def test_a_meta_that_cannot_be_made_a_commit_is_left_to_be_rejected(meta: object) -> None:
    assert head_of_meta(meta, "k") == PackedHead("k", 0, 0, Kind.HEAD, b"")


def answer(body: bytes) -> Answer:
    return Answer(200, {}, body, "http://localhost/diary")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"changes": []}', b'{"changes": [], "lineage": "a", "revision": 1, "chain": "x"}']
)
def test_an_answer_that_is_no_page_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidError, match="not as a Rainer server does"):
        page_of(answer(body))


def test_a_page_and_a_list_are_read() -> None:
    page = page_of(answer(b'{"changes": [null], "lineage": "a", "revision": 1, "chain": "00", "more": true}'))
    assert (len(page.records), page.position.revision, page.more) == (1, 1, True)
    assert [h.key for h in heads_of_list(answer(b'{"a": null, "b": {}}'))] == ["a", "b"]


@given(st.dictionaries(st.text(max_size=5), st.none() | st.lists(st.integers())), st.sampled_from([None, 1]))
def test_a_list_is_read_member_by_member_as_json_is(found: dict[str, object], indent: int | None) -> None:
    body = json.dumps(found, indent=indent).encode() + b"\r\n"
    assert list(http_metas._members(body.decode())) == list(found.items())


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"[]", b"{", b"{}x", b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,', b'{"a":1 "b":2}', b'{1:2}',
        b'{"a":1}}', b"\xff", b"[" * 100_000, b'{"a":' + b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_list_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidError, match="not a JSON object"):
        list(heads_of_list(answer(body)))
