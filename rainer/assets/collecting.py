"""Objects that no manifest ever named: found, and removed without harm to whoever publishes meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Final, Literal

from rainer.assets.collecting_candidates import Candidate, Candidates, seconds
from rainer.assets.collecting_marks import Mark, take_away_dead
from rainer.assets.collecting_references import History, names_in_file
from rainer.assets.published import Collected, Unreferenced
from rainer.assets.publishing_objects import each
from rainer.client import Client
from rainer.errors import InvalidError, ObjectNotFound, StoreUnavailable
from rainer.model.assets import split_object_name
from rainer.store.store import Store

GRACE_S: Final = 7 * 86_400.0
"""How old an object must be before anybody may find it unreferenced: longer than any upload takes until its commit."""
BATCH: Final = 500
"""How many objects are removed between two looks at the newest history."""

_AT_ONCE: Final = 64
_IDLE_MAX: Final = 5

_Outcome = Literal["gone", "young", "removed"]
Also = Client | str | PathLike[str]
Report = Callable[[Unreferenced], None]


def collect(
    client: Client,
    store: Store,
    *,
    grace_s: float = GRACE_S,
    dry_run: bool = False,
    foreign: bool = False,
    also: Sequence[Also] = (),
    prefix: str = "",
    report: Report | None = None,
) -> Collected:
    """Find the objects of a store that no version of any manifest names, and remove them unless it is a `dry_run`.

    Manifests are searched in the whole history of all namespaces that the client's server has, and in `also`: further
    clients whose servers use the same store, and manifest or lock files that were checked in with code. **Name all of
    them**: what only they know of is unreferenced otherwise. As a guard, objects of paths that none of them knows in
    any version are only counted and reported, unless `foreign` is true. Never touched are objects younger than
    `grace_s` seconds, those whose age the store does not tell, and those whose names are not of the form that
    publishing gives. `prefix` confines the search to paths that begin with it. `report` hears of each object: found in
    a dry run, removed in a real one, and of the foreign ones.

    May be interrupted at any time and run beside publishers and other collections. Takes one read of the history, in
    pages, and memory that does not grow with store or history (a temporary file does). Raises StoreUnavailable,
    UnavailableError, DeniedError, InvalidError for a payload of which nobody can tell whether it names assets, and
    PositionGone if the journal is replaced meanwhile; what was removed before was right to be removed.
    """
    if grace_s < 0:
        raise InvalidError(f"a grace age of {grace_s:g} s is negative", hint="give 0 or more seconds")
    with Candidates() as candidates:
        run = _Run(store, candidates, _Sources(client, also), grace_s, foreign, report)
        run.gather(prefix)
        if run.count.listed > run.count.young:
            run.sources.refer(candidates)
            if dry_run:
                run.tell()
            else:
                run.remove()
        return run.count.outcome(dry_run)


def unreferenced(
    client: Client, store: Store, *, grace_s: float = GRACE_S, also: Sequence[Also] = (), prefix: str = ""
) -> Iterator[Unreferenced]:
    """What a dry run of collect() finds, foreign objects included, in the order of their URIs."""
    with Candidates() as candidates:
        run = _Run(store, candidates, _Sources(client, also), grace_s, False, None)
        run.gather(prefix)
        run.sources.refer(candidates)
        for batch in run.batches():
            yield from map(run.described, batch)


class _Sources:
    """Everything that may name an object."""

    def __init__(self, client: Client, also: Iterable[Also]) -> None:
        others = list(also)
        self._histories = [History(one) for one in [client, *(one for one in others if isinstance(one, Client))]]
        self._files = [names_in_file(Path(one)) for one in others if not isinstance(one, Client)]

    def refer(self, candidates: Candidates) -> None:
        """Take out of the candidates whatever is named now and was not yet at the last call."""
        for names in self._files:
            candidates.refer(names)
        self._files = []  # they were read once, and do not change under us
        for history in self._histories:
            for names in history.names():
                candidates.refer(names)


@dataclass
class _Count:
    listed: int = 0
    young: int = 0
    found: int = 0
    found_bytes: int = 0
    foreign: int = 0
    removed: int = 0
    removed_bytes: int = 0

    def outcome(self, is_dry_run: bool) -> Collected:
        return Collected(
            self.listed, self.young, self.found, self.found_bytes, self.foreign, self.removed, self.removed_bytes,
            is_dry_run,
        )  # fmt: skip


class _Run:
    """One collection."""

    def __init__(
        self, store: Store, candidates: Candidates, sources: _Sources, grace_s: float, foreign: bool,
        report: Report | None,
    ) -> None:  # fmt: skip
        self.sources = sources
        self.count = _Count()
        self._store = store
        self._candidates = candidates
        self._grace_s = grace_s
        self._foreign = foreign
        self._report = report
        self._now = datetime.now(UTC).timestamp()

    def gather(self, prefix: str) -> None:
        """Gather all objects of our form that are old enough by this machine's clock."""
        for info in self._store.list(prefix.lstrip("/")):
            split = split_object_name("/" + self._store.name(info.uri))
            if split is None:
                continue
            self.count.listed += 1
            if self._is_old(seconds(info.mtime)):
                self._candidates.add(*split, info)
            else:
                self.count.young += 1

    def batches(self) -> Iterator[list[Candidate]]:
        last = ""
        while batch := self._candidates.after(last, BATCH):
            last = batch[-1].uri
            yield batch

    def tell(self) -> None:
        """What a dry run does."""
        for batch in self.batches():
            for one in batch:
                self._find(one)
                self._hear(one)

    def remove(self) -> None:
        """Remove what is left, batch by batch, each under a mark and after another look at the newest history."""
        for batch in self.batches():
            left, idle = self._ours(batch), 0
            while left:
                before, left = len(left), self._remove_some(left)
                idle = idle + 1 if len(left) == before else 0
                if idle >= _IDLE_MAX:
                    raise StoreUnavailable(
                        f"{self._store.url} or the journal is so slow that no deletion began while it was safe",
                        hint="try again when they answer within seconds",
                    )

    def _ours(self, batch: list[Candidate]) -> list[Candidate]:
        ours = []
        for one in batch:
            if one.is_known or self._foreign:
                ours.append(one)
            else:
                self._find(one)
                self._hear(one)
        return ours

    def _remove_some(self, batch: list[Candidate]) -> list[Candidate]:
        """Remove as much of a batch as the life of one mark allows; what is left for another one."""
        mark = Mark(self._store, [one.uri for one in batch])
        try:
            self._judge_by(mark.mtime())
            self.sources.refer(self._candidates)
        except BaseException:
            mark.take_away()
            raise
        left = self._candidates.still(batch)
        # From here on a failure leaves the mark where it is: a deletion without an answer may be done yet.
        while left and mark.counts:
            some, left = left[:_AT_ONCE], left[_AT_ONCE:]
            for one, outcome in zip(some, each(self._remove_one, some), strict=True):
                self._account(one, outcome)
        mark.take_away()
        return left

    def _judge_by(self, now: datetime | None) -> None:
        # The store's clock stamped the objects, and tells the time of the mark just written: our own may be wrong.
        if now is not None:
            self._now = now.timestamp()
            take_away_dead(self._store, now)

    def _remove_one(self, one: Candidate) -> _Outcome:
        try:
            info = self._store.head(one.uri)
        except ObjectNotFound:
            return "gone"
        if not one.is_still(info) or not self._is_old(seconds(info.mtime)):
            return "young"
        return "removed" if self._store.delete(one.uri) else "gone"

    def _account(self, one: Candidate, outcome: _Outcome) -> None:
        if outcome == "young":
            self.count.young += 1
        elif outcome == "removed":
            self._find(one)
            self.count.removed += 1
            self.count.removed_bytes += one.size or 0
            self._hear(one)

    def _is_old(self, mtime: float | None) -> bool:
        return mtime is not None and self._now - mtime >= self._grace_s

    def _find(self, one: Candidate) -> None:
        self.count.found += 1
        self.count.found_bytes += one.size or 0
        self.count.foreign += not one.is_known

    def _hear(self, one: Candidate) -> None:
        if self._report is not None:
            self._report(self.described(one))

    def described(self, one: Candidate) -> Unreferenced:
        age_s = None if one.mtime is None else max(0.0, self._now - one.mtime)
        return Unreferenced(one.uri, one.path, one.version, one.size, age_s, one.is_known)
