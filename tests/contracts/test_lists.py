"""Lists of heads: byte order, prefixes, and one moment however long the reading takes."""

from __future__ import annotations

import itertools
import random

import pytest

from rainer.errors import InvalidError, NamespaceNotFound, PositionGone
from rainer.journal import Journal
from rainer.journal.administration import adopt_engine
from rainer.journal.columns import PORTION_BYTES
from rainer.model.commit import draft
from tests.contracts.tables import copy_of, restore

# Where byte order, letter case, length, normal forms and UTF-16 would each give another order.
KEYS = [
    "!", "-", "0", "10", "9", "A", "B", "Z", "_", "a", "a ", "a!", "a\u0301", "aa", "ab", "b", "z", "~", "\u00a0",
    "\u00df", "\u00e1", "\u00e9", "\u017f", "\u0250", "\u3042", "\u6f22\u5b57", "\ud7a3", "\ud7ff", "\ud7ffa", "\uf900",
    "\ufb01", "\uff21", "\uffee", "\uffef", "\uffefz", "x" * 255, "\u6f22" * 85,
]  # fmt: skip


@pytest.fixture
def listed(journal: Journal, seed: int) -> Journal:
    keys = list(KEYS)
    random.Random(seed).shuffle(keys)
    journal.append_many([draft(key, key.encode(), version=1, author="me") for key in keys])
    return journal


def keys_of(journal: Journal, **options: object) -> list[str]:
    return [c.key for c in journal.heads(**options)]  # type: ignore[arg-type]


def test_keys_stand_in_the_order_of_their_bytes(listed: Journal) -> None:
    assert keys_of(listed) == sorted(KEYS, key=str.encode)
    assert all(c.payload == c.key.encode() for c in listed.heads())


def test_keys_that_look_alike_are_different_keys(journal: Journal) -> None:
    alike = ["a", "A", "a ", "\u00e1", "a\u0301", "\uff41", "\u00df", "ss", "ﬁ", "fi", "\u0130", "i", "I"]
    for key in alike:
        journal.append(key, key.encode(), version=1, author="me")
    assert {c.key: c.payload for c in journal.heads()} == {key: key.encode() for key in alike}


@pytest.mark.parametrize(
    "prefix", ["", "a", "a ", "A", "\ud7ff", "\uffef", "\uffee", "\u6f22", "x" * 255, "x" * 256, "nothing", "\u00e1"]
)
def test_prefixes(listed: Journal, prefix: str) -> None:
    assert keys_of(listed, prefix=prefix) == sorted((k for k in KEYS if k.startswith(prefix)), key=str.encode)


@pytest.mark.parametrize("prefix", ["/", "a/b", "\0", "\ud800", "\U0001f600", "\uffff", "\ue000", "a\U0010ffff"])
def test_what_no_key_begins_with_lists_nothing(listed: Journal, prefix: str) -> None:
    assert keys_of(listed, prefix=prefix) == []


def portions(journal: Journal, size: int, **options: object) -> list[list[str]]:
    pinned = journal.reads.pin(None)
    found, after = [], None
    while True:
        portion = journal.reads.heads_portion("diary", pinned, after=after, portion=size, **options)  # type: ignore[arg-type]
        found.append([row.key for row in portion.rows])
        after = portion.next_after
        if after is None:
            return found


@pytest.mark.parametrize("size", [1, 2, 7, len(KEYS) - 1, len(KEYS), len(KEYS) + 1])
def test_portions_join_without_gap_or_repetition(listed: Journal, size: int) -> None:
    parts = portions(listed, size)
    assert list(itertools.chain(*parts)) == sorted(KEYS, key=str.encode)
    assert all(len(part) <= size for part in parts)


def test_a_portion_can_begin_after_any_text(listed: Journal) -> None:
    pinned = listed.reads.pin(None)
    for after in ("", "a", "a\t", "nothing", "\uffff", "\U0010ffff"):
        rows = listed.reads.heads_portion("diary", pinned, after=after).rows
        assert [r.key for r in rows] == sorted((k for k in KEYS if k.encode() > after.encode()), key=str.encode)
    for after in ("\0", "\ud800"):
        with pytest.raises(InvalidError):
            listed.reads.heads_portion("diary", pinned, after=after)


def test_a_portion_can_end_at_a_key(listed: Journal) -> None:
    ordered, pinned = sorted(KEYS, key=str.encode), listed.reads.pin(None)
    for upto in (ordered[0], ordered[9], ordered[-1], "a\t", "\U0010ffff"):
        within = [k for k in ordered if ordered[2].encode() < k.encode() <= upto.encode()]
        portion = listed.reads.heads_portion("diary", pinned, after=ordered[2], upto=upto)
        assert ([r.key for r in portion.rows], portion.next_after) == (within, None)
    portion = listed.reads.heads_portion("diary", pinned, upto=ordered[9], portion=9)
    assert portion.next_after == ordered[8]
    portion = listed.reads.heads_portion("diary", pinned, upto=ordered[9], portion=10)
    assert [r.key for r in portion.rows] == ordered[:10]
    with pytest.raises(InvalidError):
        listed.reads.heads_portion("diary", pinned, upto="\0")


def test_a_list_shows_the_moment_it_began_while_commits_go_on(journal: Journal, second: Journal) -> None:
    journal.append_many([draft(f"k{n:03}", b"old", version=1, author="me") for n in range(100)])
    journal.append("k050", None, version=2, author="me")
    before = list(journal.heads(include_empty=True))
    pinned = journal.reads.pin(None)
    seen, after = [], None
    for step in itertools.count():
        second.append_many(
            [
                draft(f"k{90 - step:03}", b"new", version=2, author="me"),
                draft(f"k{step:03}x", b"new", version=1, author="me"),
                draft("k050", b"back", version=3 + step, author="me"),
            ]
        )
        portion = journal.reads.heads_portion(
            "diary", pinned, after=after, portion=10, include_empty=True, payloads=True
        )
        seen += [row.commit("diary") for row in portion.rows]
        after = portion.next_after
        if after is None:
            break
    assert step >= 10
    assert seen == before
    assert list(journal.heads(at=pinned.revision, include_empty=True)) == before


def test_a_list_begins_when_it_is_asked_for(journal: Journal) -> None:
    journal.append("a", b"", version=1, author="me")
    heads = journal.heads()
    journal.append("b", b"", version=1, author="me")
    assert [c.key for c in heads] == ["a"]
    with pytest.raises(NamespaceNotFound):
        journal.heads("nowhere")


def test_a_list_ends_with_an_error_when_the_journal_under_it_is_replaced(journal: Journal) -> None:
    journal.append("a", b"", version=1, author="me")
    backup = copy_of(journal)
    journal.append("b", b"", version=1, author="me")
    gone = journal.reads.pin(None)
    restore(journal, backup)
    with pytest.raises(PositionGone):
        journal.reads.heads_portion("diary", gone)
    journal.append("c", b"", version=1, author="me")
    assert journal.position().revision == gone.revision, "the same revision, another commit"
    with pytest.raises(PositionGone):
        journal.reads.heads_portion("diary", gone)
    pinned = journal.reads.pin(None)
    adopt_engine(journal.engine)
    with pytest.raises(PositionGone):
        journal.reads.heads_portion("diary", pinned)


def test_lists_of_large_payloads_come_whole_but_never_at_once(journal: Journal) -> None:
    sizes = {f"k{n:02}": (900_000, 0, 17_000, 5)[n % 4] for n in range(60)}
    for key, size in sizes.items():
        journal.append(key, key.encode()[-1:] * size, version=1, author="me")
    journal.append("k00", None, version=2, author="me")
    assert {c.key: len(c.payload or b"") for c in journal.heads(at=60)} == sizes
    assert {c.key: c.payload for c in journal.heads()} == {
        key: key.encode()[-1:] * size for key, size in sizes.items() if key != "k00"
    }
    portion = journal.reads.heads_portion("diary", journal.reads.pin(None), payloads=True)
    assert portion.next_after is not None
    assert sum(len(row.payload or b"") for row in portion.rows) <= PORTION_BYTES


def test_a_short_portion_passes_over_all_that_was_removed(journal: Journal) -> None:
    keys = [f"k{n:03}" for n in range(200)]
    journal.append_many([draft(key, b"", version=1, author="me") for key in keys])
    before = journal.reads.pin(None)
    journal.append_many([draft(key, None, version=2, author="me") for key in keys])
    journal.append("z", b"", version=1, author="me")
    portion = journal.reads.heads_portion("diary", journal.reads.pin(None), portion=1)
    assert [row.key for row in portion.rows] == ["z"]
    portion = journal.reads.heads_portion("diary", before, portion=2)
    assert [row.key for row in portion.rows] == keys[:2], "what was removed since is still listed as of then"
