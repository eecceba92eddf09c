"""A lock file made of a manifest: every entry gets its digest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rainer.assets.lockfile import LockFile
from rainer.assets.publishing_objects import each
from rainer.assets.resolver_fetching import Fetcher
from rainer.assets.resolver_reading import collect
from rainer.assets.resolver_view import Resolved, View
from rainer.assets.sources import Source
from rainer.assets.sources_files import LockSource
from rainer.errors import InvalidManifest
from rainer.model.manifest import Entry
from rainer.store.store import Progress, Store


def locked(
    view: View, source: Source, store: Store, fetcher: Fetcher, paths: Iterable[str] | None, progress: Progress | None
) -> LockFile:  # fmt: skip
    """See Assets.lock."""
    if paths is None and isinstance(source, LockSource):
        return replace(source.lock, store=store.url)
    entries: dict[str, Entry] = {}
    incomplete: list[Resolved] = []
    unknown: list[Resolved] = []
    for one in view.chosen(paths):
        entry = entries[one.path] = view.state.manifest[one.path]
        if entry.override is not None:
            raise InvalidManifest(
                f"{one.path} is overridden by {entry.override}, and so cannot be locked",
                hint="publish it, or take the override out of the manifest",
            )
        if entry.sha256 is None or entry.size is None:
            incomplete.append(one)
    for one, told in zip(incomplete, each(lambda one: store.head(one.uri), incomplete), strict=True):
        sha256 = one.sha256 or told.sha256
        if told.size is None or sha256 is None:
            unknown.append(one)
        else:
            entries[one.path] = Entry(one.version, sha256, told.size)
    for path, file in collect(fetcher.fetch_many(unknown, progress)).items():
        one = view.find(path)
        entries[path] = Entry(one.version, fetcher.digest(one), file.stat().st_size)
    state = view.state
    return LockFile(state.key, state.namespace, state.version, state.revision, store.url, entries)
