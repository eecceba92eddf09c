"""A mirror against a model, and what readers see while it is written: changes as a whole, never a part of one."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainer.mirror import Mirror
from rainer.mirror.backlog import change_of
from rainer.model.commit import Commit
from rainer.model.packed import PackedHead
from tests.mirrors import ByHand, Loaded, at, commit, head, mirror_of

KEYS = [f"k{n}" for n in range(6)]

# A step: the keys of a changeset, and whether each is removed; or a whole state to load.
steps = st.lists(
    st.tuples(
        st.sampled_from(["apply", "apply", "apply", "duplicate", "repair", "replace"]),
        st.lists(st.tuples(st.sampled_from(KEYS), st.booleans()), max_size=8),
    ),
    max_size=12,
)


class Model:
    """What a mirror has to hold, by the shortest way there is."""

    def __init__(self) -> None:
        self.versions = dict.fromkeys(KEYS, 0)
        self.held: dict[str, Commit] = {}
        self.revision = 0

    def changeset(self, changes: list[tuple[str, bool]]) -> list[PackedHead]:
        made = []
        for key, removed in changes:
            self.versions[key] += 1
            self.revision += 1
            made.append(head(key, self.versions[key], None if removed else b"p%d" % self.revision, self.revision))
            self.held.pop(key, None)
            if not removed:
                self.held[key] = commit(key, self.versions[key], b"p%d" % self.revision, self.revision)
        return made


@given(steps, st.booleans())
def test_a_mirror_holds_what_the_model_does(steps: list[tuple[str, list[tuple[str, bool]]]], reads: bool) -> None:
    model, source = Model(), Loaded()
    told: dict[str, Commit] = {}
    last: list[PackedHead] = []
    with mirror_of(source) as mirror:
        listening = mirror.changes()
        for kind, changes in steps:
            generation, before = mirror.generation, dict(model.held)
            if kind == "duplicate":
                assert source.sink.apply(last, at(model.revision))
            elif kind == "repair":
                restated = [head(key, c.version, c.payload, c.revision or 0) for key, c in model.held.items()]
                assert source.sink.apply(restated, at(model.revision), repair=True)
            else:
                last = model.changeset(changes)
                if kind == "apply":
                    assert source.sink.apply(last, at(model.revision))
                else:
                    whole = [head(key, c.version, c.payload, c.revision or 0) for key, c in model.held.items()]
                    assert source.sink.replace(whole, at(model.revision))
            if reads:
                assert mirror.snapshot() == model.held
            assert mirror.revision == model.revision
            assert len(mirror) == len(model.held)
            assert set(mirror) == set(mirror.keys()) == set(model.held)
            assert mirror.get_many(KEYS) == model.held
            assert mirror.generation > generation or model.held == before
            _fold(listening, told)
        assert dict(mirror) == dict(mirror.items()) == {**mirror} == model.held
        assert told == model.held
        assert sorted(mirror.values(), key=lambda c: c.key) == [model.held[key] for key in sorted(model.held)]


def _fold(listening: Any, told: dict[str, Commit]) -> None:
    for step in listening._backlog.take(wait=False):
        key, old, new = change_of(step, "diary")
        assert told.get(key) == old
        told.pop(key, None)
        if new is not None:
            told[key] = new


WAYS: dict[str, Callable[[Mirror], dict[str, Commit]]] = {
    "dict": lambda mirror: dict(mirror),
    "unpacked": lambda mirror: {**mirror},
    "updated": lambda mirror: _updated(mirror),
    "items": lambda mirror: dict(mirror.items()),
    "snapshot": lambda mirror: mirror.snapshot(),
    "values": lambda mirror: {c.key: c for c in mirror.values()},
}


def _updated(mirror: Mirror) -> dict[str, Commit]:
    found: dict[str, Commit] = {"k": commit("k", 1)}
    found.update(mirror)
    del found["k"]
    return found


@pytest.mark.parametrize("way", WAYS)
def test_a_reader_sees_whole_changesets(way: str, seed: int) -> None:
    """Every changeset sets all keys to one version, or leaves one of them out: seen are only such states."""
    turns, keys = 300, [f"k{n}" for n in range(40)]
    source = Loaded([head(key, 1) for key in keys], at(1))
    faults: list[object] = []
    reads = 0
    done = threading.Event()
    with mirror_of(source) as mirror:

        def read() -> None:
            nonlocal reads
            last = 0
            while not done.is_set():
                found = WAYS[way](mirror)
                versions = {c.version for c in found.values()}
                newest = max(versions)
                if len(versions) != 1 or newest < last or len(found) != len(keys) - (newest % 3 == 0):
                    faults.append((versions, len(found), last))
                last, reads = newest, reads + 1

        with _running(read):
            _write(source, keys, turns, seed)
            done.set()
    assert faults == []
    assert reads > 0


def test_a_reader_of_single_keys_never_sees_the_older_after_the_newer(seed: int) -> None:
    """Of each changeset a reader sees key after key: once it saw a part of it, it sees the rest."""
    keys = [f"k{n}" for n in range(10)]
    source = Loaded([head(key, 1) for key in keys], at(1))
    faults: list[object] = []
    done = threading.Event()
    with mirror_of(source) as mirror:

        def read() -> None:
            chance, newest = random.Random(seed), 0
            while not done.is_set():
                key = chance.choice(keys)
                found = mirror.get(key)
                if found is None:
                    newest = max(newest, 3)
                elif found.version < newest:
                    faults.append((key, found.version, newest))
                else:
                    newest = found.version

        with _running(read):
            _write(source, keys, 400, seed)
            done.set()
    assert faults == []


def _write(source: ByHand, keys: list[str], turns: int, seed: int) -> None:
    """Changesets of all keys; every third removes one."""
    chance = random.Random(seed)
    for version in range(2, turns):
        gone = chance.choice(keys) if version % 3 == 0 else None
        records = [head(key, version, None if key == gone else b"x") for key in keys]
        chance.shuffle(records)
        if version % 50:
            assert source.sink.apply(records, at(version))
        else:
            assert source.sink.replace([r for r in records if r.key != gone], at(version))


@contextlib.contextmanager
def _running(target: Callable[[], None]) -> Iterator[None]:
    """Three threads that do the same until the block ends."""
    threads = [threading.Thread(target=target) for _ in range(3)]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()


def test_reading_on_after_the_keys_reads_what_is_held_now() -> None:
    source = Loaded([head("a", 1), head("b", 1)], at(1))
    with mirror_of(source) as mirror:
        keys = list(mirror.keys())
        source.sink.apply([head("a", 2), head("b", 2, None)], at(2))
        assert keys == ["a", "b"]
        assert [mirror.get(key) for key in keys] == [commit("a", 2), None]
        with pytest.raises(KeyError, match="b"):
            mirror["b"]
        for key in mirror.keys():  # noqa: SIM118 - its own way in
            source.sink.apply([head("a", 3)], at(3))
            assert mirror[key].version == 3
    assert "b" not in mirror
    assert "a" in mirror
    assert mirror == {"a": mirror["a"]}
    assert len(mirror) == 1
