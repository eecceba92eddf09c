"""MemoryStore: what all stores promise, and that a name is a place within the process."""

from __future__ import annotations

import subprocess
import sys
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


def test_a_child_waits_for_no_thread_of_its_parent() -> None:
    script = """
import os, signal
from rainer.store import memory
store = memory.MemoryStore("memory://forked")
store.put(store.uri("a"), b"before")
with memory._rooms_lock, memory._rooms["forked"].lock:
    child = os.fork()
    if not child:
        signal.alarm(20)
        store.put(store.uri("a"), b"child")
        os._exit(0 if store.head(store.uri("a")).size == 5 else 1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(code, store.head(store.uri("a")).size)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "0 6\n", done.stderr


@pytest.mark.parametrize("url", ["memory://", "memory:", "memory:///a", "file:///a"])
def test_what_names_no_place(url: str) -> None:
    with pytest.raises(InvalidUri, match="memory"):
        MemoryStore(url)
