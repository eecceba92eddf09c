"""MemoryStore: what all stores promise, and that a name is a place within the process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rainer.errors import InvalidUri
from rainer.store.memory import MemoryStore
from tests.unit.store_promises import TEXT, StorePromises, read


class TestMemoryStore(StorePromises):
    @pytest.fixture
    def store(self, request: pytest.FixtureRequest) -> Iterator[MemoryStore]:
        store = MemoryStore("memory://test-promises/some/prefix")
        yield store
        store.clear()


def test_a_name_is_shared_and_a_prefix_is_a_part() -> None:
    whole, part, other = MemoryStore("memory://m1"), MemoryStore("memory://m1/p/"), MemoryStore("memory://m2")
    part.put(part.uri("a"), TEXT)
    whole.put(whole.uri("b"), TEXT)
    assert read(whole, "memory://m1/p/a") == TEXT
    assert [info.uri for info in whole.list()] == ["memory://m1/b", "memory://m1/p/a"]
    assert list(other.list()) == []
    part.clear()
    assert [info.uri for info in whole.list()] == ["memory://m1/b"]
    whole.clear()


@pytest.mark.parametrize("url", ["memory://", "memory:", "memory:///a", "file:///a"])
def test_what_names_no_place(url: str) -> None:
    with pytest.raises(InvalidUri, match="memory"):
        MemoryStore(url)
