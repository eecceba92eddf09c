"""Lists over HTTP that a server remembers: always the heads, whatever happened since, and little of it read again."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from rainer.api.answers import ANCESTOR
from rainer.api.list_memory import ListMemory
from rainer.journal import Journal
from rainer.journal.administration import adopt_engine
from rainer.model.commit import Draft, draft
from tests.contracts.lister import FORMS, PORTION, Lister, expected, listing, statements
from tests.contracts.tables import copy_of, restore

KEYS = [f"k{n:02}" for n in range(5 * PORTION)]
SHORT = ("diary", False, ANCESTOR)


def drafts(keys: list[str], version: int, payload: bytes | None) -> list[Draft]:
    return [draft(key, payload, version=version, author="me") for key in keys]


@pytest.fixture
def lister(journal: Journal) -> Iterator[Lister]:
    """A server whose lists of KEYS are remembered."""
    journal.append_many(drafts(KEYS, 1, b"one"))
    with listing(journal) as lister:
        lister.check()
        yield lister


def test_a_list_that_has_not_changed_is_not_read_again(lister: Lister) -> None:
    with statements(lister.journal) as seen:
        for form in FORMS:
            assert len(lister.ask(f"/diary{form}").json()) == len(KEYS)
    assert seen
    assert [s for s in seen if "commits" in s or "heads" in s] == []


def test_a_list_of_which_a_key_changed_reads_that_portion(lister: Lister, second: Journal) -> None:
    second.append(KEYS[7], b"two", version=2, author="me")
    assert lister.portions_read() == 1
    assert lister.portions_read() == 0
    lister.check()


@pytest.mark.parametrize("key", ["a", KEYS[0] + "x", KEYS[PORTION - 1] + "x", KEYS[9] + "x", KEYS[-1] + "x", "\uffef"])
def test_a_new_key_belongs_to_the_portion_where_it_stands(lister: Lister, second: Journal, key: str) -> None:
    second.append(key, b"new", version=1, author="me")
    assert lister.portions_read() <= 2  # the last one may come to an end that nobody knew before
    lister.check()


def test_a_removed_key_is_no_longer_in_its_portion(lister: Lister, second: Journal) -> None:
    for key in (KEYS[0], KEYS[9], KEYS[-1]):
        second.append(key, None, version=2, author="me")
        lister.check()
    second.append(KEYS[9], b"again", version=3, author="me")
    lister.check()


@pytest.mark.parametrize("first", [0, PORTION, 4 * PORTION])
def test_a_portion_that_is_emptied_vanishes_until_it_is_filled(lister: Lister, second: Journal, first: int) -> None:
    removed = KEYS[first : first + PORTION]
    known = lister.app.lists.get(SHORT)
    assert known is not None
    before = len(known)
    second.append_many(drafts(removed, 2, None))
    lister.check()
    assert len(known) < before
    second.append_many(drafts(removed, 3, b"three"))
    lister.check()
    second.append_many(drafts([key for key in KEYS if key not in removed], 2, None))
    lister.check()


def test_a_portion_that_grows_too_large_is_divided(lister: Lister, second: Journal) -> None:
    known = lister.app.lists.get(SHORT)
    assert known is not None
    before = len(known)
    for n in range(PORTION):
        second.append(f"{KEYS[5]}-{n}", b"", version=1, author="me")
        lister.check()
    assert len(known) == before, "it may be twice as large"
    for n in range(PORTION, 3 * PORTION):
        second.append(f"{KEYS[5]}-{n:02}", b"", version=1, author="me")
    lister.check()
    assert len(known) > before
    second.append(KEYS[5], b"two", version=2, author="me")
    assert lister.portions_read() == 1


def test_many_changes_at_once(lister: Lister, second: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    second.append_many(drafts(KEYS[::2], 2, b"two"))
    lister.check()
    monkeypatch.setattr("rainer.api.listing._CHANGED_MAX", 3)
    second.append_many(drafts(KEYS[1::2], 2, b"two"))
    lister.check()
    assert lister.portions_read() == 0


def test_what_others_commit_elsewhere_leaves_a_list_as_it_is(lister: Lister, second: Journal) -> None:
    second.create_namespace("other")
    second.append(KEYS[0], b"other", version=1, author="me", namespace="other")
    assert lister.portions_read() == 0
    lister.check()
    lister.check("other")


def test_a_namespace_without_keys_gets_its_first(lister: Lister, second: Journal) -> None:
    second.create_namespace("new")
    lister.check("new")
    assert lister.ask("/new").body == b"{}\r\n"
    second.append("k", b"first", version=1, author="me", namespace="new")
    lister.check("new")


def test_a_restored_database(lister: Lister, second: Journal) -> None:
    backup = copy_of(second)
    second.append_many(drafts(KEYS[:3], 2, b"lost"))
    lister.check()
    restore(second, backup)
    lister.check()
    second.append_many(drafts(KEYS[2:7], 2, b"found"))  # past the revision that was lost
    lister.check()
    restore(second, backup)
    second.append_many(drafts(KEYS[:5], 2, b"other"))  # and to the same one, by another history
    lister.check()


def test_a_namespace_that_a_restored_database_does_not_have(lister: Lister, second: Journal) -> None:
    backup = copy_of(second)
    second.create_namespace("new")
    lister.check("new")
    restore(second, backup)
    lister.ask("/new").problem(404, "namespace-not-found", "new")
    lister.check()


def test_an_adopted_database(lister: Lister, second: Journal) -> None:
    adopt_engine(second.engine)
    lister.check()
    second.append(KEYS[0], b"two", version=2, author="me")
    lister.check()


def test_lists_that_are_asked_for_at_once_are_read_once(journal: Journal) -> None:
    journal.append_many(drafts(KEYS, 1, b"one"))
    readers = 6
    with listing(journal) as lister, ThreadPoolExecutor(readers) as threads:
        with statements(journal) as seen:
            answers = list(threads.map(lambda _: lister.ask().body, range(readers)))
        assert len(set(answers)) == 1
        assert sum("heads" in s for s in seen) == len(KEYS) // PORTION + 1
        lister.check()


def test_lists_while_others_commit(lister: Lister, second: Journal, seed: int) -> None:
    rng, readers, lists = random.Random(seed), 4, 10
    versions = dict.fromkeys(KEYS, 1)
    is_done = threading.Event()

    def write() -> None:
        while not is_done.is_set():
            key = rng.choice([*KEYS, f"{rng.choice(KEYS)}-{rng.randrange(9)}"])
            versions[key] = versions.get(key, 0) + 1
            payload = None if rng.random() < 0.3 else b"%d" % versions[key]
            second.append(key, payload, version=versions[key], author="me")

    with ThreadPoolExecutor(readers + 1) as threads:
        writing = threads.submit(write)
        try:
            answers = list(threads.map(lambda n: (n % 2, lister.ask(f"/diary{FORMS[n % 2]}")), range(readers * lists)))
        finally:
            is_done.set()
        writing.result()
    for form, answer in answers:
        revision = int(answer.header("X-Rainer-Revision") or 0)
        assert answer.json() == expected(lister.journal, at=revision)[form]
    lister.check()


def test_what_has_no_room_is_read_each_time(journal: Journal) -> None:
    journal.append_many(drafts(KEYS, 1, b"one"))
    with listing(journal) as lister:
        lister.app.lists = small = ListMemory(6_000, PORTION)
        lister.app._routes.state.lists = small
        for _ in range(3):
            lister.check()
            assert small.size <= 6_000
        assert 0 < lister.portions_read() <= len(KEYS) // PORTION + 1
