"""Searching heads: what is found, in which order, after changes, within a bound, and by whom."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rainer.journal import Journal
from rainer.journal.row import State
from rainer.model.key_set import KeySet
from rainer.service.head_texts import HITS_MAX, HeadTexts, Text, text_of
from rainer.service.search_memory import SearchMemory

STATE = State("lineage", 1, b"chain", 0, "tag")


def text(key: str, revision: int, payload: str | bytes = "") -> Text:
    raw = payload if isinstance(payload, bytes) else payload.encode()
    return text_of(key, 1, "ada", "why", 0, revision, raw)


def made(*texts: Text) -> HeadTexts:
    return HeadTexts.of(STATE, sorted(texts))


def found(texts: HeadTexts, *words: str, keys: KeySet | None = None) -> list[str]:
    return [hit.entry.key for hit in texts.search(words, keys)[0]]


def test_keys_come_before_values_and_the_newest_first() -> None:
    texts = made(
        text("old", 1, "a QUEUE here"),
        text("my-queue", 2),
        text("queue.b", 3),
        text("queue.a", 4),
        text("x", 5, "Queue"),
    )
    assert found(texts, "queue") == ["queue.a", "queue.b", "my-queue", "x", "old"]
    assert [hit.by_key for hit in texts.search(["queue"])[0]] == [True, True, True, False, False]


def test_all_words_must_be_there_and_none_reaches_over_to_another_key() -> None:
    texts = made(text("a", 1, "one two"), text("b", 2, "one"), text("two", 3, "three"))
    assert found(texts, "two", "one") == ["a"]
    assert found(texts, "onetwo") == []
    assert found(texts, "three", "two") == ["two"]


def test_bytes_are_found_by_their_key_alone() -> None:
    assert found(made(text("logo", 1, b"\xff\xfelogo"), text("z", 2, b"\xfflogo")), "logo") == ["logo"]


def test_changes_are_found_and_what_they_replaced_is_not() -> None:
    texts = made(*(text(f"k{n:04}", n, f"value {n}") for n in range(3_000)))
    for turn in range(3):  # often enough that what lies beside is taken in
        changed: dict[str, Text | None] = {
            f"k{n:04}": text(f"k{n:04}", 5_000 + n, f"turn {turn}") for n in range(900 * turn, 900 * turn + 900)
        }
        texts = texts.moved(
            STATE._replace(revision=9_000 + turn), {**changed, "new": text("new", 8_000 + turn, "fresh"), "k2999": None}
        )
    assert found(texts, "fresh") == ["new"]
    assert len(found(texts, "turn", "k0")) == 1_000
    assert "k2710" in found(texts, "value", "27")
    assert "k0017" not in found(texts, "value", "17")
    assert texts.by_change[0] == "new"
    assert "k2999" not in texts.keys
    assert list(texts.keys) == sorted(texts.entries)


def test_of_what_every_head_holds_the_newest_are_told() -> None:
    texts = made(*(text(f"k{n:05}", n, "common") for n in range(HITS_MAX + 500)), text("common-key", 0))
    hits, is_more = texts.search(["common"])
    assert (len(hits), is_more) == (HITS_MAX, True)
    assert hits[0].entry.key == "common-key"
    assert hits[1].entry.key == f"k{HITS_MAX + 499:05}"


def test_only_what_may_be_read_is_found() -> None:
    texts = made(text("a.1", 1, "secret"), text("b.1", 2, "secret"))
    assert found(texts, "secret", keys=KeySet.of([], ["b."])) == ["b.1"]


@pytest.fixture
def journal() -> Any:
    with Journal("memory:") as made_here:
        yield made_here


def test_the_memory_keeps_up_with_the_journal_and_within_its_bound(journal: Journal) -> None:
    async def run() -> None:
        live = journal.live()
        await live.start()
        memory = SearchMemory(1_000_000)
        try:
            space = await live.namespace("diary")
            journal.append("a", b"first", version=1, author="ada")
            texts = await memory.at_once(live, space, 10)
            assert texts is not None
            assert found(texts, "first") == ["a"]
            journal.append("a", b"second", version=2, author="ada")
            journal.append("b", b"third", version=1, author="ada")
            texts = await memory.at_once(live, space, 10)
            assert texts is not None
            assert (found(texts, "first"), found(texts, "second"), found(texts, "third")) == ([], ["a"], ["b"])
            journal.append("b", None, version=2, author="ada")
            texts = await memory.at_once(live, space, 10)
            assert texts is not None
            assert found(texts, "third") == []
            journal.append("large", b"x" * 900_000, version=1, author="ada")
            journal.append("larger", b"x" * 900_000, version=1, author="ada")
            assert await memory.at_once(live, space, 10) is None
        finally:
            await memory.close()
            await live.close()

    asyncio.run(run())
