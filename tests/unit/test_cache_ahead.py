"""Small files that are asked for before they are wanted: each once, none twice, and nobody waits in a circle."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from rainer.cache import Wanted
from rainer.errors import ObjectNotFound, RainerError
from rainer.store.store import Ahead, Reading
from tests.caching import OwnStore, cache_of, digest

COUNT = 100


class _Asked(Ahead):
    def __init__(self, store: EarlyStore, uri: str) -> None:
        self._store, self._uri = store, uri
        store.under_way += 1

    def open(self) -> Reading | None:
        return self._store.open(self._uri)

    def close(self) -> None:
        self._store.under_way -= 1


class EarlyStore(OwnStore):
    """A store that can be asked ahead; `under_way` counts what it was asked and has not been read or closed."""

    under_way = 0
    asked = 0

    def ahead(self, uri: str) -> Ahead | None:
        self.asked += 1
        return _Asked(self, uri)


@pytest.fixture
def store(request: pytest.FixtureRequest) -> EarlyStore:
    return EarlyStore(f"memory://{request.node.name}")


def _fill(store: EarlyStore, size: int = 1_000) -> list[Wanted]:
    files = {f"{number}.bin": os.urandom(size) for number in range(COUNT)}
    return [Wanted(store.set(name, data), digest(data), size) for name, data in files.items()]


def test_small_files_are_asked_for_ahead_and_come_once(store: EarlyStore, tmp_path: Path) -> None:
    wanted = _fill(store)
    with cache_of(store, tmp_path) as cache:
        found = dict(cache.get_many([*wanted, *wanted]))
        assert {digest(path.read_bytes()) for path in found.values() if isinstance(path, Path)} == {
            one.sha256 for one in wanted
        }
    assert len(store.opened) == COUNT
    assert store.asked > COUNT / 2
    assert store.under_way == 0
    assert list((tmp_path / "tmp").iterdir()) == []


def test_two_who_want_the_same_in_opposite_orders_share_it(store: EarlyStore, tmp_path: Path) -> None:
    wanted, paths = _fill(store), []

    def fetch(order: list[Wanted]) -> None:
        with cache_of(store, tmp_path) as cache:
            paths.extend(path for _, path in cache.get_many(order) if isinstance(path, Path))

    threads = [threading.Thread(target=fetch, args=(order,)) for order in (wanted, wanted[::-1], wanted[50:] + wanted)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(paths) == 3 * COUNT + 50
    assert sorted(store.opened) == sorted(one.uri for one in wanted)
    assert store.under_way == 0


def test_what_is_wrong_is_said_of_each(store: EarlyStore, tmp_path: Path) -> None:
    wanted = _fill(store)
    wrong = [one._replace(sha256=digest(b"other")) for one in wanted[:3]]
    none = [Wanted(store.uri(f"none{number}"), digest(b"%d" % number), 10) for number in range(3)]
    with cache_of(store, tmp_path) as cache:
        found = list(cache.get_many([*wrong, *none, *wanted[50:]]))
    errors = [error for _, error in found if isinstance(error, RainerError)]
    assert len(found) == 56
    assert sum(isinstance(error, ObjectNotFound) for error in errors) == 3
    assert len(errors) == 6
    assert store.under_way == 0
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_was_asked_for_is_fetched_when_nobody_listens_any_more(store: EarlyStore, tmp_path: Path) -> None:
    with cache_of(store, tmp_path) as cache:
        many = cache.get_many(_fill(store) * 10)
        assert next(many)
        many.close()  # type: ignore[attr-defined]
        assert store.under_way == 0
        assert list((tmp_path / "tmp").iterdir()) == []


def test_large_files_are_not_asked_for_ahead(store: EarlyStore, tmp_path: Path) -> None:
    with cache_of(store, tmp_path) as cache:
        assert len(list(cache.get_many(_fill(store, 200_000)))) == COUNT
    assert store.asked == 0
