"""The golden vectors hold: what is written and read the same way for ever, in every language."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from rainer.errors import CorruptError, InvalidError
from rainer.model import chain, names, times
from rainer.model.commit import Commit
from rainer.model.headers import decode_text, encode_text
from rainer.model.serialization import from_bytes, to_bytes
from tests.unit.vectors import load, marks_of, name_of, raw, text

BYTES, HEADERS, TIMES, NAMES, CHAIN = (load(n) for n in ("commit_bytes", "header_text", "times", "names", "chain"))


def commit_of(spelt: dict[str, Any]) -> Commit:
    payload = spelt["payload"]
    return Commit(
        key=spelt["key"],
        version=spelt["version"],
        payload=None if payload is None else raw(payload),
        author=spelt["author"],
        comment=spelt["comment"],
        mtime=times.from_ms(times.parse_iso(spelt["mtime"])),
        is_empty=spelt["empty"],
        marks=marks_of(spelt),
    )


@pytest.mark.parametrize("vector", BYTES["write"], ids=name_of)
def test_a_commit_is_written_as_exactly_these_bytes_and_read_back(vector: dict[str, Any]) -> None:
    commit, data = commit_of(vector["commit"]), raw(vector["bytes"])
    assert to_bytes(commit) == data
    assert from_bytes(data) == commit
    assert from_bytes(data).marks == commit.marks


@pytest.mark.parametrize("vector", BYTES["read"], ids=name_of)
def test_what_others_wrote_is_read(vector: dict[str, Any]) -> None:
    commit = commit_of(vector["commit"])
    assert from_bytes(raw(vector["bytes"])) == commit
    assert from_bytes(to_bytes(commit)) == commit


@pytest.mark.parametrize("vector", BYTES["broken"], ids=name_of)
def test_broken_bytes_are_said_to_be_so(vector: dict[str, Any]) -> None:
    with pytest.raises(CorruptError) as caught:
        from_bytes(raw(vector["bytes"]))
    assert "commit" in str(caught.value)


@pytest.mark.parametrize("vector", HEADERS["read"], ids=name_of)
def test_header_bytes_are_read_as_this_text(vector: dict[str, Any]) -> None:
    assert decode_text(bytes.fromhex(vector["hex"])) == vector["text"]


@pytest.mark.parametrize("vector", HEADERS["write"], ids=name_of)
def test_a_text_is_written_as_these_header_bytes(vector: dict[str, Any]) -> None:
    assert encode_text(vector["text"]) == (bytes.fromhex(vector["hex"]), vector["whole"])
    if vector["whole"]:
        assert decode_text(bytes.fromhex(vector["hex"])) == vector["text"]


@pytest.mark.parametrize("vector", TIMES["read"], ids=lambda vector: vector["text"])
def test_a_time_is_read_as_these_milliseconds(vector: dict[str, Any]) -> None:
    assert times.parse_iso(vector["text"]) == vector["ms"]


@pytest.mark.parametrize("vector", TIMES["write"], ids=lambda vector: vector["text"])
def test_milliseconds_are_written_as_this_time_and_read_back(vector: dict[str, Any]) -> None:
    assert times.format_iso(vector["ms"]) == vector["text"]
    assert times.parse_iso(vector["text"]) == vector["ms"]
    assert times.to_ms(times.from_ms(vector["ms"])) == vector["ms"]


@pytest.mark.parametrize("refused", TIMES["refused"], ids=ascii)
def test_what_is_no_time_is_refused(refused: str) -> None:
    with pytest.raises(InvalidError, match="not ISO 8601"):
        times.parse_iso(refused)


CHECKS = {
    "keys": names.check_key,
    "namespaces": names.check_namespace,
    "commit_ids": names.check_commit_id,
    "authors": names.check_author,
    "comments": names.check_comment,
}


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, text(n)) for kind in CHECKS for n in NAMES[kind]["taken"]], ids=name_of
)
def test_a_name_is_taken(kind: str, name: str) -> None:
    assert CHECKS[kind](name) == name


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, text(n)) for kind in CHECKS for n in NAMES[kind]["refused"]], ids=name_of
)
def test_a_name_is_refused(kind: str, name: str) -> None:
    with pytest.raises(InvalidError) as caught:
        CHECKS[kind](name)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(("spelt", "version"), NAMES["versions"]["taken"].items())
def test_a_version_is_taken(spelt: str, version: int) -> None:
    assert names.parse_version(spelt) == version
    assert names.check_version(version) == version


@pytest.mark.parametrize("spelt", NAMES["versions"]["refused"], ids=ascii)
def test_a_version_is_refused(spelt: str) -> None:
    with pytest.raises(InvalidError, match="from 1 to 2147483647"):
        names.parse_version(spelt)


def test_the_chain_links_these_commits_to_these_hashes() -> None:
    previous = chain.GENESIS
    for vector in CHAIN["vectors"]:
        pieces = b"".join(bytes.fromhex(piece["hex"]) for piece in vector["pieces"])
        assert pieces.startswith(previous)
        commit = dict(vector["commit"])
        payload = commit.pop("payload")
        digest = chain.payload_sha256(None if payload is None else raw(payload))
        linked = chain.link(previous, digest=digest, **commit)
        assert linked == hashlib.sha256(pieces).digest() == bytes.fromhex(vector["hash"])
        previous = linked
    assert len(CHAIN["vectors"]) == 4
