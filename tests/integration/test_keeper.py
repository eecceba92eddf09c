"""The keeper on a real ZooKeeper: the ancestor's rules, and who may use it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta, timezone

import pytest

from rainer.errors import ConflictError, CorruptError, DeniedError, InvalidError, NotFoundError, UnavailableError
from rainer.mirror.keeper import Keeper
from rainer.model.commit import Commit, draft
from tests.integration.tree_writer import MTIME, TreeWriter, commit

ROOT = "/rainer/diary"


@pytest.fixture
def keeper(zookeeper_hosts: str) -> Iterator[Keeper]:
    with Keeper(zookeeper_hosts, ROOT) as keeper:
        yield keeper


@pytest.fixture
def raw(zookeeper_hosts: str) -> Iterator[TreeWriter]:
    with TreeWriter(zookeeper_hosts) as writer:
        yield writer


def test_what_is_saved_is_read(keeper: Keeper) -> None:
    keeper.save(commit("a", 1, b"1"))
    keeper.save(commit("ключ", 7, b""))
    assert keeper.get("a") == commit("a", 1, b"1")
    assert keeper.heads() == {"a": commit("a", 1, b"1"), "ключ": commit("ключ", 7, b"")}


def test_nothing_is_nothing(keeper: Keeper) -> None:
    assert keeper.heads() == {}
    with pytest.raises(NotFoundError, match="'a'"):
        keeper.get("a")
    keeper.save(commit("a", 3, None))
    assert keeper.heads() == {}


def test_a_version_is_never_lowered(keeper: Keeper) -> None:
    keeper.save(commit("a", 5, b"5"))
    with pytest.raises(ConflictError, match=r"version 5.*version 4 is older") as e:
        keeper.save(commit("a", 4, b"4"))
    assert e.value.hint
    with pytest.raises(ConflictError, match="older"):
        keeper.save(commit("a", 4, None))
    keeper.save(commit("a", 9, b"9"))
    assert keeper.get("a").version == 9


def test_the_same_content_again_is_accepted_and_another_refused(keeper: Keeper) -> None:
    keeper.save(commit("a", 5, b"5"))
    keeper.save(commit("a", 5, b"5"))
    elsewhere = MTIME.astimezone(timezone(timedelta(hours=3)))
    keeper.save(Commit("a", 5, b"5", "me", "why", elsewhere))
    with pytest.raises(ConflictError, match="other content under version 5"):
        keeper.save(commit("a", 5, b"else"))
    with pytest.raises(ConflictError, match="other content"):
        keeper.save(commit("a", 5, None))
    with pytest.raises(ConflictError, match="other content"):
        keeper.save(Commit("a", 5, b"5", "me", "why", MTIME + timedelta(milliseconds=1)))


def test_a_removal_takes_the_node_and_a_return_is_possible(keeper: Keeper, raw: TreeWriter) -> None:
    keeper.save(commit("a", 1, b"1"))
    keeper.save(commit("a", 2, None))
    assert raw.client.get_children(f"{ROOT}/data") == []
    keeper.save(commit("a", 3, b"3"))
    assert keeper.get("a").payload == b"3"


def test_bytes_that_nobody_can_read_are_replaced(keeper: Keeper, raw: TreeWriter) -> None:
    keeper.save(commit("b", 1, b"1"))
    raw.client.create(f"{ROOT}/data/a", b"garbage")
    with pytest.raises(CorruptError, match="no commit") as e:
        keeper.get("a")
    assert "save" in str(e.value.hint)
    assert list(keeper.heads()) == ["b"]
    keeper.save(commit("a", 1, b"1"))
    assert keeper.get("a").payload == b"1"


def test_the_ancestors_spelling_of_the_same_commit_is_the_same(keeper: Keeper, raw: TreeWriter) -> None:
    raw.client.ensure_path(f"{ROOT}/data")
    header = (
        b'{"empty":false,"mtime":"2026-01-02T05:04:05.678+02:00","comment":"why","author":"me","version":5,"key":"a"}'
    )
    raw.client.create(f"{ROOT}/data/a", b"%d\n%s\n5\n" % (len(header), header))
    keeper.save(commit("a", 5, b"5"))
    with pytest.raises(ConflictError):
        keeper.save(commit("a", 5, b"6"))


def test_a_draft_is_saved_with_the_time_of_now(keeper: Keeper) -> None:
    keeper.save(draft("a", b"1", version=1, author="me"))
    assert keeper.get("a").mtime > MTIME


def test_names_and_sizes_that_cannot_be_kept_are_refused(keeper: Keeper) -> None:
    with pytest.raises(InvalidError, match="key"):
        keeper.save(commit("a/b", 1))
    with pytest.raises(InvalidError, match="version"):
        keeper.save(commit("a", 0))
    with pytest.raises(InvalidError, match="1 MB"):
        keeper.save(commit("a", 1, bytes(1_100_000)))
    assert keeper.heads() == {}


def test_a_tree_that_a_journal_owns_is_refused(keeper: Keeper, raw: TreeWriter) -> None:
    raw.make()
    raw.publish({"a": b"1"})
    for refused in (lambda: keeper.save(commit("a", 2)), lambda: keeper.get("a"), keeper.heads):
        with pytest.raises(DeniedError, match="journal") as e:
            refused()
        assert "rainer commit" in str(e.value.hint)


def test_savers_of_one_key_never_lower_it(keeper: Keeper) -> None:
    def save(first: int) -> None:
        for version in range(first, 60, 3):
            try:
                keeper.save(commit("a", version, b"%d" % version))
            except ConflictError:
                refused.append(version)

    refused: list[int] = []
    threads = [threading.Thread(target=save, args=[first]) for first in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert keeper.get("a").version == 59
    assert 59 not in refused


def test_without_a_zookeeper_it_says_so() -> None:
    keeper = Keeper("127.0.0.1:1", ROOT, timeout_s=0.2)
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"):
        keeper.get("a")
    keeper.close()
