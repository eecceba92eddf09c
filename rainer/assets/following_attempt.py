"""One set of assets made ready: fetched by a thread of its own, held, and complete or not there at all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rainer.assets.resolver_fetching import Fetcher
from rainer.assets.resolver_reading import raise_first
from rainer.assets.resolver_view import Resolved, View
from rainer.assets.snapshots import KeepingFetcher
from rainer.assets.sources import ManifestState
from rainer.errors import NotCached, RainerError
from rainer.store.store import Store


@dataclass(frozen=True, eq=False, slots=True)
class ReadySet:
    """A state of which all chosen files are in the cache, verified, and held by `fetcher` while anybody has this."""

    view: View
    fetcher: KeepingFetcher
    digests: frozenset[str]
    count: int


class Attempt:
    """Fetches one state's files; `tell_done` is called, without any lock of ours, when it is over."""

    def __init__(
        self, state: ManifestState, store: Store, fetcher: Fetcher, paths: Sequence[str] | None,
        tell_done: Callable[[], None],
    ) -> None:  # fmt: skip
        self._view = View(state, store)
        self._fetcher = KeepingFetcher(fetcher)
        self._paths = paths
        self._tell_done = tell_done
        self._is_cancelled = False
        self.is_over = False
        """Whether nothing of it is under way any more, whatever it came to; a cancelled one tells no more than this."""
        self._result: ReadySet | BaseException | None = None
        self.thread = threading.Thread(target=self._run, name=f"rainer-assets-{state.key}-fetching", daemon=True)

    @property
    def is_done(self) -> bool:
        return self._result is not None

    def cancel(self) -> None:
        """Fetch nothing more; what is on its way still comes, into the cache only."""
        self._is_cancelled = True

    def result(self) -> ReadySet:
        """What it came to; raises what stood against it."""
        if isinstance(self._result, ReadySet):
            return self._result
        assert self._result is not None
        raise self._result

    def _run(self) -> None:
        try:
            self._result = self._prepare()
        except BaseException as e:
            self._result = e
        if not isinstance(self._result, ReadySet):
            self._fetcher.drop()
        self.is_over = True
        self._tell_done()

    def _prepare(self) -> ReadySet | None:
        self._view.state.check()
        wanted = list(self._view.chosen(self._paths))
        failed: dict[str, RainerError] = {}
        for one, result in self._fetcher.fetch_many(wanted):
            if self._is_cancelled:
                return None
            if isinstance(result, RainerError):
                failed[one.path] = result
        raise_first(failed)
        return ready_set(self._view, self._fetcher, wanted)


def restore(
    state: ManifestState, store: Store, fetcher: Fetcher, paths: Sequence[str] | None
) -> ReadySet:  # fmt: skip
    """The set that was ready once, if all of its files are still here; NotCached and its like if not."""
    view, keeping = View(state, store), KeepingFetcher(fetcher)
    wanted = list(view.chosen(paths))
    keeping.keep(one.sha256 for one in wanted if one.sha256 is not None)
    for one in wanted:
        if one.sha256 is None:
            if not one.is_local:
                fetcher.cache.path_of(one.uri)  # raises where it is not here: nothing is to be fetched for an old set
            keeping.fetch(one)
        elif fetcher.cache.peek(one.sha256, one.size) is None:
            raise NotCached(f"{one.path} is not in the cache any more")
    return ready_set(view, keeping, wanted)


def inherited(ready: ReadySet, fetcher: Fetcher) -> ReadySet:
    """The set that a forked child has from its parent, held by the child itself.

    Nothing of the parent's is touched: its holds are its own.
    """
    keeping = KeepingFetcher(fetcher)
    keeping.keep(ready.digests)
    return replace(ready, fetcher=keeping)


def ready_set(view: View, fetcher: KeepingFetcher, wanted: Sequence[Resolved]) -> ReadySet:
    """The set of these assets, all of which were fetched."""
    digests = frozenset(digest for one in wanted if (digest := fetcher.digest(one)) is not None)
    return ReadySet(view, fetcher, digests, len(wanted))
