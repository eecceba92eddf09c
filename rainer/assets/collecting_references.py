"""Which objects the whole history of a server names: read from the feeds of all its namespaces, a page at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from rainer.assets.lockfile import read_file
from rainer.client import Client
from rainer.errors import InvalidError, NamespaceNotFound
from rainer.model.assets import asset_path
from rainer.model.commit import Commit

_VERSION: Final = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", re.ASCII)
_URI: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.ASCII)
_MAY_NAME: Final = re.compile(rb"\d\.\d+\.\d|://|\\u|\0")
"""What stands in any payload that names a version or a URI: as it is, escaped, or in wider characters."""

Named = tuple[str, str | None]
"""What something names: an asset's path and a version, or a URI and None."""


class Unreadable(ValueError):
    """A payload that may name assets, and from which they cannot be read."""


def named_by(payload: bytes) -> set[Named]:
    """What a payload names, be it a manifest in either form, a part of one, a lock file, or something like them.

    Deliberately looser than the manifest's own reader: whatever pairs a name with a version counts, at any depth, also
    beside entries that no manifest may have. To take something for a manifest that is none keeps an object; to miss
    one would delete it. Raises Unreadable for what nobody can tell of.
    """
    found: set[Named] = set()

    def meet(pairs: list[tuple[str, Any]]) -> Any:
        version: str | None = None
        for name, value in pairs:
            for text in value if isinstance(value, list) else [value]:
                if not isinstance(text, str):
                    continue
                if _VERSION.fullmatch(text):
                    found.add((name, text))
                    version = text if name == "version" else version
                elif _URI.match(text):
                    found.add((text, None))
        # An entry stands for its version in what holds it, so that the path and the version meet there.
        return version

    try:
        json.loads(payload, object_pairs_hook=meet)
    except RecursionError:
        if _MAY_NAME.search(payload):
            raise Unreadable("it is nested too deeply") from None
        return set()
    except ValueError:
        # Not JSON, so nothing that was ever read as a manifest.
        return set()
    return found


def clean(named: Named) -> Named | None:
    """The same with the path in its one right form; None for what no asset can be called."""
    text, version = named
    if version is None:
        return named
    try:
        return asset_path(text), version
    except InvalidError:
        return None


class History:
    """The feeds of all namespaces of one server, each read once and from then on only for what is new."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._since: dict[str, tuple[int, str, str]] = {}

    def names(self) -> Iterator[set[Named]]:
        """What all commits since the last call name, up to one that was made after this call began at least.

        One page of the feed stands in memory at a time. Raises PositionGone where the journal was replaced by another
        meanwhile (a restored backup): then nothing that was read before can be relied on. InvalidError for a payload
        of which nobody can tell.
        """
        # Namespaces are listed each time: one that came into being meanwhile may hold a manifest, too.
        for namespace in self._client.namespaces():
            yield from self._names_of(self._client.in_namespace(namespace.name))

    def _names_of(self, client: Client) -> Iterator[set[Named]]:
        name = client.namespace_name
        while True:
            since, lineage, chain = self._since.get(name, (0, None, None))
            try:
                page = client.changes(since, payloads=True, lineage=lineage, chain=chain)
            except NamespaceNotFound:
                return
            for commit in page.commits:
                if commit.payload:
                    yield _named_in(commit, commit.payload)
            self._since[name] = (page.revision, page.lineage, page.chain)
            if not page.more:
                return


def _named_in(commit: Commit, payload: bytes) -> set[Named]:
    try:
        return named_by(payload)
    except Unreadable as e:
        raise InvalidError(
            f"what version {commit.version} of {commit.key!r} in {commit.namespace} names cannot be told: {e}",
            hint="nothing was removed that it may name; unreferenced objects of this store can only be removed by hand",
        ) from None


def names_in_file(path: Path) -> set[Named]:
    """What is named by a manifest or lock file that somebody has checked in. Raises InvalidError if it cannot be read.

    One that names nothing at all is refused as well: it is more likely the wrong file than an empty manifest.
    """
    payload = read_file(path)
    try:
        found = named_by(payload)
    except Unreadable as e:
        raise InvalidError(f"{path} cannot be read: {e}", hint="name a manifest or lock file") from None
    if not found:
        raise InvalidError(f"{path} names no assets", hint="name a manifest or a lock file, in JSON")
    return found
