"""Where a manifest comes from: what every source offers, and how a state is put together from commits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from rainer.client.address import Address
from rainer.errors import NotFoundError, RainerError
from rainer.model.commit import Commit
from rainer.model.manifest import Entry, Manifest
from rainer.model.manifest_parts import PartedManifest, part_keys, parts_named


@dataclass(frozen=True, eq=False, slots=True)
class ManifestState:
    """A manifest as it stood at one moment; two states are one only if they are the same object.

    `version` is its head key's, and `revision` the newest commit's in it, or where the source does not tell that (a
    mirror's, over ZooKeeper), a later one as of which it still stood so; None where the source tells none. `commits`
    are what it was read from, by key: empty where that were no commits.
    """

    key: str
    namespace: str | None
    manifest: Mapping[str, Entry]
    version: int | None = None
    revision: int | None = None
    commits: Mapping[str, Commit] = field(default_factory=dict, repr=False)

    def says_the_same(self, other: ManifestState) -> bool:
        """Whether the two are of the same commits, wherever they were read; of states without commits nobody knows."""
        if len(self.commits) != len(other.commits) or not self.commits:
            return self is other
        pairs = ((commit, other.commits.get(key)) for key, commit in self.commits.items())
        return all(
            one is two or (two is not None and (one.version, one.payload) == (two.version, two.payload))
            for one, two in pairs
        )

    def is_before(self, other: ManifestState) -> bool:
        """Whether, by the versions of its commits, this is an earlier state than the other."""
        shared = self.commits.keys() & other.commits.keys()
        steps = [other.commits[key].version - self.commits[key].version for key in shared]
        return bool(steps) and min(steps) >= 0 and max(steps) > 0

    def check(self) -> None:
        """Read every entry; InvalidManifest for the first that is wrong."""
        if isinstance(self.manifest, Manifest | PartedManifest):
            self.manifest.check()


class Source(ABC):
    """Tells a manifest's present state. Safe across threads."""

    key: str
    namespace: str | None = None
    place: str | None = None
    """Where the manifest is, to tell it from another of the same key."""
    store_url: str | None = None
    """The store that its assets lie in unless somebody says otherwise; with user and password, if there are."""
    poll_s: float | None = None
    """How often somebody who follows has to look; None where `on_change` tells all, or nothing ever changes."""

    error: RainerError | None = None
    """Why what the source has now cannot be used, while an earlier state goes on."""

    @property
    def is_current(self) -> bool:
        """Whether what `current` tells is known to be the newest: not so of a mirror that only has its snapshot."""
        return self.error is None

    @abstractmethod
    def current(self) -> ManifestState:
        """The state now; the same object for as long as nothing changed. Quick when it did not.

        A manifest that cannot be read is told in the log, and the last good one goes on; without one, InvalidManifest
        is raised. Raises NotFoundError where there is no manifest, and UnavailableError.
        """

    def on_change(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call it from some thread when the state may have changed; returns what ends that."""
        return lambda: None

    def history(self, path: str) -> Iterator[Entry]:
        """The entries that a path ever had, newest first, as far as the source can tell."""
        return iter(())

    @property
    def has_history(self) -> bool:
        """Whether `history` can tell anything."""
        return False

    def restore(self, commits: Mapping[str, Commit]) -> ManifestState:
        """The state that these commits, those of an earlier one, make; InvalidManifest where they make none."""
        return state_of(self.key, self.namespace, commits, None)

    def close(self) -> None:  # noqa: B027 - most have nothing of their own
        """Let go of what the source itself opened."""


def own_store_url(address: Address) -> str:
    """The URL of the store that a server has beside its namespaces; whoever it knows the one by, it knows the other."""
    return address.own_store


def has_moved_on(source: Source, state: ManifestState) -> bool:
    """Whether a source has another state by now. Of one that cannot be read, or is gone, this still is the best."""
    try:
        now = source.current()
    except RainerError:
        return False
    return now is not state and not now.says_the_same(state)


def state_of(
    key: str, namespace: str | None, commits: Mapping[str, Commit], before: ManifestState | None,
    as_of: int | None = None,
) -> ManifestState:  # fmt: skip
    """The state that a head and its parts make, all of one moment; parts that are as `before` are not parsed again.

    `as_of` is the revision of that moment, for commits that do not tell theirs.
    """
    head = commits.get(key)
    if head is None or head.is_empty:
        raise no_manifest(key, namespace)
    payload = head.payload or b""
    parts = parts_named(payload)
    manifest: Manifest | PartedManifest
    if parts:
        manifest = _parted([commits.get(name) for name in part_keys(key, parts)], before)
    else:
        manifest = Manifest.parse(payload)
    revisions = [commit.revision for commit in commits.values() if commit.revision is not None]
    revision = max(revisions) if len(revisions) == len(commits) else as_of
    return ManifestState(key, namespace, manifest, head.version, revision, dict(commits))


def _parted(commits: list[Commit | None], before: ManifestState | None) -> PartedManifest:
    old = None if before is None else before.manifest
    if before is not None and isinstance(old, PartedManifest) and old.parts == len(commits):
        names = part_keys(before.key, len(commits))
        changed = {n: c for n, c in enumerate(commits) if before.commits.get(names[n]) is not c}
        return old.with_parts({n: _payload(c) for n, c in changed.items()})
    return PartedManifest([_payload(commit) for commit in commits])


def _payload(commit: Commit | None) -> bytes:
    return b"" if commit is None else commit.payload or b""


def no_manifest(key: str, namespace: str | None, why: str = "") -> NotFoundError:
    """The error where the key holds nothing."""
    return NotFoundError(
        f"namespace {namespace!r} has no manifest {key!r}{why}",
        hint="the first `rainer asset add` makes it; another one is chosen with its name",
    )
