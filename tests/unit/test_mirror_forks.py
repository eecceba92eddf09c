"""Forks: a child reads what its parent held, lives again when it is used, and takes nothing from its parent."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable

import pytest

from rainer.mirror import Mirror
from tests.mirrors import AWAY, Loaded, at, commit, head

PATIENCE_S = 20.0

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


def in_child(check: Callable[[], None]) -> None:
    """Run this in a forked child; what it raises there fails here."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            check()
            code = 0
        except BaseException:
            os.write(writing, traceback.format_exc().encode()[-4000:])
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        words = told.read().decode()
    assert os.waitpid(child, 0)[1] == 0, words


class Sources:
    """Makes sources, and remembers them."""

    def __init__(self) -> None:
        self.made: list[Loaded] = []
        self.heads, self.position = [head("a", 1), head("b", 1)], at(2)

    def __call__(self) -> Loaded:
        self.made.append(Loaded(self.heads, self.position))
        return self.made[-1]


def test_a_child_reads_on_and_opens_a_source_of_its_own_when_it_reads(tmp_path: object) -> None:
    sources = Sources()
    heard: list[int] = []
    mirror = Mirror(sources, "diary")
    mirror.on_change(lambda _key, _old, new: heard.append(0 if new is None else new.version))
    with mirror:

        def child() -> None:
            assert threading.active_count() == 1
            assert (mirror.state, len(sources.made), sources.made[0].fate) == ("stale", 1, "abandoned")
            sources.heads, sources.position = [head("a", 2), head("b", 1)], at(3)
            heard.clear()
            assert mirror["a"].version in (1, 2)  # what was inherited, and the sign to live
            assert len(sources.made) == 2
            assert mirror.wait_for("a", 2, timeout_s=PATIENCE_S) == commit("a", 2)
            assert (mirror.state, mirror.revision, dict(mirror)["a"].version) == ("current", 3, 2)
            while not heard:
                mirror.wait_for_revision(3)
            assert heard == [2]
            mirror.close()
            assert sources.made[1].fate == "closed"
            assert threading.active_count() == 1

        in_child(child)
        assert (mirror.state, sources.made[0].fate, len(sources.made)) == ("current", "", 1)
        assert sources.made[0].sink.apply([head("b", 2)], at(3))
        assert mirror["b"].version == 2


@pytest.mark.parametrize(
    "touch",
    [
        lambda mirror: mirror.get("a"),
        lambda mirror: "a" in mirror,
        len,
        list,
        dict,
        lambda mirror: mirror.snapshot(),
        lambda mirror: mirror.wait_for("a", 1),
        lambda mirror: mirror.changes(),
        lambda mirror: mirror.on_change(lambda *_: None),
    ],
)
def test_whatever_reads_wakes_it(touch: Callable[[Mirror], object]) -> None:
    sources = Sources()
    with Mirror(sources, "diary") as mirror:

        def child() -> None:
            assert (mirror.state, mirror.revision, len(sources.made)) == ("stale", 2, 1)
            touch(mirror)
            assert len(sources.made) == 2
            mirror.close()

        in_child(child)


def test_a_child_that_does_not_use_it_opens_nothing_and_writes_nothing(tmp_path: object) -> None:
    sources = Sources()
    path = os.path.join(str(tmp_path), "diary")  # noqa: PTH118 - a text is a path, too
    with Mirror(sources, "diary", snapshot=path) as mirror:

        def child() -> None:
            mirror.close()
            assert (len(sources.made), os.path.exists(path + ".previous")) == (1, False)  # noqa: PTH110
            assert mirror["a"] == commit("a", 1)
            assert len(sources.made) == 1

        in_child(child)


def test_a_fork_in_the_middle_of_changes_inherits_whole_ones() -> None:
    keys = [f"k{n}" for n in range(50)]
    sources = Sources()
    sources.heads, sources.position = [head(key, 1) for key in keys], at(1)
    done = threading.Event()
    with Mirror(sources, "diary") as mirror:

        def write() -> None:
            version = 1
            while not done.is_set():
                version += 1
                sources.made[0].sink.apply([head(key, version) for key in keys], at(version))

        writing = threading.Thread(target=write)
        writing.start()

        def child() -> None:
            sources.__class__.__call__ = lambda self: _Silent()  # type: ignore[method-assign]
            assert len({c.version for c in dict(mirror).values()}) == 1

        try:
            for _ in range(20):
                in_child(child)
        finally:
            done.set()
            writing.join()


class _Silent(Loaded):
    def start(self, sink: object) -> None:
        """Never a word."""


def test_a_mirror_that_is_closed_or_never_started_forks_as_such() -> None:
    sources = Sources()
    never = Mirror(sources, "diary")
    with Mirror(sources, "diary") as closed:
        pass

    def child() -> None:
        assert (never.state, closed.state) == ("new", "closed")
        assert closed["a"] == commit("a", 1)
        never.start()
        assert never.state == "current"
        never.close()

    in_child(child)


def test_in_a_child_whose_source_is_away_the_inherited_state_is_stale_and_ages() -> None:
    sources = Sources()
    with Mirror(sources, "diary") as mirror:

        def child() -> None:
            class Away(Loaded):
                def load(self, *_: object) -> None:
                    self.away()

            mirror._open_source = Away
            age_s = mirror.age_s
            assert mirror["a"] == commit("a", 1)
            assert (mirror.state, mirror.error) == ("stale", AWAY)
            assert mirror.age_s >= age_s
            mirror.close()

        in_child(child)
